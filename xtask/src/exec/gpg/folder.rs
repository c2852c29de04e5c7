//! A private folder for a keyring and its secrets. Should this run be killed, the next one removes what is left of it.
//!
//! All of a user's lie in one folder below that for temporary files. Not in the work folder: the agent's socket has a name
//! in it, which may have 107 bytes (unix(7)). A folder in use holds a file that is locked, and the system unlocks it
//! when a process ends, however it does.

use crate::exec::files::{self, FileError};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// In each folder the lock of whoever uses it; in the one around them, that of whoever makes or removes one.
const LOCK: &str = "lock";

/// A folder that nobody else can look into. It goes when it is dropped.
#[derive(Debug)]
pub(super) struct Private {
    // Dropped first: on Windows nothing is removed that is open.
    _lock: File,
    folder: TempDir,
}

impl Private {
    /// Makes one below a folder for temporary files, and removes those that nobody uses any more.
    ///
    /// # Errors
    /// The folder around them is not this user's alone; one cannot be made or removed.
    pub(super) fn new(temporary: &Path) -> Result<Self, FileError> {
        let around = own(temporary)?;
        // Held until the new one is locked, so that no other run takes it for one that is left.
        let path = around.join(LOCK);
        let making = File::create(&path).map_err(files::at("cannot make", &path))?;
        making.lock().map_err(files::at("cannot lock", &path))?;
        remove_unused(&around)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix("");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder =
            builder.tempdir_in(&around).map_err(files::at("cannot make a folder in", &around))?;
        let path = folder.path().join(LOCK);
        let lock = File::create(&path).map_err(files::at("cannot make", &path))?;
        lock.lock().map_err(files::at("cannot lock", &path))?;
        Ok(Self { _lock: lock, folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn remove_unused(around: &Path) -> Result<(), FileError> {
    let entries = fs::read_dir(around).map_err(files::at("cannot read the folder", around))?;
    for entry in entries {
        let entry = entry.map_err(files::at("cannot read the folder", around))?;
        if entry.path() != around.join(LOCK) && !is_used(&entry.path()) {
            files::remove_folder(&entry.path())?;
        }
    }
    Ok(())
}

fn is_used(folder: &Path) -> bool {
    File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err())
}

/// The folder around all of this user's. Where temporary files are everybody may make it, or lay a link of its name.
#[cfg(unix)]
fn own(temporary: &Path) -> Result<PathBuf, FileError> {
    use std::io::{Error, ErrorKind};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let user = rustix::process::geteuid().as_raw();
    let path = temporary.join(format!("xtask-gpg-{user}"));
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(files::at("cannot make the folder", &path)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let found = fs::symlink_metadata(&path).map_err(files::at("cannot read", &path))?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0 {
        return Ok(path);
    }
    let reason = "not a folder of this user's alone (remove it, or set TMPDIR to another folder)";
    Err(files::at("cannot keep secrets there", &path)(Error::other(reason)))
}

/// The folder for temporary files is the user's own there.
#[cfg(not(unix))]
fn own(temporary: &Path) -> Result<PathBuf, FileError> {
    let path = temporary.join("xtask-gpg");
    files::create_folder(&path)?;
    Ok(path)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn around(temporary: &Path) -> PathBuf {
        temporary.join(format!("xtask-gpg-{}", rustix::process::geteuid().as_raw()))
    }

    #[test]
    fn what_a_killed_run_left_goes_and_what_another_run_uses_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let used = Private::new(temporary.path()).unwrap();
        fs::write(used.path().join("password"), "secret").unwrap();
        let mode = fs::metadata(used.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let left = ["with a lock", "killed before it had one"].map(|name| {
            let folder = around(temporary.path()).join(name);
            files::write(&folder.join("secret.asc"), b"secret", 0o600).unwrap();
            folder
        });
        fs::write(left[0].join(LOCK), "").unwrap();
        let elsewhere = temporary.path().join("elsewhere");
        files::write(&elsewhere.join("thesis"), b"", 0o600).unwrap();
        symlink(&elsewhere, left[0].join("link")).unwrap();

        let second = Private::new(temporary.path()).unwrap();
        assert!(left.iter().all(|folder| !folder.exists()));
        assert!(used.path().join("password").exists() && elsewhere.join("thesis").exists());
        let path = second.path().to_path_buf();
        drop(second);
        assert!(!path.exists() && used.path().exists());
    }

    #[test]
    fn a_folder_that_others_may_look_into_or_a_link_in_its_place_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let around = around(temporary.path());
        let refused = || {
            let error = Private::new(temporary.path()).unwrap_err().to_string();
            let expected = format!(
                "{}: cannot keep secrets there: not a folder of this user's alone (remove it, or set TMPDIR to another folder)",
                around.display()
            );
            assert_eq!(error, expected);
        };
        let elsewhere = temporary.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &around).unwrap();
        refused();
        fs::remove_file(&around).unwrap();
        fs::create_dir(&around).unwrap();
        fs::set_permissions(&around, PermissionsExt::from_mode(0o755)).unwrap();
        refused();
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    }
}
