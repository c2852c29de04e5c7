//! What installs missing tools: the system's package manager, `rustup target add`, `cargo install`.
//!
//! [`commands`] is pure; [`run`] prints each command and runs it.

use super::Finding;
use crate::tool;
use crate::toolchain::requirement::{Packages, Probe, Requirement};
use std::collections::BTreeSet;
use std::path::Path;
use thiserror::Error;
use xshell::{Shell, cmd};

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu.
    Apt,
    /// Fedora, RHEL.
    Dnf,
    /// Homebrew.
    Brew,
    /// Chocolatey.
    Choco,
    /// winget.
    Winget,
}

impl Manager {
    /// In the order in which they are looked for.
    pub const ALL: [Self; 5] = [Self::Apt, Self::Dnf, Self::Brew, Self::Choco, Self::Winget];

    /// The command that is looked for.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Brew => "brew",
            Self::Choco => "choco",
            Self::Winget => "winget",
        }
    }

    fn package(self, packages: &Packages) -> Option<&'static str> {
        match self {
            Self::Apt => packages.apt,
            Self::Dnf => packages.dnf,
            Self::Brew => packages.brew,
            Self::Choco => packages.choco,
            Self::Winget => packages.winget,
        }
    }

    /// What comes before the packages. Nothing asks a question: CI has nobody to answer.
    const fn install(self) -> &'static [&'static str] {
        match self {
            Self::Apt => &[
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "install",
                "--yes",
                "--no-install-recommends",
            ],
            Self::Dnf => &["dnf", "install", "--assumeyes"],
            Self::Brew => &["brew", "install"],
            Self::Choco => &["choco", "install", "--yes", "--no-progress"],
            Self::Winget => &[
                "winget",
                "install",
                "--exact",
                "--accept-package-agreements",
                "--accept-source-agreements",
            ],
        }
    }

    const fn refresh(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Apt => Some(&["apt-get", "update"]),
            Self::Dnf | Self::Brew | Self::Choco | Self::Winget => None,
        }
    }

    /// Whether it must be run as root.
    const fn is_privileged(self) -> bool {
        matches!(self, Self::Apt | Self::Dnf)
    }
}

/// The machine as far as installing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its package manager, if one is known.
    pub manager: Option<Manager>,
    /// Whether commands that need root must go through `sudo`.
    pub sudo: bool,
}

/// A command line, word by word.
pub type CommandLine = Vec<String>;

/// Why tools were not installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// There is no current folder to run commands in.
    #[error("{0}")]
    Shell(#[from] xshell::Error),
    /// A command did not succeed; what it printed is above.
    #[error("`{line}` failed; what it printed is above")]
    Command {
        /// The command line.
        line: String,
    },
}

/// The command that installs one tool, as a line to copy.
pub fn hint(requirement: &Requirement, machine: Machine) -> Option<String> {
    command(requirement, machine).map(|words| words.join(" "))
}

fn command(requirement: &Requirement, machine: Machine) -> Option<CommandLine> {
    if let Probe::RustTarget(triple) = requirement.probe {
        return Some(owned(&["rustup", "target", "add", triple]));
    }
    let from_manager = machine.manager.and_then(|manager| {
        let packages = manager.package(&requirement.packages)?;
        Some(privileged(manager, machine, manager.install(), packages.split(' ')))
    });
    from_manager.or_else(|| {
        requirement.packages.cargo.map(|name| owned(&["cargo", "install", "--locked", name]))
    })
}

/// The commands that install everything that is missing, in order, each package once. What no known package manager has
/// is left out; whoever needs it finds it missing afterwards.
pub fn commands(missing: &[&Finding], machine: Machine) -> Vec<CommandLine> {
    let (mut packages, mut triples, mut others) = (BTreeSet::new(), Vec::new(), Vec::new());
    for finding in missing {
        let requirement = &finding.requirement;
        let package = machine.manager.and_then(|manager| manager.package(&requirement.packages));
        match (&requirement.probe, package) {
            (Probe::RustTarget(triple), _) => triples.push(*triple),
            (_, Some(package)) => packages.extend(package.split(' ')),
            (_, None) => others.extend(command(requirement, machine)),
        }
    }
    let mut commands = Vec::new();
    if let (Some(manager), false) = (machine.manager, packages.is_empty()) {
        commands.extend(manager.refresh().map(|words| privileged(manager, machine, words, [])));
        commands.push(privileged(manager, machine, manager.install(), packages));
    }
    if !triples.is_empty() {
        commands.push(owned(&[&["rustup", "target", "add"][..], &triples].concat()));
    }
    commands.extend(others);
    commands
}

fn privileged<'a>(
    manager: Manager,
    machine: Machine,
    words: &[&'a str],
    packages: impl IntoIterator<Item = &'a str>,
) -> CommandLine {
    let sudo = (machine.sudo && manager.is_privileged()).then_some("sudo");
    sudo.into_iter().chain(words.iter().copied()).chain(packages).map(str::to_owned).collect()
}

fn owned(words: &[&str]) -> CommandLine {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Runs the program in `$0` with its stdout sent to stderr.
const REDIRECT: &str = "exec \"$0\" \"$@\" 1>&2";

/// Prints all commands, then runs them; what they print goes to stderr, for stdout is data.
///
/// # Errors
/// The first command that fails.
pub fn run(commands: &[CommandLine]) -> Result<(), InstallError> {
    let shell = Shell::new()?;
    for words in commands {
        eprintln!("$ {}", words.join(" "));
    }
    for words in commands {
        let Some((program, arguments)) = words.split_first() else { continue };
        let failed = |_| InstallError::Command { line: words.join(" ") };
        if cfg!(unix) {
            cmd!(shell, "sh -c {REDIRECT} {program} {arguments...}")
                .quiet()
                .run()
                .map_err(failed)?;
        } else {
            let output = cmd!(shell, "{program} {arguments...}").quiet().read().map_err(failed)?;
            eprintln!("{output}");
        }
    }
    Ok(())
}

/// Looks for a package manager and for root's rights.
pub fn machine() -> Machine {
    let runs = |program: &str| {
        tool::shell_in(Path::new("."))
            .is_ok_and(|shell| tool::ask(cmd!(shell, "{program} --version")).is_ok())
    };
    let manager = Manager::ALL.into_iter().find(|manager| runs(manager.program()));
    Machine { manager, sudo: !is_root() && runs("sudo") }
}

/// Whether this is root's process.
#[cfg(unix)]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this is root's process: elsewhere there is no root.
#[cfg(not(unix))]
pub fn is_root() -> bool {
    false
}
