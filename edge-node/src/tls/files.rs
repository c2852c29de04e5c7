//! The files that TLS settings name: reading them, and noticing that they changed.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::TlsError;
use crate::config::{CertificateFiles, ClientTls, ServerTls};

/// Revocation lists of big authorities have some megabytes; what is larger was named by mistake.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Reads a file whole.
///
/// # Errors
/// When it cannot be read, is empty or is larger than 32 MiB.
pub fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let read = File::open(path).map_err(failed)?.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    let what = match read.map_err(failed)? as u64 {
        0 => "is empty",
        1..=BYTES_MAX => return Ok(bytes),
        _ => "is larger than 32 MiB",
    };
    Err(TlsError::File { path: path.to_owned(), what: what.to_owned() })
}

/// Every file that the TLS of a listener is made from.
#[must_use]
pub fn server_files(settings: &ServerTls) -> Vec<PathBuf> {
    let ServerTls { certificates, version_min: _, clients } = settings;
    let clients = clients
        .iter()
        .flat_map(|clients| std::iter::once(&clients.authorities).chain(&clients.revoked).cloned());
    certificates.iter().flat_map(certificate_files).chain(clients).collect()
}

/// Every file that TLS towards upstreams is made from.
#[must_use]
pub fn client_files(settings: &ClientTls) -> Vec<PathBuf> {
    let ClientTls { authorities, server_name: _, certificate } = settings;
    let certificate = certificate.iter().flat_map(certificate_files);
    std::iter::once(authorities.clone()).chain(certificate).collect()
}

fn certificate_files(files: &CertificateFiles) -> impl Iterator<Item = PathBuf> + use<> {
    let CertificateFiles { chain, key, ocsp } = files.clone();
    [chain, key].into_iter().chain(ocsp)
}

/// What files looked like from outside at a moment; another one means that they should be read again.
///
/// Take it *before* reading them, so that a change while they are read shows in the next. Costs a system call a file,
/// which may block: do it beside the event loop. A certificate that was exchanged while its key was not yet is an
/// error of loading; keep what is in force then, and load again when the stamp has changed again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Vec<Seen>);

/// One file; a file that cannot be looked at is a state as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    There { modified: Option<SystemTime>, bytes: u64, is: (u64, u64) },
    Not(io::ErrorKind),
}

impl Stamp {
    /// Looks at the files, following links.
    #[must_use]
    pub fn of(files: &[PathBuf]) -> Self {
        Self(files.iter().map(|file| Seen::of(fs::metadata(file))).collect())
    }
}

impl Seen {
    fn of(metadata: io::Result<Metadata>) -> Self {
        match metadata {
            Ok(metadata) => Self::There {
                modified: metadata.modified().ok(),
                bytes: metadata.len(),
                is: which(&metadata),
            },
            Err(error) => Self::Not(error.kind()),
        }
    }
}

/// Tells a file from another one under the same name: device and inode.
#[cfg(unix)]
fn which(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Tells a file from another one under the same name: when it was made; its number takes a handle to find out.
#[cfg(windows)]
fn which(metadata: &Metadata) -> (u64, u64) {
    use std::os::windows::fs::MetadataExt as _;
    (metadata.creation_time(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(name: &str, text: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        (folder, vec![path])
    }

    #[test]
    fn a_stamp_stays_while_nothing_changes() {
        let (_folder, files) = folder_with("a.pem", "one");
        assert_eq!(Stamp::of(&files), Stamp::of(&files));
    }

    #[test]
    fn a_stamp_changes_with_length_and_disappearance() {
        let (_folder, files) = folder_with("a.pem", "one");
        let before = Stamp::of(&files);
        fs::write(&files[0], "longer").unwrap();
        let longer = Stamp::of(&files);
        assert_ne!(longer, before);
        fs::remove_file(&files[0]).unwrap();
        assert_ne!(Stamp::of(&files), longer);
    }

    #[test]
    fn a_stamp_changes_when_a_file_of_the_same_size_and_time_takes_the_place() {
        let (folder, files) = folder_with("a.pem", "one");
        let before = Stamp::of(&files);
        let time = fs::metadata(&files[0]).unwrap().modified().unwrap();
        let beside = folder.path().join("beside");
        fs::write(&beside, "two").unwrap();
        File::options().write(true).open(&beside).unwrap().set_modified(time).unwrap();
        fs::rename(&beside, &files[0]).unwrap();
        assert_ne!(Stamp::of(&files), before);
    }

    #[test]
    fn an_empty_file_is_named() {
        let (_folder, files) = folder_with("a.pem", "");
        let error = read(&files[0]).unwrap_err().to_string();
        assert!(error.ends_with("a.pem: is empty"), "{error}");
    }
}
