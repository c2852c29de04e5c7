//! Archives: packing to reproducible bytes, and reading them back strictly.
//!
//! Pure: bytes in, bytes out. [`crate::exec`] packs with [`pack`], [`crate::verify`] reads with [`members`]; which files
//! go into an archive, and below which folder, is decided while planning. Members are regular files only, sorted by the
//! bytes of their path, with mode 0755 or 0644, owner 0 without a name and one time for all
//! (<https://reproducible-builds.org/docs/archives/>). The reader accepts exactly what the packer can have written, so
//! that an archive holds nothing that the manifest does not say.

mod deb;
mod gzip;
mod oci;
pub mod rpm;
mod tar_gz;
mod ustar;
mod zip;

#[cfg(test)]
mod package_tests;
#[cfg(test)]
mod tests;

use crate::config::model::Format;
use std::collections::BTreeSet;

pub use deb::description as deb_description;
pub use gzip::{deflate, gzip};
pub use tar_gz::pack as tar_gz;
pub use zip::pack as zip;

/// Bytes that the members of an archive may have together.
pub const CONTENTS_BYTES_MAX: u64 = 1 << 30;

/// Bytes a member's path may have. Both formats could hold more; extracting on Windows could not.
pub const PATH_BYTES_MAX: usize = 240;

/// A file to be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path in the archive, with forward slashes.
    pub path: &'a str,
    /// Unix permission bits: 0o755 or 0o644.
    pub mode: u32,
    /// Its bytes.
    pub contents: &'a [u8],
    /// What [`deflate`] makes of them, where that is at hand: the gzipped formats join it as it is, zip compresses again.
    pub deflated: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    /// A file that is not compressed yet.
    pub const fn new(path: &'a str, mode: u32, contents: &'a [u8]) -> Self {
        Self { path, mode, contents, deflated: None }
    }
}

/// A file read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Path in the archive, with forward slashes.
    pub path: String,
    /// Unix permission bits: 0o755 or 0o644.
    pub mode: u32,
    /// Its bytes.
    pub contents: Vec<u8>,
}

/// Why an archive could not be packed or is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// A path that would not extract everywhere to one place below the folder it is extracted in.
    #[error("member {path:?}: its path {problem}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A path that occurs twice, or is the folder of another.
    #[error("member {path:?}: its path occurs twice, or is also a folder")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// Permission bits other than 0755 and 0644.
    #[error("member {path:?}: mode {mode:04o} is neither 0755 nor 0644")]
    Mode {
        /// The path.
        path: String,
        /// The bits.
        mode: u32,
    },
    /// A member that is a link, a folder or a device.
    #[error("member {path:?}: it is not a regular file but {kind}")]
    Kind {
        /// The path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// More bytes than a release may have.
    #[error("its members have more than {max} bytes")]
    Size {
        /// The bound.
        max: u64,
    },
    /// Bytes that are no archive of the format, or hold what the packer never writes.
    #[error("not an archive as this toolkit packs it: {problem}")]
    Malformed {
        /// What was found.
        problem: String,
    },
    /// An installer is not an archive.
    #[error("an installer is not an archive")]
    Installer,
}

impl ArchiveError {
    fn malformed(problem: impl ToString) -> Self {
        Self::Malformed { problem: problem.to_string() }
    }
}

/// Packs files, in whatever order they are given, to the same bytes each time.
///
/// `epoch` is the time of every member in seconds since 1970-01-01 UTC; zip clamps it to what it can hold, 1980 to 2107.
///
/// # Errors
///
/// A path that is not portable or occurs twice, a mode other than 0755 and 0644, more than [`CONTENTS_BYTES_MAX`], or a
/// format that is not an archive.
pub fn pack(format: Format, entries: &[Entry<'_>], epoch: u64) -> Result<Vec<u8>, ArchiveError> {
    match format {
        Format::Zip => zip::pack(entries, epoch),
        Format::TarGz => tar_gz::pack(entries, epoch),
        Format::Deb => deb::pack(entries, epoch),
        Format::Oci => oci::pack(entries, epoch),
        Format::Rpm => rpm::pack(entries, epoch),
        Format::Nsis => Err(ArchiveError::Installer),
    }
}

/// Reads the members of an archive, sorted by path.
///
/// # Errors
///
/// Anything that [`pack`] does not write: members that are not regular files, unsafe or repeated paths, another order,
/// owners, extra fields, hidden or trailing bytes, wrong checksums, more than [`CONTENTS_BYTES_MAX`].
pub fn members(format: Format, bytes: &[u8]) -> Result<Vec<Member>, ArchiveError> {
    members_within(format, bytes, CONTENTS_BYTES_MAX)
}

/// Reads the members of an archive as [`members`] does, where it is known how many bytes they may have together:
/// unpacking stops there, whatever the archive says of itself.
///
/// # Errors
///
/// As [`members`], and more than `max` bytes.
pub fn members_within(format: Format, bytes: &[u8], max: u64) -> Result<Vec<Member>, ArchiveError> {
    let max = max.min(CONTENTS_BYTES_MAX);
    let members = match format {
        Format::Zip => zip::members(bytes, max)?,
        Format::TarGz => tar_gz::members(bytes, max)?,
        Format::Deb => deb::members(bytes, max)?,
        Format::Oci => oci::members(bytes, max)?,
        Format::Rpm => rpm::members(bytes, max)?,
        Format::Nsis => return Err(ArchiveError::Installer),
    };
    if members.iter().map(|member| member.contents.len() as u64).sum::<u64>() > max {
        return Err(ArchiveError::Size { max });
    }
    sorted(&members.iter().map(Member::as_entry).collect::<Vec<_>>())?;
    if !members.is_sorted_by(|a, b| a.path < b.path) {
        return Err(ArchiveError::malformed("its members are not sorted"));
    }
    Ok(members)
}

impl Member {
    /// The member as what would be packed.
    pub fn as_entry(&self) -> Entry<'_> {
        Entry::new(&self.path, self.mode, &self.contents)
    }
}

/// The entries in the order they are packed in, each found to be acceptable.
fn sorted<'a>(entries: &[Entry<'a>]) -> Result<Vec<Entry<'a>>, ArchiveError> {
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|entry| entry.path);
    let paths: BTreeSet<&str> = sorted.iter().map(|entry| entry.path).collect();
    let mut total = 0_u64;
    for (index, entry) in sorted.iter().enumerate() {
        check_path(entry.path)?;
        let repeated = index > 0 && sorted[index - 1].path == entry.path;
        if repeated || folders(entry.path).any(|folder| paths.contains(folder)) {
            return Err(ArchiveError::Duplicate { path: entry.path.to_owned() });
        }
        if !matches!(entry.mode, 0o755 | 0o644) {
            return Err(ArchiveError::Mode { path: entry.path.to_owned(), mode: entry.mode });
        }
        total = total.saturating_add(entry.contents.len() as u64);
    }
    if total > CONTENTS_BYTES_MAX {
        return Err(ArchiveError::Size { max: CONTENTS_BYTES_MAX });
    }
    Ok(sorted)
}

/// The folders a path lies in, outermost first.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Checks that a path names one place below the folder of extraction, on Linux and on Windows.
fn check_path(path: &str) -> Result<(), ArchiveError> {
    let problem = if path.is_empty() {
        "is empty"
    } else if path.len() > PATH_BYTES_MAX {
        "is longer than 240 bytes"
    } else if path.starts_with('/') {
        "is absolute"
    } else if path.contains(['\\', ':']) {
        "contains a backslash or a colon"
    } else if path.chars().any(char::is_control) {
        "contains a control character"
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "has a part that is empty, `.` or `..`"
    } else {
        return Ok(());
    };
    Err(ArchiveError::Path { path: path.to_owned(), problem })
}
