//! The uncompressed tar format: POSIX ustar headers (pax(1), "ustar Interchange Format") without extensions, and the gzip
//! member (RFC 1952) around it, without a name or a time.
//!
//! Whatever is a tar here is written and read by this file; which files and folders go into it, its callers say.

use super::{ArchiveError, DEFLATE_LEVEL, Entry, Member, folders};
use flate2::{Compression, GzBuilder, bufread::GzDecoder, write::GzEncoder};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use tar::{EntryType, Header};

/// The gzip header's operating system: "unknown", the same wherever it is packed.
const GZIP_UNKNOWN_SYSTEM: u8 = 255;
/// Size of a tar record.
const BLOCK_BYTES: usize = 512;
/// Room for a path in a ustar header, and for the folders before it.
const NAME_BYTES_MAX: usize = 100;
const PREFIX_BYTES_MAX: usize = 155;
/// Headers and padding that the largest archive may have beside its contents.
const OVERHEAD_BYTES_MAX: u64 = 64 << 20;
/// Permission bits of every folder.
pub(super) const FOLDER_MODE: u32 = 0o755;

/// Writes files alone, in the order given, under their paths.
pub(super) fn files(entries: &[Entry<'_>], epoch: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::with_capacity(
        entries.iter().map(|entry| entry.contents.len() + 2 * BLOCK_BYTES).sum(),
    );
    for entry in entries {
        append(&mut bytes, entry, epoch)?;
    }
    end(&mut bytes);
    Ok(bytes)
}

/// Writes files sorted by path, each folder before what lies in it, the root first: what dpkg and a container's layer
/// expect, who make no folder that they were not told of. Paths begin with `prefix`, which is `./` or nothing.
pub(super) fn tree(
    entries: &[Entry<'_>],
    prefix: &str,
    epoch: u64,
) -> Result<Vec<u8>, ArchiveError> {
    let (mut bytes, mut made) = (Vec::new(), BTreeSet::new());
    if !prefix.is_empty() {
        append_folder(&mut bytes, prefix, epoch)?;
    }
    for entry in entries {
        for folder in folders(entry.path).filter(|folder| made.insert((*folder).to_owned())) {
            append_folder(&mut bytes, &format!("{prefix}{folder}/"), epoch)?;
        }
        append(&mut bytes, &Entry { path: &format!("{prefix}{}", entry.path), ..*entry }, epoch)?;
    }
    end(&mut bytes);
    Ok(bytes)
}

fn append(bytes: &mut Vec<u8>, entry: &Entry<'_>, epoch: u64) -> Result<(), ArchiveError> {
    let mut header = header(entry.path, EntryType::Regular, entry.mode, epoch)?;
    header.set_size(entry.contents.len() as u64);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(entry.contents);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    Ok(())
}

fn append_folder(bytes: &mut Vec<u8>, path: &str, epoch: u64) -> Result<(), ArchiveError> {
    let mut header = header(path, EntryType::Directory, FOLDER_MODE, epoch)?;
    header.set_size(0);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    Ok(())
}

/// Two empty blocks.
fn end(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len() + 2 * BLOCK_BYTES, 0);
}

/// The header is ustar's, which has no room for access times, and no extension follows it.
fn header(path: &str, kind: EntryType, mode: u32, epoch: u64) -> Result<Header, ArchiveError> {
    let mut header = Header::new_ustar();
    let fields = header.as_ustar_mut().expect("the header was made as ustar's");
    let (prefix, name) = split(path).ok_or_else(|| ArchiveError::Path {
        path: path.to_owned(),
        problem: "does not fit a tar header: it has a part longer than 100 bytes",
    })?;
    fields.prefix[..prefix.len()].copy_from_slice(prefix.as_bytes());
    fields.name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(epoch);
    Ok(header)
}

/// The two fields that a path is written in: it is cut at a slash unless it fits the second alone.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME_BYTES_MAX {
        return Some(("", path));
    }
    let cuts = path.match_indices('/').map(|(at, _)| (&path[..at], &path[at + 1..]));
    let fits = |(prefix, name): &(&str, &str)| {
        !name.is_empty() && prefix.len() <= PREFIX_BYTES_MAX && name.len() <= NAME_BYTES_MAX
    };
    cuts.rev().find(fits)
}

/// A tar as it was read: its files with their paths as they stand there, folders left out, and the time of the last.
///
/// That nothing else is in it, the caller shows by writing it again.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<Member>, u64), ArchiveError> {
    let (mut members, mut epoch) = (Vec::new(), 0);
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(ArchiveError::malformed)?.raw(true) {
        let mut entry = entry.map_err(ArchiveError::malformed)?;
        let path = str::from_utf8(&entry.path_bytes()).map_err(ArchiveError::malformed)?.to_owned();
        epoch = entry.header().mtime().map_err(ArchiveError::malformed)?;
        match kind(entry.header().entry_type()) {
            Kind::File => {}
            Kind::Folder => continue,
            Kind::Other(kind) => return Err(ArchiveError::Kind { path, kind }),
        }
        let mode = entry.header().mode().map_err(ArchiveError::malformed)?;
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).map_err(ArchiveError::malformed)?;
        members.push(Member { path, mode, contents });
    }
    Ok((members, epoch))
}

enum Kind {
    File,
    Folder,
    Other(&'static str),
}

fn kind(kind: EntryType) -> Kind {
    if kind == EntryType::Regular {
        Kind::File
    } else if kind == EntryType::Directory {
        Kind::Folder
    } else if kind == EntryType::Symlink {
        Kind::Other("a symbolic link")
    } else if kind == EntryType::Link {
        Kind::Other("a hard link")
    } else {
        Kind::Other("something else")
    }
}

/// Compresses bytes into one gzip member.
///
/// # Errors
///
/// None in practice: it writes to memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let mut gzip = encoder();
    gzip.write_all(bytes).map_err(ArchiveError::malformed)?;
    gzip.finish().map_err(ArchiveError::malformed)
}

fn encoder() -> GzEncoder<Vec<u8>> {
    GzBuilder::new()
        .mtime(0)
        .operating_system(GZIP_UNKNOWN_SYSTEM)
        .write(Vec::new(), Compression::new(DEFLATE_LEVEL))
}

/// Decompresses exactly one gzip member with the header that [`gzip`] writes, for contents of at most `contents_max`.
pub(super) fn gunzip(bytes: &[u8], contents_max: u64) -> Result<Vec<u8>, ArchiveError> {
    let max = contents_max.saturating_add(OVERHEAD_BYTES_MAX);
    let mut decoder = GzDecoder::new(bytes);
    let mut tar_bytes = Vec::new();
    (&mut decoder).take(max + 1).read_to_end(&mut tar_bytes).map_err(ArchiveError::malformed)?;
    if tar_bytes.len() as u64 > max {
        return Err(ArchiveError::Size { max: contents_max });
    }
    let expected = encoder().finish().map_err(ArchiveError::malformed)?;
    // A gzip header without optional fields has 10 bytes, RFC 1952 section 2.3.
    if bytes.get(..10) != expected.get(..10) {
        return Err(ArchiveError::malformed("its gzip header has a name, a time or a system"));
    }
    if !decoder.into_inner().is_empty() {
        return Err(ArchiveError::malformed("bytes follow its end"));
    }
    Ok(tar_bytes)
}
