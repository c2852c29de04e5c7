//! The gzipped tar format: POSIX ustar headers (pax(1), "ustar Interchange Format") in one gzip member (RFC 1952) without
//! a name or a time.

use super::{ArchiveError, DEFLATE_LEVEL, Entry, Member, sorted};
use flate2::{Compression, GzBuilder, bufread::GzDecoder, write::GzEncoder};
use std::io::{Read, Write};
use tar::{EntryType, Header};

/// The gzip header's operating system: "unknown", the same wherever it is packed.
const GZIP_UNKNOWN_SYSTEM: u8 = 255;
/// Size of a tar record.
const BLOCK_BYTES: usize = 512;
/// Headers and padding that the largest archive may have beside its contents.
const OVERHEAD_BYTES_MAX: u64 = 64 << 20;

/// Packs a tar archive and compresses it; see [`super::pack`].
///
/// # Errors
///
/// As [`super::pack`], and a path that a ustar header cannot hold: more than 100 bytes that cannot be split at a slash
/// into at most 155 and at most 100.
pub fn pack(entries: &[Entry<'_>], epoch: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut gzip = gzip();
    gzip.write_all(&tar(&sorted(entries)?, epoch)?).map_err(ArchiveError::malformed)?;
    gzip.finish().map_err(ArchiveError::malformed)
}

fn gzip() -> GzEncoder<Vec<u8>> {
    GzBuilder::new()
        .mtime(0)
        .operating_system(GZIP_UNKNOWN_SYSTEM)
        .write(Vec::new(), Compression::new(DEFLATE_LEVEL))
}

/// The uncompressed archive: header, contents and padding of each entry, then two empty blocks.
fn tar(entries: &[Entry<'_>], epoch: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::with_capacity(
        entries.iter().map(|entry| entry.contents.len() + 2 * BLOCK_BYTES).sum(),
    );
    for entry in entries {
        bytes.extend_from_slice(header(entry, epoch)?.as_bytes());
        bytes.extend_from_slice(entry.contents);
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK_BYTES, 0);
    Ok(bytes)
}

/// The header is ustar's, which has no room for access times, and no extension follows it.
fn header(entry: &Entry<'_>, epoch: u64) -> Result<Header, ArchiveError> {
    let mut header = Header::new_ustar();
    header.set_path(entry.path).map_err(|_| ArchiveError::Path {
        path: entry.path.to_owned(),
        problem: "does not fit a tar header: it has a part longer than 100 bytes",
    })?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(entry.mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(epoch);
    header.set_size(entry.contents.len() as u64);
    header.set_cksum();
    Ok(header)
}

/// Reads the members in the order of the archive.
///
/// That nothing but them is in it is shown by packing them again: the tar bytes must be the same.
pub(super) fn members(bytes: &[u8], max: u64) -> Result<Vec<Member>, ArchiveError> {
    let tar_bytes = gunzip(bytes, max)?;
    let mut members = Vec::new();
    let mut epoch = 0;
    let mut archive = tar::Archive::new(tar_bytes.as_slice());
    for entry in archive.entries().map_err(ArchiveError::malformed)?.raw(true) {
        let mut entry = entry.map_err(ArchiveError::malformed)?;
        let path = str::from_utf8(&entry.path_bytes()).map_err(ArchiveError::malformed)?.to_owned();
        if let Some(kind) = irregular(entry.header().entry_type()) {
            return Err(ArchiveError::Kind { path, kind });
        }
        let mode = entry.header().mode().map_err(ArchiveError::malformed)?;
        epoch = entry.header().mtime().map_err(ArchiveError::malformed)?;
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).map_err(ArchiveError::malformed)?;
        members.push(Member { path, mode, contents });
    }
    let entries: Vec<_> = members.iter().map(Member::as_entry).collect();
    sorted(&entries)?;
    let again = tar(&entries, epoch)?;
    if again != tar_bytes {
        return Err(ArchiveError::malformed(
            "it has owners, times, extensions or bytes that are never packed",
        ));
    }
    Ok(members)
}

/// What an entry is when it is not a regular file.
fn irregular(kind: EntryType) -> Option<&'static str> {
    if kind == EntryType::Regular {
        None
    } else if kind == EntryType::Symlink {
        Some("a symbolic link")
    } else if kind == EntryType::Link {
        Some("a hard link")
    } else if kind == EntryType::Directory {
        Some("a folder")
    } else {
        Some("something else")
    }
}

/// Decompresses exactly one gzip member with the header that [`pack`] writes, for contents of at most `contents_max`.
fn gunzip(bytes: &[u8], contents_max: u64) -> Result<Vec<u8>, ArchiveError> {
    let max = contents_max.saturating_add(OVERHEAD_BYTES_MAX);
    let mut decoder = GzDecoder::new(bytes);
    let mut tar_bytes = Vec::new();
    (&mut decoder).take(max + 1).read_to_end(&mut tar_bytes).map_err(ArchiveError::malformed)?;
    if tar_bytes.len() as u64 > max {
        return Err(ArchiveError::Size { max: contents_max });
    }
    let expected = gzip().finish().map_err(ArchiveError::malformed)?;
    // A gzip header without optional fields has 10 bytes, RFC 1952 section 2.3.
    if bytes.get(..10) != expected.get(..10) {
        return Err(ArchiveError::malformed("its gzip header has a name, a time or a system"));
    }
    if !decoder.into_inner().is_empty() {
        return Err(ArchiveError::malformed("bytes follow its end"));
    }
    Ok(tar_bytes)
}
