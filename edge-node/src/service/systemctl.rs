//! The room where the service verbs run other programs: systemd's own, and those that keep users.

use std::process::{Command, Output};

use super::Refusal;
use crate::exit::Exit;

/// How much of what a command wrote is told, in characters from its end.
const TOLD_MAX: usize = 2000;

/// Runs a program to its end and gives what it printed.
///
/// # Errors
/// When it does not start or fails; with its command line, its exit status and the end of what
/// it wrote.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, Refusal> {
    let output = output(program, arguments)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let line = command_line(program, arguments);
    let wrote = String::from_utf8_lossy(&output.stderr);
    let from = wrote.char_indices().rev().nth(TOLD_MAX).map_or(0, |(at, _)| at);
    let said = wrote[from..].trim();
    Err(Refusal::new(Exit::Failed, format!("`{line}` failed ({}): {said}", output.status)))
}

/// Whether a program that answers by its exit status says yes.
///
/// # Errors
/// When it does not start.
pub fn says_yes(program: &str, arguments: &[&str]) -> Result<bool, Refusal> {
    Ok(output(program, arguments)?.status.success())
}

#[expect(clippy::disallowed_methods, reason = "this is the room where programs are run")]
fn output(program: &str, arguments: &[&str]) -> Result<Output, Refusal> {
    Command::new(program).args(arguments).output().map_err(|error| {
        let line = command_line(program, arguments);
        Refusal::new(Exit::Failed, format!("`{line}` cannot be run: {error}"))
            .help("the service verbs need systemd 245 or newer and its tools")
    })
}

fn command_line(program: &str, arguments: &[&str]) -> String {
    [program].iter().chain(arguments).copied().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_told_whole() {
        let refusal = run("sh", &["-c", "echo no >&2; exit 4"]).unwrap_err();
        assert_eq!(refusal.message, "`sh -c echo no >&2; exit 4` failed (exit status: 4): no");
        assert!(says_yes("true", &[]).unwrap() && !says_yes("false", &[]).unwrap());
    }

    #[test]
    fn a_missing_command_is_named() {
        let refusal = run("no-such-program", &["x"]).unwrap_err();
        assert!(refusal.message.starts_with("`no-such-program x` cannot be run"), "{refusal}");
    }
}
