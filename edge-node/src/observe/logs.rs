//! Log lines: one JSON object a line, made by the caller, written by a thread of its own.
//!
//! A line holds `timestamp` (RFC 3339, UTC, microseconds), `level`, `source`, `message` and the
//! context fields (`line`). Between callers and the writer stands a bounded `queue`: a caller never
//! waits for a pipe or a disk, and a line that finds the queue full is dropped and counted. Where
//! lines go is in `sink`: a stream, which may be the `journal`, or a `file` and its `rotation`.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::line::Line;
use super::event_log::{EventId, EventLog};
use super::queue::{Bounds, Queue};

mod batch;
mod file;
pub mod journal;
mod line;
mod rotation;
mod sink;

pub(crate) use batch::key;
pub use batch::{Batch, BatchLine};
pub use line::Record;
pub use rotation::{KEEP_MAX, Rotation};
pub use sink::{Complaint, Sink, Stream, open};

/// Lines that may wait for a pipe or a disk.
const BOUNDS: Bounds = Bounds { entries: 1024, bytes: 1024 * 1024 };

/// How bad it is, from the least to the worst.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Level {
    /// Each step, for the developer at a problem.
    Trace,
    /// Decisions, for the operator at a problem.
    Debug,
    /// What a healthy service does.
    Info,
    /// Something is wrong and the service copes.
    Warn,
    /// Something asked for was not done.
    Error,
    /// The service ends because of this.
    Fatal,
}

impl Level {
    /// Every level, from the least to the worst; the position of a level is its discriminant.
    pub const ALL: [Self; 6] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    /// One sentence for the operator.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Trace => "Each step, for the developer at a problem.",
            Self::Debug => "Decisions, for the operator at a problem.",
            Self::Info => "What a healthy service does.",
            Self::Warn => "Something is wrong and the service copes.",
            Self::Error => "Something asked for was not done.",
            Self::Fatal => "The service ends because of this.",
        }
    }

    /// The level of a word, as the config file has it or as a log line has it.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(word))
    }

    /// The word in a log line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// A log file that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("log file {}: {source}", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Makes log lines; cheap to clone.
#[derive(Clone)]
pub struct Logs {
    /// The least level that is written, by discriminant. Whoever changes it changes nothing else
    /// that a reader of it relies on, so no order is asked of the processor.
    level: Arc<AtomicU8>,
    queue: Arc<Queue<Entry>>,
    counters: LogCounters,
    events: Option<EventLog>,
}

/// What is counted of log lines; clones count together.
#[derive(Clone, Default)]
pub struct LogCounters {
    /// Lines that were dropped because the queue was full or the sink failed.
    pub dropped: Counter,
    /// Attempts to rotate that failed, at most one a second.
    pub rotations_failed: Counter,
    /// Entries of the Event Log that were left out.
    pub events_suppressed: Counter,
}

/// The writer thread, to be closed when the service ends.
pub struct LogWriter {
    queue: Arc<Queue<Entry>>,
}

/// What the writer is given.
enum Entry {
    /// A line.
    Line(Line),
    /// Where the lines behind it go.
    Sink(Box<dyn Sink>),
}

/// Starts the writer thread; lines below `level` are not made.
///
/// # Errors
/// When the system refuses a thread.
pub fn start(level: Level, sink: Box<dyn Sink>) -> io::Result<(Logs, LogWriter)> {
    let queue = Arc::new(Queue::new(BOUNDS));
    let level = Arc::new(AtomicU8::new(level as u8));
    let (counters, events) = (LogCounters::default(), None);
    let logs = Logs { level, queue: Arc::clone(&queue), counters, events };
    let writer = Writer { logs: logs.clone(), sink, told: 0 };
    thread::Builder::new()
        .name("log-writer".to_owned())
        // It formats little: the lines come finished.
        .stack_size(64 * 1024)
        .spawn(move || writer.write_until_closed())?;
    Ok((logs, LogWriter { queue }))
}

impl Logs {
    /// Begins a line; `source` is the room that speaks.
    ///
    /// Nothing is formatted where the level is not wanted.
    pub fn record(&self, level: Level, source: &str, message: impl fmt::Display) -> Record<'_> {
        self.begin(level, EventId::of_level(level), source, message)
    }

    /// Begins a line about something that the Event Log hears of too, whatever levels are written.
    pub fn event(&self, id: EventId, source: &str, message: impl fmt::Display) -> Record<'_> {
        self.begin(id.level(), Some(id), source, message)
    }

    fn begin(
        &self,
        level: Level,
        id: Option<EventId>,
        source: &str,
        message: impl fmt::Display,
    ) -> Record<'_> {
        let entry = match (&self.events, id) {
            (Some(events), Some(id)) => events.begin(id, &message).map(|entry| (events, entry)),
            (Some(_) | None, _) => None,
        };
        Record::begin(self.wants(level).then_some(self), entry, level, source, message)
    }

    /// These logs, heard by the Event Log as well.
    #[must_use]
    pub fn with_events(self, events: Option<EventLog>) -> Self {
        let events_suppressed = events.as_ref().map(EventLog::suppressed).unwrap_or_default();
        let counters = LogCounters { events_suppressed, ..self.counters };
        Self { counters, events, ..self }
    }

    fn wants(&self, level: Level) -> bool {
        level as u8 >= self.level.load(Ordering::Relaxed)
    }

    /// The least level that is written.
    #[must_use]
    pub fn level(&self) -> Level {
        let least = usize::from(self.level.load(Ordering::Relaxed));
        // Only `set_level` and `start` write it, from a `Level`.
        Level::ALL.get(least).copied().unwrap_or(Level::Fatal)
    }

    /// From now on, lines below `level` are not made, by no clone of these logs.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// From now on, lines go to `sink`, which [`open`] made; those taken before still go to the
    /// old one. Opening the same file once more lets go of one that was moved away.
    ///
    /// While the old sink is stuck the new one waits.
    pub fn redirect(&self, sink: Box<dyn Sink>) {
        // Of several that wait only the last is kept: a writer that is stuck gets no more of them.
        self.queue.push_instead(Entry::Sink(sink), |entry| matches!(entry, Entry::Sink(_)));
    }

    /// What is counted.
    #[must_use]
    pub fn counters(&self) -> LogCounters {
        self.counters.clone()
    }

    /// Lines that were dropped because the queue was full or the sink failed.
    #[must_use]
    pub fn dropped(&self) -> Counter {
        self.counters.dropped.clone()
    }

    fn push(&self, line: Line) {
        let bytes = line.text.len();
        if let Err(Entry::Line(line)) = self.queue.push(Entry::Line(line), bytes) {
            self.counters.dropped.inc_by(line.count());
        }
    }
}

impl LogWriter {
    /// Takes no more lines and waits until those taken are written, at most for `patience`: a
    /// pipe that nobody reads must not keep the process from ending.
    pub fn close(self, patience: Duration) {
        self.queue.close(Instant::now() + patience);
    }
}

/// What the writer thread works with.
struct Writer {
    /// For the lines about the log itself.
    logs: Logs,
    sink: Box<dyn Sink>,
    /// Dropped lines that the log tells of.
    told: u64,
}

impl Writer {
    fn write_until_closed(mut self) {
        let queue = Arc::clone(&self.logs.queue);
        while let Some(entries) = queue.take() {
            self.sink.begin();
            for entry in entries {
                match entry {
                    Entry::Line(line) => self.write(&line),
                    Entry::Sink(sink) => {
                        self.sink.end();
                        self.sink = sink;
                    }
                }
            }
            self.sink.end();
        }
        queue.finish();
    }

    fn write(&mut self, line: &Line) {
        match self.sink.write(line) {
            Ok(()) => self.tell_about_the_log(),
            Err(_lost) => drop(self.logs.counters.dropped.inc_by(line.count())),
        }
    }

    /// Once lines can be written, those who read them learn what they cannot see in them. A line of
    /// this kind that is lost itself is not counted, or there would be no end of it.
    fn tell_about_the_log(&mut self) {
        if let Some(Complaint { message, error, is_repeated }) = self.sink.complaint() {
            self.logs.counters.rotations_failed.inc();
            let record = self.logs.record(Level::Warn, "logs", message).field("error", error);
            if let (Some(line), false) = (record.finish(), is_repeated) {
                let _ = self.sink.write(&line);
            }
        }
        let dropped = self.logs.counters.dropped.get();
        if dropped > self.told {
            let lines = dropped - self.told;
            let record = self.logs.record(Level::Warn, "logs", "log lines were dropped");
            let written = record.value("lines", lines).finish().map(|line| self.sink.write(&line));
            if !matches!(written, Some(Err(_))) {
                self.told = dropped;
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
