//! The command line as clap types; what a command does is in `lib.rs`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{self, Listeners};
use crate::exit::Exit;

mod ca;
mod routes;
mod service;

pub use ca::{CaCommand, DirArg, InitArgs, IssueArgs, RenewArgs};
pub use routes::RoutesArgs;
pub use service::{InstallArgs, NameArg, ServiceCommand};

/// A gateway in front of the services of an edge host.
#[derive(Debug, Parser)]
#[command(name = "edge-node", version, after_help = exit_code_help(), after_long_help = long_help())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service until it is asked to stop
    ///
    /// In a terminal, Ctrl-C or closing it stops it. Under systemd (Type=notify or notify-reload) it
    /// reports its phase to the service manager. Started by the Windows service control manager,
    /// it registers as a service that can be paused and continued.
    ///
    /// The config is read again on SIGHUP, unless the process has a controlling terminal, whose
    /// end that signal then means; on the service manager's ParamChange; and on
    /// `POST /v1/reload` at the admin listener. A config with mistakes changes nothing. No request
    /// is lost: what a listener that moves has begun, it finishes.
    ///
    /// A first request to stop drains: /readyz answers 503, then no new connection is
    /// taken, then requests in flight finish or shutdown.drain-timeout passes. A second request
    /// to stop, sent once the drain has begun, ends the process at once; two signals sent
    /// together may count as one.
    Run {
        /// The config file; relative paths in it are relative to its folder
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read the config file and report every mistake in it, touching nothing else
    Check {
        /// The config file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// How to print the result on stdout; with text, mistakes go to stderr
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Ask a running service whether it is ready: exit code 0 if /readyz answers 200, else 1
    ///
    /// For container health checks, installers and scripts. Says why it is not ready in one line
    /// on stderr. Exit code 3 if the config that should name the address has mistakes.
    Health {
        /// Whom to ask.
        #[command(flatten)]
        target: HealthTarget,
        /// How long an answer may take in all
        #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = timeout)]
        timeout: std::time::Duration,
    },
    /// List the routes in the order in which requests meet them, or explain one request
    ///
    /// Nobody is asked: the answer is from the config file alone. With --explain: the route that
    /// takes the request and why it wins over others, its pool and upstreams, the path an upstream
    /// would see, edits of headers, and limits; or which route comes nearest and what did not fit.
    Routes(RoutesArgs),
    /// Register this program with the system's service manager, start and stop it
    ///
    /// The same on Windows and on Linux with systemd. Each verb can be used twice: what is so
    /// already is said and is a success. Several instances on one host have different names; their
    /// configurations must have different ports.
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Run a private certificate authority for a site that no public one reaches
    ///
    /// Certificates of servers and clients with short lives, their renewal, and a revocation list,
    /// all as files of one folder. Keys are written so that only their owner can read them, and
    /// never printed.
    #[command(subcommand)]
    Ca(CaCommand),
    /// Print version, commit and target of this program
    Version {
        /// How to print
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Whom `health` asks.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct HealthTarget {
    /// The config file of the service, for the address of its admin listener
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address of the admin listener
    #[arg(long, value_name = "IP:PORT")]
    pub address: Option<SocketAddr>,
}

/// Reads a duration as the config file has them.
fn timeout(text: &str) -> Result<std::time::Duration, String> {
    let duration: strict_toml::Duration =
        text.parse().map_err(|_invalid| "not a duration such as 5s or 500ms".to_owned())?;
    let duration = duration.to_std();
    if duration.is_zero() { Err("must be more than 0".to_owned()) } else { Ok(duration) }
}

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Plain text for people.
    Text,
    /// One JSON object for programs.
    Json,
}

fn exit_code_help() -> String {
    let mut text = String::from("Exit codes:\n");
    for exit in Exit::ALL {
        writeln!(text, "  {}  {}", exit.code(), exit.meaning())
            .expect("writing to a String cannot fail");
    }
    text
}

fn long_help() -> String {
    let Listeners { data, admin } = config::defaults().listeners;
    format!(
        "{}\nExamples:\n  \
         edge-node check --config edge-node.toml\n  \
         edge-node run --config /etc/edge-node/edge-node.toml\n  \
         edge-node health --config /etc/edge-node/edge-node.toml\n  \
         edge-node routes --config edge-node.toml --explain GET http://edge.example/v1/things\n  \
         edge-node version --format json\n\n\
         An empty config file is a good one: every key has a default. By default the data\n\
         listener is {} and the admin listener (/livez, /readyz, /metrics) is\n\
         {}.\n",
        exit_code_help(),
        data[0].listener.address,
        admin.address
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn long_help_teaches_commands_defaults_and_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        for taught in ["run", "check", "version", "Exit codes:", "3  config file", "9464"] {
            assert!(help.contains(taught), "{taught:?} is not in:\n{help}");
        }
    }
}
