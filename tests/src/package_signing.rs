//! A packager of one's own: an OpenPGP key made by `gpg`, and keyrings of apt and rpm that trust it or do not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{self, Finished};

/// Making a key of 3072 bits may take a while on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);
/// When the key is made: before the release that it signs, whose time is that of [`crate::workspace::Workspace`].
const MADE: &str = "20230101T000000!";
const NAME: &str = "Packager <packager@probe.example>";

/// Somebody who signs packages; forgotten when dropped.
#[derive(Debug)]
pub struct Packager {
    folder: TempDir,
    password: String,
}

impl Packager {
    /// Makes a key of the algorithm (`rsa3072`, `ed25519`), with a password unless that is empty.
    ///
    /// # Panics
    /// When `gpg` cannot.
    #[track_caller]
    pub fn new(algorithm: &str, password: &str) -> Self {
        // Short, because the agent's socket is in it.
        let folder = tempfile::Builder::new().prefix("gnupg-").tempdir().unwrap();
        let packager = Self { folder, password: password.to_owned() };
        let words =
            ["--faked-system-time", MADE, "--quick-gen-key", NAME, algorithm, "sign", "never"];
        packager.gpg(&words);
        packager.gpg(&["--armor", "--output", "public.asc", "--export"]);
        packager.gpg(&["--armor", "--output", "secret.asc", "--export-secret-keys"]);
        packager
    }

    #[track_caller]
    fn gpg(&self, arguments: &[&str]) {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--pinentry-mode", "loopback", "--passphrase", &self.password]);
        command.arg("--homedir").arg(self.keyring()).args(arguments);
        process::run(command.current_dir(self.keyring()), LIMIT).success();
    }

    /// gpg's folder with the key.
    pub fn keyring(&self) -> &Path {
        self.folder.path()
    }

    /// The public key, armoured.
    pub fn public_key(&self) -> PathBuf {
        self.folder.path().join("public.asc")
    }

    /// The secret key, armoured.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn secret_key(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("secret.asc")).unwrap()
    }
}

impl Drop for Packager {
    fn drop(&mut self) {
        let mut command = Command::new("gpgconf");
        command.arg("--homedir").arg(self.folder.path()).args(["--kill", "all"]);
        let _ended = command.status();
    }
}

/// What `rpmkeys --checksig` says of a package where these packagers are trusted.
///
/// # Panics
/// When it cannot be asked, or does not take a key.
#[track_caller]
pub fn rpm_checks(package: &Path, trusted: &[&Packager]) -> Finished {
    let records = tempfile::tempdir().unwrap();
    let rpmkeys = || {
        let mut command = Command::new("rpmkeys");
        command.arg("--dbpath").arg(records.path());
        command
    };
    for packager in trusted {
        process::run(rpmkeys().arg("--import").arg(packager.public_key()), LIMIT).success();
    }
    process::run(rpmkeys().args(["--checksig", "--verbose"]).arg(package), LIMIT)
}

/// apt with nothing installed, no lists, and one repository: a folder that has to be vouched for by a packager.
#[derive(Debug)]
pub struct Apt {
    folder: TempDir,
}

impl Apt {
    /// Sets it up.
    ///
    /// # Panics
    /// When that cannot be written.
    #[track_caller]
    pub fn new(repository: &Path, trusted: &Packager) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, repository) = (trusted.public_key(), repository.display());
        let source = format!("deb [signed-by={}] file:{repository}/ ./\n", key.display());
        std::fs::write(folder.path().join("sources.list"), source).unwrap();
        for name in ["state/lists/partial", "cache/archives/partial", "empty"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("status"), "").unwrap();
        Self { folder }
    }

    /// Where `apt-get download` leaves packages.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a program of apt's.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Finished {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("LC_ALL", "C.UTF-8");
        for (option, name) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::Etc::sourceparts", "empty"),
            ("Dir::Etc::preferencesparts", "empty"),
            ("Dir::Etc::trustedparts", "empty"),
            ("Dir::State", "state"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
        ] {
            let path = self.folder.path().join(name);
            command.arg("-o").arg(format!("{option}={}", path.display()));
        }
        for option in ["Architecture=amd64", "Architectures=amd64", "Sandbox::User=root"] {
            command.arg("-o").arg(format!("APT::{option}"));
        }
        process::run(command.args(arguments), LIMIT)
    }
}
