//! Log lines: one JSON object a line, made by the caller, written by a thread of its own.
//!
//! A line holds `timestamp` (RFC 3339, UTC, microseconds), `level`, `source`, `message` and the
//! context fields. Between callers and the writer stands the bounded queue of `logs/queue.rs`: a
//! caller never waits for a pipe or a disk, and a line that finds the queue full is dropped and
//! counted. Where lines go is decided here; rotation is the business of others.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::queue::Queue;

mod line;
mod queue;

pub use line::Record;

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

/// Where lines go.
pub type Sink = Box<dyn Write + Send>;

/// A log file that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("log file {}: {source}", path.display())]
pub struct OpenError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The sink that `log.file` names: appended to, made if missing; stdout for `None`.
///
/// # Errors
/// When the file cannot be opened for appending.
pub fn sink(file: Option<&Path>) -> Result<Sink, OpenError> {
    match file {
        None => Ok(Box::new(io::stdout())),
        Some(path) => append(path)
            .map(|file| -> Sink { Box::new(file) })
            .map_err(|source| OpenError { path: path.to_owned(), source }),
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Makes log lines; cheap to clone.
#[derive(Clone)]
pub struct Logs {
    /// The least level that is written, by discriminant. Whoever changes it changes nothing else
    /// that a reader of it relies on, so no order is asked of the processor.
    level: Arc<AtomicU8>,
    queue: Arc<Queue>,
    dropped: Counter,
}

/// The writer thread, to be closed when the service ends.
pub struct LogWriter {
    queue: Arc<Queue>,
}

/// Starts the writer thread; lines below `level` are not made.
///
/// # Errors
/// When the system refuses a thread.
pub fn start(level: Level, sink: Sink) -> io::Result<(Logs, LogWriter)> {
    let queue = Arc::new(Queue::default());
    let dropped = Counter::default();
    let level = Arc::new(AtomicU8::new(level as u8));
    let logs = Logs { level, queue: Arc::clone(&queue), dropped: dropped.clone() };
    let for_thread = Arc::clone(&queue);
    thread::Builder::new()
        .name("log-writer".to_owned())
        // It formats nothing: the lines come finished.
        .stack_size(64 * 1024)
        .spawn(move || write_until_closed(&for_thread, sink, &dropped))?;
    Ok((logs, LogWriter { queue }))
}

impl Logs {
    /// Begins a line; `source` is the room that speaks.
    ///
    /// Nothing is formatted where the level is not wanted.
    pub fn record(&self, level: Level, source: &str, message: impl fmt::Display) -> Record<'_> {
        Record::begin(self.wants(level).then_some(self), level, source, message)
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

    /// Lines that were dropped because the queue was full or the sink failed.
    #[must_use]
    pub fn dropped(&self) -> Counter {
        self.dropped.clone()
    }

    fn push(&self, line: String) {
        if !self.queue.push(line) {
            self.dropped.inc();
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

fn write_until_closed(queue: &Queue, mut sink: Sink, dropped: &Counter) {
    let mut is_torn = false;
    while let Some(lines) = queue.take() {
        for mut line in lines {
            if is_torn {
                // What stands there of the line that failed must not swallow this one.
                line.insert(0, '\n');
            }
            match write_line(&mut sink, line.as_bytes()) {
                Ok(()) => is_torn = false,
                Err(written) => {
                    if written > 0 {
                        is_torn = line.as_bytes()[written - 1] != b'\n';
                    }
                    dropped.inc();
                }
            }
        }
        // Buffered bytes that are lost here belong to lines which cannot be told apart any more.
        let _ = sink.flush();
    }
    queue.finish();
}

/// Writes a line; the number of bytes that were written if it failed.
fn write_line(sink: &mut Sink, line: &[u8]) -> Result<(), usize> {
    let mut written = 0;
    while written < line.len() {
        match sink.write(&line[written..]) {
            Ok(0) => return Err(written),
            Ok(length) => written += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_unwritable) => return Err(written),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
