//! Who asks the service to stop and who is told its phase: a terminal, systemd or the Windows
//! service control manager. The three differ in nothing else.
//!
//! This file holds the seam and the herald, which owns the phase; each room below is one host.
//! What a phase means to a host is in `phase.rs`.

use std::io;
use std::path::Path;

use tokio::sync::{mpsc, watch};

use crate::exit::Exit;
use crate::observe::logs::{Level, Logs};
use crate::phase::{Event, Phase};

mod foreground;
#[cfg(unix)]
mod systemd;
#[cfg(windows)]
mod windows;

/// How many requests to stop are remembered; the second already ends the process.
const ASKS_MAX: usize = 8;

/// A request to stop, named by where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `SIGTERM`.
    Terminate,
    /// `SIGHUP`: the terminal was closed (Unix).
    Hangup,
    /// Ctrl-C or `SIGINT`.
    Interrupt,
    /// The console window was closed or the user logs off (Windows).
    ConsoleClose,
    /// The service manager's Stop.
    ManagerStop,
    /// The machine shuts down.
    MachineShutdown,
}

impl Ask {
    /// The word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Hangup => "hangup",
            Self::Interrupt => "interrupt",
            Self::ConsoleClose => "console-close",
            Self::ManagerStop => "manager-stop",
            Self::MachineShutdown => "machine-shutdown",
        }
    }
}

/// Where requests to stop come from.
pub enum Asks {
    /// Signals of the process, or console events on Windows.
    Signals,
    /// Those, and the end of the terminal (Unix).
    SignalsAndHangup,
    /// A service manager that calls us.
    Manager(mpsc::Receiver<Ask>),
}

impl Asks {
    /// Starts listening for requests to stop.
    ///
    /// Must be called inside the tokio runtime.
    ///
    /// # Errors
    /// When the system refuses a signal handler.
    pub fn open(self) -> io::Result<mpsc::Receiver<Ask>> {
        match self {
            Self::Signals => foreground::signals(false),
            Self::SignalsAndHangup => foreground::signals(true),
            Self::Manager(asks) => Ok(asks),
        }
    }
}

/// What a host is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The phase.
    pub phase: Phase,
    /// 0 in a settled phase; counts up from 1 while a pending phase lasts.
    pub checkpoint: u32,
}

/// A host's ear.
pub trait Announce: Send {
    /// Tells the host the status, without blocking.
    ///
    /// # Errors
    /// When the host cannot be told.
    fn announce(&mut self, status: Status) -> io::Result<()>;
}

/// Owns the phase: the only place where it changes, and where host and listeners learn of it.
pub struct Herald {
    phases: watch::Sender<Phase>,
    checkpoint: u32,
    ear: Box<dyn Announce>,
    /// The phase of the last announcement if it failed; told again until it is heard.
    untold: Option<Phase>,
    logs: Option<Logs>,
}

impl Herald {
    /// A herald in [`Phase::Starting`], which the host is told at once.
    #[must_use]
    pub fn new(ear: Box<dyn Announce>) -> Self {
        let mut herald = Self {
            phases: watch::Sender::new(Phase::Starting),
            checkpoint: 1,
            ear,
            untold: None,
            logs: None,
        };
        herald.announce();
        herald
    }

    /// From now on, announcements that fail are logged.
    pub fn log_to(&mut self, logs: Logs) {
        self.logs = Some(logs);
    }

    /// The phase, and every change of it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phases.subscribe()
    }

    /// Changes the phase as the event demands and tells the host; an event that does not apply
    /// changes nothing.
    pub fn advance(&mut self, event: Event) {
        let Some(phase) = self.phases.borrow().after(event) else { return };
        self.phases.send_replace(phase);
        self.checkpoint = u32::from(phase.wait_hint().is_some());
        self.announce();
    }

    /// True while the host does not know the phase because it could not be told.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.untold.is_some()
    }

    /// Shows the host that a pending phase makes progress; a settled one is told again only where
    /// the host could not be told before.
    pub fn beat(&mut self) {
        let is_pending = self.phases.borrow().wait_hint().is_some();
        if is_pending {
            self.checkpoint = self.checkpoint.saturating_add(1);
        }
        if is_pending || self.is_unheard() {
            self.announce();
        }
    }

    fn announce(&mut self) {
        let status = Status { phase: *self.phases.borrow(), checkpoint: self.checkpoint };
        let Err(error) = self.ear.announce(status) else {
            self.untold = None;
            return;
        };
        // Each phase is worth one line, however often it is tried again.
        let is_known = self.untold.replace(status.phase) == Some(status.phase);
        if let (Some(logs), false) = (&self.logs, is_known) {
            logs.record(Level::Warn, "host", "service manager could not be told the phase")
                .field("phase", format_args!("{:?}", status.phase))
                .field("error", &error)
                .emit();
        }
    }
}

/// A host, as `live` needs it.
pub struct Host {
    /// Tells the phase.
    pub herald: Herald,
    /// Asks to stop.
    pub asks: Asks,
}

/// A whole life of the service under a host: config file in, ending out.
pub type Live = fn(&Path, Host) -> Exit;

/// Finds out which host started the program and runs `live` under it.
#[must_use]
pub fn run(config: &Path, live: Live) -> Exit {
    #[cfg(windows)]
    {
        windows::run(config, live)
    }
    #[cfg(not(windows))]
    {
        live(config, foreground_host())
    }
}

/// A host of signals; told the phase is systemd where it listens, else nobody. A closed terminal
/// asks to stop where systemd does not.
fn foreground_host() -> Host {
    #[cfg(unix)]
    if let Some(ear) = systemd::from_environment() {
        return Host { herald: Herald::new(ear), asks: Asks::Signals };
    }
    Host { herald: Herald::new(Box::new(foreground::Nobody)), asks: Asks::SignalsAndHangup }
}

#[cfg(test)]
mod tests;
