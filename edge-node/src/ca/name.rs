//! What a certificate is called in its authority's folder, and its serial number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes of a serial number. Source: RFC 5280 §4.1.2.2 allows 20.
pub const SERIAL_BYTES: usize = 16;

const LENGTH_MAX: usize = 64;

/// Names that stand for devices on Windows, whatever follows after a dot. Source: Win32, "Naming Files, Paths, and
/// Namespaces".
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The name of a certificate, and of its files: lower case, so that it is the same on every file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = !text.is_empty()
            && text.len() <= LENGTH_MAX
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !text.ends_with('.');
        let stem = text.split('.').next().unwrap_or_default();
        if !is_plain {
            Err(format!(
                "`{}` cannot be a name: 1 to {LENGTH_MAX} lower-case letters, digits, `-`, `_` and `.`, a letter or digit first, no `.` last",
                text.escape_debug()
            ))
        } else if DEVICES.contains(&stem.trim_end_matches(|c: char| c.is_ascii_digit())) {
            Err(format!("`{text}` cannot be a name: Windows has a device of that name"))
        } else if text.parse::<Serial>().is_ok() {
            Err(format!("`{text}` cannot be a name: it looks like a serial number"))
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// The serial number of a certificate, written as `openssl x509 -serial` does but in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial([u8; SERIAL_BYTES]);

impl Serial {
    /// Makes random bytes a serial number. Two bits are fixed, so that the number is positive and always as long:
    /// 126 random ones are left.
    #[must_use]
    pub fn from_random(mut bytes: [u8; SERIAL_BYTES]) -> Self {
        bytes[0] = bytes[0] & 0x3F | 0x40;
        Self(bytes)
    }

    /// The number, big end first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Serial {
    type Err = String;

    /// Reads it in either case, with or without the colons of `openssl x509 -text`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{}` is no serial number: 32 hexadecimal digits", text.escape_debug());
        let digits: Vec<u8> = text
            .bytes()
            .filter(|byte| *byte != b':')
            .map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        if digits.len() != 2 * SERIAL_BYTES {
            return Err(wrong());
        }
        bytes.try_into().map(Self).map_err(|_length| wrong())
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl TryFrom<String> for Serial {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_files_on_every_system() {
        for good in ["a", "web-1", "cam.dev.site", "x_y", "console", "com-port", "1"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        let serial = "7f".repeat(16);
        let long = "x".repeat(65);
        for bad in [
            "", "A", "../x", "a/b", r"a\b", ".x", "-x", "x.", "con", "nul.txt", "com1", "ä", "a b",
            "a:b", &serial, &long,
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn serials_are_positive_and_of_one_length() {
        for byte in [0x00, 0x80, 0xFF] {
            let serial = Serial::from_random([byte; SERIAL_BYTES]);
            assert_eq!(serial.as_bytes()[0] & 0xC0, 0x40);
            assert_eq!(serial.to_string().len(), 32);
        }
    }

    #[test]
    fn serials_are_read_as_openssl_writes_them() {
        let serial = Serial::from_random(*b"0123456789abcdef");
        let text = serial.to_string();
        let colons: Vec<&str> = (0..16).map(|at| &text[2 * at..2 * at + 2]).collect();
        assert_eq!(text.to_uppercase().parse(), Ok(serial));
        assert_eq!(colons.join(":").parse(), Ok(serial));
        assert!(text[1..].parse::<Serial>().is_err());
        assert!("xyz".parse::<Serial>().is_err());
    }
}
