//! One log line in the making: bounded in length, valid JSON whatever is put in.
//!
//! The clock of log lines is read here and nowhere else.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Level, Logs};
use crate::observe::event_log::{Entry, EventLog};

/// Bytes of a line at most, the newline included; fields that do not fit are left out, and
/// `"truncated":true` says so.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a message at most; the rest is cut.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// What a line may still need behind the last field.
const END: &str = ",\"truncated\":true}\n";

/// Keys that every line has; a context field of that name would make a JSON object with a
/// duplicate key.
const RESERVED: [&str; 5] = ["timestamp", "level", "source", "message", "truncated"];

/// What every line begins with, before its time stamp.
pub(super) const BEGIN: &str = "{\"timestamp\":\"";

/// A finished log line, or several that were made together, newlines included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The level that is in the text.
    pub level: Level,
    /// The text.
    pub text: String,
}

impl Line {
    /// How many lines it is.
    pub fn count(&self) -> u64 {
        self.text.bytes().filter(|byte| *byte == b'\n').count() as u64
    }
}

/// How long ago a line was made, in the eyes of the clock; zero if that is in the future. `None`
/// for what is no line of ours, or the end of one.
pub fn age(line: &[u8]) -> Option<Duration> {
    let rest = line.strip_prefix(BEGIN.as_bytes())?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let made: Timestamp = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    Some(Duration::try_from(Timestamp::now().duration_since(made)).unwrap_or_default())
}

/// A log line in the making; nothing is written before [`Record::emit`].
#[must_use = "a line is written by `emit`"]
pub struct Record<'a> {
    /// Where the line goes, if its level is wanted.
    logs: Option<&'a Logs>,
    /// What the Event Log will hear, and through whom.
    entry: Option<(&'a EventLog, Entry)>,
    level: Level,
    line: String,
    truncated: bool,
}

impl<'a> Record<'a> {
    pub(super) fn begin(
        logs: Option<&'a Logs>,
        mut entry: Option<(&'a EventLog, Entry)>,
        level: Level,
        source: &str,
        message: impl fmt::Display,
    ) -> Self {
        if let Some((_, entry)) = &mut entry {
            entry.add(format_args!("\nsource: {source}"));
        }
        let mut record = Self { logs, entry, level, line: String::new(), truncated: false };
        if logs.is_some() {
            let mut message = message.to_string();
            record.truncated = cut(&mut message, MESSAGE_BYTES_MAX);
            record.line = format!(
                "{BEGIN}{:.6}\",\"level\":\"{}\",\"source\":{},\"message\":{}",
                Timestamp::now(),
                level.as_str(),
                json(source),
                json(&message),
            );
        }
        record
    }

    /// Adds a context field, shown as text.
    pub fn field(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        if let Some((_, entry)) = &mut self.entry {
            entry.add(format_args!("{key}: {value}"));
        }
        self.add(key, || json(&value.to_string()))
    }

    /// Adds a context field as the JSON value it serialises to.
    pub fn value(mut self, key: &'static str, value: impl Serialize) -> Self {
        if let Some((_, entry)) = &mut self.entry {
            entry.add(format_args!("{key}: {}", json(&value)));
        }
        self.add(key, || json(&value))
    }

    /// Adds a field to the line, where there is one.
    fn add(mut self, key: &'static str, value: impl FnOnce() -> String) -> Self {
        debug_assert!(!RESERVED.contains(&key), "context field {key:?} has a reserved name");
        if self.logs.is_none() {
            return self;
        }
        let field = format!(",\"{key}\":{}", value());
        if self.line.len() + field.len() + END.len() > LINE_BYTES_MAX {
            self.truncated = true;
        } else {
            self.line.push_str(&field);
        }
        self
    }

    /// Hands the line to the writer, and to the Event Log what it is to hear; never blocks.
    pub fn emit(mut self) {
        if let Some((events, entry)) = self.entry.take() {
            events.take(entry);
        }
        let Some(logs) = self.logs else { return };
        if let Some(line) = self.finish() {
            logs.push(line);
        }
    }

    /// The line, if its level is wanted.
    pub(super) fn finish(mut self) -> Option<Line> {
        self.logs?;
        self.line.push_str(if self.truncated { END } else { "}\n" });
        Some(Line { level: self.level, text: self.line })
    }
}

/// The value as JSON text; one that has none (a map with keys that are no strings) is `null`.
fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|_unserialisable| "null".to_owned())
}

/// Cuts at a character boundary; true if something was cut.
fn cut(text: &mut String, bytes_max: usize) -> bool {
    let end = text.floor_char_boundary(bytes_max);
    let is_longer = end < text.len();
    text.truncate(end);
    is_longer
}
