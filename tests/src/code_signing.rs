//! A publisher of one's own: an authority, a certificate that signs code, and `osslsigncode` to ask about both.

mod time_stamps;

pub use time_stamps::TimeStamps;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{self, Finished};

/// Making a key of 2048 bits may take a while on a slow machine.
const LIMIT: Duration = Duration::from_secs(300);

/// An authority and a publisher that it vouches for, made by `openssl`, removed when dropped.
#[derive(Debug)]
pub struct Publisher {
    folder: TempDir,
    password: String,
}

impl Publisher {
    /// Makes both. The password of the publisher's PKCS#12 file is `password`.
    ///
    /// # Panics
    /// When `openssl` cannot.
    #[track_caller]
    pub fn new(password: &str) -> Self {
        let publisher =
            Self { folder: tempfile::tempdir().unwrap(), password: password.to_owned() };
        publisher.openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=Authority \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
        );
        publisher.vouch_for("leaf", "extendedKeyUsage=codeSigning\n");
        std::fs::write(publisher.path("password"), password).unwrap();
        publisher.openssl(
            "pkcs12 -export -inkey leaf.key -in leaf.pem -certfile ca.pem -out publisher.p12 -passout file:password",
        );
        publisher
    }

    /// Has the authority make a certificate with its key, `NAME.pem` and `NAME.key`.
    #[track_caller]
    fn vouch_for(&self, name: &str, purpose: &str) {
        let purposes =
            format!("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n{purpose}");
        std::fs::write(self.path("purposes"), purposes).unwrap();
        self.openssl(&format!(
            "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN=Publisher-{name}"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile purposes -out {name}.pem"
        ));
    }

    #[track_caller]
    fn openssl(&self, arguments: &str) -> String {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        process::run(&mut command, LIMIT).success()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The authority's certificate, PEM.
    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Key and certificates of the publisher, PKCS#12.
    pub fn pkcs12(&self) -> PathBuf {
        self.path("publisher.p12")
    }

    /// The same in base64, as an environment variable holds it.
    ///
    /// # Panics
    /// When `openssl` cannot.
    #[track_caller]
    pub fn pkcs12_base64(&self) -> String {
        self.openssl("base64 -A -in publisher.p12")
    }

    /// Its password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Asks `osslsigncode` whether a program carries a signature of somebody the authority vouches for.
    ///
    /// # Panics
    /// When it cannot be asked.
    #[track_caller]
    pub fn verify(&self, program: &Path) -> Finished {
        let mut command = Command::new("osslsigncode");
        command.arg("verify").arg("-CAfile").arg(self.authority()).arg("-in").arg(program);
        process::run(&mut command, LIMIT)
    }

    /// The program is accepted; with any of three bytes of it changed it is not.
    ///
    /// # Panics
    /// When that is not so.
    #[track_caller]
    pub fn vouches_for(&self, program: &Path) {
        let verified = self.verify(program);
        assert!(verified.status.success(), "{verified}");
        assert!(verified.stdout.contains("Signature verification: ok"), "{verified}");
        let bytes = std::fs::read(program).unwrap();
        let flipped = self.path("flipped.exe");
        // In the DOS header, in what comes after all headers, and in the signature of the signature, which is last.
        for at in [0x30, 0x201, bytes.len() - 100] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            std::fs::write(&flipped, bytes).unwrap();
            let refused = self.verify(&flipped);
            assert!(!refused.status.success(), "byte {at} flipped: {refused}");
        }
    }
}
