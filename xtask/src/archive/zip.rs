//! The zip format (PKWARE APPNOTE 6.3.10): deflated members with Unix modes, UTF-8 names, no extra fields, no comments.

use super::gzip::DEFLATE_LEVEL;
use super::{ArchiveError, Entry, Member, sorted};
use jiff::{Timestamp, tz::TimeZone};
use std::io::{Cursor, Read, Write};
use zip::{
    CompressionMethod, DateTime, System, ZipArchive, ZipWriter, read::ZipFile,
    write::SimpleFileOptions,
};

/// Fixed part of a local file header, APPNOTE 4.3.7.
const LOCAL_HEADER_BYTES: u64 = 30;
/// Fixed part of a central directory header, APPNOTE 4.3.12.
const CENTRAL_HEADER_BYTES: u64 = 46;
/// End of central directory record without a comment, APPNOTE 4.3.16.
const END_BYTES: u64 = 22;
/// The file type bits of a regular file in the upper half of the external attributes (stat(2)).
const REGULAR: u32 = 0o100_000;

/// Packs a zip archive; see [`super::pack`].
///
/// # Errors
///
/// As [`super::pack`].
pub fn pack(entries: &[Entry<'_>], epoch: u64) -> Result<Vec<u8>, ArchiveError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(i64::from(DEFLATE_LEVEL)))
        .last_modified_time(dos_time(epoch))
        .system(System::Unix);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in sorted(entries)? {
        writer
            .start_file(entry.path, options.unix_permissions(entry.mode))
            .map_err(ArchiveError::malformed)?;
        writer.write_all(entry.contents).map_err(ArchiveError::malformed)?;
    }
    Ok(writer.finish().map_err(ArchiveError::malformed)?.into_inner())
}

/// The time in zip's own form, which knows the years 1980 to 2107 and even seconds only.
fn dos_time(epoch: u64) -> DateTime {
    let civil = i64::try_from(epoch)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map(|time| TimeZone::UTC.to_datetime(time));
    let Some(civil) = civil.filter(|civil| civil.year() <= 2107) else {
        return DateTime::from_date_and_time(2107, 12, 31, 23, 59, 58)
            .expect("a time that zip can hold");
    };
    let part = |part: i8| u8::try_from(part).expect("parts of a time are not negative");
    u16::try_from(civil.year())
        .ok()
        .and_then(|year| {
            let (month, day) = (part(civil.month()), part(civil.day()));
            let (hour, minute, second) =
                (part(civil.hour()), part(civil.minute()), part(civil.second()));
            DateTime::from_date_and_time(year, month, day, hour, minute, second).ok()
        })
        .unwrap_or(DateTime::DEFAULT)
}

/// Reads the members in the order of the central directory.
pub(super) fn members(bytes: &[u8], max: u64) -> Result<Vec<Member>, ArchiveError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(ArchiveError::malformed)?;
    archive.validate_header_consistency().map_err(ArchiveError::malformed)?;
    let mut members = Vec::with_capacity(archive.len());
    let mut left = max;
    let mut layout = Layout::default();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(ArchiveError::malformed)?;
        layout.add(&file)?;
        let member = member(&mut file, left)?;
        let size = member.contents.len() as u64;
        left = left.checked_sub(size).ok_or(ArchiveError::Size { max })?;
        if file.size() != size {
            return Err(ArchiveError::malformed(format!(
                "{:?} has another size than its header says",
                member.path
            )));
        }
        members.push(member);
    }
    if layout.local != archive.central_directory_start()
        || layout.local + layout.central + END_BYTES != bytes.len() as u64
    {
        return Err(ArchiveError::malformed("it has hidden or trailing bytes"));
    }
    Ok(members)
}

/// Bytes the members met so far account for. The archive must consist of these and an end record, in which nothing can
/// then be hidden.
#[derive(Default)]
struct Layout {
    local: u64,
    central: u64,
}

impl Layout {
    fn add<R: Read>(&mut self, file: &ZipFile<'_, R>) -> Result<(), ArchiveError> {
        if file.header_start() != self.local {
            return Err(ArchiveError::malformed("it has hidden bytes between its members"));
        }
        let name = file.name_raw().len() as u64;
        self.local =
            (self.local + LOCAL_HEADER_BYTES + name).saturating_add(file.compressed_size());
        self.central += CENTRAL_HEADER_BYTES + name;
        Ok(())
    }
}

/// A member and at most one byte more than is left for it.
fn member<R: Read>(file: &mut ZipFile<'_, R>, left: u64) -> Result<Member, ArchiveError> {
    let path = str::from_utf8(file.name_raw()).map_err(ArchiveError::malformed)?.to_owned();
    let mode = file.unix_mode().unwrap_or(0);
    if file.system() != System::Unix || mode & !0o7777 != REGULAR {
        let kind = if file.is_symlink() {
            "a symbolic link"
        } else if file.is_dir() {
            "a folder"
        } else {
            "something else"
        };
        return Err(ArchiveError::Kind { path, kind });
    }
    let stated = file.size().min(left.saturating_add(1));
    let mut contents = Vec::with_capacity(usize::try_from(stated).unwrap_or(0));
    file.take(left.saturating_add(1))
        .read_to_end(&mut contents)
        .map_err(ArchiveError::malformed)?;
    Ok(Member { path, mode: mode & 0o7777, contents })
}
