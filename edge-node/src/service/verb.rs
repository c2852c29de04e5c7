//! What a verb does to what is found: pure, the same on both systems, so that every verb can be
//! used twice.
//!
//! The executors look and apply; nothing is decided in them.

use super::Refusal;
use super::instance::StartType;
use super::name::Name;
use crate::exit::Exit;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Register the instance, and start it if that is asked for.
    Install {
        /// Whether it is.
        start: bool,
    },
    /// Stop the instance and undo what `install` did.
    Uninstall {
        /// Also remove an edited configuration, state and logs.
        purge: bool,
    },
    /// Start it and wait until it serves.
    Start,
    /// Stop it and wait until it has drained.
    Stop,
    /// Stop it if it runs, and start it.
    Restart,
}

/// The state of an installed service, in words that both systems have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It serves, or reloads.
    Running,
    /// Maintenance: it runs and is not ready.
    Paused,
    /// On its way to running, or waiting for the next attempt.
    Starting,
    /// On its way to stopped.
    Stopping,
    /// Stopped as asked, or never started.
    Stopped,
    /// Ended otherwise.
    Failed,
}

impl State {
    /// The word for people and for JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Whether the service is up.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    /// Whether nothing of the service runs.
    #[must_use]
    pub const fn is_down(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

/// Who registered what is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It runs a program like this one, registered here or by an installer that leaves the rest to us.
    Ours,
    /// It is another program's.
    Foreign,
    /// A package or script installed it, and removes it: how, for people.
    Installer(String),
}

/// A service that the manager knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Who registered it.
    pub owner: Owner,
    /// Its state.
    pub state: State,
    /// Its process, if one runs.
    pub process: Option<u32>,
    /// The code it ended with last, if that is known and not 0.
    pub exit_code: Option<u32>,
    /// Whether and when the manager starts it; a word of the system's where it is neither of ours.
    pub start: String,
    /// The program, as registered.
    pub program: Option<String>,
    /// The configuration, as registered.
    pub config: Option<String>,
    /// The account, as registered.
    pub account: Option<String>,
    /// What is not as the instance wants it, a line each; empty if all is.
    pub differences: Vec<String>,
}

/// What the manager knows of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A service.
    Present(Box<Service>),
}

/// One thing an executor does. Each leaves alone what is already so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Write and tell the manager all of the instance that differs.
    Register,
    /// Start, and wait until it runs.
    Start,
    /// Stop, and wait until it is stopped.
    Stop,
    /// Stop and start.
    Restart,
    /// Take away what `Register` wrote; also data, if that is asked for.
    Unregister {
        /// Whether it is.
        purge: bool,
    },
}

/// What is told of a verb that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Registered, not started.
    Installed,
    /// Registered as it was.
    AlreadyInstalled,
    /// Registered differently now; a running one goes on as it was until its next start.
    Updated {
        /// Whether one runs.
        running: bool,
    },
    /// Runs now.
    Started,
    /// Ran before.
    AlreadyRunning,
    /// Stopped now.
    Stopped,
    /// Was stopped before.
    AlreadyStopped,
    /// Runs anew.
    Restarted,
    /// Gone now.
    Uninstalled,
    /// Was not there.
    NotInstalled,
}

/// What is to be done, and what is told when it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// In this order.
    pub operations: Vec<Operation>,
    /// One or two of them: of the registration, and of the start.
    pub outcomes: Vec<Outcome>,
}

/// What `verb` does to `found`.
///
/// # Errors
/// When there is no such service to act on, or it is not ours to change.
pub fn decide(verb: Verb, name: &Name, found: &Found) -> Result<Decision, Refusal> {
    match (verb, found) {
        (Verb::Install { start }, Found::Absent) => Ok(install_new(start)),
        (Verb::Install { start }, Found::Present(service)) => update(start, name, service),
        (Verb::Uninstall { purge }, Found::Absent) => {
            // Data may be left from an earlier one.
            let operations = if purge { vec![Operation::Unregister { purge }] } else { vec![] };
            Ok(Decision { operations, outcomes: vec![Outcome::NotInstalled] })
        }
        (Verb::Uninstall { purge }, Found::Present(service)) => uninstall(purge, name, service),
        (Verb::Start | Verb::Stop | Verb::Restart, Found::Absent) => Err(not_installed(name)),
        (Verb::Start, Found::Present(service)) => Ok(start(service)),
        (Verb::Stop, Found::Present(service)) => Ok(if service.state.is_down() {
            Decision { operations: vec![], outcomes: vec![Outcome::AlreadyStopped] }
        } else {
            Decision { operations: vec![Operation::Stop], outcomes: vec![Outcome::Stopped] }
        }),
        (Verb::Restart, Found::Present(_)) => Ok(Decision {
            operations: vec![Operation::Restart],
            outcomes: vec![Outcome::Restarted],
        }),
    }
}

/// The refusal of a verb that needs an installed service.
#[must_use]
pub fn not_installed(name: &Name) -> Refusal {
    Refusal::new(Exit::NotInstalled, format!("service {name} is not installed"))
        .help(format!("edge-node service install{}", option(name)))
}

/// The option that names `name`, with a space before it; empty for the default.
#[must_use]
pub fn option(name: &Name) -> String {
    if name.is_default() { String::new() } else { format!(" --name {name}") }
}

fn install_new(start: bool) -> Decision {
    let mut decision =
        Decision { operations: vec![Operation::Register], outcomes: vec![Outcome::Installed] };
    if start {
        decision.operations.push(Operation::Start);
        decision.outcomes.push(Outcome::Started);
    }
    decision
}

fn update(start_it: bool, name: &Name, service: &Service) -> Result<Decision, Refusal> {
    let mut decision = Decision { operations: vec![], outcomes: vec![Outcome::AlreadyInstalled] };
    if !service.differences.is_empty() {
        refuse_others(name, service, "update it")?;
        decision.operations.push(Operation::Register);
        decision.outcomes = vec![Outcome::Updated { running: !service.state.is_down() }];
    } else if service.owner == Owner::Foreign {
        refuse_others(name, service, "update it")?;
    }
    if start_it {
        let start = start(service);
        decision.operations.extend(start.operations);
        decision.outcomes.extend(start.outcomes);
    }
    Ok(decision)
}

fn uninstall(purge: bool, name: &Name, service: &Service) -> Result<Decision, Refusal> {
    refuse_others(name, service, "remove it")?;
    let mut operations = vec![];
    if !service.state.is_down() {
        operations.push(Operation::Stop);
    }
    operations.push(Operation::Unregister { purge });
    Ok(Decision { operations, outcomes: vec![Outcome::Uninstalled] })
}

fn start(service: &Service) -> Decision {
    if service.state.is_up() {
        Decision { operations: vec![], outcomes: vec![Outcome::AlreadyRunning] }
    } else {
        Decision { operations: vec![Operation::Start], outcomes: vec![Outcome::Started] }
    }
}

fn refuse_others(name: &Name, service: &Service, what: &str) -> Result<(), Refusal> {
    match &service.owner {
        Owner::Ours => Ok(()),
        Owner::Foreign => Err(Refusal::new(
            Exit::Failed,
            format!(
                "service {name} runs another program: {}",
                service.program.as_deref().unwrap_or("an unknown one")
            ),
        )
        .help("choose another --name")),
        Owner::Installer(how) => Err(Refusal::new(
            Exit::Failed,
            format!("service {name} was installed by something else, which has to {what}"),
        )
        .help(how.clone())),
    }
}

/// What `--start` means for the start type: who has it started now wants it started at each boot.
#[must_use]
pub fn start_type(asked: Option<StartType>, start: bool) -> Option<StartType> {
    asked.or(start.then_some(StartType::Automatic))
}

#[cfg(test)]
mod tests;
