//! The name of an instance: of its unit or Windows service, and of its folders.
//!
//! Rules that both systems share; what a name is used for is in `instance.rs`.

use std::fmt;
use std::str::FromStr;

use crate::build_info;

/// The longest name, in characters. A unit's name may have 255 (`systemd.unit(5)`), a service's
/// 256 (`CreateServiceW`), a folder's 255; a name is more than one of them and is read by people.
pub const LENGTH_MAX: usize = 64;

/// A valid name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// A name that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to {LENGTH_MAX} letters, digits, `-` and `_`, starts with a letter or digit, and is no device of Windows"
)]
pub struct BadName;

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is that of the first instance, which the release's installers use as well.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0 == build_info::NAME
    }
}

impl Default for Name {
    fn default() -> Self {
        Self(build_info::NAME.to_owned())
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let is_valid = (1..=LENGTH_MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !is_device(text);
        if is_valid { Ok(Self(text.to_owned())) } else { Err(BadName) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// No folder can have such a name. Source: the Win32 page "Naming Files, Paths, and Namespaces".
fn is_device(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let is_numbered = |device: &str| {
        upper
            .strip_prefix(device)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|digit| digit.is_ascii_digit()))
    };
    matches!(upper.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || is_numbered("COM")
        || is_numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is_valid: bool) {
        assert_eq!(text.parse::<Name>().is_ok(), is_valid, "{text:?}");
    }

    #[test]
    fn letters_digits_dashes_and_underscores_are_a_name() {
        for text in ["edge-node", "edge-node-2", "A_1", "7", &"x".repeat(LENGTH_MAX)] {
            check(text, true);
        }
    }

    #[test]
    fn what_a_unit_a_registry_key_or_a_folder_would_read_as_more_is_none() {
        for text in ["", "-n", "a b", "a.b", "a/b", r"a\b", "a@b", "a%n", "ä", "_a", "a\n"] {
            check(text, false);
        }
        check(&"x".repeat(LENGTH_MAX + 1), false);
    }

    #[test]
    fn a_device_of_windows_is_none() {
        for text in ["con", "NUL", "Com1", "lpt9"] {
            check(text, false);
        }
        check("console", true);
        check("com10", true);
    }
}
