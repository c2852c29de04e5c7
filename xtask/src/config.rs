//! The declaration: [`raw`] mirrors the TOML, [`lower`] applies every rule and default, [`model`] is what comes out.
//!
//! Reading is pure as well: [`parse`] takes the text and asks [`Workspace`] what exists.

mod formats;
mod lower;
pub mod model;
pub mod raw;

pub use lower::{FILE, Workspace, lower};

use model::Config;
use std::cell::RefCell;
use strict_toml::{Report, Source};

/// Where the declaration is, relative to the workspace root.
pub const PATH: &str = "packaging/release.toml";

/// A declaration that is not taken.
#[derive(Debug, thiserror::Error)]
#[error("{report}")]
pub struct Refused {
    /// All mistakes, with their places.
    pub report: Report,
    /// What it may have been meant to say, to look for mistakes elsewhere: none where it cannot be read at all.
    pub readings: Vec<Config>,
}

/// Reads a declaration.
///
/// # Errors
/// All mistakes, with their places.
pub fn parse(source: &Source, workspace: &dyn Workspace) -> Result<Config, Box<Refused>> {
    let readings = RefCell::new(Vec::new());
    strict_toml::parse_recovering::<raw::Release>(source, &formats::formats())
        .lower(|raw| match lower(raw, workspace) {
            (config, mistakes) if mistakes.is_empty() => {
                readings.borrow_mut().push(config.clone());
                Ok(config)
            }
            (config, mistakes) => {
                readings.borrow_mut().push(config);
                Err(mistakes)
            }
        })
        .map_err(|mistakes| {
            let report = Report::new(source.clone(), mistakes);
            Box::new(Refused { report, readings: readings.take() })
        })
}

/// The JSON Schema of a declaration.
pub fn schema() -> serde_json::Value {
    strict_toml::schema::<raw::Release>()
}

#[cfg(test)]
mod tests;
