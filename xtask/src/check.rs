//! `cargo xtask check`: the rendered texts, read by the tools that will read them for real.
//!
//! Everything is laid into a folder of its own, so nothing of the machine's configuration takes part.

use crate::config::model::{Config, LinuxPaths};
use crate::exec::files::{self, FileError};
use crate::render::{Document, Group};
use crate::tool;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// The worst exposure that `systemd-analyze security` may find, in tenths (`--threshold`, systemd-analyze(1)).
pub const EXPOSURE_MAX: u32 = 20;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The tool accepts the text.
    Passed,
    /// The tool is not installed.
    Skipped,
    /// The tool refuses the text.
    Failed,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The command that was run, without folders.
    pub check: String,
    /// How it ended.
    pub state: State,
    /// The end of what the tool printed.
    pub detail: String,
}

impl Outcome {
    /// An outcome without a detail.
    pub fn new(check: impl Into<String>, state: State) -> Self {
        Self { check: check.into(), state, detail: String::new() }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Passed => "ok",
            State::Skipped => "skipped",
            State::Failed => "FAILED",
        };
        write!(f, "{state:<9}{}", self.check)?;
        let detail = if self.state == State::Failed { &self.detail } else { "" };
        detail.lines().try_for_each(|line| write!(f, "\n         {line}"))
    }
}

/// Writes every text below `folder` and has systemd's and Prometheus' own tools read them there.
///
/// # Errors
/// A text cannot be written.
pub fn documents(
    documents: &[Document],
    config: &Config,
    folder: &Path,
) -> Result<Vec<Outcome>, FileError> {
    let mut outcomes = Vec::new();
    for document in documents {
        let mode = if document.executable { 0o755 } else { 0o644 };
        files::write(&folder.join(&document.path), document.contents.as_bytes(), mode)?;
        match document.group {
            Group::Systemd if document.path.ends_with(".service") => {
                outcomes.extend(unit(document, config, folder)?)
            }
            Group::Systemd if document.path.ends_with(".sh") => {
                outcomes.push(tool(folder, &["sh", "-n", &document.path]));
            }
            Group::Package if document.executable => {
                outcomes.push(tool(folder, &["sh", "-n", &document.path]));
            }
            Group::Systemd
            | Group::Package
            | Group::Configuration
            | Group::Nsis
            | Group::Prometheus => {}
        }
    }
    for document in documents.iter().filter(|document| document.group == Group::Prometheus) {
        outcomes.extend(promtool(&document.path).map(|words| tool(folder, &words)));
    }
    Ok(outcomes)
}

/// The promtool check for a file, by what it is.
fn promtool(path: &str) -> Option<Vec<&str>> {
    let name = path.strip_prefix("prometheus/")?;
    match name.split_once('/') {
        None if name == "prometheus.yml" => Some(vec!["promtool", "check", "config", path]),
        Some(("rules", _)) => Some(vec!["promtool", "check", "rules", path]),
        Some(("tests", _)) => Some(vec!["promtool", "test", "rules", path]),
        None | Some(_) => None,
    }
}

/// systemd-analyze looks whether the program of a unit exists, so the copy it reads names a stand-in.
fn unit(document: &Document, config: &Config, folder: &Path) -> Result<[Outcome; 2], FileError> {
    let program = folder.join("program");
    files::write(&program, b"#!/bin/sh\n", 0o755)?;
    let installed = [LinuxPaths::of(config).program, LinuxPaths::packaged(config).program];
    let stand_in = program.display().to_string();
    let contents = installed.iter().fold(document.contents.clone(), |text, installed| {
        text.replace(&format!("ExecStart={installed}"), &format!("ExecStart={stand_in}"))
    });
    let unit = format!("unit/{}.service", config.service.name);
    files::write(&folder.join(&unit), contents.as_bytes(), 0o644)?;
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let verify = silent(tool(folder, &["systemd-analyze", "verify", &unit]), &config.service.name);
    let security = tool(
        folder,
        &["systemd-analyze", "security", "--no-pager", "--offline=true", &threshold, &unit],
    );
    Ok([verify, security])
}

/// systemd-analyze says "ignoring" of a key it does not know and exits with 0; what it says of other units, it says of
/// this machine.
fn silent(outcome: Outcome, unit: &str) -> Outcome {
    let own: Vec<_> =
        outcome.detail.lines().filter(|line| line.contains(&format!("{unit}.service"))).collect();
    let state = if outcome.state == State::Passed && !own.is_empty() {
        State::Failed
    } else {
        outcome.state
    };
    let detail = if state == State::Failed { outcome.detail.clone() } else { String::new() };
    Outcome { state, detail, ..outcome }
}

/// Runs a tool in the folder; it accepts with exit code 0. The detail is the end of what it printed.
fn tool(folder: &Path, words: &[&str]) -> Outcome {
    let check = words.join(" ");
    let asked =
        tool::shell_in(folder).and_then(|shell| tool::ask(shell.cmd(words[0]).args(&words[1..])));
    let Ok(answer) = asked else { return Outcome::new(check, State::Skipped) };
    let state = if answer.status.success() { State::Passed } else { State::Failed };
    Outcome { check, state, detail: answer.end() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, state: State, expected: State) {
        let outcome = Outcome { check: "verify".to_owned(), state, detail: said.to_owned() };
        assert_eq!(silent(outcome, "node").state, expected, "{said}");
    }

    #[test]
    fn a_key_that_systemd_ignores_is_a_failure_although_it_exits_with_0() {
        check("", State::Passed, State::Passed);
        check("/etc/systemd/system/other.service:3: Unknown key", State::Passed, State::Passed);
        check(
            "unit/node.service:6: Unknown key 'Bogus' in section [Service], ignoring.",
            State::Passed,
            State::Failed,
        );
        check("anything", State::Failed, State::Failed);
        check("", State::Skipped, State::Skipped);
    }
}
