//! From the mirror of the TOML to the validated model: every rule a type cannot say.
//!
//! All rules are tried, so that all mistakes are reported at once. Each room below holds the rules of
//! one table; those of one string are functions that know no table (`host`, `path`, `header`,
//! `network`, `upstream`).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread;

use strict_toml::{ByteSize, Diagnostic, Duration, Invalid, Spanned};

use super::model::{Config, Log, Shutdown};
use super::raw;
use crate::observe::logs::Rotation;

mod action;
mod ambiguity;
pub(super) mod header;
mod host;
mod listener;
mod name;
mod network;
mod path;
mod pool;
mod probe;
mod route;
mod upstream;

use route::Declared;

const UNREADY_WAIT: RangeInclusive<Duration> = Duration::from_secs(0)..=Duration::from_secs(300);
const DRAIN_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(0)..=Duration::from_secs(3600);
/// The smallest holds a few of the longest lines.
const ROTATE_SIZE: RangeInclusive<ByteSize> =
    ByteSize::from_bytes(64 * 1024)..=ByteSize::from_bytes(1024 * 1024 * 1024);
const ROTATE_AGE: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(366 * 24 * 3600);
/// More threads than this wait for each other.
const WORKERS_MAX: usize = 64;

/// A config that keeps every rule, and what is odd about it all the same.
#[derive(Debug)]
pub struct Lowered {
    pub config: Config,
    /// Warnings only.
    pub warnings: Vec<Diagnostic>,
}

/// Lowers a config; `folder` is where its relative paths start.
///
/// # Errors
/// Every rule that is broken.
pub fn lower(raw: &raw::Config, folder: &Path) -> Result<Lowered, Vec<Diagnostic>> {
    let raw::Config { workers, listeners, routes, pools, shutdown, log } = raw;
    let mut rules = Rules { folder, broken: Vec::new() };
    let by_default;
    let data = if listeners.data.is_empty() {
        by_default = default_data();
        &by_default
    } else {
        &listeners.data
    };
    let config = Config {
        listeners: rules.listeners(data, &listeners.admin),
        routes: rules.routes(routes, Declared { listeners: data, pools }),
        pools: rules.pools(pools),
        workers: workers.map_or_else(processors, |workers| workers as usize),
        shutdown: rules.shutdown(shutdown),
        log: rules.log(log),
    };
    if !rules.broken.is_empty() {
        return Err(rules.broken);
    }
    Ok(Lowered { config, warnings: pool::unused(pools, routes) })
}

/// The listener of a config that names none.
fn default_data() -> BTreeMap<Spanned<String>, raw::DataListener> {
    BTreeMap::from([("data".to_owned().into(), raw::DataListener::default())])
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get().min(WORKERS_MAX))
}

/// Checks rules and keeps the diagnostics of those that are broken. What a method returns after that
/// is of no matter: it is never used.
struct Rules<'a> {
    /// Where relative paths start.
    folder: &'a Path,
    broken: Vec<Diagnostic>,
}

impl Rules<'_> {
    fn shutdown(&mut self, raw: &raw::Shutdown) -> Shutdown {
        let raw::Shutdown { unready_wait, drain_timeout } = raw;
        Shutdown {
            unready_wait: self.duration("shutdown.unready-wait", unready_wait, &UNREADY_WAIT),
            drain_timeout: self.duration("shutdown.drain-timeout", drain_timeout, &DRAIN_TIMEOUT),
        }
    }

    fn log(&mut self, raw: &raw::Log) -> Log {
        let raw::Log { level, access, file, rotate_size, rotate_age, keep } = raw;
        let rotation = Rotation {
            bytes_max: self.within("log.rotate-size", rotate_size, &ROTATE_SIZE).as_u64(),
            age_max: rotate_age
                .as_ref()
                .map(|age| self.duration("log.rotate-age", age, &ROTATE_AGE)),
            keep: *keep,
        };
        let file = file.as_ref().map(|file| self.file(file));
        Log { level: *level, access: *access, file, rotation }
    }

    /// A path of the config, ready for use.
    fn file(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn duration(
        &mut self,
        key: &str,
        value: &Spanned<Duration>,
        range: &RangeInclusive<Duration>,
    ) -> std::time::Duration {
        self.within(key, value, range).to_std()
    }

    /// The value, with a diagnostic if it is out of range.
    fn within<T>(&mut self, key: &str, value: &Spanned<T>, range: &RangeInclusive<T>) -> T
    where
        T: Copy + PartialOrd + std::fmt::Display,
    {
        if !range.contains(value.get()) {
            let label = format!("must be {} to {}", range.start(), range.end());
            self.broken.push(
                Diagnostic::error(format!("`{key}` is out of range: {value}"))
                    .at(value.span(), label),
            );
        }
        *value.get()
    }

    /// What a string stands for, or none with a diagnostic that says what was `expected`.
    fn parsed<T>(
        &mut self,
        key: &str,
        text: &Spanned<String>,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        match parse(text.get()) {
            Ok(value) => Some(value),
            Err(Invalid { reason, help }) => {
                let mistake = Diagnostic::error(format!("`{key}`: {reason}"))
                    .at(text.span(), format!("expected {expected}"));
                self.broken.push(with_help(mistake, help));
                None
            }
        }
    }

    /// The same for each string of a list.
    fn each_parsed<T>(
        &mut self,
        key: &str,
        texts: &[Spanned<String>],
        expected: &str,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Vec<T> {
        texts.iter().filter_map(|text| self.parsed(key, text, expected, &parse)).collect()
    }

    /// Refuses all but exactly one of several keys; `place` is where it is said that there is none.
    fn exactly_one<const N: usize>(
        &mut self,
        what: &str,
        place: std::ops::Range<usize>,
        keys: [(&str, Option<std::ops::Range<usize>>); N],
    ) {
        let names = keys.each_ref().map(|(name, _)| format!("`{name}`")).join(", ");
        let mut set: Vec<_> =
            keys.into_iter().filter_map(|(name, span)| Some((name, span?))).collect();
        set.sort_by_key(|(_, span)| span.start);
        let Some((first, others)) = set.split_first() else {
            let mistake = Diagnostic::error(format!("{what} has none of {names}"));
            return self.broken.push(mistake.at(place, "needs exactly one of them"));
        };
        for (name, span) in others {
            let both = format!("{what} has both `{}` and `{name}`", first.0);
            self.broken.push(
                Diagnostic::error(both)
                    .at(span.clone(), format!("only one of {names} may be set"))
                    .related(first.1.clone(), "already chosen here"),
            );
        }
    }
}

fn with_help(mistake: Diagnostic, help: Option<String>) -> Diagnostic {
    match help {
        Some(help) => mistake.help(help),
        None => mistake,
    }
}
