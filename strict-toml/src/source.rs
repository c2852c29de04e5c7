//! A text under examination and the arithmetic of places in it.
//!
//! Holds the text with the name it is shown under. Does not read files: the caller
//! decides where a text comes from. Every span of this crate is a byte range of
//! [`Source::text`].

use std::ops::Range;

use crate::{Diagnostic, Report};

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A text and the name it is reported under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as a person would write it, shown after `-->`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A place as editors count: line and column from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Source {
    /// Wraps a text under the name it is to be shown with; a byte order mark is dropped, since
    /// editors do not count it as a column.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.remove(0);
        }
        Self { name: name.into(), text }
    }

    /// Wraps bytes that should be a text.
    ///
    /// # Errors
    /// They are not UTF-8, as TOML has to be (<https://toml.io/en/v1.0.0#spec>): one diagnostic at
    /// the first byte that is not. The report shows the text with U+FFFD in the place of such bytes.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Report> {
        let name = name.into();
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(Self::new(name, text)),
            Err(error) => error,
        };
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let byte = bytes.get(at).copied().unwrap_or_default();
        let source = Self::new(name, String::from_utf8_lossy(bytes));
        // The mark that was dropped is UTF-8 itself, so it can only stand before the byte.
        let mark = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let start = at - mark;
        let mistake = Diagnostic::error("the text is not UTF-8")
            .at(start..start + char::REPLACEMENT_CHARACTER.len_utf8(), format!("byte 0x{byte:02X}"))
            .help("save it as UTF-8");
        Err(Report::new(source, vec![mistake]))
    }

    /// Line and column of a byte offset; an offset outside the text counts as its end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let before = &self.text[..self.boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The span moved onto the text and onto character boundaries, so that slicing by it holds.
    #[must_use]
    pub fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.boundary(span.start);
        start..self.boundary(span.end).max(start)
    }

    /// The nearest character boundary at or before `offset`.
    fn boundary(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_newlines() {
        let source = Source::new("a.toml", "über = 1\r\nb = 2");
        let at = |offset| {
            let place = source.position(offset);
            (place.line, place.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (1, 2), "the two bytes of `ü` are one column");
        assert_eq!(at(11), (2, 1));
        assert_eq!(at(999), (2, 6), "past the end is the end");
    }

    #[test]
    fn a_byte_that_is_not_utf_8_is_shown_where_it_stands() {
        for mark in [&b""[..], BYTE_ORDER_MARK] {
            let bytes = [mark, "a = 1\nü = \"M".as_bytes(), b"\xFCnchen\"\n"].concat();
            let report = Source::from_bytes("a.toml", bytes).unwrap_err();
            let expected = "\
error: the text is not UTF-8
 --> a.toml:2:7
  |
2 | ü = \"M\u{fffd}nchen\"
  |       ^ byte 0xFC
  |
  = help: save it as UTF-8";
            assert_eq!(report.to_string(), expected);
        }
    }

    #[test]
    fn bytes_that_are_utf_8_are_the_text() {
        let source = Source::from_bytes("a.toml", "\u{feff}ü = 1".into());
        assert_eq!(source, Ok(Source::new("a.toml", "ü = 1")));
    }
}
