//! The service `edge-node`: a gateway in front of the services of an edge host.
//!
//! The story in order: arguments (`cli`) → which host started us (`host`) → config file read
//! and checked (`config`) while the host sees progress (`start`) → logs opened (`observe`) → listeners bound, served and drained (`app`)
//! → an exit code (`exit`). What each phase of that life means is in `phase`.

pub mod admin;
pub mod app;
pub mod build_info;
pub mod ca;
pub mod cli;
pub mod config;
pub mod exit;
pub mod gateway;
mod health;
pub mod host;
mod host_header;
pub mod listener;
mod memory;
pub mod observe;
pub mod phase;
pub mod probe;
pub mod reload;
mod report;
pub mod service;
mod start;
pub mod tls;
pub mod upstream;
pub mod watchdog;
#[cfg(windows)]
mod win32;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use tokio::sync::mpsc;

pub use config::config_schema;

use crate::app::App;
use crate::cli::{Cli, Command, ServiceCommand};
use crate::config::{Config, LoadError};
use crate::exit::Exit;
use crate::gateway::Material;
use crate::host::{Ask, Asks, Herald, Host, Watchdog};
use crate::listener::BindError;
use crate::observe::event_log::{EventId, EventLog};
use crate::observe::logs::{self, Level, Logs, Sink};
use crate::phase::Event;
use crate::tls::TlsError;

/// How long the end of the process waits for log lines to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// How long it waits for the Event Log; a service that does not start must tell its manager within
/// a second.
const EVENT_PATIENCE: Duration = Duration::from_millis(500);

/// Threads for what blocks, such as reading process figures for a scrape.
const BLOCKING_THREADS_MAX: usize = 4;

/// Does what the command line asks for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    memory::use_large_pages(false);
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Command::Run { config } }) => host::run(&config, live),
        Ok(Cli { command: Command::Check { config, format } }) => report::check(&config, format),
        Ok(Cli { command: Command::Health { target, timeout } }) => {
            health::health(&target, timeout)
        }
        Ok(Cli { command: Command::Routes(arguments) }) => report::routes(&arguments),
        Ok(Cli { command: Command::Service(ServiceCommand::Run { name, config }) }) => {
            host::run(&config.unwrap_or_else(|| service::default_config(&name.name)), live)
        }
        Ok(Cli { command: Command::Service(command) }) => service::run(command),
        Ok(Cli { command: Command::Ca(command) }) => ca::run(command, jiff::Timestamp::now()),
        Ok(Cli { command: Command::Version { format } }) => report::version(format),
        Err(error) => {
            // Nobody is left to tell where stdout and stderr are closed.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Clean }
        }
    }
}

/// Why the service did not run.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The config file.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// The log file.
    #[error(transparent)]
    LogFile(#[from] logs::OpenError),
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A certificate, a key or another file of TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Something the operating system refused.
    #[error("{what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl Failure {
    /// The ending it makes.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::LogFile(_) | Self::Tls(_) => Exit::Config,
            Self::Bind(_) => Exit::Bind,
            Self::System { .. } => Exit::Failed,
        }
    }

    /// What the Event Log calls it.
    #[must_use]
    pub fn event(&self) -> EventId {
        match self {
            Self::Config(_) | Self::Tls(_) => EventId::ConfigRefused,
            Self::LogFile(_) => EventId::LogFileRefused,
            Self::Bind(_) => EventId::BindRefused,
            Self::System { .. } => EventId::Failed,
        }
    }

    fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// A whole life of the service under a host, which is told the ending last.
fn live(config: &Path, host: Host) -> Exit {
    let Host { mut herald, asks, watchdog, events } = host;
    let ended = load_and_serve(config, asks, &mut herald, watchdog, events.as_ref());
    let exit = ended.unwrap_or_else(|failure| {
        report::failure(&failure);
        if let Some(events) = &events {
            events.report(failure.event(), report::failure_text(&failure, false));
        }
        failure.exit()
    });
    if let Some(events) = events {
        // Before the host is told: it may end the process then.
        events.close(EVENT_PATIENCE);
    }
    herald.advance(Event::Ended(exit));
    exit
}

/// The main thread holds everything together and answers the admin listener; requests of the world
/// are served by the gateway's workers.
fn load_and_serve(
    path: &Path,
    asks: Asks,
    herald: &mut Herald,
    watchdog: Option<Watchdog>,
    events: Option<&EventLog>,
) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(Failure::system("event loop cannot be started"))?;
    let result = runtime.block_on(async {
        // Before anything is read or bound, so that a stop during the start is not lost.
        let mut asks = asks.open().map_err(Failure::system("signals cannot be received"))?;
        let path = path.to_owned();
        let for_thread = path.clone();
        let load = tokio::task::spawn_blocking(move || load(&for_thread));
        let Some(loaded) = start::unless_stopped(load, &mut asks, herald).await else {
            return Ok(Exit::Clean);
        };
        let (config, material, sink) = loaded.map_err(|panicked| Failure::System {
            what: "config cannot be loaded",
            source: panicked.into(),
        })??;
        let (logs, writer) = logs::start(config.log.level, sink)
            .map_err(Failure::system("log writer thread cannot be started"))?;
        let logs = logs.with_events(events.cloned());
        let result = log_and_serve(&path, &config, &material, &logs, asks, herald, watchdog).await;
        writer.close(LOG_PATIENCE);
        result
    });
    // What was cut, or still waits for a disk, must not be waited for.
    runtime.shutdown_background();
    result
}

/// What may block on a slow disk or an odd file, so it is done beside the event loop.
fn load(path: &Path) -> Result<(Config, Material, Box<dyn Sink>), Failure> {
    let config = config::load(path)?;
    let material = Material::read(&config, &Material::default())?;
    let sink = logs::open(&config.log)?;
    Ok((config, material, sink))
}

async fn log_and_serve(
    path: &Path,
    config: &Config,
    material: &Material,
    logs: &Logs,
    asks: mpsc::Receiver<Ask>,
    herald: &mut Herald,
    watchdog: Option<Watchdog>,
) -> Result<Exit, Failure> {
    herald.log_to(logs.clone());
    logs.record(Level::Info, "app", "starting")
        .field("version", build_info::VERSION)
        .field("commit", build_info::COMMIT)
        .field("config", path.display())
        .emit();
    let result = match App::build(path, config, material, herald.watch(), logs) {
        Ok(app) => Ok(app.run(asks, herald, watchdog).await),
        Err(failure) => Err(failure),
    };
    match &result {
        Ok(exit) => logs.event(exit.event(), "app", "stopped").field("exit", exit.meaning()),
        Err(failure) => logs.record(Level::Fatal, "app", failure),
    }
    .emit();
    result
}
