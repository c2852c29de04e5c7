//! The executor for Linux: looks at systemd and the files of a registration, and carries out
//! operations. What is to be done is decided in `verb.rs`; what the files hold is in `unit.rs`.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::instance::{Instance, StartType};
use super::systemctl::{run, says_yes};
use super::unit::{self, File};
use super::verb::{Found, Operation, Owner, Verb};
use super::{Manager, Refusal, missing_config};
use crate::exit::Exit;

/// There while systemd runs as process 1. Source: `sd_booted(3)`.
const BOOTED: &str = "/run/systemd/system";

/// Noted at the end of a file whose folder was made with it, for it to go with it.
const FOLDER_MADE: &str = "# The folder of this file was made with it.\n";

/// systemd and this host's file system.
pub struct Systemd;

impl Manager for Systemd {
    fn admit(&self, verb: Option<Verb>) -> Result<(), Refusal> {
        if !Path::new(BOOTED).is_dir() {
            return Err(Refusal::new(Exit::Failed, "this host does not run systemd"));
        }
        if verb.is_some() && run("id", &["-u"])?.trim() != "0" {
            return Err(Refusal::new(Exit::NotElevated, "root is needed")
                .help("run it with sudo or as root"));
        }
        Ok(())
    }

    fn look(&self, instance: &Instance) -> Result<Found, Refusal> {
        let wanted = unit::unit(instance);
        let name = unit::unit_name(instance);
        let shown =
            run("systemctl", &["show", &format!("--property={}", unit::PROPERTIES), "--", &name])?;
        let loaded_from = unit::property(&shown, "FragmentPath");
        // A unit that was written and not yet read is there as well.
        let path = if Path::new(&wanted.path).exists() { &wanted.path } else { loaded_from };
        if path.is_empty() {
            return Ok(Found::Absent);
        }
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut service = unit::service(&shown, &text, owner(instance, path, &wanted.path));
        if service.owner == Owner::Ours {
            service.differences = differences(instance, &shown)?;
        } else if text != wanted.text {
            service.differences.push(path.to_owned());
        }
        if let Some(start) = instance.start.filter(|start| start.as_str() != service.start) {
            service.differences.push(format!("start: {} -> {}", service.start, start.as_str()));
        }
        Ok(Found::Present(Box::new(service)))
    }

    fn apply(&self, operation: Operation, instance: &Instance) -> Result<Vec<String>, Refusal> {
        let name = unit::unit_name(instance);
        match operation {
            Operation::Register => register(instance),
            Operation::Start => ask("start", &name, instance),
            Operation::Stop => ask("stop", &name, instance),
            Operation::Restart => ask("restart", &name, instance),
            Operation::Unregister { purge } => unregister(instance, purge),
        }
    }
}

/// Who installed it, if not we: the release's script leaves its uninstaller, a package its unit in
/// another folder.
fn owner(instance: &Instance, path: &str, ours: &str) -> Option<Owner> {
    let script = format!("/usr/local/share/{}/uninstall.sh", instance.name);
    if path != ours {
        Some(Owner::Installer(format!("{path} belongs to a package: use the package manager")))
    } else if Path::new(&script).exists() {
        Some(Owner::Installer(format!("run install.sh of the release, or {script}")))
    } else {
        None
    }
}

/// What is not as `instance` wants it.
fn differences(instance: &Instance, shown: &str) -> Result<Vec<String>, Refusal> {
    let mut files = vec![unit::unit(instance)];
    let mut differences = vec![];
    let user = instance.account.as_text();
    if user_id(&user)?.is_none() {
        differences.push(format!("user {user} is missing"));
    }
    if instance.has_default_config() {
        files.push(unit::tmpfiles(instance));
        if !Path::new(&instance.config).exists() {
            differences.push(format!("{} is missing", instance.config));
        }
    }
    differences.extend(files.into_iter().filter(|file| !is_laid(file)).map(|file| file.path));
    if unit::property(shown, "NeedDaemonReload") == "yes"
        || unit::property(shown, "LoadState") == "not-found"
    {
        differences.push("systemd has not read the unit".to_owned());
    }
    Ok(differences)
}

fn is_laid(file: &File) -> bool {
    fs::read_to_string(&file.path)
        .is_ok_and(|text| text.strip_suffix(FOLDER_MADE).unwrap_or(&text) == file.text)
}

/// The number of a user, if there is one.
fn user_id(user: &str) -> Result<Option<u32>, Refusal> {
    if !says_yes("id", &["--user", "--", user])? {
        return Ok(None);
    }
    Ok(run("id", &["--user", "--", user])?.trim().parse().ok())
}

/// Starts, stops or restarts, each of which systemd waits for.
fn ask(verb: &str, name: &str, instance: &Instance) -> Result<Vec<String>, Refusal> {
    run("systemctl", &[verb, "--", name]).map(|_printed| vec![]).map_err(|refusal| {
        let help = format!("journalctl --unit={} --lines=20", instance.name);
        Refusal { help: Some(help), ..refusal }
    })
}

fn register(instance: &Instance) -> Result<Vec<String>, Refusal> {
    for path in [&instance.program, &instance.config] {
        if unit::is_hidden(path) {
            let message =
                format!("{path} is where a service cannot reach it (ProtectHome=, PrivateTmp=)");
            return Err(Refusal::new(Exit::Usage, message)
                .help("put the program in /usr/local/bin, the configuration below /etc"));
        }
    }
    check_folders(instance, user_id(&instance.account.as_text())?)?;
    make_user(instance)?;
    if instance.has_default_config() {
        let tmpfiles = unit::tmpfiles(instance);
        lay(&tmpfiles)?;
        run("systemd-tmpfiles", &["--create", "--", &tmpfiles.path])?;
        if !Path::new(&instance.config).exists() {
            lay(&unit::starter(instance))?;
            // A second time, for the rights of the file that is there now.
            run("systemd-tmpfiles", &["--create", "--", &tmpfiles.path])?;
        }
    } else {
        // Of an earlier registration whose configuration was in the default place.
        remove(&unit::tmpfiles(instance))?;
    }
    lay(&unit::unit(instance))?;
    run("systemctl", &["daemon-reload"])?;
    let name = unit::unit_name(instance);
    match instance.start {
        Some(StartType::Automatic) => run("systemctl", &["enable", "--quiet", "--", &name])?,
        Some(StartType::Manual) => run("systemctl", &["disable", "--quiet", "--", &name])?,
        None => String::new(),
    };
    Ok(missing_config(instance).into_iter().collect())
}

/// Makes the user, unless it is there.
fn make_user(instance: &Instance) -> Result<(), Refusal> {
    let user = instance.account.as_text();
    let sysusers = unit::sysusers(instance);
    if user_id(&user)?.is_some() {
        // Whose user it is, the file tells: it is kept as long as the user is.
        if !instance.account_is_asked && !Path::new(&sysusers.path).exists() {
            let message =
                format!("the user {user} is there already and was not made for this service");
            return Err(Refusal::new(Exit::Failed, message)
                .help(format!("--account {user} runs the service as this user")));
        }
        return Ok(());
    }
    lay(&sysusers)?;
    run("systemd-sysusers", &["--", &sysusers.path]).map(|_printed| ())
}

/// The folders become the service's: one that is somebody else's must not, such as `/etc/ssh` of
/// an instance that is named `ssh`.
fn check_folders(instance: &Instance, user: Option<u32>) -> Result<(), Refusal> {
    let places = &instance.places;
    for folder in [&places.config_folder, &places.state, &places.logs] {
        if !is_ours(instance, folder, user) {
            let message = format!("{folder} is there already and is not this service's");
            return Err(Refusal::new(Exit::Failed, message).help("choose another --name"));
        }
    }
    Ok(())
}

/// Whether `folder` is missing, empty, of the service's user, or beside a configuration of ours.
fn is_ours(instance: &Instance, folder: &str, user: Option<u32>) -> bool {
    let Ok(metadata) = fs::symlink_metadata(folder) else { return true };
    let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    metadata.is_dir()
        && (is_empty
            || user.is_some_and(|user| user != 0 && metadata.uid() == user)
            || Path::new(&instance.places.config).is_file())
}

fn unregister(instance: &Instance, purge: bool) -> Result<Vec<String>, Refusal> {
    let (name, unit) = (unit::unit_name(instance), unit::unit(instance));
    if Path::new(&unit.path).exists() {
        run("systemctl", &["disable", "--quiet", "--", &name])?;
        remove(&unit)?;
    }
    run("systemctl", &["daemon-reload"])?;
    // Fails where there is nothing to forget.
    says_yes("systemctl", &["reset-failed", "--quiet", "--", &name])?;
    remove(&unit::tmpfiles(instance))?;

    let mut kept = vec![];
    let user = user_id(&instance.account.as_text())?;
    let places = &instance.places;
    // Asked of all before any is removed: the configuration tells of them.
    let folders = [&places.state, &places.logs, &places.config_folder]
        .map(|folder| (folder, purge && is_ours(instance, folder, user)));
    remove_starter(instance)?;
    for (folder, purge) in folders {
        remove_folder(folder, purge, &mut kept)?;
    }
    let holds_data = Path::new(&places.state).exists() || Path::new(&places.logs).exists();
    remove_user(instance, holds_data, &mut kept)?;
    Ok(kept)
}

/// Removes the configuration if it is as it was laid.
fn remove_starter(instance: &Instance) -> Result<(), Refusal> {
    let starter = unit::starter(instance);
    if is_laid(&starter) { remove(&starter) } else { Ok(()) }
}

/// Removes a folder that is empty, or any of ours when purging.
fn remove_folder(folder: &str, purge: bool, kept: &mut Vec<String>) -> Result<(), Refusal> {
    let removed = if purge { fs::remove_dir_all(folder) } else { fs::remove_dir(folder) };
    match removed {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            kept.push(format!("kept {folder}: it is no folder"));
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            kept.push(format!("kept {folder}: it is not empty (--purge removes it)"));
            Ok(())
        }
        Err(error) => Err(failed("remove", folder, &error)),
    }
}

/// Removes the user that an install made, unless what is kept would fall to the next user of its
/// number.
fn remove_user(
    instance: &Instance,
    holds_data: bool,
    kept: &mut Vec<String>,
) -> Result<(), Refusal> {
    let (user, sysusers) = (instance.account.as_text(), unit::sysusers(instance));
    if !Path::new(&sysusers.path).exists() {
        return Ok(());
    }
    if holds_data {
        kept.push(format!("kept the user {user}, who owns what was kept"));
        return Ok(());
    }
    let folder = &instance.places.config_folder;
    for path in [folder, &instance.places.config] {
        if Path::new(path).exists() {
            std::os::unix::fs::chown(path, Some(0), Some(0))
                .map_err(|error| failed("give to root", path, &error))?;
        }
    }
    if user_id(&user)?.is_some() {
        // Takes the group of the same name along. Source: `userdel(8)`.
        run("userdel", &["--", &user])?;
    }
    remove(&sysusers)
}

/// Writes a file beside its place and renames it, so that it is never there in part.
fn lay(file: &File) -> Result<(), Refusal> {
    if is_laid(file) {
        return Ok(());
    }
    let path = Path::new(&file.path);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let text = if is_folder_made(folder) {
        format!("{}{FOLDER_MADE}", file.text)
    } else {
        file.text.clone()
    };
    let beside = folder.join(format!(".{}.tmp", std::process::id()));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut to = fs::File::create(&beside)?;
        to.set_permissions(fs::Permissions::from_mode(file.mode))?;
        to.write_all(text.as_bytes())?;
        to.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed("write", &file.path, &error)
    })
}

/// Whether a folder is missing and so will be made, or was made for another file of ours.
fn is_folder_made(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return true };
    entries.filter_map(Result::ok).any(|entry| is_made_with_folder(&entry.path()))
}

fn is_made_with_folder(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.ends_with(FOLDER_MADE))
}

/// Removes a file, if it is there, and its folder if that was made with it and is empty.
fn remove(file: &File) -> Result<(), Refusal> {
    let path = Path::new(&file.path);
    let is_folder_ours = is_made_with_folder(path);
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("remove", &file.path, &error)),
        Ok(()) => {}
    }
    if let (true, Some(folder)) = (is_folder_ours, path.parent()) {
        // Others may have put something there since.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

fn failed(what: &str, path: &str, error: &io::Error) -> Refusal {
    let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
    let exit = if is_denied { Exit::NotElevated } else { Exit::Failed };
    Refusal::new(exit, format!("cannot {what} {path}: {error}"))
}
