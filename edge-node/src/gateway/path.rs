//! The path of a request in its normal form, in which routes match it and upstreams get it. Pure.
//!
//! A path that two servers could read differently is either brought into the one form that leaves no choice, or refused:
//! the upstream sees what the table matched. So `//` is merged rather than refused: what is forwarded has none.

use std::borrow::Cow;

/// The longest path that is taken, in bytes, both as sent and in its normal form.
pub const PATH_BYTES_MAX: usize = 8 * 1024;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It does not start with a slash.
    #[error("path does not start with a slash")]
    Relative,
    /// It has more than [`PATH_BYTES_MAX`] bytes, as it was sent or in its normal form.
    #[error("path is too long")]
    TooLong,
    /// It has a space, a control character, `?`, `#` or a byte beyond ASCII.
    #[error("path has a character that must be percent-encoded")]
    Character,
    /// A `%` without two hexadecimal digits.
    #[error("path has a bad percent escape")]
    Escape,
    /// An encoded control character, or UTF-8 that is longer than it need be.
    #[error("path has an escape that stands for no character of text")]
    NoText,
    /// `%2F`: a part of a segment to some, its end to others.
    #[error("path has an encoded slash")]
    EncodedSlash,
    /// `\` or `%5C`: a slash to Windows.
    #[error("path has a backslash")]
    Backslash,
    /// A `..` too many.
    #[error("path leads above the root")]
    AboveRoot,
    /// `..;` and the like: without what follows the semicolon, servers of servlets see a dot segment or an empty one.
    #[error("path has parameters on a dot segment or an empty one")]
    Parameters,
}

/// The normal form of a path, without query; the path itself where it is normal already.
///
/// Escapes of unreserved characters are decoded, the hexadecimal digits of the others are upper case, what may not stand
/// in a path as it is (`"<>[]^{|}` and the back tick) is encoded, `//` is merged, and dot segments are taken out, encoded
/// ones included.
/// Sources: RFC 3986, sections 3.3, 5.2.4 and 6.2.2; RFC 3629, section 3.
///
/// # Errors
/// What some server would read differently than we do, and [`PathFault::TooLong`].
pub fn normalise(path: &str) -> Result<Cow<'_, str>, PathFault> {
    if !path.starts_with('/') {
        return Err(PathFault::Relative);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(PathFault::TooLong);
    }
    if is_normal(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    match rebuild(path)? {
        normal if normal.len() > PATH_BYTES_MAX => Err(PathFault::TooLong),
        normal => Ok(Cow::Owned(normal)),
    }
}

/// What a byte of a path is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Stands for itself, and needs no escape.
    Unreserved,
    /// Stands for itself; its escape stands for something else.
    Reserved,
    /// Read as its escape.
    ToEncode,
    Slash,
    Percent,
    Backslash,
    Refused,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Refused; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte as usize] = class(byte);
        byte += 1;
    }
    classes
};

const fn class(byte: u8) -> Class {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => Class::Unreserved,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':'
        | b'@' => Class::Reserved,
        b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => Class::ToEncode,
        b'/' => Class::Slash,
        b'%' => Class::Percent,
        b'\\' => Class::Backslash,
        _ => Class::Refused,
    }
}

/// Whether [`rebuild`] would give the same back; `path` starts with a slash.
fn is_normal(path: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        match CLASSES[usize::from(byte)] {
            Class::Unreserved | Class::Reserved => at += 1,
            Class::Slash => {
                at += 1;
                // Only there can a segment be an odd one.
                if matches!(path.get(at), Some(b'/' | b'.' | b';')) && is_odd(&path[at..]) {
                    return false;
                }
            }
            Class::Percent => {
                let is_kept = matches!(escape(&path[at..]), Ok(Escape::Kept(_)))
                    && !path[at + 1..at + 3].iter().any(u8::is_ascii_lowercase);
                if !is_kept {
                    return false;
                }
                at += 3;
            }
            Class::ToEncode | Class::Backslash | Class::Refused => return false,
        }
    }
    true
}

/// Whether the segment that starts here is empty with another behind it, a dot segment, or either with parameters.
fn is_odd(rest: &[u8]) -> bool {
    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    let name = name(&rest[..end]);
    matches!(name, b"." | b"..") || (name.is_empty() && !rest.is_empty())
}

/// A segment without its parameters, as a server of servlets sees it.
fn name(segment: &[u8]) -> &[u8] {
    let end = segment.iter().position(|byte| *byte == b';').unwrap_or(segment.len());
    &segment[..end]
}

fn rebuild(path: &str) -> Result<String, PathFault> {
    let mut normal = Vec::with_capacity(path.len() + 16);
    let mut segments = path.as_bytes()[1..].split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let start = normal.len();
        normal.push(b'/');
        decode(segment, &mut normal)?;
        let is_last = segments.peek().is_none();
        let decoded = &normal[start + 1..];
        let name = name(decoded);
        if name.len() != decoded.len() && matches!(name, b"" | b"." | b"..") {
            return Err(PathFault::Parameters);
        }
        match decoded {
            b"" | b"." => normal.truncate(start),
            b".." => {
                normal.truncate(start);
                let parent = normal.iter().rposition(|byte| *byte == b'/');
                normal.truncate(parent.ok_or(PathFault::AboveRoot)?);
            }
            _ => continue,
        }
        // What these name is a folder.
        if is_last {
            normal.push(b'/');
        }
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    Ok(String::from_utf8(normal).expect("only ASCII was pushed"))
}

/// Adds a segment as it is read to `normal`.
fn decode(segment: &[u8], normal: &mut Vec<u8>) -> Result<(), PathFault> {
    let mut at = 0;
    while let Some(&byte) = segment.get(at) {
        match CLASSES[usize::from(byte)] {
            Class::Unreserved | Class::Reserved => normal.push(byte),
            Class::ToEncode => encode(byte, normal),
            Class::Percent => {
                match escape(&segment[at..])? {
                    Escape::Decoded(byte) => normal.push(byte),
                    Escape::Kept(byte) => encode(byte, normal),
                }
                at += 2;
            }
            Class::Backslash => return Err(PathFault::Backslash),
            Class::Slash | Class::Refused => return Err(PathFault::Character),
        }
        at += 1;
    }
    Ok(())
}

fn encode(byte: u8, normal: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    normal.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// What a segment stands for once its escapes are read.
#[must_use]
pub fn decoded(segment: &str) -> Vec<u8> {
    let mut rest = segment.as_bytes();
    let mut text = Vec::with_capacity(rest.len());
    while let Some(&byte) = rest.first() {
        let escaped = escaped(rest);
        text.push(escaped.unwrap_or(byte));
        rest = &rest[if escaped.is_some() { 3 } else { 1 }..];
    }
    text
}

/// What an escape stands for.
enum Escape {
    /// A byte that is written as it is.
    Decoded(u8),
    /// A byte that stays an escape.
    Kept(u8),
}

/// Reads the escape at the start of `text`.
fn escape(text: &[u8]) -> Result<Escape, PathFault> {
    let byte = escaped(text).ok_or(PathFault::Escape)?;
    match byte {
        b'/' => Err(PathFault::EncodedSlash),
        b'\\' => Err(PathFault::Backslash),
        0..0x20 | 0x7f | 0xc0 | 0xc1 => Err(PathFault::NoText),
        // Three or four bytes for a character that needs fewer.
        0xe0 if matches!(escaped(&text[3..]), Some(0x80..0xa0)) => Err(PathFault::NoText),
        0xf0 if matches!(escaped(&text[3..]), Some(0x80..0x90)) => Err(PathFault::NoText),
        _ if CLASSES[usize::from(byte)] == Class::Unreserved => Ok(Escape::Decoded(byte)),
        _ => Ok(Escape::Kept(byte)),
    }
}

/// The byte of `%XX` at the start of `text`.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some((digit(*high)? << 4) | digit(*low)?)
}

#[cfg(test)]
mod tests;
