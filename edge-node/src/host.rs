//! Who asks the service to stop, pause or reload and who is told its phase: a terminal, systemd or
//! the Windows service control manager. The three differ in nothing else.
//!
//! This file holds the seam and the herald, which owns the phase; each room below is one host,
//! but for `line`, which orders what Windows is told. What a phase means to a host is in `phase.rs`.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::exit::Exit;
use crate::observe::event_log::EventLog;
use crate::observe::logs::{Level, Logs};
use crate::phase::{BEAT, Event, Phase};

mod foreground;
#[cfg(any(windows, test))]
mod line;
#[cfg(unix)]
mod systemd;
#[cfg(windows)]
mod windows;

/// How many asks are remembered; an ask that finds no room is refused.
const ASKS_MAX: usize = 8;

/// What a host asks the service to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Drain and end.
    Stop(Stop),
    /// Begin maintenance: not ready, new requests are refused.
    Pause,
    /// End maintenance.
    Resume,
    /// Read the config again and apply what changed.
    Reload,
}

/// Why the service is to stop, named by where that came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `SIGTERM`.
    Terminate,
    /// `SIGHUP`: the controlling terminal was closed (Unix).
    Hangup,
    /// Ctrl-C or `SIGINT`.
    Interrupt,
    /// The console window was closed or the user logs off (Windows).
    ConsoleClose,
    /// The service manager's Stop.
    Manager,
    /// The machine shuts down.
    MachineShutdown,
    /// The machine is about to shut down and waits for us (Windows).
    MachinePreshutdown,
}

impl Stop {
    /// The word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "terminate",
            Self::Hangup => "hangup",
            Self::Interrupt => "interrupt",
            Self::ConsoleClose => "console-close",
            Self::Manager => "manager-stop",
            Self::MachineShutdown => "machine-shutdown",
            Self::MachinePreshutdown => "machine-preshutdown",
        }
    }
}

/// Where asks come from.
pub enum Asks {
    /// Signals of the process, or console events on Windows.
    Signals(Hup),
    /// A service manager that calls us.
    Manager(mpsc::Receiver<Ask>),
}

/// What `SIGHUP` means (Unix).
///
/// It has two traditions: a terminal that was closed sends it to what ran there, and
/// administrators and service managers send it to daemons, which have no terminal, as the request
/// to read their config again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hup {
    /// Read the config again.
    Reloads,
    /// The terminal was closed: stop.
    Stops,
    /// Nothing: whoever started the service with `nohup` wants it to outlive the terminal.
    Ignored,
}

impl Asks {
    /// Starts listening for asks.
    ///
    /// Must be called inside the tokio runtime.
    ///
    /// # Errors
    /// When the system refuses a signal handler.
    pub fn open(self) -> io::Result<mpsc::Receiver<Ask>> {
        match self {
            Self::Signals(hup) => foreground::signals(hup),
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
    /// True while the config is read again; the next status of a settled phase ends that.
    pub is_reloading: bool,
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

    /// The phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phases.borrow()
    }

    /// Changes the phase as the event demands and tells the host; an event that does not apply
    /// changes nothing, and false is what tells of it.
    pub fn advance(&mut self, event: Event) -> bool {
        let Some(phase) = self.phase().after(event) else { return false };
        self.phases.send_replace(phase);
        self.checkpoint = u32::from(phase.wait_hint().is_some());
        self.announce();
        true
    }

    /// True while the host does not know the phase because it could not be told.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.untold.is_some()
    }

    /// Tells the host that the config is read again.
    pub fn reload_begins(&mut self) {
        self.tell(true);
    }

    /// Tells the host that this is over, whatever came of it.
    pub fn reload_ends(&mut self) {
        self.announce();
    }

    /// Shows the host that a pending phase makes progress; a settled one is told again only where
    /// the host could not be told before.
    pub fn beat(&mut self) {
        let is_pending = self.phase().wait_hint().is_some();
        if is_pending {
            self.checkpoint = self.checkpoint.saturating_add(1);
        }
        if is_pending || self.is_unheard() {
            self.announce();
        }
    }

    /// Shows the host each second that a pending phase makes progress, for ever.
    pub async fn beat_on(&mut self) -> Infallible {
        let mut beats = tokio::time::interval_at(Instant::now() + BEAT, BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            self.beat();
        }
    }

    /// Tells a host that could not be told, such as one whose queue was full, again until it is;
    /// then waits for ever.
    pub async fn tell_until_heard(&mut self) -> Infallible {
        while self.is_unheard() {
            tokio::time::sleep(BEAT).await;
            self.beat();
        }
        std::future::pending().await
    }

    fn announce(&mut self) {
        self.tell(false);
    }

    fn tell(&mut self, is_reloading: bool) {
        let status = Status { phase: self.phase(), checkpoint: self.checkpoint, is_reloading };
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

/// A service manager that restarts a service which does not say in time that all is well.
pub struct Watchdog {
    /// The time within which it wants to hear so.
    pub interval: Duration,
    /// Says so, without blocking.
    pub pet: Pet,
}

/// How a watchdog is told.
pub type Pet = Box<dyn FnMut() -> io::Result<()> + Send>;

/// A host, as `live` needs it.
pub struct Host {
    /// Tells the phase.
    pub herald: Herald,
    /// Asks.
    pub asks: Asks,
    /// Who wants to hear regularly that all is well.
    pub watchdog: Option<Watchdog>,
    /// The Event Log, where the host has one.
    pub events: Option<EventLog>,
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

/// A host of signals; told the phase is systemd where it listens, else nobody.
fn foreground_host() -> Host {
    #[cfg(unix)]
    if let Some(ear) = systemd::from_environment() {
        return Host {
            herald: Herald::new(ear),
            asks: Asks::Signals(Hup::Reloads),
            watchdog: systemd::watchdog_from_environment(),
            events: None,
        };
    }
    let herald = Herald::new(Box::new(foreground::Nobody));
    let asks = Asks::Signals(foreground::meaning_of_hup());
    Host { herald, asks, watchdog: None, events: None }
}

#[cfg(test)]
mod tests;
