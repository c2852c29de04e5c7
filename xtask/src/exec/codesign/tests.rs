//! A signer is believed only when what it left is the program with a signature.
//!
//! Signers here are shell scripts, and so is what is asked about authorities.

use super::*;
use crate::authenticode::tests::{program, signed};
use crate::config::model::{Secret, Signer};
use std::os::unix::fs::PermissionsExt;

const NAME: &str = "node.exe";

fn roots(folder: &Path) -> Roots {
    Roots {
        workspace: folder.to_owned(),
        target: folder.to_owned(),
        work: folder.join("work"),
        release: folder.join("release"),
    }
}

fn how(signer: Signer) -> Codesigning {
    Codesigning {
        declared: Codesign {
            required: true,
            timestamp_url: Some("http://t.example".to_owned()),
            authorities: Some("ca.pem".to_owned()),
            timestamp_authorities: Some("tsa.pem".to_owned()),
            signer,
        },
        description: "Node {file}".to_owned(),
        homepage: "https://n.example".to_owned(),
        epoch: 1_700_000_000,
        removed: vec!["PASSWORD".to_owned()],
    }
}

/// The command line that signs `FILE`, as one text.
fn shown(signer: Signer, secrets: &SecretFiles) -> String {
    let words = signing(&how(signer), secrets, &roots(Path::new("/w")));
    let word = |word: &Word| match word {
        Word::Text(text) => text.clone(),
        Word::Template(template) => template.replace(FILE, "FILE"),
        Word::File => "FILE".to_owned(),
        Word::Signed => "SIGNED".to_owned(),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_command_line_names_files_with_secrets_and_holds_none() {
    let secrets = SecretFiles { pkcs12: Some("/k.p12".into()), password: Some("/pw".into()) };
    let key = CodesignKey::Pkcs12(Secret::Environment("P12".to_owned()));
    let password = Some(Secret::Environment("PASSWORD".to_owned()));
    let rest = "-h sha256 -n Node {file} -i https://n.example -ts http://t.example -st 1700000000 -in FILE -out SIGNED";
    assert_eq!(
        shown(Signer::Osslsigncode { key, password }, &secrets),
        format!("osslsigncode sign -pkcs12 /k.p12 -readpass /pw {rest}")
    );
    let key = CodesignKey::Pkcs11 {
        module: "/m.so".to_owned(),
        engine: None,
        key: "pkcs11:object=k".to_owned(),
        certificates: "chain.pem".to_owned(),
    };
    assert_eq!(
        shown(Signer::Osslsigncode { key, password: None }, &SecretFiles::default()),
        format!(
            "osslsigncode sign -pkcs11module /m.so -certs /w/chain.pem -key pkcs11:object=k {rest}"
        )
    );
    let certificate = StoreCertificate::Subject("Us".to_owned());
    assert_eq!(
        shown(Signer::Signtool { certificate, machine_store: true }, &SecretFiles::default()),
        "signtool sign /fd SHA256 /n Us /sm /d Node {file} /du https://n.example /tr http://t.example /td SHA256 FILE"
    );
    let words = ["sign", "--at={file}"].map(str::to_owned).to_vec();
    assert_eq!(
        shown(Signer::Command { words, variables: Vec::new() }, &SecretFiles::default()),
        "sign --at=FILE"
    );
}

#[test]
fn a_signature_is_checked_against_what_is_declared() {
    let certificate = StoreCertificate::Thumbprint("00".to_owned());
    let mut declared = how(Signer::Signtool { certificate, machine_store: false }).declared;
    let words = |declared: &Codesign| format!("{:?}", verifying(declared, &roots(Path::new("/w"))));
    let found = words(&declared);
    assert!(found.contains("\"-CAfile\"), Text(\"/w/ca.pem\")"), "{found}");
    assert!(found.contains("\"-TSA-CAfile\"), Text(\"/w/tsa.pem\")"), "{found}");
    declared.authorities = None;
    assert!(words(&declared).starts_with("[Text(\"signtool\"), Text(\"verify\"), Text(\"/pa\")"));
}

/// A signer, and what is asked about authorities, as scripts; the file is `$1`.
fn job(sign: &str, verify: &str, folder: &Path) -> Job {
    let script = |script: &str| {
        let words = [text("sh"), text("-c"), text(script), text("signer")];
        words.into_iter().chain([Word::File]).collect()
    };
    Job {
        sign: script(sign),
        verify: script(verify),
        says: None,
        time_stamped: false,
        removed: Vec::new(),
        workspace: folder.to_owned(),
    }
}

/// Signs a program; `whole` is it with a signature, `other` another program with one.
#[track_caller]
fn check(sign: &str, verify: &str, expected: Result<(), &str>) {
    let folder = tempfile::tempdir().unwrap();
    let unsigned = program(0x20b);
    let whole = signed(&unsigned, |_| {});
    files::write(&folder.path().join("whole"), &whole, 0o644).unwrap();
    let mut other = unsigned.clone();
    other[0x1f0] ^= 1;
    files::write(&folder.path().join("other"), &signed(&other, |_| {}), 0o644).unwrap();
    let made = job(sign, verify, folder.path()).sign(folder.path(), NAME, &unsigned);
    match expected {
        Ok(()) => assert_eq!(made.unwrap(), whole),
        Err(expected) => {
            let error = made.unwrap_err().to_string();
            let error = error.replace(&folder.path().display().to_string(), "");
            assert_eq!(error, format!("{NAME} is not code-signed: {expected}"));
        }
    }
}

#[test]
fn what_a_signer_leaves_is_looked_at() {
    check("cp whole \"$1\"", "cmp whole \"$1\"", Ok(()));
    check("true", "true", Err("the signer succeeded, but the file carries no signature"));
    check("cp other \"$1\"", "true", Err("the signer changed more than the signature"));
    check("rm \"$1\"", "true", Err("the signer succeeded and wrote nothing"));
    check(
        "echo no token >&2; exit 4",
        "true",
        Err("sh -c \"echo no token >&2; exit 4\" signer /node.exe\nexit status: 4\n    no token"),
    );
    check(
        "cp whole \"$1\"",
        "echo not trusted; exit 1",
        Err("sh -c \"echo not trusted; exit 1\" signer /node.exe\nexit status: 1\n    not trusted"),
    );
}

#[test]
fn a_declared_time_stamp_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let unsigned = program(0x20b);
    files::write(&folder.path().join("whole"), &signed(&unsigned, |_| {}), 0o644).unwrap();
    let job = Job { time_stamped: true, ..job("cp whole \"$1\"", "true", folder.path()) };
    let error = job.sign(folder.path(), NAME, &unsigned).unwrap_err().to_string();
    assert_eq!(error, "node.exe is not code-signed: the signature has no RFC 3161 time stamp");
    for (said, expected) in [("ok", None), ("failed", Some("nobody vouches for the time stamp"))] {
        let verify = format!("echo Timestamp Server Signature verification: {said}");
        let says = Some(TIME_STAMP_VERIFIED.to_owned());
        let job = Job { says, ..self::job("cp whole \"$1\"", &verify, folder.path()) };
        let found = job.sign(folder.path(), NAME, &unsigned).err().map(|error| error.to_string());
        assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
        assert!(expected.is_none_or(|expected| found.unwrap().contains(expected)));
    }
}

#[test]
fn a_desk_is_private_and_an_uninstaller_that_was_not_brought_to_it_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let roots = roots(folder.path());
    let certificate = StoreCertificate::Thumbprint("00".to_owned());
    let how = how(Signer::Signtool { certificate, machine_store: false });
    let declared = Codesign { timestamp_url: None, ..how.declared.clone() };
    let credentials = super::super::keys::codesign::load(
        &declared,
        super::super::keys::Places { root: folder.path(), target: folder.path() },
        &super::super::keys::Process,
    );
    let desk = Desk::new(&how, Some(&credentials.unwrap()), &roots).unwrap();
    let mode = std::fs::metadata(desk.folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let error = desk.require_uninstaller("setup.exe").unwrap_err().to_string();
    assert_eq!(
        error,
        "the uninstaller in setup.exe is not code-signed: its script has no `!uninstfinalize '${CODESIGN}' = 0`"
    );
    assert!(matches!(Desk::new(&how, None, &roots), Err(Cause::NoKey)));
}

#[test]
fn an_uninstaller_is_signed_where_the_compiler_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let unsigned = program(0x20b);
    let whole = signed(&unsigned, |_| {});
    files::write(&folder.path().join("whole"), &whole, 0o644).unwrap();
    let job = job("cp whole \"$1\"", "true", folder.path());
    files::write(&folder.path().join(JOB), &serde_json::to_vec(&job).unwrap(), 0o600).unwrap();
    let kept = folder.path().join("makensisAbC");
    files::write(&kept, &unsigned, 0o600).unwrap();
    let arguments = ["codesign-uninstaller".to_owned(), kept.display().to_string()];
    let place = folder.path().to_str().unwrap();
    assert!(intercept(&arguments, None).is_none());
    assert!(intercept(&["dist".to_owned(), String::new()], Some(place)).is_none());
    assert!(intercept(&arguments, Some(place)).is_some());
    assert_eq!(std::fs::read(&kept).unwrap(), whole);
    assert!(folder.path().join(UNINSTALLER_SIGNED).is_file());
}
