//! Who signs, with which key, and where its secrets are: declarations in, diagnostics out.

use super::*;

/// Puts a table `[codesign]` into our declaration and compares the messages of all mistakes.
#[track_caller]
fn check_codesign(codesign: &str, expected: &[&str]) {
    let codesign = codesign.replace("CA;", "authorities = \"packaging/codesign-ca.pem\"");
    check("[checksums]", &format!("{codesign}\n[checksums]"), expected);
}

#[test]
fn one_thing_signs_with_one_key() {
    check_codesign("[codesign]", &["code signing is declared, but nothing that signs"]);
    check_codesign(
        "[codesign]\nCA;\n[codesign.signtool]\nsubject = \"Us\"\n[codesign.osslsigncode]\npkcs12 = { file = \"k\" }",
        &["both `osslsigncode` and `signtool` are to sign"],
    );
    let of = |keys: &str| format!("[codesign]\nCA;\n[codesign.osslsigncode]\n{keys}");
    check_codesign(&of(""), &["osslsigncode has no key"]);
    check_codesign(
        &of("pkcs12 = { file = \"k\" }\npkcs11-key = \"k\""),
        &["a PKCS#12 file and a key in a token"],
    );
    check_codesign(&of("pkcs12 = { prompt = \"Key?\" }"), &["a PKCS#12 file cannot be typed"]);
    check_codesign(
        &of("pkcs12 = { environment = \"A B\" }"),
        &["`A B` is not the name of an environment variable"],
    );
    check_codesign(
        &of("pkcs11-module = \"/m.so\""),
        &["a key in a token needs `pkcs11-key`", "a key in a token needs `certificates`"],
    );
    check_codesign("[codesign.signtool]", &["signtool takes one certificate"]);
}

#[test]
fn a_signature_is_checked_against_something() {
    check_codesign(
        "[codesign.osslsigncode]\npkcs12 = { file = \"k\" }",
        &["there is nothing to check a signature against"],
    );
    check_codesign(
        "[codesign]\nauthorities = \"packaging/codesign.pem\"\ncommand = [\"sign\", \"{file}\"]",
        &["file `packaging/codesign.pem` does not exist"],
    );
    check_codesign(
        "[codesign]\ntimestamp-authorities = \"packaging/codesign-ca.pem\"\n[codesign.signtool]\nsubject = \"Us\"",
        &["authorities of a time stamp that nobody sets"],
    );
}

#[test]
fn authorities_of_a_time_stamp_are_refused_where_signtool_would_not_be_told_them() {
    let codesign = "[codesign]\ntimestamp-url = \"http://time.example.org\"\n\
        timestamp-authorities = \"packaging/codesign-ca.pem\"\n";
    let signtool = "[codesign.signtool]\nsubject = \"Us\"\n";
    let declared = |rest: &str| {
        let before = EVERY_KEY.split("[codesign]").next().unwrap();
        let line = before.lines().count() + 3;
        (line, read(&format!("{before}{codesign}{rest}{signtool}")))
    };
    let (line, read) = declared("");
    let expected = format!(
        "\
error: authorities of a time stamp that only Windows judges
   --> release.toml:{line}:25
    |
{line} | timestamp-authorities = \"packaging/codesign-ca.pem\"
    |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^ not used without `authorities`
    |
    = help: set `authorities`, so that `osslsigncode` judges, or remove it"
    );
    assert_eq!(read.unwrap_err().to_string().trim(), expected);
    let (_, read) = declared("authorities = \"packaging/codesign-ca.pem\"\n");
    assert!(read.is_ok(), "{read:?}");
}

#[test]
fn a_signing_command_is_told_which_file() {
    let command = |words: &str| format!("[codesign]\nCA;\ncommand = {words}");
    check_codesign(&command("[\"sign\"]"), &["the command is not told which file to sign"]);
    check_codesign(&command("[\"sign\", \"{fil}\", \"{file}\"]"), &["unknown placeholder `{fil}`"]);
    check_codesign(
        "[codesign]\ncommand-variables = [\"A\"]\n[codesign.signtool]\nsubject = \"Us\"",
        &["variables of a command that is not declared"],
    );
}

/// Puts a table `[packages.gpg]` into our declaration and compares the messages of all mistakes.
#[track_caller]
fn check_gpg(keys: &str, expected: &[&str]) {
    check("[checksums]", &format!("[packages.gpg]\n{keys}\n[checksums]"), expected);
}

#[test]
fn a_key_for_packages_is_there_can_be_read_and_has_what_is_declared() {
    let public = "public-key = \"packaging/packages.asc\"";
    check_gpg(
        "public-key = \"packaging/package.asc\"",
        &["file `packaging/package.asc` does not exist"],
    );
    check_gpg(
        &format!("{public}\nsecret-key = {{ prompt = \"Key?\" }}"),
        &["an OpenPGP key cannot be typed"],
    );
    check_gpg(
        &format!("{public}\npassword = {{ prompt = \"Password?\" }}"),
        &["a password of a key that gpg knows by itself"],
    );
    check_gpg(
        &format!("{public}\nsecret-key = {{ environment = \"a=b\" }}"),
        &["`a=b` is not the name of an environment variable"],
    );
    let config =
        read(&OURS.replacen("[checksums]", &format!("[packages.gpg]\n{public}\n[checksums]"), 1));
    assert!(config.is_ok_and(|config| config.gpg().is_some_and(|gpg| gpg.required)));
}

#[test]
fn a_key_for_packages_without_packages_is_a_mistake() {
    let gpg = "[packages.gpg]\npublic-key = \"packaging/packages.asc\"\n[checksums]";
    let text = OURS.replace("\"linux-deb\", \"linux-rpm\", ", "");
    let text = text.replace("[bundles.linux-deb]\nformat = \"deb\"\n", "");
    let text = text.replace("[bundles.linux-rpm]\nformat = \"rpm\"\n", "");
    let report = read(&text.replacen("[checksums]", gpg, 1)).unwrap_err();
    let found: Vec<_> = report.diagnostics().iter().map(|mistake| &*mistake.message).collect();
    assert_eq!(found, ["no bundle is a Debian or RPM package, and only these are signed"]);
}

#[test]
fn code_signing_without_a_windows_target_is_a_mistake() {
    let start = EVERY_KEY.find("[targets.").unwrap();
    let end = EVERY_KEY.find("[bundles.zip]").unwrap();
    let target = "[targets.x86_64-unknown-linux-musl]\nsize-max = \"8MB\"\nbundles = [\"zip\"]\n";
    let text = format!("{}{target}{}", &EVERY_KEY[..start], &EVERY_KEY[end..]);
    let setup = text.find("[bundles.setup]").unwrap();
    let checksums = text.find("[checksums]").unwrap();
    let report = read(&format!("{}{}", &text[..setup], &text[checksums..])).unwrap_err();
    let found: Vec<_> = report.diagnostics().iter().map(|mistake| &*mistake.message).collect();
    assert_eq!(found, ["no target is for Windows, and only its programs are code-signed"]);
}

#[test]
fn two_signers_are_shown_both() {
    let signers = "[codesign]\nauthorities = \"LICENSE\"\ncommand = [\"s\", \"{file}\"]\n[codesign.signtool]\nsubject = \"Us\"\n";
    let before = EVERY_KEY.split("[codesign]").next().unwrap();
    let report = read(&format!("{before}{signers}")).unwrap_err();
    let (line, next) = (before.lines().count() + 3, before.lines().count() + 4);
    let expected = format!(
        "\
error: both `signtool` and `command` are to sign
   --> release.toml:{line}:11
    |
{line} | command = [\"s\", \"{{file}}\"]
    |           ^^^^^^^^^^^^^^^ one too many
{next} | [codesign.signtool]
    | ------------------- first here
    |
    = help: keep one of `osslsigncode`, `signtool` and `command`"
    );
    assert_eq!(report.to_string().trim(), expected);
}

#[test]
fn a_secret_is_a_reference_of_one_kind() {
    let signing = "[signing]\npublic-key = \"packaging/minisign.pub\"\nsecret-key = { environment = \"KEY\" }\n\n[checksums]";
    let config =
        read(&OURS.replacen("[checksums]", signing, 1)).unwrap_or_else(|report| panic!("{report}"));
    assert!(matches!(config.signing, model::Signing::Key { .. }));
    let both = signing.replace("\"KEY\" }", "\"KEY\", file = \"key\" }");
    assert!(read(&OURS.replacen("[checksums]", &both, 1)).is_err());
}
