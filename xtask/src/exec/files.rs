//! Files, each error with its path: whole reads, writes that appear under their final name only when complete.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What the names of files begin with that are being written.
const UNFINISHED: &str = ".unfinished-";

/// A file could not be read, written, copied or moved.
#[derive(Debug, Error)]
#[error("{path}: {verb}: {source}")]
pub struct FileError {
    verb: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Names what was tried and where.
pub(crate) fn at<'a>(
    verb: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError { verb, path: path.to_path_buf(), source }
}

/// Reads a whole file.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(at("cannot read", path))
}

/// Reads a whole text.
///
/// # Errors
/// It cannot be read or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(at("cannot read", path))
}

/// Makes a folder and those above it.
///
/// # Errors
/// It cannot be made.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(at("cannot make the folder", path))
}

/// Removes a folder with all it holds; one that does not exist is fine.
///
/// # Errors
/// It cannot be removed.
pub fn remove_folder(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(at("cannot remove", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a file beside its final name and renames it, so that a reader sees the old or the new contents.
///
/// # Errors
/// Its folder cannot be made, the disk is full, it cannot be renamed.
pub fn write(path: &Path, contents: &[u8], mode: u32) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    let mut beside = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)
        .map_err(at("cannot write into", folder))?;
    beside.write_all(contents).map_err(at("cannot write", path))?;
    set_mode(beside.as_file(), mode).map_err(at("cannot set the mode of", path))?;
    beside.as_file().sync_data().map_err(at("cannot write", path))?;
    beside.persist(path).map_err(|error| at("cannot rename to", path)(error.error))?;
    Ok(())
}

/// Removes what [`write()`] left in a folder when it was killed; a folder that does not exist is fine.
///
/// # Errors
/// A file cannot be removed.
pub fn remove_unfinished(folder: &Path) -> Result<(), FileError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path()).map_err(at("cannot remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// Writes a file unless it already has these contents and this mode; says whether it wrote.
///
/// # Errors
/// As [`write()`].
pub fn write_if_changed(path: &Path, contents: &[u8], mode: u32) -> Result<bool, FileError> {
    if fs::read(path).is_ok_and(|old| old == contents) && has_mode(path, mode) {
        return Ok(false);
    }
    write(path, contents, mode).map(|()| true)
}

/// Copies a file through [`write()`].
///
/// # Errors
/// As [`read`] and [`write()`].
pub fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    write(to, &read(from)?, mode)
}

#[cfg(unix)]
fn set_mode(file: &fs::File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(unix)]
fn has_mode(path: &Path, mode: u32) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o7777 == mode)
}

#[cfg(not(unix))]
fn has_mode(_: &Path, _: u32) -> bool {
    true
}

#[cfg(not(unix))]
fn set_mode(_: &fs::File, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
