//! An authority's folder: the only effects of `ca`.
//!
//! A file appears under its name only when it is complete and on the disk. Who changes something holds the lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};

use super::CaError;
use super::index::Index;
use super::name::{Name, SERIAL_BYTES, Serial};
use super::signing::{self, Authority, Facts, Signed};
use crate::tls::{certificate, pem};

/// Its certificate: what gateways and clients trust.
pub const CERTIFICATE: &str = "ca.pem";
/// Its key.
pub const KEY: &str = "ca.key";
/// Its revocation list.
pub const REVOCATION_LIST: &str = "ca.crl";
/// What it issued.
pub const INDEX: &str = "index.json";
/// The folder of certificates and their keys.
pub const ISSUED: &str = "issued";
/// What is locked.
const LOCK: &str = "lock";

/// Who may read a file.
#[derive(Clone, Copy)]
enum Readers {
    Owner,
    All,
}

/// An authority's folder, without the right to change it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

/// The right to change a folder: nobody else has it until this is dropped.
#[derive(Debug)]
pub struct Locked {
    folder: Folder,
    _lock: File,
}

impl Folder {
    /// A folder that has an authority.
    ///
    /// # Errors
    /// When it has none.
    pub fn open(path: &Path) -> Result<Self, CaError> {
        let folder = Self { path: path.to_owned() };
        match fs::metadata(folder.path.join(CERTIFICATE)) {
            Ok(_file) => Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(CaError::NoAuthority { dir: path.to_owned() })
            }
            Err(source) => Err(CaError::Read { path: folder.path.join(CERTIFICATE), source }),
        }
    }

    /// The folder, when nobody else changes it, with room for what is issued: a folder that was restored from copies of
    /// the authority's own files has none.
    ///
    /// # Errors
    /// When somebody does, or the room cannot be made.
    pub fn lock(self) -> Result<Locked, CaError> {
        let path = self.path.join(LOCK);
        let failed = |source| CaError::Write { path: path.clone(), source };
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CaError::Locked { dir: self.path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let issued = self.path.join(ISSUED);
        match fs::create_dir(&issued) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(CaError::Write { path: issued, source })
            }
            Ok(()) | Err(_) => Ok(Locked { folder: self, _lock: lock }),
        }
    }

    /// What was issued.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn index(&self) -> Result<Index, CaError> {
        let path = self.path.join(INDEX);
        let json =
            fs::read(&path).map_err(|source| CaError::Read { path: path.clone(), source })?;
        Index::parse(&json).map_err(|source| CaError::Index { path, source })
    }

    /// Whose folder it is.
    ///
    /// # Errors
    /// When its certificate cannot be read or was not made here.
    pub fn facts(&self) -> Result<Facts, CaError> {
        let path = self.path.join(CERTIFICATE);
        let parsed = pem::certificates(&path)?.first().and_then(certificate::parse);
        let malformed = || CaError::Foreign { file: path.clone() };
        signing::facts(&path, &parsed.ok_or_else(malformed)?)
    }

    /// Whether a name has the files of this serial number: not so after a run that was cut short.
    #[must_use]
    pub fn is_finished(&self, name: &Name, serial: Serial) -> bool {
        let (chain, key) = self.issued(name);
        key.is_file()
            && pem::certificates(&chain)
                .ok()
                .and_then(|found| found.first().and_then(certificate::parse))
                .is_some_and(|found| {
                    found.tbs_certificate().serial_number().as_bytes() == serial.as_bytes()
                })
    }

    /// Where a name's certificate and key are.
    #[must_use]
    pub fn issued(&self, name: &Name) -> (PathBuf, PathBuf) {
        let folder = self.path.join(ISSUED);
        (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
    }

    /// Where its own files are.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Locked {
    /// Makes the folder of a new authority, which must not be there or be empty, and keeps its lock.
    ///
    /// # Errors
    /// When it has anything in it, or cannot be made.
    pub fn create(path: &Path) -> Result<Self, CaError> {
        match fs::remove_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_not_empty) if path.join(CERTIFICATE).exists() => {
                return Err(CaError::Exists { dir: path.to_owned() });
            }
            Err(_not_empty) if path.is_dir() => {
                return Err(CaError::NotEmpty { dir: path.to_owned() });
            }
            Err(source) => return Err(CaError::Write { path: path.to_owned(), source }),
        }
        let failed = |source| CaError::Write { path: path.to_owned(), source };
        private_folder(path).map_err(failed)?;
        Folder { path: path.to_owned() }.lock()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The authority with its key.
    ///
    /// # Errors
    /// When a file cannot be read, or the key is another's.
    pub fn authority(&self) -> Result<Authority, CaError> {
        let path = self.folder.file(KEY);
        let key = fs::read_to_string(&path)
            .map_err(|source| CaError::Read { path: path.clone(), source })?;
        Authority::new(self.folder.facts()?, &path, &key)
    }

    /// Writes certificate and key of a new authority, the certificate last: with it the authority is there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_authority(&self, signed: &Signed) -> Result<(), CaError> {
        write(&self.folder.file(KEY), &signed.key, Readers::Owner)?;
        write(&self.folder.file(CERTIFICATE), &signed.pem, Readers::All)
    }

    /// Writes the index.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_index(&self, index: &Index) -> Result<(), CaError> {
        write(&self.folder.file(INDEX), &index.to_json(), Readers::Owner)
    }

    /// Writes the revocation list.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_revocation_list(&self, pem: &str) -> Result<(), CaError> {
        write(&self.folder.file(REVOCATION_LIST), pem, Readers::All)
    }

    /// Writes a certificate and its key: both are on the disk before either takes its name, so that they belong
    /// together but for the moment between two renames.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_issued(&self, name: &Name, signed: &Signed) -> Result<(), CaError> {
        let (chain, key) = self.folder.issued(name);
        let new_key = write_beside(&key, &signed.key, Readers::Owner)?;
        let new_chain = write_beside(&chain, &signed.pem, Readers::All)?;
        take_the_name(&new_key, &key)?;
        take_the_name(&new_chain, &chain)
    }
}

/// A serial number nobody has.
///
/// # Errors
/// When the system gives no random numbers.
pub fn random_serial() -> Result<Serial, CaError> {
    let mut bytes = [0; SERIAL_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_unspecified| CaError::Random)?;
    Ok(Serial::from_random(bytes))
}

fn write(path: &Path, text: &str, readers: Readers) -> Result<(), CaError> {
    let beside = write_beside(path, text, readers)?;
    take_the_name(&beside, path)
}

/// Writes a file whole to the disk under another name, whose remains of a run that was cut short are taken away.
fn write_beside(path: &Path, text: &str, readers: Readers) -> Result<PathBuf, CaError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let written = || {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = create_new(&beside, readers)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|source| CaError::Write { path: beside.clone(), source })?;
    Ok(beside)
}

fn take_the_name(beside: &Path, path: &Path) -> Result<(), CaError> {
    fs::rename(beside, path)
        .and_then(|()| sync_folder(path.parent().unwrap_or(path)))
        .map_err(|source| CaError::Write { path: path.to_owned(), source })
}

/// The mode is that of the file's first moment.
#[cfg(unix)]
fn create_new(path: &Path, readers: Readers) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o644,
    };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Who may open the folder has its rights on all files in it: see [`private_folder`].
#[cfg(windows)]
fn create_new(path: &Path, readers: Readers) -> io::Result<File> {
    let _the_folder_s = readers;
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// A name that is not on the disk may be the old one after a power cut. Source: `fsync(2)`.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// NTFS keeps names in its journal; a folder cannot be flushed.
#[cfg(windows)]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A folder that only its owner can open.
#[cfg(unix)]
fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// A folder that only its owner (S-1-3-4, "owner rights"), administrators and the system can open, and so are all
/// files in it. Source: Win32, "Security Descriptor String Format", "Well-known SIDs".
#[cfg(windows)]
fn private_folder(path: &Path) -> io::Result<()> {
    const RIGHTS: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;S-1-3-4)";
    let path = path.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    crate::win32::administration::create_folder(path, RIGHTS)
}
