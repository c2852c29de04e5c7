//! Numbers with a unit, as a person writes them: [`Duration`] and [`ByteSize`].
//!
//! Both are strings in TOML and in the schema (with a `format`), so that `drain-timeout = 25`
//! can never be taken for minutes by one reader and for milliseconds by another.

mod byte_size;
mod duration;

pub use byte_size::ByteSize;
pub use duration::Duration;

use std::str::FromStr;

use crate::{Invalid, suggest};

/// Refuses a text with blanks, such as one between number and unit; where it is well without them, the help says so.
fn without_blanks<T: FromStr<Err = Invalid>>(text: &str) -> Result<(), Invalid> {
    let joined: String = text.split_whitespace().collect();
    if joined.is_empty() || joined == text {
        return Ok(());
    }
    let mistake = Invalid::new(format!("`{text}` has a blank"));
    Err(match joined.parse::<T>() {
        Ok(_) => mistake.help(format!("write \"{joined}\"")),
        Err(Invalid { help: Some(help), .. }) => mistake.help(help),
        Err(Invalid { help: None, .. }) => mistake,
    })
}

/// Splits leading decimal digits from what follows them.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Splits a leading unit (letters and the like) from the digits that follow it.
fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The factor of a unit, or an explanation that names those allowed.
fn factor(text: &str, unit: &str, units: &[(&'static str, u64)]) -> Result<u64, Invalid> {
    if let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) {
        return Ok(*factor);
    }
    let names = || units.iter().map(|(name, _)| *name);
    let allowed: Vec<String> = names().map(|name| format!("`{name}`")).collect();
    let reason = match unit {
        "" => format!("`{text}` has no unit"),
        _ => format!("`{text}` has the unknown unit `{unit}`"),
    };
    let hint =
        suggest(unit, names()).map_or_else(String::new, |name| format!("did you mean `{name}`? "));
    Err(Invalid::new(reason).help(format!("{hint}the units are {}", allowed.join(", "))))
}
