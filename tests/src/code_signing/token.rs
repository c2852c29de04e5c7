//! A publisher's key in a token: SoftHSM, and what OpenSSL reaches it through.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{LIMIT, Publisher};
use crate::process;

/// A token with one key, forgotten when dropped.
#[derive(Debug)]
pub struct Token {
    folder: TempDir,
}

impl Token {
    /// The PIN of every token.
    pub const PIN: &'static str = "4711-2f8c";
    /// The key in it (RFC 7512).
    pub const KEY: &'static str = "pkcs11:token=rig;object=publisher";

    /// Puts the publisher's key into a new one. Needs `softhsm2-util` and `openssl`.
    ///
    /// # Panics
    /// When that is refused.
    #[track_caller]
    pub fn of(publisher: &Publisher) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens = folder.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let text =
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        std::fs::write(folder.path().join("conf"), text).unwrap();
        publisher.openssl("pkcs8 -topk8 -nocrypt -in leaf.key -out leaf.pkcs8");
        let token = Self { folder };
        let ask = |words: &str| {
            let mut command = Command::new("softhsm2-util");
            command.args(words.split(' ')).args(["--pin", Self::PIN]);
            let (name, value) = token.variable();
            process::run(command.env(name, value), LIMIT).success();
        };
        ask("--init-token --free --label rig --so-pin 0000");
        let key = publisher.path("leaf.pkcs8");
        ask(&format!("--import {} --token rig --label publisher --id a1", key.display()));
        token
    }

    /// The environment variable by which SoftHSM finds it.
    pub fn variable(&self) -> (&'static str, PathBuf) {
        ("SOFTHSM2_CONF", self.folder.path().join("conf"))
    }

    /// The PKCS#11 module. OpenSSL's engine that talks to it must be installed as well, where OpenSSL finds it: the
    /// osslsigncode of Debian 12 takes no path to one.
    ///
    /// # Panics
    /// When one is not installed.
    #[track_caller]
    pub fn module() -> PathBuf {
        let below = |folder: &str, file: &str| {
            let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
            let mut places = folders.chain([PathBuf::from("/usr/lib")]);
            let found =
                places.find_map(|at| Some(at.join(folder).join(file)).filter(|at| at.is_file()));
            found.unwrap_or_else(|| {
                panic!("{} is not installed", Path::new(folder).join(file).display())
            })
        };
        below("engines-3", "pkcs11.so");
        below("softhsm", "libsofthsm2.so")
    }
}
