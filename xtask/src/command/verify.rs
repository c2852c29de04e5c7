//! `cargo xtask verify`.

use super::Project;
use crate::cli::{OutputFormat, Verify};
use crate::error::{EXIT_FAILED, Error};
use crate::exec::keys::{self, Places};
use crate::report;
use crate::verify::{self, Finding, Options, TrustedKey, Verified, printable};
use std::path::{Path, PathBuf};

pub(super) fn run(arguments: &Verify) -> Result<(), Error> {
    let (text, result) = answer(arguments);
    report::data(&text);
    result
}

/// What is printed, and how the command ends.
fn answer(arguments: &Verify) -> (String, Result<(), Error>) {
    match trusted(arguments) {
        Ok(key) => {
            let subject = subject(arguments);
            let outcome = verify::verify(&subject, &options(arguments, key));
            (text(arguments.format, &outcome), concluded(&subject, &outcome))
        }
        // Whoever reads JSON asks whether the release is verified, and is told so whatever the reason.
        Err(error)
            if arguments.format == OutputFormat::Json && error.exit_code() == EXIT_FAILED =>
        {
            let outcome = Err(vec![Finding::new("public key", &error)]);
            let told = error.help().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
            (text(arguments.format, &outcome), Err(Error::Findings(format!("{error}{told}"))))
        }
        Err(error) => (String::new(), Err(error)),
    }
}

/// The folder that `dist` fills, wherever in the workspace this is run.
fn subject(arguments: &Verify) -> PathBuf {
    let default = || match Project::load() {
        Ok(project) => project.facts.target_dir.join("dist"),
        Err(_) => PathBuf::from("target/dist"),
    };
    arguments.subject.clone().unwrap_or_else(default)
}

fn options(arguments: &Verify, trusted: TrustedKey) -> Options {
    Options {
        expected_version: arguments.expect_version.clone(),
        expected_channel: arguments.expect_channel.clone(),
        refuse_development: arguments.release_only,
        refuse_stub: arguments.release_only,
        refuse_dirty: arguments.release_only,
        manifest: arguments.manifest.clone(),
        ..Options::new(trusted)
    }
}

fn text(format: OutputFormat, outcome: &Result<Verified, Vec<Finding>>) -> String {
    match (format, outcome) {
        (OutputFormat::Json, outcome) => format!("{:#}\n", verify::to_json(outcome)),
        (OutputFormat::Text, Ok(verified)) => verified.to_string(),
        (OutputFormat::Text, Err(findings)) => {
            findings.iter().map(|finding| format!("{finding}\n")).collect()
        }
    }
}

fn concluded(subject: &Path, outcome: &Result<Verified, Vec<Finding>>) -> Result<(), Error> {
    let Err(findings) = outcome else { return Ok(()) };
    let subject = printable(&subject.display().to_string());
    let number = findings.len();
    let noun = if number == 1 { "finding" } else { "findings" };
    Err(Error::Findings(format!("{subject} is not what was asked for: {number} {noun}")))
}

/// A given key needs no workspace: a downloader has none.
fn trusted(arguments: &Verify) -> Result<TrustedKey, Error> {
    if let Some(given) = arguments.public_key.as_deref() {
        let here = Path::new(".");
        return Ok(keys::trusted(Some(given), None, Places { root: here, target: here })?);
    }
    let project = Project::load()?;
    Ok(keys::trusted(None, Some(&project.config.signing), project.places())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::exec::keys::development;
    use clap::Parser;

    fn parsed(arguments: &[&str]) -> Verify {
        let words = [&["xtask", "verify"], arguments].concat();
        let Command::Verify(verify) = Cli::try_parse_from(words).unwrap().command else {
            unreachable!("the command is verify")
        };
        verify
    }

    #[test]
    fn a_key_that_cannot_be_read_is_told_to_programs_as_not_verified() {
        let arguments = ["dist", "--public-key", "no-such-key", "--format", "json"];
        let (text, result) = answer(&parsed(&arguments));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["verified"], false);
        let problem = json["findings"][0]["problem"].as_str().unwrap();
        assert!(problem.starts_with("no-such-key: cannot read the public key"), "{problem}");
        assert_eq!(result.unwrap_err().exit_code(), EXIT_FAILED);
        let (text, result) = answer(&parsed(&arguments[..3]));
        assert_eq!(text, "");
        assert!(matches!(result, Err(Error::Key(_))));
    }

    #[test]
    fn release_only_refuses_all_that_is_no_release() {
        let folder = tempfile::tempdir().unwrap();
        let key = development::load_or_make(folder.path()).unwrap().trusted;
        let refused = |arguments: &[&str]| {
            let options = options(&parsed(arguments), key.clone());
            [options.refuse_development, options.refuse_stub, options.refuse_dirty]
        };
        assert_eq!(refused(&["--release-only"]), [true; 3]);
        assert_eq!(refused(&[]), [false; 3]);
    }
}
