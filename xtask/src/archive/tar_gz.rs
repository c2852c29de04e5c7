//! The gzipped tar archive: files alone, as people unpack them.

use super::{ArchiveError, Entry, Member, gzip, sorted, ustar};

/// Packs a tar archive and compresses it; see [`super::pack`].
///
/// # Errors
///
/// As [`super::pack`], and a path that a ustar header cannot hold: more than 100 bytes that cannot be split at a slash
/// into at most 155 and at most 100.
pub fn pack(entries: &[Entry<'_>], epoch: u64) -> Result<Vec<u8>, ArchiveError> {
    ustar::files(&sorted(entries)?, epoch)?.gzip()
}

/// Reads the members in the order of the archive.
///
/// That nothing but them is in it is shown by packing them again: the tar bytes must be the same.
pub(super) fn members(bytes: &[u8], max: u64) -> Result<Vec<Member>, ArchiveError> {
    let tar_bytes = gzip::gunzip(bytes, max)?;
    let (members, epoch) = ustar::read(&tar_bytes)?;
    let entries: Vec<_> = members.iter().map(Member::as_entry).collect();
    sorted(&entries)?;
    if ustar::files(&entries, epoch)?.bytes != tar_bytes {
        return Err(ArchiveError::malformed(
            "it has owners, times, extensions or bytes that are never packed",
        ));
    }
    Ok(members)
}
