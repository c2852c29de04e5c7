//! Many lines of one kind, made where a line must cost next to nothing and handed to the writer
//! together. The same form as `line.rs`, without its freedom.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};

use jiff::Timestamp;

use super::line::{BEGIN, LINE_BYTES_MAX, Line};
use super::{Level, Logs};

/// Bytes that wait at most before they are handed over.
const BATCH_BYTES: usize = 32 * 1024;

/// Bytes of a field's text at most; a client may send what it likes.
const TEXT_BYTES_MAX: usize = 2 * 1024;

/// Lines on their way; for one thread.
pub struct Batch {
    logs: Logs,
    text: RefCell<String>,
    clock: Clock,
}

/// A time stamp whose seconds are formatted once each.
#[derive(Default)]
struct Clock {
    second: Cell<i64>,
    text: RefCell<String>,
}

/// A line in the making.
pub struct BatchLine<'a>(&'a mut String);

impl Batch {
    /// No lines yet.
    #[must_use]
    pub fn new(logs: Logs) -> Self {
        Self { logs, text: RefCell::default(), clock: Clock::default() }
    }

    /// Adds a line of level info with the fields that `tell` adds, if that level is wanted.
    pub fn add(
        &self,
        source: &'static str,
        message: &'static str,
        tell: impl FnOnce(&mut BatchLine<'_>),
    ) {
        if !self.logs.wants(Level::Info) {
            return;
        }
        let mut text = self.text.borrow_mut();
        let begin = text.len();
        text.push_str(BEGIN);
        self.clock.write(&mut text);
        text.push_str("\",\"level\":\"INFO\",\"source\":\"");
        text.push_str(source);
        text.push_str("\",\"message\":\"");
        text.push_str(message);
        text.push('"');
        tell(&mut BatchLine(&mut text));
        text.push_str("}\n");
        // A handful of texts that are cut cannot make a line longer than this.
        debug_assert!(text.len() - begin <= LINE_BYTES_MAX, "too many fields");
        if text.len() >= BATCH_BYTES {
            self.hand_over(&mut text);
        }
    }

    /// True if no line waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.borrow().is_empty()
    }

    /// Hands over the lines that wait.
    pub fn flush(&self) {
        let mut text = self.text.borrow_mut();
        if !text.is_empty() {
            self.hand_over(&mut text);
        }
    }

    fn hand_over(&self, text: &mut String) {
        let text = std::mem::take(text);
        self.logs.push(Line { level: Level::Info, text });
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Clock {
    fn write(&self, text: &mut String) {
        let now = Timestamp::now();
        let second = now.as_second();
        let mut known = self.text.borrow_mut();
        if self.second.replace(second) != second || known.is_empty() {
            *known = format!("{now:.0}");
            // Up to the letter that stands for UTC.
            known.pop();
        }
        text.push_str(&known);
        let _ = write!(text, ".{:06}Z", now.subsec_microsecond() + now.subsec_millisecond() * 1000);
    }
}

impl BatchLine<'_> {
    /// Adds a text.
    pub fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        let value = &value[..value.floor_char_boundary(TEXT_BYTES_MAX)];
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
        if value.bytes().all(is_plain) {
            self.0.push('"');
            self.0.push_str(value);
            self.0.push('"');
        } else {
            let escaped = serde_json::to_string(value);
            self.0.push_str(escaped.as_deref().unwrap_or("null"));
        }
    }

    /// Adds a text that is made of plain words, such as an address.
    pub fn word(&mut self, key: &'static str, value: impl fmt::Display) {
        self.key(key);
        let _ = write!(self.0, "\"{value}\"");
    }

    /// Adds a number.
    pub fn number(&mut self, key: &'static str, value: impl fmt::Display) {
        self.key(key);
        let _ = write!(self.0, "{value}");
    }

    fn key(&mut self, key: &'static str) {
        self.0.push_str(",\"");
        self.0.push_str(key);
        self.0.push_str("\":");
    }
}
