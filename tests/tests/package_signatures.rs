//! OpenPGP signatures of packages: rpm and apt accept what the declared key signed and nothing else, and without a good
//! signature nothing is published. The packager is made by the tests.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::needs;
use tests::package_signing::{Apt, Packager, rpm_checks};
use tests::process::{self, Finished};
use tests::workspace::{DECLARATION, Tree, Workspace, tree};

const LIMIT: Duration = Duration::from_secs(120);
const RPM: &str = "field-probe-2.5.0-x86_64-unknown-linux-musl.rpm";
const DEB: &str = "field-probe-2.5.0-x86_64-unknown-linux-musl.deb";
const PASSWORD: &str = "correct horse 3f9a";
/// By these variables the declarations refer to the packager's key.
const VARIABLES: [&str; 2] = ["TEST_KEY", "TEST_PASSWORD"];
const BUNDLES: &str = "
[bundles.deb]
format = \"deb\"

[bundles.rpm]
format = \"rpm\"

[packages]
contact = \"packages@probe.example\"
license = \"MIT\"
details = \"Measures what grows in the field, day and night.\"

[packages.gpg]
public-key = \"packaging/packages.asc\"
";
const SECRETS: &str =
    "secret-key = { environment = \"TEST_KEY\" }\npassword = { environment = \"TEST_PASSWORD\" }\n";

macro_rules! needs_signer {
    () => {
        needs!(Tool("makensis"), Tool("gpg"), Tool("rpmkeys"), Tool("apt-get"), Tool("dpkg-deb"));
    };
}

/// A workspace whose stand-ins are packed, and signed by a packager.
struct Site {
    workspace: Workspace,
    packager: Packager,
    declaration: String,
}

impl Site {
    fn new(packager: Packager) -> Self {
        let workspace = Workspace::field_probe();
        workspace.edit(
            DECLARATION,
            "bundles = [\"linux\"]",
            "bundles = [\"linux\", \"deb\", \"rpm\"]",
        );
        std::fs::copy(packager.public_key(), workspace.path("packaging/packages.asc")).unwrap();
        let declaration = std::fs::read_to_string(workspace.path(DECLARATION)).unwrap();
        let site = Self { workspace, packager, declaration };
        site.declare(SECRETS);
        site
    }

    /// Declares more keys of `[packages.gpg]`.
    fn declare(&self, keys: &str) {
        let text = format!("{}{BUNDLES}{keys}", self.declaration);
        std::fs::write(self.workspace.path(DECLARATION), text).unwrap();
    }

    /// `cargo xtask` with the packager's key in the environment, and no other in gpg's own keyring.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace.command(arguments);
        let [key, password] = VARIABLES;
        command.env(key, self.packager.secret_key()).env(password, PASSWORD);
        command.env("GNUPGHOME", "/nowhere");
        command
    }

    fn dist(&self) -> Finished {
        process::run(&mut self.command(&["dist", "--stub-build"]), LIMIT)
    }

    fn released(&self) -> Tree {
        tree(&self.workspace.dist())
    }

    fn artifact(&self, name: &str) -> PathBuf {
        self.workspace.dist().join(name)
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.artifact("release.json")).unwrap()).unwrap()
    }
}

/// Says what a tool found past the test harness, which would keep it from the reader of a passing run.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

/// A copy of a file with a byte of it changed.
fn flipped(file: &Path, at: usize, folder: &Path) -> PathBuf {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 1;
    let copy = folder.join(file.file_name().unwrap());
    std::fs::write(&copy, bytes).unwrap();
    copy
}

#[test]
fn rpm_accepts_what_the_key_signed_and_nothing_else() {
    needs_signer!();
    let stranger = Packager::new("ed25519", "");
    for algorithm in ["rsa3072", "ed25519"] {
        let site = Site::new(Packager::new(algorithm, PASSWORD));
        site.dist().success();
        let package = site.artifact(RPM);
        let checked = rpm_checks(&package, &[&site.packager]).success();
        let line = checked.lines().find(|line| line.contains("Signature, key ID")).unwrap();
        say(&format!("rpmkeys --checksig: {}", line.trim()));
        assert!(line.ends_with(": OK"), "{checked}");

        let unknown = rpm_checks(&package, &[&stranger]);
        assert!(unknown.stdout.contains("NOKEY"), "{unknown}");
        let folder = tempfile::tempdir().unwrap();
        let length = std::fs::read(&package).unwrap().len();
        // In the signature, which is last in its header; in the header; in the payload.
        for at in [length / 3, length / 2, length - 100] {
            let damaged = rpm_checks(&flipped(&package, at, folder.path()), &[&site.packager]);
            assert!(!damaged.status.success(), "byte {at} flipped: {damaged}");
        }
        assert_eq!(site.manifest()["packages-signed"], true);
        let verified = site.workspace.xtask(["verify"]).success();
        assert!(verified.contains("signed for apt and rpm"), "{verified}");
    }
}

#[test]
fn apt_takes_packages_only_from_a_folder_that_the_key_vouches_for() {
    needs_signer!();
    let site = Site::new(Packager::new("ed25519", PASSWORD));
    site.dist().success();
    let apt = Apt::new(&site.workspace.dist(), &site.packager);
    let updated = apt.run("apt-get", &["update"]);
    assert!(!updated.stderr.contains("W:"), "{updated}");
    updated.success();
    let policy = apt.run("apt-cache", &["policy", "field-probe"]).success();
    assert!(policy.contains("Candidate: 2.5.0-1"), "{policy}");
    say(&format!("apt-cache policy: {}", policy.replace('\n', " ")));
    apt.run("apt-get", &["download", "field-probe"]).success();
    let downloaded = tree(apt.folder());
    let package = downloaded.iter().find(|(name, _)| name.ends_with(".deb")).unwrap().1;
    assert!(*package == site.released()[DEB], "another package was downloaded");

    let stranger = Packager::new("ed25519", "");
    let refused = Apt::new(&site.workspace.dist(), &stranger).run("apt-get", &["update"]);
    assert_eq!(refused.code(), Some(100), "{refused}");
    for name in ["InRelease", "Packages"] {
        let folder = tempfile::tempdir().unwrap();
        tests::workspace::copy(&site.workspace.dist(), folder.path());
        flipped(&site.artifact(name), 60, folder.path());
        let refused = Apt::new(folder.path(), &site.packager).run("apt-get", &["update"]);
        assert_eq!(refused.code(), Some(100), "{name}: {refused}");
    }
    let folder = tempfile::tempdir().unwrap();
    tests::workspace::copy(&site.workspace.dist(), folder.path());
    flipped(&site.artifact(DEB), 200, folder.path());
    let apt = Apt::new(folder.path(), &site.packager);
    apt.run("apt-get", &["update"]).success();
    let refused = apt.run("apt-get", &["download", "field-probe"]);
    assert_eq!(refused.code(), Some(100), "{refused}");
}

#[test]
fn the_same_sources_and_key_make_the_same_signed_bytes() {
    needs_signer!();
    for algorithm in ["rsa3072", "ed25519"] {
        let site = Site::new(Packager::new(algorithm, PASSWORD));
        site.dist().success();
        let first = site.released();
        let again = site.dist();
        assert!(!again.stderr.contains("sign-packages"), "signed again: {again}");
        again.success();
        std::fs::remove_dir_all(site.workspace.path("target/xtask")).unwrap();
        site.dist().success();
        assert!(site.released() == first, "a second build differs");
    }
}

#[test]
fn without_a_good_signature_nothing_is_published_and_the_reason_is_told() {
    needs_signer!();
    let site = Site::new(Packager::new("ed25519", PASSWORD));
    site.dist().success();
    let before = site.released();
    let refuses = |run: &Finished, told: &str| {
        assert_eq!(run.code(), Some(1), "{run}");
        assert!(run.stderr.contains(told), "{told:?}: {run}");
        assert!(!run.stderr.contains(PASSWORD), "{run}");
        assert!(site.released() == before, "the previous release was touched");
    };
    let with = |variable: &str, value: Option<&str>| {
        let mut command = site.command(&["dist", "--stub-build"]);
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
        process::run(&mut command, LIMIT)
    };
    let unset = "the OpenPGP secret key: environment variable TEST_KEY is not set";
    refuses(&with(VARIABLES[0], None), unset);
    // What was signed needs no signature, so that the stamps have to go.
    let anew = || std::fs::remove_dir_all(site.workspace.path("target/xtask/stamps")).unwrap();
    anew();
    refuses(&with(VARIABLES[1], Some("wrong")), "is not signed: gpg ");
    anew();
    refuses(&with(VARIABLES[0], Some("no key")), "is not signed: gpg ");
    anew();
    let stranger = Packager::new("ed25519", PASSWORD);
    refuses(&with(VARIABLES[0], Some(&stranger.secret_key())), "is not signed: gpg ");
    let public_key = site.workspace.path("packaging/packages.asc");
    std::fs::write(&public_key, site.packager.secret_key()).unwrap();
    refuses(&site.dist(), "not one public key");
}

#[test]
fn a_key_that_gpg_knows_signs_without_a_secret_in_the_declaration() {
    needs_signer!();
    let site = Site::new(Packager::new("ed25519", ""));
    site.declare("");
    let mut command = site.command(&["dist", "--stub-build"]);
    process::run(command.env("GNUPGHOME", site.packager.keyring()), LIMIT).success();
    rpm_checks(&site.artifact(RPM), &[&site.packager]).success();
}

#[test]
fn signatures_that_are_not_required_are_left_out_where_the_key_is_not_there() {
    needs_signer!();
    let site = Site::new(Packager::new("ed25519", PASSWORD));
    site.declare(&format!("required = false\n{SECRETS}"));
    let without = site.workspace.xtask(["dist", "--stub-build"]);
    let told =
        "WARNING  no package is signed: the OpenPGP secret key: environment variable TEST_KEY";
    assert!(without.stderr.contains(told), "{without}");
    without.success();
    assert_eq!(site.manifest()["packages-signed"], false);
    assert!(!site.artifact("InRelease").exists());
    site.dist().success();
    assert_eq!(site.manifest()["packages-signed"], true);
    assert!(site.artifact("InRelease").exists());

    site.declare(SECRETS);
    let trial = site.workspace.xtask(["dist", "--stub-build", "--development-key"]);
    assert!(trial.stderr.contains("no package is signed: --development-key"), "{trial}");
    trial.success();
    assert_eq!(site.manifest()["packages-signed"], false);
}

#[test]
fn no_secret_is_shown_or_left_behind() {
    needs_signer!();
    let site = Site::new(Packager::new("rsa3072", PASSWORD));
    let dist = site.dist();
    let plan =
        process::run(&mut site.command(&["plan", "--stub-build", "--format", "json"]), LIMIT);
    let key = site.packager.secret_key();
    let secrets = [PASSWORD, &key[200..260]];
    let is_told = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        secrets.iter().any(|secret| text.contains(secret))
    };
    for run in [&dist, &plan] {
        assert!(!is_told(format!("{}{}", run.stdout, run.stderr).as_bytes()), "a secret is told");
    }
    assert!(plan.success().contains("TEST_KEY"));
    dist.success();
    for (name, bytes) in tree(&site.workspace.path("target")) {
        assert!(!is_told(&bytes), "{name}");
    }
}
