//! The verbs of `edge-node service` as clap types; what a verb does is in `crate::service`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;
use crate::service::instance::StartType;
use crate::service::name::Name;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Register the service, or update what differs; without --start, nothing is started
    ///
    /// On Linux: unit, user and folders as the release's package has them, not enabled. On
    /// Windows: a service with delayed automatic start, restarts after failures, its source in the
    /// Event Log, and folders that only administrators and its account can open. A configuration
    /// is laid where there is none. Another instance has another --name, and needs other ports in
    /// its configuration.
    Install(InstallArgs),
    /// Stop the service and undo what install did
    ///
    /// An edited configuration, state and logs are kept.
    Uninstall {
        /// Which instance.
        #[command(flatten)]
        name: NameArg,
        /// Remove an edited configuration, state and logs as well
        #[arg(long)]
        purge: bool,
    },
    /// Start the service and wait until it serves
    Start {
        /// Which instance.
        #[command(flatten)]
        name: NameArg,
    },
    /// Stop the service and wait until it has drained
    Stop {
        /// Which instance.
        #[command(flatten)]
        name: NameArg,
    },
    /// Stop the service if it runs, and start it
    Restart {
        /// Which instance.
        #[command(flatten)]
        name: NameArg,
    },
    /// Say whether the service runs, and what is registered
    ///
    /// Exits with 0 where it runs, 8 where it is installed and does not, 7 where it is not installed.
    Status {
        /// Which instance.
        #[command(flatten)]
        name: NameArg,
        /// How to print
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Run the service: `edge-node run` with the instance's configuration
    Run {
        /// Which instance.
        #[command(flatten)]
        name: NameArg,
        /// The config file, if it is not the instance's own
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Which instance.
#[derive(Args, Debug)]
pub struct NameArg {
    /// The instance: letters, digits, `-` and `_`, at most 64
    #[arg(long, value_name = "NAME", default_value_t)]
    pub name: Name,
}

/// What `service install` can be told.
#[derive(Args, Debug)]
pub struct InstallArgs {
    /// The instance.
    #[command(flatten)]
    pub name: NameArg,
    /// The config file; without it /etc/NAME/edge-node.toml, on Windows
    /// %ProgramData%\NAME\edge-node.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who it runs as: a user of Linux, made if it is missing; on Windows LocalService,
    /// NetworkService or LocalSystem; without it one of its own (NAME, NT SERVICE\NAME)
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// When it starts by itself; without it, an installed one stays as it is
    #[arg(long, value_enum)]
    pub start_type: Option<StartType>,
    /// Start it now and, unless --start-type says otherwise, at each boot
    #[arg(long)]
    pub start: bool,
}
