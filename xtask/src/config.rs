//! The declaration: [`raw`] mirrors the TOML, [`lower`] applies every rule and default, [`model`] is what comes out.
//!
//! Reading is pure as well: [`parse`] takes the text and asks [`Workspace`] what exists.

mod formats;
mod lower;
pub mod model;
pub mod raw;

pub use lower::{FILE, Workspace, lower};

use model::Config;
use strict_toml::{Report, Source};

/// Where the declaration is, relative to the workspace root.
pub const PATH: &str = "packaging/release.toml";

/// Reads a declaration.
///
/// # Errors
/// All mistakes, with their places.
pub fn parse(source: &Source, workspace: &dyn Workspace) -> Result<Config, Report> {
    strict_toml::parse_recovering::<raw::Release>(source, &formats::formats())
        .lower(|raw| lower(raw, workspace))
        .map_err(|mistakes| Report::new(source.clone(), mistakes))
}

/// The JSON Schema of a declaration.
pub fn schema() -> serde_json::Value {
    strict_toml::schema::<raw::Release>()
}

#[cfg(test)]
mod tests;
