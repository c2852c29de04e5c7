//! Puts a finished release in the place of the previous one, whole or not at all.

use super::files::{self, FileError};
use crate::manifest::{self, Manifest};
use crate::verify;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a release was not published. The previous one is as it was.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The folder holds something that is not a release, and would be lost.
    #[error("{folder} would be replaced, but {reason} (choose another --out, or remove it)")]
    NotReplaceable {
        /// The folder.
        folder: PathBuf,
        /// What speaks against it.
        reason: &'static str,
    },
    /// The folder holds a release, and beside it something that would be lost.
    #[error(
        "{folder} would be replaced, but {name:?} in it is not of its release (move that away, or choose another --out)"
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// Base name of what is in it.
        name: String,
    },
    /// A file could not be written or moved.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Refuses a folder that cannot or may not be replaced, before any work is done. `work` is the toolkit's own folder.
///
/// # Errors
/// It holds something else than a release or more than one, is not a folder, is a mount point, a link to nowhere, or lies in the work
/// folder or around it.
pub fn check(out: &Path, work: &Path) -> Result<(), PublishError> {
    let refuse = |reason| Err(PublishError::NotReplaceable { folder: out.to_path_buf(), reason });
    let resolved = fs::canonicalize(out);
    let real = resolved.as_deref().unwrap_or(out);
    let work = fs::canonicalize(work).unwrap_or_else(|_| work.to_path_buf());
    if real.starts_with(&work) || work.starts_with(real) {
        return refuse("it lies in the toolkit's own folder, or around it");
    }
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(files::at("cannot read the folder", out)(error).into());
        }
        Err(_) if out.is_symlink() => return refuse("it is a link to nowhere"),
        Err(_) => return Ok(()),
    };
    if is_mount_point(real) {
        return refuse(
            "it is a mount point, which cannot be exchanged in one step; choose a folder in it",
        );
    }
    let entries: Result<Vec<_>, _> = entries.collect();
    let entries = entries.map_err(files::at("cannot read the folder", out))?;
    let manifest = fs::read(out.join(manifest::FILE_NAME)).map(|text| Manifest::parse(&text));
    match manifest {
        _ if entries.is_empty() => Ok(()),
        Ok(Ok(manifest)) => match foreign(&entries, &manifest) {
            Some(name) => Err(PublishError::Foreign { folder: out.to_path_buf(), name }),
            None => Ok(()),
        },
        Ok(Err(_)) => refuse("its release.json is not that of a release"),
        Err(_) => refuse("it is not empty and holds no release.json"),
    }
}

/// The first name in a folder that its release does not have, or has for a file where something else is.
fn foreign(entries: &[fs::DirEntry], manifest: &Manifest) -> Option<String> {
    let expected = verify::expected_names(manifest);
    let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let foreign =
        entries.iter().filter(|entry| !is_file(entry) || !expected.contains(&name(entry)));
    foreign.map(name).min()
}

/// A mount point is on another device than the folder it is in (`stat(2)`).
#[cfg(unix)]
fn is_mount_point(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    folder.parent().is_some_and(|parent| device(folder) != device(parent))
}

#[cfg(not(unix))]
fn is_mount_point(_: &Path) -> bool {
    false
}

/// Copies the named files out of `from` into a folder beside `out`, then swaps the two.
///
/// # Errors
/// See [`PublishError`].
pub fn publish(from: &Path, names: &[&str], out: &Path) -> Result<(), PublishError> {
    check(out, from)?;
    // Where a link leads to the folder, it is the folder that is replaced, not the link.
    let resolved = fs::canonicalize(out);
    let out = resolved.as_deref().unwrap_or(out);
    let [partial, aside] = ["partial", "previous"].map(|suffix| beside(out, suffix));
    if !out.exists() && aside.exists() {
        // A run was killed after it had moved the previous release aside.
        fs::rename(&aside, out).map_err(files::at("cannot move back to", out))?;
    }
    if !is_published(from, names, out) {
        let published = fill(&partial, from, names).and_then(|()| swap(&partial, out, &aside));
        if published.is_err() {
            // It may be a full disk, on which half a release is only in the way.
            let _ = files::remove_folder(&partial);
        }
        published?;
    }
    // The previous release has one of these names now, or a run that was killed left them.
    files::remove_folder(&partial)?;
    files::remove_folder(&aside)?;
    Ok(())
}

fn fill(partial: &Path, from: &Path, names: &[&str]) -> Result<(), FileError> {
    files::remove_folder(partial)?;
    files::create_folder(partial)?;
    for name in names {
        files::copy(&from.join(name), &partial.join(name), 0o644)?;
    }
    sync(partial)
}

/// Whether the folder already holds exactly these files with these contents.
fn is_published(from: &Path, names: &[&str], out: &Path) -> bool {
    let same = |name: &&str| match (fs::read(from.join(name)), fs::read(out.join(name))) {
        (Ok(new), Ok(old)) => new == old,
        (Ok(_) | Err(_), _) => false,
    };
    fs::read_dir(out).is_ok_and(|entries| entries.count() == names.len()) && names.iter().all(same)
}

/// A hidden name in the same folder, and so on the same file system.
fn beside(out: &Path, suffix: &str) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!(".{name}.{suffix}"))
}

/// Makes a folder's entries durable before it is renamed (`rename(2)` promises order of names, not of contents).
#[cfg(unix)]
fn sync(folder: &Path) -> Result<(), FileError> {
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(files::at("cannot write", folder))
}

#[cfg(not(unix))]
fn sync(_: &Path) -> Result<(), FileError> {
    Ok(())
}

/// Exchanges the two folders in one step where the system can (`renameat2(2)`, `RENAME_EXCHANGE`), else moves the old
/// one aside first, and back should the second move fail.
fn swap(partial: &Path, out: &Path, aside: &Path) -> Result<(), FileError> {
    if !out.exists() {
        return fs::rename(partial, out).map_err(files::at("cannot rename to", out));
    }
    if exchange(partial, out) {
        return Ok(());
    }
    move_over(partial, out, aside)
}

fn move_over(partial: &Path, out: &Path, aside: &Path) -> Result<(), FileError> {
    files::remove_folder(aside)?;
    fs::rename(out, aside).map_err(files::at("cannot move aside", out))?;
    if let Err(error) = fs::rename(partial, out) {
        fs::rename(aside, out).map_err(files::at("cannot move back to", out))?;
        return Err(files::at("cannot rename to", out)(error));
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn exchange(a: &Path, b: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests;
