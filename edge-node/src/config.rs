//! The service's config file: read, checked, lowered; and its JSON Schema.
//!
//! `raw` mirrors the TOML, `lower` holds every rule that spans more than one key's type, `model`
//! is what the rest of the service sees. Each default is decided
//! in `raw`; [`defaults`] gives them to those who show them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use strict_toml::{Formats, Report, Source};

mod lower;
mod model;
mod raw;

use lower::Lowered;
#[doc(hidden)]
pub use lower::header::editable;

pub use model::{
    Action, Balance, CertificateFiles, ClientCertificates, ClientRules, ClientTls, Config,
    DataListener, Ejection, Files, FixedResponse, Forward, HashKey, HeaderEdits, HeaderMatch,
    HostPattern, HostRewrite, Listener, Listeners, Log, Matcher, NamePattern, PathPattern,
    PathRewrite, Pool, Probe, ProbeKind, Protocol, RETRIES_FREE, RateLimit, RatePer, Redirect,
    Route, ServerTls, Shutdown, SuccessRate, TemplateSegment, TlsVersion, Upstream,
    UpstreamAddress,
};

/// A config file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("config file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text has mistakes.
    #[error("{0}")]
    Mistakes(Report),
}

/// A config that can be used, and what is odd about it.
#[derive(Debug)]
pub struct Checked {
    /// The config.
    pub config: Config,
    /// What a person who edits it should look at; no errors are among it.
    pub warnings: Report,
}

/// Reads a config file for a person who edits it.
///
/// # Errors
/// When the file cannot be read, or with every mistake in it.
pub fn check(path: &Path) -> Result<Checked, LoadError> {
    let text = fs::read_to_string(path)
        .map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let source = Source::new(path.display().to_string(), text);
    let folder = path.parent().unwrap_or(Path::new(""));
    match read(&source, folder) {
        Ok(Lowered { config, warnings }) => {
            Ok(Checked { config, warnings: Report::new(source, warnings) })
        }
        Err(mistakes) => Err(LoadError::Mistakes(Report::new(source, mistakes))),
    }
}

/// Reads a config file for use.
///
/// # Errors
/// When the file cannot be read, or with every mistake in it.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    check(path).map(|checked| checked.config)
}

/// Reads a config text; `folder` is where its relative paths start.
///
/// # Errors
/// Every mistake in the text.
pub fn parse(source: &Source, folder: &Path) -> Result<Config, Vec<strict_toml::Diagnostic>> {
    read(source, folder).map(|lowered| lowered.config)
}

fn read(source: &Source, folder: &Path) -> Result<Lowered, Vec<strict_toml::Diagnostic>> {
    strict_toml::parse_recovering::<raw::Config>(source, &Formats::default())
        .lower(|raw| lower::lower(raw, folder))
}

/// The config of an empty file.
///
/// # Panics
/// When a default breaks a rule, which the tests rule out.
#[must_use]
pub fn defaults() -> Config {
    let lowered = lower::lower(&raw::Config::default(), Path::new(""));
    lowered.expect("the defaults keep every rule").config
}

/// The JSON Schema (draft 2020-12) of the config file, defaults included.
#[must_use]
pub fn config_schema() -> serde_json::Value {
    strict_toml::schema::<raw::Config>()
}

#[cfg(test)]
mod tests;
