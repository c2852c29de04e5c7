//! Compiling an NSIS script with `makensis`, which must not be believed.

use super::Cause;
use super::codesign::Desk;
use super::files::{self, FileError};
use crate::plan::{Member, Roots};
use crate::tool;
use std::fs;
use std::path::Path;
use xshell::{Cmd, cmd};

/// The folder below the work folder in which installers are compiled; nothing in it outlives a run.
pub(super) const SCRATCH: &str = "scratch";

/// Warnings are errors, and only they and errors are printed (NSIS manual 3.1).
const OPTIONS: &str = "-NOCONFIG -V2 -WX -INPUTCHARSET UTF8";

/// What to compile.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// Base name of the script in the payload.
    pub(super) script: &'a str,
    /// What lies beside it, itself included.
    pub(super) payload: &'a [Member],
    /// Base name of what it writes.
    pub(super) installer: &'a str,
    /// Bytes that may have.
    pub(super) size_max: u64,
    /// Where it is laid.
    pub(super) output: &'a Path,
    /// What signs its uninstaller, and the program that the compiler calls for it, this one; if it is signed.
    pub(super) uninstaller: Option<(&'a Desk, &'a Path)>,
    /// Environment variables that the compiler may not see where it signs nothing; the desk knows them for where it does.
    pub(super) secret_variables: &'a [String],
}

/// Lays the payload into an empty folder and compiles the script there.
///
/// `makensis` exits 0 after warnings, so they are made errors, and at times after errors, so what it wrote is looked
/// at: it must be there, no larger than declared, and no smaller than a tenth of what it carries. The configuration file of
/// the machine (`/etc/nsisconf.nsh`) is not read: the script says everything.
pub(super) fn compile(job: &Job<'_>, roots: &Roots) -> Result<(), Cause> {
    compile_with(Path::new("makensis"), job, roots)
}

fn compile_with(makensis: &Path, job: &Job<'_>, roots: &Roots) -> Result<(), Cause> {
    let folder = temporary_folder(&roots.work.join(SCRATCH))?;
    let mut payload_bytes = 0;
    for member in job.payload {
        let contents = files::read(&member.source.resolve(roots))?;
        payload_bytes += contents.len() as u64;
        files::write(&folder.path().join(&member.path), &contents, member.mode)?;
    }
    let shell = tool::shell_in(folder.path())?;
    let (options, script) = (OPTIONS.split(' '), job.script);
    let command = cmd!(shell, "{makensis} {options...}");
    let command = match job.uninstaller {
        Some((desk, xtask)) => desk.called_by(command, xtask)?,
        None => job.secret_variables.iter().fold(command, Cmd::env_remove),
    };
    let answer = tool::run(command.arg(script))?;
    if let Some((desk, _)) = job.uninstaller {
        desk.require_uninstaller(job.installer)?;
    }
    let made = folder.path().join(job.installer);
    let size = fs::metadata(&made).map(|metadata| metadata.len()).unwrap_or(0);
    if size == 0 || size < payload_bytes / 10 {
        let reason = format!("{} has {size} bytes for a payload of {payload_bytes}", job.installer);
        return Err(answer.refused(reason).into());
    }
    if size > job.size_max {
        return Err(Cause::TooLarge {
            what: job.installer.to_owned(),
            size,
            size_max: job.size_max,
        });
    }
    files::copy(&made, job.output, 0o644)?;
    Ok(())
}

fn temporary_folder(scratch: &Path) -> Result<tempfile::TempDir, FileError> {
    files::create_folder(scratch)?;
    tempfile::Builder::new()
        .prefix("nsis-")
        .tempdir_in(scratch)
        .map_err(files::at("cannot make a folder in", scratch))
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
