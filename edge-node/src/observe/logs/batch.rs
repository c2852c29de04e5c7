//! Many lines of one kind, made where a line must cost next to nothing and handed to the writer
//! together. The same form as `line.rs`, without its freedom.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use jiff::Timestamp;

use super::line::{BEGIN, LINE_BYTES_MAX, Line};
use super::{Level, Logs};

/// Bytes that wait at most before they are handed over.
const BATCH_BYTES: usize = 64 * 1024;

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
        if begin == 0 {
            text.reserve(BATCH_BYTES + LINE_BYTES_MAX);
        }
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
        let microseconds = now.subsec_nanosecond().unsigned_abs() / 1000;
        text.push_str(microseconds_text(microseconds, &mut [0; 7]));
        text.push('Z');
    }
}

impl BatchLine<'_> {
    /// Adds a text; `key` is as [`key`] makes it, here and below.
    pub fn text(&mut self, key: &'static str, value: &str) {
        self.0.push_str(key);
        let value = &value[..value.floor_char_boundary(TEXT_BYTES_MAX)];
        let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
        // Without a way out of the loop, which the compiler then does for many bytes at a time.
        if value.bytes().fold(true, |all, byte| all & is_plain(byte)) {
            self.0.push('"');
            self.0.push_str(value);
            self.0.push('"');
        } else {
            let escaped = serde_json::to_string(value);
            self.0.push_str(escaped.as_deref().unwrap_or("null"));
        }
    }

    /// Adds a number.
    pub fn number(&mut self, key: &'static str, value: impl itoa::Integer) {
        self.0.push_str(key);
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    /// Adds a time in seconds, to the microsecond.
    pub fn seconds(&mut self, key: &'static str, value: Duration) {
        self.number(key, value.as_secs());
        self.0.push_str(microseconds_text(value.subsec_micros(), &mut [0; 7]));
    }
}

/// A key of a line with all that stands around it, made where the program is.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
pub(crate) use key;

/// What stands behind the seconds: a point and six digits, of which all must be there.
fn microseconds_text(mut microseconds: u32, room: &mut [u8; 7]) -> &str {
    room[0] = b'.';
    for digit in room[1..].iter_mut().rev() {
        *digit = b'0' + (microseconds % 10) as u8;
        microseconds /= 10;
    }
    str::from_utf8(room).unwrap_or(".000000")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    proptest! {
        #[test]
        fn any_field_is_read_back_as_it_was(
            value in ".*",
            number in any::<u64>(),
            seconds in 0..1_000_000_u64,
            microseconds in 0..1_000_000_u32,
        ) {
            let duration = Duration::new(seconds, microseconds * 1000);
            let mut text = String::from("{\"level\":\"INFO\"");
            let mut line = BatchLine(&mut text);
            line.text(key!("path"), &value);
            line.number(key!("bytes"), number);
            line.seconds(key!("duration-seconds"), duration);
            text.push('}');
            let line: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&line["path"], &value[..value.floor_char_boundary(TEXT_BYTES_MAX)]);
            prop_assert_eq!(&line["bytes"], number);
            prop_assert_eq!(&line["duration-seconds"], duration.as_secs_f64());
        }
    }

    #[test]
    fn the_time_of_a_line_is_of_one_width_and_no_earlier_than_the_one_before() {
        let clock = Clock::default();
        let mut last = Timestamp::UNIX_EPOCH;
        for _ in 0..1000 {
            let mut text = String::new();
            clock.write(&mut text);
            assert_eq!(text.len(), "2026-11-26T10:00:00.000000Z".len(), "{text}");
            let time: Timestamp = text.parse().unwrap();
            assert!(time >= last, "{text} after {last}");
            last = time;
        }
    }
}
