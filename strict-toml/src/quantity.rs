//! Numbers with a unit, as a person writes them: [`Duration`] and [`ByteSize`].
//!
//! Both are strings in TOML and in the schema (with a `format`), so that `drain-timeout = 25`
//! can never be taken for minutes by one reader and for milliseconds by another.

mod byte_size;
mod duration;

pub use byte_size::ByteSize;
pub use duration::Duration;

use crate::{Invalid, suggest};

/// Splits leading decimal digits from what follows them.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Splits a leading unit (letters and the like) from the digits or spaces that follow it.
fn split_unit(text: &str) -> (&str, &str) {
    let end = |c: char| c.is_ascii_digit() || c.is_whitespace();
    text.split_at(text.find(end).unwrap_or(text.len()))
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
