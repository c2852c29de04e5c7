//! The Debian package (deb(5)): an `ar` archive of the format's version, a tar of control files and a tar of the files to
//! install.
//!
//! Control files are members below `DEBIAN/`, as `dpkg-deb --raw-extract` lays them; every other path is where a file is
//! installed below `/`. What follows from the members is no member: `md5sums`, the line `Installed-Size` in `control`,
//! and the folders. `ar` is written here: three headers of sixty bytes, against a crate whose last release is of 2021.

use super::gzip::Tape;
use super::{ArchiveError, Entry, Member, gzip, sorted, ustar};
use crate::checksum;
use std::fmt::Write as _;

/// Folder of the control files.
const CONTROL: &str = "DEBIAN/";
/// Name of the file that describes the package.
const DESCRIPTION: &str = "control";
/// Name of the list of checksums, deb-md5sums(5).
const SUMS: &str = "md5sums";
/// What an `ar` archive begins with (ar(5)).
const MAGIC: &[u8] = b"!<arch>\n";
/// Size of a header in it.
const HEADER_BYTES: usize = 60;
/// The names in it, in order, and the contents of the first.
const NAMES: [&str; 3] = ["debian-binary", "control.tar.gz", "data.tar.gz"];
const VERSION: &[u8] = b"2.0\n";

/// Packs a package; see [`super::pack`].
///
/// # Errors
///
/// As [`super::pack`]; a package without `DEBIAN/control`, or with control files of other names than dpkg's.
pub fn pack(entries: &[Entry<'_>], epoch: u64) -> Result<Vec<u8>, ArchiveError> {
    let (control, data) = tars(entries, epoch)?;
    Ok(assemble(&gzip::gzip(&control)?, &data.gzip()?, epoch))
}

/// The `ar` archive around the two compressed tars.
pub(super) fn assemble(control: &[u8], data: &[u8], epoch: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (name, contents) in NAMES.into_iter().zip([VERSION, control, data]) {
        bytes.extend_from_slice(&header(name, contents.len(), epoch));
        bytes.extend_from_slice(contents);
        // Members begin at even offsets.
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

/// The control tar and the data tar.
fn tars<'a>(entries: &[Entry<'a>], epoch: u64) -> Result<(Vec<u8>, Tape<'a>), ArchiveError> {
    let entries = sorted(entries)?;
    let (control, data): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.path.starts_with(CONTROL));
    let sums = sums(&data);
    let mut description = None;
    let mut files = vec![Entry::new(SUMS, 0o644, sums.as_bytes())];
    for entry in control {
        let path = &entry.path[CONTROL.len()..];
        match path {
            DESCRIPTION => description = Some(described(entry.contents, &data)?),
            "conffiles" | "postinst" | "postrm" | "preinst" | "prerm" => {
                files.push(Entry { path, ..entry });
            }
            _ => {
                return Err(ArchiveError::malformed(format!("it has a control file {path:?}")));
            }
        }
    }
    let description =
        description.ok_or_else(|| ArchiveError::malformed("it has no DEBIAN/control"))?;
    files.push(Entry::new(DESCRIPTION, 0o644, description.as_bytes()));
    files.sort_by_key(|entry| entry.path);
    Ok((ustar::tree(&files, "./", epoch)?.bytes, ustar::tree(&data, "./", epoch)?))
}

/// Lines that `md5sum --check` reads, with paths relative to the root.
fn sums(data: &[Entry<'_>]) -> String {
    data.iter().fold(String::new(), |mut text, entry| {
        let _infallible = writeln!(text, "{}  {}", checksum::md5(entry.contents), entry.path);
        text
    })
}

/// The description with the installed size after its first line: kibibytes, each file and folder rounded up
/// (deb-substvars(5)).
fn described(control: &[u8], data: &[Entry<'_>]) -> Result<String, ArchiveError> {
    let text = str::from_utf8(control).map_err(ArchiveError::malformed)?;
    let (first, rest) = text
        .split_once('\n')
        .ok_or_else(|| ArchiveError::malformed("its description is no list of fields"))?;
    let files = data.iter().map(|entry| entry.contents.len().div_ceil(1024));
    let folders: std::collections::BTreeSet<_> =
        data.iter().flat_map(|entry| super::folders(entry.path)).collect();
    let size = files.sum::<usize>() + folders.len() + 1;
    Ok(format!("{first}\nInstalled-Size: {size}\n{rest}"))
}

/// Name, time, owner, group, mode and size, in columns, closed by a grave accent and a line feed (ar(5)).
fn header(name: &str, size: usize, epoch: u64) -> Vec<u8> {
    format!("{name:<16}{epoch:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, "100644").into_bytes()
}

/// Reads the members, sorted.
///
/// That nothing but them is in it is shown by packing them again: headers and both tars must be the same.
pub(super) fn members(bytes: &[u8], max: u64) -> Result<Vec<Member>, ArchiveError> {
    let [control, data] = parts(bytes)?;
    let [control_tar, data_tar] = [gzip::gunzip(control, max)?, gzip::gunzip(data, max)?];
    let ((control_files, _), (files, epoch)) =
        (ustar::read(&control_tar)?, ustar::read(&data_tar)?);
    let mut members = Vec::new();
    for member in control_files {
        let member = relative(member)?;
        match member.path.as_str() {
            SUMS => {}
            DESCRIPTION => members.push(without_size(member)?),
            _ => members.push(member),
        }
    }
    members.iter_mut().for_each(|member| member.path.insert_str(0, CONTROL));
    for member in files {
        members.push(relative(member)?);
    }
    members.sort_by(|a, b| a.path.cmp(&b.path));
    let entries: Vec<_> = members.iter().map(Member::as_entry).collect();
    let (control_again, data_again) = tars(&entries, epoch)?;
    if control_again != control_tar
        || data_again.bytes != data_tar
        || assemble(control, data, epoch) != bytes
    {
        return Err(ArchiveError::malformed(
            "it has owners, times, sums or bytes that are never packed",
        ));
    }
    Ok(members)
}

/// What a package says of itself, as dpkg reads it (deb-control(5)), ending in a line feed.
///
/// # Errors
/// Bytes that are no package of [`pack`]'s.
pub fn description(package: &[u8]) -> Result<String, ArchiveError> {
    let [control, _] = parts(package)?;
    let (files, _) = ustar::read(&gzip::gunzip(control, super::CONTENTS_BYTES_MAX)?)?;
    let is_it = |file: &Member| file.path.strip_prefix("./") == Some(DESCRIPTION);
    let file = files.into_iter().find(is_it);
    let file = file.ok_or_else(|| ArchiveError::malformed("it has no DEBIAN/control"))?;
    String::from_utf8(file.contents).map_err(ArchiveError::malformed)
}

/// The bytes of the two tars. Each header is compared with the one that would be written, once its time is known.
fn parts(bytes: &[u8]) -> Result<[&[u8]; 2], ArchiveError> {
    let short = || ArchiveError::malformed("it is no ar archive of three members");
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(short)?;
    let mut found = Vec::new();
    for name in NAMES {
        let (header, after) = rest.split_at_checked(HEADER_BYTES).ok_or_else(short)?;
        let size =
            str::from_utf8(&header[48..58]).ok().and_then(|size| size.trim_end().parse().ok());
        let (contents, after) =
            size.and_then(|size| after.split_at_checked(size)).ok_or_else(short)?;
        if !header.starts_with(format!("{name:<16}").as_bytes()) {
            return Err(short());
        }
        found.push(contents);
        rest = if contents.len() % 2 == 0 { after } else { after.get(1..).unwrap_or_default() };
    }
    match found[..] {
        [VERSION, control, data] if rest.is_empty() => Ok([control, data]),
        _ => Err(short()),
    }
}

fn relative(member: Member) -> Result<Member, ArchiveError> {
    match member.path.strip_prefix("./") {
        Some(path) => Ok(Member { path: path.to_owned(), ..member }),
        None => Err(ArchiveError::malformed(format!("{:?} does not begin with ./", member.path))),
    }
}

/// The description as it was given to [`pack`].
fn without_size(member: Member) -> Result<Member, ArchiveError> {
    let text = String::from_utf8(member.contents).map_err(ArchiveError::malformed)?;
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    if !lines.get(1).is_some_and(|line| line.starts_with("Installed-Size: ")) {
        return Err(ArchiveError::malformed("its description does not state the installed size"));
    }
    lines.remove(1);
    Ok(Member { contents: lines.concat().into_bytes(), ..member })
}
