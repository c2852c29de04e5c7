//! The Windows Event Log: which events there are, how many of them are reported, and the thread
//! that reports them. Everything but the calls themselves, which are in `win32`, runs on any system.
//!
//! Only a service that the service control manager started has an Event Log. The source is
//! registered by the installer and by `service install`, never here: that takes an administrator.
//! Its messages are those of `EventCreate.exe`, which has one that is a single inserted text for
//! each id from 1 to 1000. Source: `ReportEventW`, "Reporting an Event".

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::logs::Level;
use super::queue::{Bounds, Queue};

mod limiter;
mod text;
#[cfg(windows)]
mod windows;

pub use limiter::Limiter;
pub use text::inserted;
#[cfg(windows)]
pub use windows::open;

/// Entries that may wait for an Event Log that is slow.
const BOUNDS: Bounds = Bounds { entries: 64, bytes: 1024 * 1024 };

/// What an entry is about, as `wCategory` has it. `EventCreate.exe` has no names for categories:
/// the viewer shows the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Category {
    /// The life of the service.
    Service = 1,
    /// Its config file.
    Config = 2,
    /// What it needs of the system.
    System = 3,
    /// Everything else.
    Other = 4,
}

/// The kind of an event, with its event id as discriminant.
///
/// The ids are an interface: alerts are made of them. One that is out of use is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum EventId {
    /// The listeners are bound and requests are answered.
    Serving = 1,
    /// A stop was asked for.
    Draining = 2,
    /// The end that was asked for.
    Stopped = 3,
    /// Maintenance began.
    Paused = 4,
    /// Maintenance ended.
    Resumed = 5,
    /// An end before the drain was over.
    Forced = 6,
    /// The config was read again and applied.
    Reloaded = 20,
    /// The config was read again and refused.
    ReloadRefused = 21,
    /// The config does not let the service start.
    ConfigRefused = 22,
    /// The log file does not let the service start.
    LogFileRefused = 23,
    /// A listener cannot be bound.
    BindRefused = 30,
    /// The system refused something else.
    Failed = 31,
    /// A log line of level WARN.
    Warning = 100,
    /// A log line of level ERROR.
    Error = 101,
    /// Entries were left out.
    Suppressed = 102,
}

impl EventId {
    /// Every kind, by id.
    pub const ALL: [Self; 15] = [
        Self::Serving,
        Self::Draining,
        Self::Stopped,
        Self::Paused,
        Self::Resumed,
        Self::Forced,
        Self::Reloaded,
        Self::ReloadRefused,
        Self::ConfigRefused,
        Self::LogFileRefused,
        Self::BindRefused,
        Self::Failed,
        Self::Warning,
        Self::Error,
        Self::Suppressed,
    ];

    /// The event id.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The level of the log line that says the same; an entry is an information, a warning or an
    /// error.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Serving
            | Self::Draining
            | Self::Stopped
            | Self::Paused
            | Self::Resumed
            | Self::Reloaded => Level::Info,
            Self::Forced | Self::Warning | Self::Suppressed => Level::Warn,
            Self::ReloadRefused
            | Self::ConfigRefused
            | Self::LogFileRefused
            | Self::BindRefused
            | Self::Failed
            | Self::Error => Level::Error,
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::Serving
            | Self::Draining
            | Self::Stopped
            | Self::Paused
            | Self::Resumed
            | Self::Forced => Category::Service,
            Self::Reloaded | Self::ReloadRefused | Self::ConfigRefused => Category::Config,
            Self::LogFileRefused | Self::BindRefused | Self::Failed => Category::System,
            Self::Warning | Self::Error | Self::Suppressed => Category::Other,
        }
    }

    /// One sentence for the operator.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Serving => "The listeners are bound and requests are answered.",
            Self::Draining => "A stop was asked for; requests in flight finish.",
            Self::Stopped => "The service has ended as it was asked to.",
            Self::Paused => "Maintenance began: the service is not ready and refuses requests.",
            Self::Resumed => "Maintenance ended: requests are answered again.",
            Self::Forced => "The service has ended before its requests were done.",
            Self::Reloaded => "The config was read again and applied.",
            Self::ReloadRefused => {
                "The config was read again and refused; the service goes on with the old one."
            }
            Self::ConfigRefused => {
                "The service did not start: its config cannot be read or has mistakes."
            }
            Self::LogFileRefused => "The service did not start: its log file cannot be opened.",
            Self::BindRefused => "The service did not start: a listener cannot be bound.",
            Self::Failed => "The service ended because the system refused it something.",
            Self::Warning => "Something is wrong and the service copes; a log line of level WARN.",
            Self::Error => "Something asked for was not done; a log line of level ERROR.",
            Self::Suppressed => "Entries were left out because there were too many.",
        }
    }

    /// The kind of a log line that is no event of its own. The end of the service, which is what a
    /// line of level FATAL tells, is reported once and with its cause by `lib.rs`.
    #[must_use]
    pub const fn of_level(level: Level) -> Option<Self> {
        match level {
            Level::Warn => Some(Self::Warning),
            Level::Error => Some(Self::Error),
            Level::Trace | Level::Debug | Level::Info | Level::Fatal => None,
        }
    }
}

/// The table of all kinds, for a page of documentation, in Markdown.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = "| Id | Type | Category | Meaning |\n|---|---|---|---|\n".to_owned();
    for id in EventId::ALL {
        let kind = match id.level() {
            Level::Trace | Level::Debug | Level::Info => "Information",
            Level::Warn => "Warning",
            Level::Error | Level::Fatal => "Error",
        };
        let (code, category, meaning) = (id.code(), id.category(), id.meaning());
        let number = category as u16;
        let _infallible =
            writeln!(table, "| {code} | {kind} | {number} ({category:?}) | {meaning} |");
    }
    table
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub id: EventId,
    /// Its text, in lines that end with `\n`.
    pub text: String,
}

impl Entry {
    /// Adds a line.
    pub fn add(&mut self, line: impl std::fmt::Display) {
        let _infallible = writeln!(self.text, "{line}");
    }
}

/// Reports entries; may take its time.
pub trait Reporter: Send {
    /// Reports an entry.
    ///
    /// # Errors
    /// When the Event Log refuses it.
    fn report(&mut self, entry: &Entry) -> io::Result<()>;
}

/// Takes entries; cheap to clone, never waits.
#[derive(Clone)]
pub struct EventLog {
    queue: Arc<Queue<Entry>>,
    limiter: Arc<Mutex<Limiter>>,
    suppressed: Counter,
}

impl EventLog {
    /// Starts the thread that reports.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(reporter: Box<dyn Reporter>) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(BOUNDS));
        let suppressed = Counter::default();
        let (for_thread, lost) = (Arc::clone(&queue), suppressed.clone());
        thread::Builder::new()
            .name("event-reporter".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || report_until_closed(&for_thread, reporter, &lost))?;
        Ok(Self { queue, limiter: Arc::default(), suppressed })
    }

    /// Begins an entry, unless too many of its kind came lately; whoever gets one hands it back to
    /// [`EventLog::take`].
    #[must_use]
    pub fn begin(&self, id: EventId, message: impl std::fmt::Display) -> Option<Entry> {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left_out) = limiter.admit(id, Instant::now()) else {
            self.suppressed.inc();
            return None;
        };
        drop(limiter);
        let mut text = message.to_string();
        text.truncate(text.trim_end().len());
        text.push('\n');
        if left_out > 0 {
            let _infallible = writeln!(text, "\nentries of this kind left out before: {left_out}");
        }
        Some(Entry { id, text })
    }

    /// Reports an entry that is no log line.
    pub fn report(&self, id: EventId, text: impl std::fmt::Display) {
        if let Some(entry) = self.begin(id, text) {
            self.take(entry);
        }
    }

    /// Takes an entry to be reported; one that finds no room is left out and counted.
    pub fn take(&self, entry: Entry) {
        let bytes = entry.text.len();
        if self.queue.push(entry, bytes).is_err() {
            self.suppressed.inc();
        }
    }

    /// Entries that were left out because there were too many or the Event Log failed.
    #[must_use]
    pub fn suppressed(&self) -> Counter {
        self.suppressed.clone()
    }

    /// Takes no more entries, says how many were left out untold, and waits until all are reported,
    /// at most for `patience`.
    pub fn close(&self, patience: Duration) {
        let left_out = self.limiter.lock().unwrap_or_else(PoisonError::into_inner).untold();
        if left_out > 0 {
            let text = format!("entries left out: {left_out}\n");
            self.take(Entry { id: EventId::Suppressed, text });
        }
        self.queue.close(Instant::now() + patience);
    }
}

fn report_until_closed(queue: &Queue<Entry>, mut reporter: Box<dyn Reporter>, lost: &Counter) {
    while let Some(entries) = queue.take() {
        for entry in entries {
            if reporter.report(&entry).is_err() {
                lost.inc();
            }
        }
    }
    queue.finish();
}

#[cfg(test)]
mod tests;
