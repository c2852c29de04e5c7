//! `edge-node service …`: registers this program with the system's service manager, and asks that
//! manager to start and stop it; the same verbs on Windows and Linux.
//!
//! The story in order: the command line and this program's own path make an [`Instance`]
//! (`instance`) → the executor of the system looks at what is there (`linux`, `windows`) → what a
//! verb does to that is decided (`verb`) → the executor applies it → `report` says so. Only the
//! executors have effects; the rest is tested for both systems on either.

use std::io::Write as _;
use std::path::Path;

use crate::cli::{Format, InstallArgs, ServiceCommand};
use crate::exit::Exit;
use crate::report::tell_person;

pub mod account;
pub mod instance;
#[cfg(unix)]
mod linux;
pub mod name;
pub mod patience;
pub mod report;
pub mod settings;
#[cfg(unix)]
mod systemctl;
pub mod unit;
pub mod verb;
#[cfg(windows)]
mod windows;

use instance::{Asked, Instance, System};
use name::Name;
use verb::{Found, Operation, Verb};

/// Why a verb was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What was refused, and by whom.
    pub message: String,
    /// What a person can do about it.
    pub help: Option<String>,
    /// The ending of the program.
    pub exit: Exit,
}

impl Refusal {
    /// A refusal without help.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, exit }
    }

    /// The refusal with help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A system's service manager and what belongs to it.
pub trait Manager {
    /// Whether there is one here and this user may use it for `verb`; `None` stands for `status`.
    ///
    /// # Errors
    /// When not.
    fn admit(&self, verb: Option<Verb>) -> Result<(), Refusal>;

    /// What is known of the instance's name, and where it is not as the instance wants it.
    ///
    /// # Errors
    /// When the manager cannot be asked.
    fn look(&self, instance: &Instance) -> Result<Found, Refusal>;

    /// Does one thing; gives what a person should know of it, a line each.
    ///
    /// # Errors
    /// When the system refuses it.
    fn apply(&self, operation: Operation, instance: &Instance) -> Result<Vec<String>, Refusal>;
}

/// Carries out a verb with this system's manager.
#[must_use]
pub fn run(command: ServiceCommand) -> Exit {
    let here = here();
    match carry_out(&here, manager(), command) {
        Ok((text, exit)) => {
            let mut stdout = std::io::stdout();
            let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
            exit
        }
        Err(refusal) => {
            tell_person(&report::refusal(&refusal));
            refusal.exit
        }
    }
}

/// The default configuration of an instance, for `service run`.
#[must_use]
pub fn default_config(name: &Name) -> std::path::PathBuf {
    instance::Places::of(&here(), name).config.into()
}

fn carry_out(
    system: &System,
    manager: impl Manager,
    command: ServiceCommand,
) -> Result<(String, Exit), Refusal> {
    let (verb, name) = match command {
        ServiceCommand::Install(InstallArgs { name, config, account, start_type, start }) => {
            let config = config.map(|path| absolute(&path)).transpose()?;
            let start_type = verb::start_type(start_type, start);
            let asked = Asked { name: name.name, config, account, start: start_type };
            return change(system, &manager, Verb::Install { start }, asked);
        }
        ServiceCommand::Status { name, format } => {
            return status(system, &manager, name.name, format);
        }
        ServiceCommand::Uninstall { name, purge } => (Verb::Uninstall { purge }, name),
        ServiceCommand::Start { name } => (Verb::Start, name),
        ServiceCommand::Stop { name } => (Verb::Stop, name),
        ServiceCommand::Restart { name } => (Verb::Restart, name),
        ServiceCommand::Run { .. } => unreachable!("`service run` is `run`, which is a host's"),
    };
    change(system, &manager, verb, named(system, name.name))
}

/// What is asked of an instance that is not to be registered. Its account is not used, but it has
/// to be one: a user need not have the name of its instance.
fn named(system: &System, name: Name) -> Asked {
    let has_account = account::Account::default_of(system, &name).is_ok();
    let account = (!has_account).then(|| "nobody".to_owned());
    Asked { name, account, ..Asked::default() }
}

fn change(
    system: &System,
    manager: &impl Manager,
    verb: Verb,
    asked: Asked,
) -> Result<(String, Exit), Refusal> {
    let mut instance = Instance::new(system, asked, own_program()?)?;
    manager.admit(Some(verb))?;
    let found = manager.look(&instance)?;
    if let (false, Found::Present(service)) = (matches!(verb, Verb::Install { .. }), &found) {
        instance.adopt(service);
    }
    let decision = verb::decide(verb, &instance.name, &found)?;
    if let (Found::Present(service), [Operation::Register, ..]) = (&found, &*decision.operations) {
        for difference in &service.differences {
            tell_person(&format!("{}: differs: {difference}\n", instance.name));
        }
    }
    for operation in decision.operations {
        for note in manager.apply(operation, &instance)? {
            tell_person(&format!("{}: {note}\n", instance.name));
        }
    }
    Ok((report::outcomes(system, &instance.name, &decision.outcomes), Exit::Clean))
}

fn status(
    system: &System,
    manager: &impl Manager,
    name: Name,
    format: Format,
) -> Result<(String, Exit), Refusal> {
    let instance = Instance::new(system, named(system, name), own_program()?)?;
    manager.admit(None)?;
    let found = manager.look(&instance)?;
    let text = match format {
        Format::Text => report::status_text(&instance.name, &found),
        Format::Json => format!("{:#}\n", report::status_json(&instance.name, &found)),
    };
    Ok((text, report::status_exit(&found)))
}

/// A note about a registered configuration that is not there, if it is not.
fn missing_config(instance: &Instance) -> Option<String> {
    let is_there = Path::new(&instance.config).exists();
    (!is_there).then(|| format!("warning: {} does not exist yet", instance.config))
}

/// This program, absolute.
fn own_program() -> Result<String, Refusal> {
    let path = std::env::current_exe().map_err(|error| {
        Refusal::new(Exit::Failed, format!("this program does not know its own path: {error}"))
    })?;
    text(&path)
}

/// A path that means the same in every folder; it need not exist.
fn absolute(path: &Path) -> Result<String, Refusal> {
    let path = std::path::absolute(path).map_err(|error| {
        Refusal::new(Exit::Usage, format!("{} is no path: {error}", path.display()))
    })?;
    text(&path)
}

fn text(path: &Path) -> Result<String, Refusal> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Refusal::new(Exit::Usage, format!("{} is not Unicode", path.display())))
}

#[cfg(unix)]
fn here() -> System {
    System::Linux
}

#[cfg(unix)]
fn manager() -> linux::Systemd {
    linux::Systemd
}

#[cfg(windows)]
fn here() -> System {
    let program_data = std::env::var_os("ProgramData")
        .and_then(|folder| folder.into_string().ok())
        .filter(|folder| !folder.is_empty());
    System::Windows { program_data: program_data.unwrap_or_else(|| r"C:\ProgramData".to_owned()) }
}

#[cfg(windows)]
fn manager() -> windows::Scm {
    windows::Scm
}

#[cfg(test)]
mod tests;
