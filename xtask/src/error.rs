//! Everything that can end a command, and the exit code it ends with.

use crate::doctor::install::InstallError;
use crate::exec::StepError;
use crate::exec::files::FileError;
use crate::exec::keys::KeysError;
use crate::exec::publish::PublishError;
use crate::facts::FactsError;
use crate::repro::twice::TwiceError;
use crate::stage::PlanError;
use strict_toml::Report;
use thiserror::Error;

/// The command did what it is for.
pub const EXIT_DONE: u8 = 0;
/// A step, a check or a verification failed.
pub const EXIT_FAILED: u8 = 1;
/// The command line is wrong; clap uses the same code.
pub const EXIT_USAGE: u8 = 2;
/// The declaration or a template is wrong; nothing was written.
pub const EXIT_DECLARATION: u8 = 3;
/// A tool is missing; nothing was written.
pub const EXIT_TOOL_MISSING: u8 = 4;

/// What ended a command.
#[derive(Debug, Error)]
pub enum Error {
    /// Mistakes in the declaration or in templates, or a template that cannot be read.
    #[error("{}", summary(.0))]
    Declaration(Vec<Report>),
    /// The world could not be asked.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Tools are missing.
    #[error("{} missing: {}\nrun the command with --install-tools, or see `cargo xtask doctor`", .0.len(), .0.join(", "))]
    ToolsMissing(Vec<String>),
    /// The whole test suite is to be run by somebody who cannot run all of it.
    #[error(
        "the whole test suite needs root: it mounts disks, makes networks and boots a container"
    )]
    NotRoot,
    /// Tools that only a benchmark takes are missing; what installs each is said.
    #[error(
        "the benchmark cannot be run; install what is missing and see that no package starts a service:\n{0}"
    )]
    BenchToolsMissing(String),
    /// Tools could not be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A key is missing, unreadable or wrong.
    #[error(transparent)]
    Key(#[from] KeysError),
    /// A step failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The release folder cannot be replaced.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Two builds could not be compared.
    #[error(transparent)]
    Twice(#[from] TwiceError),
    /// Something could not be measured.
    #[error(transparent)]
    Bench(#[from] crate::bench::BenchError),
    /// A command that a check or a test consists of failed; what it printed is above.
    #[error("{0}")]
    Command(#[from] xshell::Error),
    /// Another error; what it is about was printed as the data of the command.
    #[error(transparent)]
    Told(Box<Error>),
    /// What was checked is not as it should be; the findings were printed.
    #[error("{0}")]
    Findings(String),
}

fn summary(reports: &[Report]) -> String {
    let count: usize = reports.iter().map(|report| report.diagnostics().len()).sum();
    if count == 1 {
        "1 mistake; nothing was written".to_owned()
    } else {
        format!("{count} mistakes; nothing was written")
    }
}

impl Error {
    /// What to do about it, where that is obvious and the text does not say it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Key(error) => error.help(),
            Self::NotRoot => Some(
                "sudo env \"PATH=$PATH\" \"HOME=$HOME\" cargo xtask test --install-tools; without --install-tools \
                 the tests that need root are skipped"
                    .to_owned(),
            ),
            Self::Declaration(_)
            | Self::Facts(_)
            | Self::Plan(_)
            | Self::ToolsMissing(_)
            | Self::BenchToolsMissing(_)
            | Self::Install(_)
            | Self::Step(_)
            | Self::Publish(_)
            | Self::File(_)
            | Self::Twice(_)
            | Self::Bench(_)
            | Self::Command(_)
            | Self::Told(_)
            | Self::Findings(_) => None,
        }
    }

    /// The exit code, one of the constants of this module.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Told(error) => error.exit_code(),
            Self::Declaration(_) => EXIT_DECLARATION,
            Self::ToolsMissing(_) | Self::BenchToolsMissing(_) | Self::Install(_) => {
                EXIT_TOOL_MISSING
            }
            Self::Plan(PlanError::UnknownTarget { .. }) => EXIT_USAGE,
            Self::Plan(PlanError::DuplicateMember { .. }) => EXIT_DECLARATION,
            Self::Facts(_)
            | Self::Plan(_)
            | Self::NotRoot
            | Self::Key(_)
            | Self::Bench(_)
            | Self::Step(_)
            | Self::Publish(_)
            | Self::File(_)
            | Self::Twice(_)
            | Self::Command(_)
            | Self::Findings(_) => EXIT_FAILED,
        }
    }
}
