//! Reads TOML strictly: every mistake at once, each with its place in the text.
//!
//! A Rust type (serde's `Deserialize` and schemars' `JsonSchema`) describes the file. [`parse`]
//! looks at a text three times: is it TOML (all syntax errors, duplicate keys with their first
//! place), does it fit the schema of the type (unknown, misplaced, missing and misspelled keys,
//! wrong types, enum values, ranges, lengths, formats, duplicates), and does serde accept it. A
//! [`Report`] shows what was found, to a person as rustc would, to a program as JSON.
//!
//! ```
//! use strict_toml::{Duration, Report, Source, parse};
//!
//! #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields, rename_all = "kebab-case")]
//! struct Config {
//!     /// How long to wait for open requests.
//!     drain_timeout: Duration,
//!     port: u16,
//! }
//!
//! let source = Source::new("node.toml", "drain-timeuot = \"25s\"\nport = 80800\n");
//! let mistakes = parse::<Config>(&source).unwrap_err();
//! assert_eq!(
//!     Report::new(source, mistakes).to_string(),
//!     r#"
//! error: unknown key `drain-timeuot` at the top level
//!  --> node.toml:1:1
//!   |
//! 1 | drain-timeuot = "25s"
//!   | ^^^^^^^^^^^^^ unknown key
//!   |
//!   = help: did you mean `drain-timeout`?
//!   = note: the keys of the top level are `drain-timeout`, `port`
//!
//! error: `port` is out of range: 80800
//!  --> node.toml:2:8
//!   |
//! 2 | port = 80800
//!   |        ^^^^^ must be 0 to 65535
//! "#
//!     .trim(),
//! );
//! ```

mod check;
mod diagnostic;
mod format;
mod quantity;
mod recover;
mod reference;
mod report;
mod schema;
mod source;
mod spanned;
mod suggest;
mod syntax;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use format::{FormatCheck, Formats, Invalid};
pub use quantity::{ByteSize, Duration};
pub use recover::{Recovered, parse_recovering};
pub use reference::{KeyDoc, reference};
pub use report::{Record, Report};
pub use schema::{schema, unchecked};
pub use source::{Position, Source};
pub use spanned::Spanned;
pub use suggest::suggest;

/// Reads a text as a `T`, with the formats of [`Formats::default`].
///
/// # Errors
/// Every mistake of the text, sorted by place; see [`parse_with`].
pub fn parse<T: DeserializeOwned + JsonSchema>(source: &Source) -> Result<T, Vec<Diagnostic>> {
    parse_with(source, &Formats::default())
}

/// Reads a text as a `T`, with formats of the caller's.
///
/// # Errors
/// Every mistake of the text, sorted by place: what is not TOML, together with what does not fit
/// the schema of `T`; only if there is none of these, what serde refuses.
pub fn parse_with<T: DeserializeOwned + JsonSchema>(
    source: &Source,
    formats: &Formats,
) -> Result<T, Vec<Diagnostic>> {
    parse_recovering(source, formats).strict()
}
