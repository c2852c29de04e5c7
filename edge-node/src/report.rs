//! What the commands print: results on stdout, as text or JSON; failures on stderr, for people.
//!
//! Nothing is decided here. A closed or missing stdout (a Windows service has none) is no error.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use serde_json::{Value, json};
use strict_toml::Report;

use crate::Failure;
use crate::build_info;
use crate::cli::{Format, RoutesArgs};
use crate::config::{self, LoadError};
use crate::exit::Exit;
use crate::gateway::explain;
use crate::observe::logs::{Level, journal};

/// `edge-node version`.
pub fn version(format: Format) -> Exit {
    let (name, version) = (build_info::NAME, build_info::VERSION);
    let (commit, target) = (build_info::COMMIT, build_info::TARGET);
    match format {
        Format::Text => say(&format!("{name} {version} ({commit}, {target})\n")),
        Format::Json => say_json(&json!({
            "name": name, "version": version, "commit": commit, "target": target,
        })),
    }
    Exit::Clean
}

/// `edge-node check`.
pub fn check(path: &Path, format: Format) -> Exit {
    let result = config::check(path);
    let exit = if result.is_ok() { Exit::Clean } else { Exit::Config };
    match (format, result) {
        (Format::Json, Ok(checked)) => say_json(&verdict(path, checked.warnings.to_json())),
        (Format::Json, Err(error)) => say_json(&verdict(path, diagnostics(&error))),
        (Format::Text, Ok(checked)) => {
            warnings(&checked.warnings);
            let count = match checked.warnings.diagnostics().len() {
                0 => String::new(),
                1 => ", 1 warning".to_owned(),
                several => format!(", {several} warnings"),
            };
            say(&format!("{}: no mistakes{count}\n", path.display()));
        }
        (Format::Text, Err(error)) => failure(&error.into()),
    }
    exit
}

/// `edge-node routes`.
pub fn routes(arguments: &RoutesArgs) -> Exit {
    let question = match arguments.question() {
        Ok(question) => question,
        Err(odd) => return usage(&odd),
    };
    let config = match config::check(&arguments.config) {
        Ok(checked) => {
            if arguments.format == Format::Text {
                warnings(&checked.warnings);
            }
            checked.config
        }
        Err(error) => {
            if arguments.format == Format::Json {
                say_json(&verdict(&arguments.config, diagnostics(&error)));
            } else {
                failure(&error.into());
            }
            return Exit::Config;
        }
    };
    let told = match question {
        Some(question) => {
            explain::explain(&config, &question).map(|told| (told.to_string(), json!(told)))
        }
        None => explain::listings(&config, arguments.listener.as_deref()).map(|told| {
            let texts: Vec<_> = told.iter().map(ToString::to_string).collect();
            (texts.join("\n"), json!({ "listeners": told }))
        }),
    };
    match (told, arguments.format) {
        (Ok((text, _)), Format::Text) => say(&text),
        (Ok((_, json)), Format::Json) => say_json(&json),
        (Err(error), _) => return usage(&error.to_string()),
    }
    Exit::Clean
}

fn usage(what: &str) -> Exit {
    tell_person(&format!("error: {what}\n"));
    Exit::Usage
}

/// What is said of a config file as JSON; a warning leaves it fine.
pub fn verdict(path: &Path, diagnostics: Value) -> Value {
    let is_error = |diagnostic: &Value| diagnostic["severity"] == "error";
    let is_fine = diagnostics.as_array().is_some_and(|all| !all.iter().any(is_error));
    json!({ "file": path.display().to_string(), "ok": is_fine, "diagnostics": diagnostics })
}

/// The mistakes of a config file as JSON: a list, empty where there are none.
pub fn diagnostics(error: &LoadError) -> Value {
    match error {
        LoadError::Mistakes(report) => report.to_json(),
        LoadError::Read { path, source } => json!([{
            "severity": "error",
            "file": path.display().to_string(),
            "message": format!("config file cannot be read: {source}"),
        }]),
    }
}

/// A failure in the same form.
pub fn failure_json(failure: &Failure) -> Value {
    match failure {
        Failure::Config(error) => diagnostics(error),
        Failure::Bind(error) => json!([{
            "severity": "error", "message": error.to_string(), "help": error.help(),
        }]),
        Failure::LogFile(_) | Failure::Tls(_) | Failure::System { .. } => {
            json!([{ "severity": "error", "message": failure.to_string() }])
        }
    }
}

/// Tells a person what is odd about a config that can be used.
fn warnings(warnings: &Report) {
    tell(Level::Warn, &warnings.render(is_colored()));
}

/// Tells a person of a failure.
pub fn failure(failure: &Failure) {
    tell_person(&failure_text(failure, is_colored()));
}

/// A failure, with what a person can do about it; ends with a newline.
pub fn failure_text(failure: &Failure, is_colored: bool) -> String {
    match failure {
        Failure::Config(LoadError::Mistakes(report)) => report.render(is_colored),
        Failure::Bind(error) => format!("error: {error}\n  help: {}\n", error.help()),
        Failure::Config(LoadError::Read { .. })
        | Failure::LogFile(_)
        | Failure::Tls(_)
        | Failure::System { .. } => {
            format!("error: {failure}\n")
        }
    }
}

/// Text on what went wrong for a person, who may read it in the journal.
pub fn tell_person(text: &str) {
    tell(Level::Error, text);
}

fn tell(level: Level, text: &str) {
    let mut stderr = io::stderr();
    let _ = if journal::reads(&stderr) {
        stderr.write_all(journal::prefixed(text, level).as_bytes())
    } else {
        stderr.write_all(text.as_bytes())
    };
}

/// Colours are for terminals whose owner does not object. Source: <https://no-color.org>.
fn is_colored() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A result, on stdout.
pub fn say(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

fn say_json(value: &Value) {
    say(&format!("{value:#}\n"));
}
