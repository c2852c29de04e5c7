//! Resolves references to secrets: environment variables, files, questions on the terminal.

use super::{KeysError, at};
use crate::config::model::Secret;
use std::fmt;
use std::io;
use std::path::Path;

/// Where secrets come from beside files. A seam, so that tests can answer without an environment or a terminal.
pub trait Outside {
    /// The value of an environment variable, where it is set to a text.
    fn environment(&self, name: &str) -> Option<String>;

    /// Asks on the terminal, without showing what is typed.
    ///
    /// # Errors
    ///
    /// There is no terminal.
    fn ask(&self, question: &str) -> io::Result<String>;
}

/// This process: its environment and its terminal.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Outside for Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "a secret is looked up at the moment it is used, and here only"
    )]
    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    /// The terminal itself is asked (`/dev/tty`, `CONIN$`), whatever standard input is.
    fn ask(&self, question: &str) -> io::Result<String> {
        rpassword::prompt_password(format!("{question}: "))
    }
}

/// A resolved secret. It can be used but not shown.
#[derive(Clone)]
pub(in crate::exec) struct SecretText(String);

impl SecretText {
    /// The secret itself, for the one function that needs it.
    pub(in crate::exec) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(redacted)")
    }
}

/// The secret without the line end that editors and `echo` leave behind it.
pub(super) fn resolve(
    what: &'static str,
    reference: &Secret,
    root: &Path,
    outside: &dyn Outside,
) -> Result<SecretText, KeysError> {
    let text = match reference {
        Secret::Environment(name) => outside
            .environment(name)
            .ok_or_else(|| KeysError::Environment { what, name: name.clone() })?,
        Secret::File(file) => {
            let path = root.join(file);
            std::fs::read_to_string(&path).map_err(at("read", what, &path))?
        }
        Secret::Prompt(question) => {
            outside.ask(question).map_err(|source| KeysError::Terminal { what, source })?
        }
    };
    let line = text
        .strip_suffix('\n')
        .map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(SecretText(line.to_owned()))
}

/// How messages call the place a secret comes from.
pub(super) fn place(reference: &Secret) -> String {
    match reference {
        Secret::Environment(name) => format!("environment variable {name}"),
        Secret::File(file) => file.clone(),
        Secret::Prompt(_) => "the terminal".to_owned(),
    }
}
