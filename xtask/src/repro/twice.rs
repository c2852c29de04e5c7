//! Two builds of the same sources, each in a folder of its own, under conditions that differ in whatever a build must
//! not depend on: folder, time zone, locale, umask, file times, number of jobs.

use super::Release;
use crate::exec::files::{self, FileError};
use crate::exec::keys;
use crate::facts::Facts;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};
use thiserror::Error;
use xshell::{Shell, cmd};

/// Why two builds could not be compared.
#[derive(Debug, Error)]
pub enum TwiceError {
    /// The sources could not be copied, or a release not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The development key could not be given to both builds.
    #[error(transparent)]
    Key(#[from] keys::KeysError),
    /// A command did not succeed.
    #[error("{0}")]
    Command(#[from] xshell::Error),
}

/// The conditions of one build.
struct Conditions {
    folder: &'static str,
    time_zone: &'static str,
    locale: &'static str,
    umask: &'static str,
    jobs: &'static str,
    /// Seconds since 1970 that every source file is touched to.
    modified: u64,
}

const CONDITIONS: [Conditions; 2] = [
    Conditions {
        folder: "first",
        time_zone: "UTC",
        locale: "C",
        umask: "022",
        jobs: "1",
        modified: 946_684_800,
    },
    Conditions {
        folder: "second in a much longer folder/with a space",
        time_zone: "Asia/Kathmandu",
        locale: "de_DE.UTF-8",
        umask: "077",
        jobs: "4",
        modified: 1_577_934_245,
    },
];

/// Builds twice with `arguments` after `dist`, and reads both releases.
///
/// # Errors
/// See [`TwiceError`].
pub fn build(facts: &Facts, arguments: &[String]) -> Result<[Release; 2], TwiceError> {
    let mut releases = Vec::new();
    for conditions in &CONDITIONS {
        let folder = facts.work_dir().join("repro").join(conditions.folder);
        copy_sources(facts, &folder, conditions.modified)?;
        keys::development::share(&facts.target_dir, &folder.join("target"))?;
        releases.push(build_one(&folder, conditions, arguments)?);
    }
    let second = releases.pop().unwrap_or_default();
    Ok([releases.pop().unwrap_or_default(), second])
}

fn build_one(
    folder: &Path,
    conditions: &Conditions,
    arguments: &[String],
) -> Result<Release, TwiceError> {
    let shell = Shell::new()?;
    shell.change_dir(folder);
    let xtask = std::env::current_exe()
        .map_err(files::at("cannot find this program", Path::new("xtask")))?;
    let Conditions { time_zone, locale, umask, jobs, .. } = conditions;
    eprintln!(
        "build in {} (TZ={time_zone} LC_ALL={locale} umask {umask} --jobs {jobs})",
        folder.display()
    );
    let command = if cfg!(unix) {
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        cmd!(shell, "sh -c {script} {xtask} dist --jobs {jobs} {arguments...}")
    } else {
        cmd!(shell, "{xtask} dist --jobs {jobs} {arguments...}")
    };
    command
        .quiet()
        .env("TZ", time_zone)
        .env("LC_ALL", locale)
        .env_remove("CARGO_TARGET_DIR")
        .ignore_stdout()
        .run()?;
    read_release(&folder.join("target/dist"))
}

fn read_release(folder: &Path) -> Result<Release, TwiceError> {
    let mut release = Release::new();
    for entry in fs::read_dir(folder).map_err(files::at("cannot read the folder", folder))? {
        let entry = entry.map_err(files::at("cannot read the folder", folder))?;
        release
            .insert(entry.file_name().to_string_lossy().into_owned(), files::read(&entry.path())?);
    }
    Ok(release)
}

/// Clones the repository and lays the working tree's own state over it, so that what is built is what is here. What
/// was built is no source, whether git ignores it or not; the copies themselves lie there.
fn copy_sources(facts: &Facts, folder: &Path, modified: u64) -> Result<(), TwiceError> {
    let root = &facts.root;
    files::remove_folder(folder)?;
    files::create_folder(folder)?;
    let shell = Shell::new()?;
    shell.change_dir(root);
    cmd!(shell, "git clone --quiet --no-hardlinks --local {root} {folder}").quiet().run()?;
    let listed =
        cmd!(shell, "git ls-files -z --cached --others --exclude-standard").quiet().read()?;
    let is_source =
        |path: &&str| !path.is_empty() && !root.join(path).starts_with(&facts.target_dir);
    for path in listed.split('\0').filter(is_source).map(Path::new) {
        copy_source(&root.join(path), &folder.join(path))?;
        touch(&folder.join(path), modified)?;
    }
    Ok(())
}

/// A file that is listed but not there was deleted in the working tree.
fn copy_source(from: &Path, to: &Path) -> Result<(), FileError> {
    if !from.exists() {
        return fs::remove_file(to).map_err(files::at("cannot remove", to));
    }
    files::create_folder(to.parent().unwrap_or(Path::new(".")))?;
    fs::copy(from, to).map(drop).map_err(files::at("cannot copy to", to))
}

fn touch(path: &Path, modified: u64) -> Result<(), FileError> {
    if !path.exists() {
        return Ok(());
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(modified);
    let file =
        fs::File::options().append(true).open(path).map_err(files::at("cannot open", path))?;
    file.set_modified(time).map_err(files::at("cannot set the time of", path))
}
