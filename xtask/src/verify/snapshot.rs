//! What lies where a release should be: which files there are, and the small ones that say what the others must be.
//!
//! Nothing is held that is not known to be small: the manifest, the checksum files and their signatures are read here,
//! each up to a bound; of every other file only kind and size are noted. [`super::judge`] reads an artifact when the
//! signed manifest says that a file of this name and size belongs to the release, and reads nothing else.

use super::Finding;
use super::names::{is_signed, speaks_for_others};
use crate::checksum;
use crate::config::model::Algorithm;
use crate::manifest;
use crate::signature::SUFFIX;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes that the manifest and a checksum file may have. One that lists a thousand files has one megabyte.
const TEXT_BYTES_MAX: u64 = 16 << 20;
/// Bytes that a signature may have; ours have about 400.
const SIGNATURE_BYTES_MAX: u64 = 16 << 10;

/// Files by base name, as they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Base name of the folder.
    pub folder: String,
    /// What is in it.
    pub files: BTreeMap<String, Found>,
}

/// What was found under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file with these bytes.
    File(Vec<u8>),
    /// A file that was not read.
    Unread {
        /// Where it is.
        path: PathBuf,
        /// Bytes it had when it was found.
        size: u64,
    },
    /// Something that no release holds: a link, a folder, a manifest larger than can be.
    Other(&'static str),
}

impl Found {
    /// Bytes of the file, where it is one.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::File(bytes) => Some(bytes.len() as u64),
            Self::Unread { size, .. } => Some(*size),
            Self::Other(_) => None,
        }
    }

    /// All bytes of the file. Whoever asks knows from a signature that a file of this size belongs here.
    pub(super) fn read(&self) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Self::File(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Unread { path, size } => bounded(path, *size).map(Cow::Owned),
            Self::Other(kind) => Err(io::Error::other(*kind)),
        }
    }

    /// Digests of the file, of which never more than a piece is held.
    pub(super) fn digests(
        &self,
        algorithms: &[Algorithm],
    ) -> io::Result<BTreeMap<Algorithm, String>> {
        match self {
            Self::File(bytes) => Ok(checksum::digests(algorithms, bytes)),
            Self::Unread { path, size } => {
                checksum::digests_of(algorithms, File::open(path)?.take(*size))
            }
            Self::Other(kind) => Err(io::Error::other(*kind)),
        }
    }
}

impl Snapshot {
    /// The bytes of a file, if it is one that was read.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.files.get(name)? {
            Found::File(bytes) => Some(bytes),
            Found::Unread { .. } | Found::Other(_) => None,
        }
    }

    /// What was found under a name, if it is a file.
    pub(super) fn file(&self, name: &str) -> Option<&Found> {
        self.files.get(name).filter(|found| found.size().is_some())
    }
}

/// Everything in a folder.
pub(super) fn folder(path: &Path) -> Result<Snapshot, Finding> {
    let mut files = BTreeMap::new();
    let unreadable = |source: io::Error| Finding::unreadable(&path.display().to_string(), &source);
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let found =
            found(&name, &entry.path()).map_err(|source| Finding::unreadable(&name, &source))?;
        files.insert(name, found);
    }
    let absolute = fs::canonicalize(path).map_err(unreadable)?;
    let folder = absolute.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Snapshot { folder: folder.unwrap_or_default(), files })
}

/// One file, the manifest and, where the file is signed itself, its signature. The folder has no name, since what it
/// is called says nothing of a single file in it.
pub(super) fn around(
    subject: &Path,
    manifest: Option<&Path>,
) -> Result<(Snapshot, String), Finding> {
    let name = base_name(subject);
    let beside = subject.with_file_name(manifest::FILE_NAME);
    // A manifest is judged by its own signature: another one, wherever it lies, says nothing of it.
    let manifest = manifest.filter(|_| name != manifest::FILE_NAME).unwrap_or(&beside);
    let mut wanted = vec![
        (name.clone(), subject.to_path_buf()),
        (manifest::FILE_NAME.to_owned(), manifest.to_path_buf()),
        (format!("{}{SUFFIX}", manifest::FILE_NAME), with_suffix(manifest)),
    ];
    if is_signed(&name) {
        wanted.push((format!("{name}{SUFFIX}"), with_suffix(subject)));
    }
    let mut files = BTreeMap::new();
    for (name, path) in wanted {
        match found(&name, &path) {
            Ok(found) => _ = files.entry(name).or_insert(found),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Finding::unreadable(&name, &source)),
        }
    }
    Ok((Snapshot { folder: String::new(), files }, name))
}

/// The signed file, where its signature was named and is there; any other path as it is.
pub(super) fn signed_by(path: &Path) -> PathBuf {
    let name = base_name(path);
    match name.strip_suffix(SUFFIX) {
        Some(signed) if is_signed(signed) && path.symlink_metadata().is_ok() => {
            path.with_file_name(signed)
        }
        Some(_) | None => path.to_path_buf(),
    }
}

fn with_suffix(path: &Path) -> PathBuf {
    path.with_file_name(base_name(path) + SUFFIX)
}

fn base_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What lies at a path; read at once where its name is that of a file which is small.
fn found(name: &str, path: &Path) -> io::Result<Found> {
    let metadata = fs::symlink_metadata(path)?;
    let size = metadata.len();
    if let Some(kind) = irregular(&metadata) {
        return Ok(Found::Other(kind));
    }
    if speaks_for_others(name) {
        if size > TEXT_BYTES_MAX {
            return Ok(Found::Other("a file of more than 16 MiB"));
        }
        return bounded(path, TEXT_BYTES_MAX).map(Found::File);
    }
    if name.strip_suffix(SUFFIX).is_some_and(is_signed) {
        if size > SIGNATURE_BYTES_MAX {
            return Ok(Found::Other("a file of more than 16 KiB"));
        }
        return bounded(path, SIGNATURE_BYTES_MAX).map(Found::File);
    }
    Ok(Found::Unread { path: path.to_path_buf(), size })
}

/// The bytes of a file, and no more of them than it may have, should it have grown.
fn bounded(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn irregular(metadata: &Metadata) -> Option<&'static str> {
    if metadata.is_symlink() {
        Some("a symbolic link")
    } else if metadata.is_dir() {
        Some("a folder")
    } else if !metadata.is_file() {
        Some("neither a file nor a folder")
    } else {
        None
    }
}
