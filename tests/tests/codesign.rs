//! Authenticode signatures: what Windows runs carries them, `osslsigncode` accepts them, and without them nothing is
//! published. The publisher is made by the tests.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::code_signing::{Publisher, TimeStamps, Token};
use tests::process::{self, Finished};
use tests::release;
use tests::wine::Wine;
use tests::workspace::{DECLARATION, Tree, Workspace, tree};
use tests::{declared, needs, tools};
use xtask::authenticode::{self, Signature};

const LIMIT: Duration = Duration::from_secs(300);
const TARGET: &str = "x86_64-pc-windows-msvc";
const SETUP: &str = "field-probe-2.5.0-x86_64-pc-windows-msvc-setup.exe";
const ZIP: &str = "field-probe-2.5.0-x86_64-pc-windows-msvc.zip";
const PASSWORD: &str = "correct-horse-3f9a";
/// By these variables the declarations refer to the publisher's key.
const VARIABLES: [&str; 2] = ["TEST_PKCS12", "TEST_PASSWORD"];
const OSSLSIGNCODE: &str = "[codesign.osslsigncode]
pkcs12 = { environment = \"TEST_PKCS12\" }
password = { environment = \"TEST_PASSWORD\" }
";

/// A workspace whose stand-ins are code-signed by a publisher.
struct Site {
    workspace: Workspace,
    publisher: Publisher,
    declaration: String,
}

impl Site {
    fn new() -> Self {
        // The compiler of the installer goes through a shell; its words must not.
        let workspace = Workspace::field_probe_in("a b'c\"$d ");
        let publisher = Publisher::new(PASSWORD);
        std::fs::copy(publisher.authority(), workspace.path("packaging/authority.pem")).unwrap();
        let declaration = std::fs::read_to_string(workspace.path(DECLARATION)).unwrap();
        Self { workspace, publisher, declaration }
    }

    /// Declares what signs: keys of `[codesign]` and tables in it.
    fn declare(&self, keys: &str) {
        let codesign = format!("[codesign]\nauthorities = \"packaging/authority.pem\"\n{keys}");
        let text = format!("{}\n{codesign}", self.declaration);
        std::fs::write(self.workspace.path(DECLARATION), text).unwrap();
    }

    /// `cargo xtask` with the publisher's key in the environment.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace.command(arguments);
        let [pkcs12, password] = VARIABLES;
        command.env(pkcs12, self.publisher.pkcs12_base64());
        command.env(password, PASSWORD);
        command
    }

    fn dist(&self) -> Finished {
        process::run(&mut self.command(&["dist", "--stub-build"]), LIMIT)
    }

    fn released(&self) -> Tree {
        tree(&self.workspace.dist())
    }

    fn manifest(&self) -> Value {
        let text = std::fs::read(self.workspace.dist().join("release.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// The program in the archive.
    fn program(&self) -> PathBuf {
        let to = self.workspace.path("unpacked");
        let mut command = Command::new("unzip");
        command.arg("-oqj").arg(self.workspace.dist().join(ZIP)).arg("*/fprobed.exe");
        process::run(command.arg("-d").arg(&to), LIMIT).success();
        to.join("fprobed.exe")
    }

    /// The previous release is whole and in its place, and what was said names the file that was not signed.
    #[track_caller]
    fn refuses(&self, run: &Finished, before: &Tree, told: &[&str]) {
        assert_eq!(run.code(), Some(1), "{run}");
        for told in told {
            assert!(run.stderr.contains(told), "{told:?}: {run}");
        }
        assert!(!said(run).contains(PASSWORD), "{run}");
        assert!(self.released() == *before, "the previous release was touched");
    }
}

macro_rules! needs_signer {
    () => {
        needs!(Tool("makensis"), Tool("osslsigncode"), Tool("openssl"), Tool("unzip"));
    };
}

/// All that a program wrote; the command itself has the secrets in its environment.
fn said(run: &Finished) -> String {
    format!("{}\n{}", run.stdout, run.stderr)
}

fn artifact<'a>(manifest: &'a Value, name: &str) -> &'a Value {
    let artifacts = manifest["artifacts"].as_array().unwrap();
    artifacts.iter().find(|artifact| artifact["name"] == name).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    xtask::checksum::digest(xtask::config::model::Algorithm::Sha256, bytes)
}

#[test]
fn program_and_setup_are_signed_and_the_digest_before_is_kept() {
    needs_signer!();
    let site = Site::new();
    site.declare(OSSLSIGNCODE);
    site.dist().success();
    site.publisher.vouches_for(&site.program());
    site.publisher.vouches_for(&site.workspace.dist().join(SETUP));

    let manifest = site.manifest();
    assert_eq!(manifest["code-signed"], true);
    let built = format!("target/xtask/build/{TARGET}/fprobed.exe");
    let built = sha256(&std::fs::read(site.workspace.path(&built)).unwrap());
    for name in [ZIP, SETUP] {
        let files = artifact(&manifest, name)["files"].as_array().unwrap();
        let is_program = |file: &&Value| file["path"].as_str().unwrap().ends_with("fprobed.exe");
        let program = files.iter().find(is_program).unwrap();
        assert_eq!(program["unsigned-digests"]["sha256"], built, "{name}");
        assert_ne!(program["digests"]["sha256"], built, "{name}");
        assert_eq!(files.iter().filter(|file| file["unsigned-digests"].is_object()).count(), 1);
    }
    let unsigned = site.workspace.path(&format!("target/xtask/unsigned/{SETUP}"));
    let setup = artifact(&manifest, SETUP);
    assert_eq!(setup["unsigned-digests"]["sha256"], sha256(&std::fs::read(unsigned).unwrap()));
    assert_eq!(setup["digests"]["sha256"], sha256(&site.released()[SETUP]));
    let verified = site.workspace.xtask(["verify"]).success();
    assert!(verified.contains("code    signed for Windows"), "{verified}");

    // Nothing on this machine's side of the release is taken for signed that is not.
    std::fs::write(site.workspace.path(DECLARATION), &site.declaration).unwrap();
    site.dist().success();
    assert_eq!(site.manifest()["code-signed"], false);
    assert!(!site.publisher.verify(&site.workspace.dist().join(SETUP)).status.success());
}

#[test]
fn without_a_time_stamp_the_same_sources_make_the_same_signed_bytes() {
    needs_signer!();
    let site = Site::new();
    site.declare(OSSLSIGNCODE);
    site.dist().success();
    let first = site.released();
    let again = site.dist();
    assert!(!again.stderr.contains("codesign"), "an unchanged program was signed again: {again}");
    again.success();
    std::fs::remove_dir_all(site.workspace.path("target/xtask")).unwrap();
    let anew = site.dist();
    assert!(anew.stderr.contains("codesign  fprobed.exe"), "{anew}");
    anew.success();
    assert!(site.released() == first, "a second build differs");
}

#[test]
fn without_a_good_signature_nothing_is_published_and_the_file_is_named() {
    needs_signer!();
    let site = Site::new();
    // The release that is to survive.
    site.dist().success();
    let before = site.released();
    let refuses = |keys: &str, told: &[&str]| {
        site.declare(keys);
        site.refuses(&site.dist(), &before, told);
    };
    let program = "step codesign/x86_64-pc-windows-msvc failed: fprobed.exe is not code-signed: ";
    refuses("command = [\"false\", \"{file}\"]\n", &[program, "exit status: 1"]);
    refuses("command = [\"true\", \"{file}\"]\n", &[program, "carries no signature"]);
    refuses("command = [\"no-such-signer\", \"{file}\"]\n", &[program, "no-such-signer"]);
    refuses(
        "[codesign.osslsigncode]\npkcs12 = { file = \"no-such.p12\" }\n",
        &["no-such.p12: cannot read the PKCS#12 file"],
    );
    refuses(
        "[codesign.osslsigncode]\npkcs12 = { environment = \"TEST_UNSET\" }\n",
        &["the PKCS#12 file: environment variable TEST_UNSET is not set", "help: set TEST_UNSET"],
    );
    // A service that does not answer.
    refuses(&format!("timestamp-url = \"http://127.0.0.1:9/\"\n{OSSLSIGNCODE}"), &[program]);

    site.declare(OSSLSIGNCODE);
    let mut command = site.command(&["dist", "--stub-build"]);
    command.env(VARIABLES[1], "wrong");
    site.refuses(&process::run(&mut command, LIMIT), &before, &[program, "Wrong password?"]);

    let stranger = Publisher::new("other");
    std::fs::copy(stranger.authority(), site.workspace.path("packaging/authority.pem")).unwrap();
    site.refuses(&site.dist(), &before, &[program, "osslsigncode verify", "exit status: 1"]);

    // Linux alone takes no key.
    let linux = ["dist", "--stub-build", "--target", "x86_64-unknown-linux-musl", "--out", "linux"];
    site.workspace.xtask(linux).success();
}

#[test]
fn a_declared_time_stamp_is_asked_for_and_checked() {
    needs_signer!();
    let site = Site::new();
    let service = TimeStamps::start(&site.publisher);
    let stamped = format!(
        "timestamp-url = \"{}\"\ntimestamp-authorities = \"packaging/authority.pem\"\n",
        service.url()
    );
    site.declare(&format!("{stamped}{OSSLSIGNCODE}"));
    site.dist().success();
    // Program, uninstaller and setup.
    assert_eq!(service.served(), 3);
    let setup = std::fs::read(site.workspace.dist().join(SETUP)).unwrap();
    assert_eq!(authenticode::signature(&setup), Ok(Signature { time_stamped: true }));
    let before = site.released();

    // A time stamp of a service that nobody vouches for, and none at all, although one is declared.
    let stranger = Publisher::new("other");
    let theirs = TimeStamps::start(&stranger);
    site.declare(&format!("{}{OSSLSIGNCODE}", stamped.replace(&service.url(), &theirs.url())));
    site.refuses(
        &site.dist(),
        &before,
        &["fprobed.exe is not code-signed", "nobody vouches for the time stamp"],
    );
    let key = site.publisher.pkcs12().display().to_string();
    let sign = format!(
        "osslsigncode sign -pkcs12 '{key}' -pass \\\"$TEST_PASSWORD\\\" -in \\\"$0\\\" -out \\\"$0.new\\\" && mv \\\"$0.new\\\" \\\"$0\\\""
    );
    site.declare(&format!("{stamped}command = [\"sh\", \"-c\", \"{sign}\", \"{{file}}\"]\n"));
    site.refuses(&site.dist(), &before, &["the signature has no RFC 3161 time stamp"]);
}

#[test]
fn a_key_that_never_leaves_its_token_signs_all_the_same() {
    needs_signer!();
    needs!(Tool("softhsm2-util"));
    let site = Site::new();
    let token = Token::of(&site.publisher);
    let certificate = site.workspace.path("packaging/publisher.pem");
    std::fs::copy(site.publisher.certificate(), certificate).unwrap();
    site.declare(&format!(
        "[codesign.osslsigncode]\npkcs11-module = \"{}\"\npkcs11-key = \"{}\"\n\
         certificates = \"packaging/publisher.pem\"\npassword = {{ environment = \"TEST_PASSWORD\" }}\n",
        Token::module().display(),
        Token::KEY
    ));
    let (name, value) = token.variable();
    let mut command = site.command(&["dist", "--stub-build"]);
    command.env(name, value).env(VARIABLES[1], Token::PIN);
    let signed = process::run(&mut command, LIMIT);
    assert!(!said(&signed).contains(Token::PIN), "{signed}");
    signed.success();
    site.publisher.vouches_for(&site.program());
    site.publisher.vouches_for(&site.workspace.dist().join(SETUP));
}

/// What fails late fails all the same: program, uninstaller and setup are each refused by a signer that signs the others.
#[test]
fn an_uninstaller_or_a_setup_that_is_not_signed_is_not_published() {
    needs_signer!();
    let site = Site::new();
    site.dist().success();
    let before = site.released();
    let sign = |refused: &str| {
        let script = format!("sign-all-but-{refused}.sh");
        let key = site.publisher.pkcs12();
        let text = format!(
            "case \"$1\" in *{refused}*) exit 5;; esac\n\
             osslsigncode sign -pkcs12 '{}' -pass \"$TEST_PASSWORD\" -in \"$1\" -out \"$1.signed\" && mv \"$1.signed\" \"$1\"\n",
            key.display()
        );
        std::fs::write(site.workspace.path(&script), text).unwrap();
        site.declare(&format!(
            "command = [\"sh\", \"./{script}\", \"{{file}}\"]\ncommand-variables = [\"TEST_PASSWORD\"]\n"
        ));
        site.dist()
    };
    for (refused, step, file) in [
        ("setup", "codesign-installer", SETUP),
        ("uninstall", "installer", "uninstall.exe"),
        ("fprobed", "codesign", "fprobed.exe"),
    ] {
        let failed = format!("step {step}/{TARGET} failed: ");
        let told = format!("{file} is not code-signed: ");
        site.refuses(&sign(refused), &before, &[&failed, &told, "exit status: 5"]);
    }
    sign("nothing").success();
    site.publisher.vouches_for(&site.workspace.dist().join(SETUP));
}

#[test]
fn signatures_that_are_not_required_are_left_out_where_the_key_is_not_there() {
    needs_signer!();
    let site = Site::new();
    site.declare(&format!("required = false\n{OSSLSIGNCODE}"));
    let without = site.workspace.xtask(["dist", "--stub-build"]);
    let told =
        "WARNING  nothing is code-signed: the PKCS#12 file: environment variable TEST_PKCS12";
    assert!(without.stderr.contains(told), "{without}");
    without.success();
    assert_eq!(site.manifest()["code-signed"], false);
    let with = site.dist();
    assert!(!with.stderr.contains("nothing is code-signed"), "{with}");
    with.success();
    assert_eq!(site.manifest()["code-signed"], true);

    site.declare(OSSLSIGNCODE);
    let trial = site.workspace.xtask(["dist", "--stub-build", "--development-key"]);
    assert!(trial.stderr.contains("nothing is code-signed: --development-key"), "{trial}");
    trial.success();
    assert_eq!(site.manifest()["code-signed"], false);
}

/// Puts a program of this name first on the path, which notes its arguments and its environment, and calls the real one.
/// What is only asked for its version has the environment of whoever asks.
fn noting(folder: &Path, program: &str) -> String {
    let real = tools::find(program).unwrap();
    let text = format!(
        "#!/bin/sh\ncase $1 in --version|-VERSION) ;; *) {{ echo \"called: {program} $*\"; env; }} >> '{}/noted';; esac\n\
         exec '{}' \"$@\"\n",
        folder.display(),
        real.display()
    );
    let path = folder.join(program);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn no_secret_is_shown_written_or_given_to_a_program_that_others_can_look_at() {
    needs_signer!();
    let site = Site::new();
    site.declare(OSSLSIGNCODE);
    let folder = tempfile::tempdir().unwrap();
    let path = noting(folder.path(), "osslsigncode");
    noting(folder.path(), "makensis");
    let dist = process::run(site.command(&["dist", "--stub-build"]).env("PATH", path), LIMIT);
    let arguments = ["plan", "--stub-build", "--format", "json"];
    let plan = process::run(&mut site.command(&arguments), LIMIT);
    let noted = std::fs::read_to_string(folder.path().join("noted")).unwrap();
    let calls: Vec<_> = noted.lines().filter(|line| line.starts_with("called: ")).collect();
    let count = |call: &str| calls.iter().filter(|line| line.contains(call)).count();
    // Program, uninstaller and setup, each signed and then verified.
    assert_eq!(count("osslsigncode sign -pkcs12"), 3, "{calls:?}");
    assert_eq!(count("osslsigncode verify -CAfile"), 3, "{calls:?}");
    assert_eq!(count("makensis -NOCONFIG"), 1, "{calls:?}");
    let plan_text = plan.clone().success();
    assert!(plan_text.contains("TEST_PKCS12"), "{plan_text}");
    let key = site.publisher.pkcs12_base64();
    let secrets = [PASSWORD, &key, &key[40..80]];
    let is_told = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        secrets.iter().any(|secret| text.contains(secret))
    };
    for told in [said(&dist), said(&plan), noted] {
        assert!(!is_told(told.as_bytes()), "a secret is among {} bytes", told.len());
    }
    dist.success();
    let raw = std::fs::read(site.publisher.pkcs12()).unwrap();
    for (name, bytes) in tree(&site.workspace.path("target")) {
        assert!(!is_told(&bytes), "{name}");
        assert!(!bytes.windows(64).any(|window| *window == raw[200..264]), "{name}");
    }
}

#[test]
fn exe_installed_uninstaller_and_setup_of_the_real_release_are_signed() {
    needs!(
        Root,
        Tool("osslsigncode"),
        Tool("openssl"),
        Tool("unzip"),
        Tool("mount"),
        Tool("wine"),
        Tool("makensis"),
        Tool("unshare"),
        Tool("nsenter"),
        Tool("ip"),
        Target("x86_64-pc-windows-msvc")
    );
    let publisher = Publisher::new(PASSWORD);
    let folder = tempfile::tempdir().unwrap();
    let authority = tools::workspace().join("target/rigs-authority.pem");
    std::fs::create_dir_all(authority.parent().unwrap()).unwrap();
    std::fs::copy(publisher.authority(), &authority).unwrap();
    let declaration =
        format!("[codesign]\nauthorities = \"target/rigs-authority.pem\"\n{OSSLSIGNCODE}");
    let key = publisher.pkcs12_base64();
    let variables = [(VARIABLES[0], key.as_str()), (VARIABLES[1], PASSWORD)];
    let dist = folder.path().join("dist");
    release::build_declared_with(&declaration, &variables, &dist);

    let artifact = |ending: &str| {
        let mut files = std::fs::read_dir(&dist).unwrap().map(|entry| entry.unwrap().path());
        files.find(|file| file.to_str().unwrap().ends_with(&format!("{TARGET}{ending}"))).unwrap()
    };
    let (setup, zip) = (artifact("-setup.exe"), artifact(".zip"));
    publisher.vouches_for(&setup);
    let program = format!("{}.exe", declared::product());
    let unpacked = folder.path().join("unpacked");
    let mut command = Command::new("unzip");
    command.arg("-qj").arg(zip).arg(format!("*/{program}")).arg("-d").arg(&unpacked);
    process::run(&mut command, LIMIT).success();
    publisher.vouches_for(&unpacked.join(&program));

    let wine = Wine::start();
    wine.run(&setup, &["/S"]).success();
    wine.wait_for_service(&declared::product(), "RUNNING");
    let key = format!(
        r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall\{}",
        declared::product()
    );
    let uninstall = wine.registry_value(&key, "QuietUninstallString").unwrap();
    let (uninstaller, _) = uninstall.strip_prefix('"').unwrap().split_once('"').unwrap();
    let uninstaller = wine.path(uninstaller);
    publisher.vouches_for(&uninstaller);
    let installed = uninstaller.with_file_name(&program);
    publisher.vouches_for(&installed);
    assert_eq!(std::fs::read(installed).unwrap(), std::fs::read(unpacked.join(&program)).unwrap());
    for file in [setup, uninstaller, unpacked.join(&program)] {
        // Written past the test harness, which would keep it from the reader of a passing run.
        let _ = writeln!(std::io::stderr(), "osslsigncode verify: ok, {}", file.display());
    }
}
