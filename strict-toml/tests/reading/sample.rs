//! The type that the tests read, and the ways they look at the outcome.

#![expect(dead_code, reason = "the tests look at the diagnostics, seldom at the values")]

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strict_toml::{ByteSize, Diagnostic, Duration, Formats, Invalid, Report, Source, Spanned};

/// Everything a release is made of.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The version of this file's shape.
    #[schemars(range(min = 1, max = 3))]
    pub edition: Option<u32>,
    /// What is shipped.
    pub product: Product,
    /// How it runs.
    #[serde(default)]
    pub service: Service,
    /// Where it listens, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "format": "identifier" }, "minProperties" = 1))]
    pub listeners: BTreeMap<Spanned<String>, Listener>,
    /// What goes into a bundle.
    #[serde(default)]
    #[schemars(length(max = 2))]
    pub files: Vec<File>,
    /// Digests to make.
    #[serde(default)]
    pub checksums: BTreeSet<Algorithm>,
    /// Where the secret key is.
    pub key: Option<Spanned<Key>>,
    /// How much is logged.
    pub level: Option<Level>,
    /// A command, as one string or as words.
    pub command: Option<Command>,
    /// Share of requests that may fail.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub error_ratio: Option<f64>,
}

/// What is shipped.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Product {
    /// The name of the program.
    #[schemars(length(min = 2, max = 12))]
    pub name: Spanned<String>,
    /// A name for people.
    #[schemars(length(min = 1))]
    pub display_name: Option<String>,
    /// The largest it may become.
    pub size_max: Option<Spanned<ByteSize>>,
    /// Refused by serde alone when it is not a year.
    pub since: Option<Year>,
}

/// How it runs.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Service {
    /// Pause before a restart.
    pub restart_delay: Duration,
    /// Restart at all?
    pub restart: bool,
    /// Threads.
    #[schemars(range(min = 1))]
    pub workers: u16,
    /// Options of the program.
    #[schemars(inner(length(min = 1)))]
    pub options: Vec<String>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            restart_delay: Duration::from_secs(90),
            restart: true,
            workers: 4,
            options: Vec::new(),
        }
    }
}

/// Where it listens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Listener {
    /// The address to bind.
    pub address: std::net::IpAddr,
    /// The port to bind.
    pub port: u16,
}

/// A file of a bundle.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// Where it is taken from.
    pub source: String,
    /// Its mode, in octal digits.
    pub mode: Option<String>,
}

/// A digest.
#[derive(Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    Sha256,
    Sha512,
    Blake2b,
}

/// Where a secret is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Key {
    /// Ask for it.
    Prompt,
    /// In an environment variable.
    Environment(String),
    /// In a file.
    File {
        /// The path of the file.
        path: String,
    },
}

/// How much is logged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Everything.
    Debug,
    /// What matters.
    Info,
    /// What is wrong.
    Error,
}

/// A command.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Command {
    Line(String),
    Words(Vec<String>),
}

/// A year, which its schema calls a string and nothing more.
#[derive(Debug, JsonSchema)]
#[schemars(transparent)]
pub struct Year(String);

impl<'de> Deserialize<'de> for Year {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() == 4 {
            return Ok(Self(text));
        }
        Err(serde::de::Error::custom(format!("`{text}` is not a year, {:?}", Self(text.clone()))))
    }
}

fn identifier(text: &str) -> Result<(), Invalid> {
    if text.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
        return Ok(());
    }
    Err(Invalid::new(format!("`{text}` is not an identifier")).help("use a to z and `-`"))
}

pub fn parse(source: &Source) -> Result<Config, Vec<Diagnostic>> {
    strict_toml::parse_with(source, &Formats::default().with("identifier", identifier))
}

/// The rendered mistakes of a text; empty if there are none.
pub fn mistakes(text: &str) -> String {
    let source = Source::new("a.toml", text);
    parse(&source).err().map_or_else(String::new, |found| Report::new(source, found).render(false))
}

/// The text, which may start with a line end for the looks, has exactly these mistakes.
#[track_caller]
pub fn check(text: &str, expected: &str) {
    let text = text.strip_prefix('\n').unwrap_or(text);
    check_exactly(text, expected);
}

/// The same for a text whose first line may be empty.
#[track_caller]
pub fn check_exactly(text: &str, expected: &str) {
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    let found = mistakes(text);
    assert!(found == expected, "expected:\n{expected}\nfound:\n@@@{found}@@@");
}

/// The sample with its required parts, after which a test writes its own.
pub fn with(rest: &str) -> String {
    format!("[product]\nname = \"edge\"\n{rest}")
}
