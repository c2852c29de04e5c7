//! Running another program quietly to its end, and keeping what it said for whoever is told that it failed.
//!
//! Every room that has a tool do something goes through here; what a tool is asked for, and what its answer means, is
//! theirs. Not for programs that talk to a person while they run (cargo, package managers): those keep their terminal.

use std::path::Path;
use std::process::ExitStatus;
use thiserror::Error;
use xshell::{Cmd, Shell};

/// How many lines of a tool's output a person is shown.
const LINES_SHOWN_MAX: usize = 20;

/// A tool did not run, or did not do what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{command}\n{reason}{}", indented(.output))]
pub struct ToolError {
    /// Its command line.
    pub command: String,
    /// How it ended, or why it was not started.
    pub reason: String,
    /// The end of what it printed.
    pub output: String,
}

/// What is left of a tool that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its command line.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All that it printed: its output, then its errors.
    pub printed: String,
}

impl Answer {
    /// The end of what it printed.
    pub fn end(&self) -> String {
        let lines: Vec<_> = self.printed.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LINES_SHOWN_MAX)..].join("\n")
    }

    /// The error that this answer is, for the reason given.
    pub fn refused(self, reason: impl Into<String>) -> ToolError {
        ToolError { output: self.end(), command: self.command, reason: reason.into() }
    }
}

/// A shell whose commands run in a folder.
///
/// # Errors
/// This process has no current folder, which xshell wants to know.
pub fn shell_in(folder: &Path) -> Result<Shell, ToolError> {
    let shell = Shell::new().map_err(|error| ToolError {
        command: format!("cd {}", folder.display()),
        reason: error.to_string(),
        output: String::new(),
    })?;
    shell.change_dir(folder);
    Ok(shell)
}

/// Runs a command to its end, whatever that is. It reads nothing.
///
/// # Errors
/// It cannot be started.
pub fn ask(command: Cmd<'_>) -> Result<Answer, ToolError> {
    let line = command.to_string();
    match command.quiet().ignore_status().output() {
        Ok(output) => {
            let printed = [output.stdout, output.stderr].concat();
            let printed = String::from_utf8_lossy(&printed).into_owned();
            Ok(Answer { command: line, status: output.status, printed })
        }
        Err(error) => {
            Err(ToolError { command: line, reason: error.to_string(), output: String::new() })
        }
    }
}

/// Runs a command that must end with success.
///
/// # Errors
/// It cannot be started, or says that it failed.
pub fn run(command: Cmd<'_>) -> Result<Answer, ToolError> {
    let answer = ask(command)?;
    if answer.status.success() {
        return Ok(answer);
    }
    let reason = answer.status.to_string();
    Err(answer.refused(reason))
}

fn indented(output: &str) -> String {
    output.lines().map(|line| format!("\n    {line}")).collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use xshell::cmd;

    #[track_caller]
    fn check(script: &str, expected: Result<&str, &str>) {
        let shell = shell_in(Path::new("/")).unwrap();
        let found = run(cmd!(shell, "sh -c {script}"));
        let found = found.map(|answer| answer.printed).map_err(|error| error.to_string());
        assert_eq!(found.as_deref(), expected.map_err(str::to_owned).as_deref(), "{script}");
    }

    #[test]
    fn an_answer_is_all_that_was_printed_and_a_failure_its_command_and_end() {
        check("echo out; echo err >&2", Ok("out\nerr\n"));
        check("pwd", Ok("/\n"));
        check("echo said; exit 3", Err("sh -c \"echo said; exit 3\"\nexit status: 3\n    said"));
    }

    #[test]
    fn only_the_last_lines_of_a_long_answer_are_shown() {
        let shell = shell_in(Path::new("/")).unwrap();
        let error = run(cmd!(shell, "sh -c 'seq 100; echo; exit 1'")).unwrap_err();
        let lines: Vec<_> = error.output.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[19]), (20, "81", "100"));
    }

    #[test]
    fn a_tool_that_is_not_there_is_named() {
        let shell = shell_in(Path::new("/")).unwrap();
        let error = ask(cmd!(shell, "no-such-tool --version")).unwrap_err();
        assert_eq!(error.command, "no-such-tool --version");
        assert!(error.reason.contains("no-such-tool"), "{}", error.reason);
    }
}
