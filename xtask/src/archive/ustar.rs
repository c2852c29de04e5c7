//! The uncompressed tar format: POSIX ustar headers (pax(1), "ustar Interchange Format") without extensions.
//!
//! Whatever is a tar here is written and read by this file; which files and folders go into it, its callers say.

use super::gzip::Tape;
use super::{ArchiveError, Entry, Member, folders};
use std::collections::BTreeSet;
use std::io::Read;
use tar::{EntryType, Header};

/// Size of a tar record.
const BLOCK_BYTES: usize = 512;
/// Room for a path in a ustar header, and for the folders before it.
const NAME_BYTES_MAX: usize = 100;
const PREFIX_BYTES_MAX: usize = 155;
/// Permission bits of every folder.
pub(super) const FOLDER_MODE: u32 = 0o755;

/// Writes files alone, in the order given, under their paths.
pub(super) fn files<'a>(entries: &[Entry<'a>], epoch: u64) -> Result<Tape<'a>, ArchiveError> {
    let mut tape = Tape::with_capacity(capacity(entries));
    for entry in entries {
        append(&mut tape, entry.path, entry, epoch)?;
    }
    end(&mut tape);
    Ok(tape)
}

/// What the files take, with a header and padding each.
fn capacity(entries: &[Entry<'_>]) -> usize {
    entries.iter().map(|entry| entry.contents.len() + 2 * BLOCK_BYTES).sum()
}

/// Writes files sorted by path, each folder before what lies in it, the root first: what dpkg and a container's layer
/// expect, who make no folder that they were not told of. Paths begin with `prefix`, which is `./` or nothing.
pub(super) fn tree<'a>(
    entries: &[Entry<'a>],
    prefix: &str,
    epoch: u64,
) -> Result<Tape<'a>, ArchiveError> {
    let (mut tape, mut made) = (Tape::with_capacity(capacity(entries)), BTreeSet::new());
    if !prefix.is_empty() {
        append_folder(&mut tape, prefix, epoch)?;
    }
    for entry in entries {
        for folder in folders(entry.path).filter(|folder| made.insert((*folder).to_owned())) {
            append_folder(&mut tape, &format!("{prefix}{folder}/"), epoch)?;
        }
        append(&mut tape, &format!("{prefix}{}", entry.path), entry, epoch)?;
    }
    end(&mut tape);
    Ok(tape)
}

fn append<'a>(
    tape: &mut Tape<'a>,
    path: &str,
    entry: &Entry<'a>,
    epoch: u64,
) -> Result<(), ArchiveError> {
    let mut header = header(path, EntryType::Regular, entry.mode, epoch)?;
    header.set_size(entry.contents.len() as u64);
    header.set_cksum();
    tape.bytes.extend_from_slice(header.as_bytes());
    tape.append(entry.contents, entry.deflated);
    tape.pad(BLOCK_BYTES);
    Ok(())
}

fn append_folder(tape: &mut Tape<'_>, path: &str, epoch: u64) -> Result<(), ArchiveError> {
    let mut header = header(path, EntryType::Directory, FOLDER_MODE, epoch)?;
    header.set_size(0);
    header.set_cksum();
    tape.bytes.extend_from_slice(header.as_bytes());
    Ok(())
}

/// Two empty blocks.
fn end(tape: &mut Tape<'_>) {
    tape.bytes.resize(tape.bytes.len() + 2 * BLOCK_BYTES, 0);
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
        // A header may lie: no more is reserved than the whole tar has.
        let size = usize::try_from(entry.size()).unwrap_or(0).min(bytes.len());
        let mut contents = Vec::with_capacity(size);
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
