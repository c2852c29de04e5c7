//! What people and programs are told: errors and progress on stderr, data on stdout.

use crate::cli::OutputFormat;
use crate::error::Error;
use crate::exec::Event;
use crate::plan::{Action, Plan, Step};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Prints data. A reader that went away is not an error.
pub fn data(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let _gone = write!(stdout, "{text}{newline}").and_then(|()| stdout.flush());
}

/// Prints data for a program.
pub fn json(value: &impl Serialize) {
    data(&serde_json::to_string_pretty(value).expect("what is printed is plain data"));
}

/// Prints what ended a command: on stderr for people, and on stdout for a program that asked for JSON, unless the command
/// printed its findings there already.
pub fn error(error: &Error, format: OutputFormat) {
    let told = matches!(error, Error::Findings(_) | Error::Told(_));
    if format == OutputFormat::Json && !told {
        json(&error_record(error));
    }
    if let Error::Declaration(reports) = error {
        for report in reports {
            eprintln!("{}", report.render(color()));
        }
    }
    eprintln!("error: {error}");
    if let Some(help) = error.help() {
        eprintln!("help: {help}");
    }
}

/// An error for programs: its text, the exit code, and the place of every mistake in the declaration and the templates.
fn error_record(error: &Error) -> serde_json::Value {
    let reports = if let Error::Declaration(reports) = error { &reports[..] } else { &[] };
    let diagnostics: Vec<_> = reports.iter().flat_map(strict_toml::Report::records).collect();
    serde_json::json!({
        "error": error.to_string(),
        "exit-code": error.exit_code(),
        "diagnostics": diagnostics,
    })
}

/// Whether stderr shows colours (<https://no-color.org>).
#[expect(clippy::disallowed_methods, reason = "how to print is not a fact about the release")]
pub fn color() -> bool {
    let set = |name| std::env::var(name).is_ok_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !set("NO_COLOR") && !set("CI")
}

/// Prints a step that was run; one whose result was already there is not worth a line.
pub fn event(event: &Event<'_>) {
    if let Some(took) = event.took
        && took >= Duration::from_millis(1)
    {
        eprintln!("{:>9}  {} ({:.2} s)", event.step.stage, subject(event.step), took.as_secs_f64());
    }
}

/// A plan, one line a step, then one line an artifact.
pub fn plan(plan: &Plan) -> String {
    let mut text = format!("{} {} ({})\n\nsteps\n", plan.product, plan.version, plan.channel);
    for step in &plan.steps {
        text += &format!("  {:<9}  {}\n", step.stage, line(step));
    }
    text += "\nartifacts\n";
    for artifact in &plan.artifacts {
        text += &format!("  {}\n", artifact.name);
    }
    for skipped in &plan.skipped {
        text += &format!("\nskipped {}: {}\n", skipped.target, skipped.reason);
    }
    text
}

/// What a step is about, without its stage.
fn subject(step: &Step) -> String {
    match (&step.outputs[..], &step.target) {
        ([output], _) => output.base_name().to_owned(),
        (_, Some(_)) | (_, None) => step.id.clone(),
    }
}

fn line(step: &Step) -> String {
    let outputs = || step.outputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    match &step.action {
        Action::Support { triple, folder } => format!("support files for {triple} -> {folder}"),
        Action::Cargo(build) => format!("cargo {} -> {}", build.arguments.join(" "), outputs()),
        Action::Stub => format!("stand-in -> {}", outputs()),
        Action::Codesign(codesign) => {
            let signer = codesign.how.declared.signer.name();
            format!("{} with {signer} -> {}", codesign.unsigned, codesign.signed)
        }
        Action::Inspect(rules) => format!("{} <= {} bytes", rules.program, rules.size_max),
        Action::SplitSymbols { program, stripped, symbols } => {
            format!("{program} -> {stripped} {symbols}")
        }
        Action::Write { contents, .. } => format!("{} ({} bytes)", outputs(), contents.len()),
        Action::Makensis { script, payload, uninstaller, .. } => {
            let signer = uninstaller.as_ref().map(|how| how.declared.signer.name());
            let signed = signer.map(|signer| format!(", the uninstaller signed with {signer}"));
            let (files, signed) = (payload.len(), signed.unwrap_or_default());
            format!("makensis {script} with {files} files{signed} -> {}", outputs())
        }
        Action::Compress => format!("gzip -> {}", outputs()),
        Action::Deflate => format!("deflate -> {}", outputs()),
        Action::SignRpm { unsigned, .. } => format!("{unsigned} with gpg -> {}", outputs()),
        Action::IndexDebs => format!("{} packages -> {}", step.inputs.len(), outputs()),
        Action::SignIndex { index, .. } => format!("{index} with gpg -> {}", outputs()),
        Action::Archive { members, .. } => format!("{} files -> {}", members.len(), outputs()),
        Action::Manifest(head) => format!("{} artifacts -> {}", head.contents.len(), outputs()),
        Action::Checksum { .. } => format!("{} files -> {}", step.inputs.len(), outputs()),
        Action::Sign { trusted_comment } => format!("{} \"{trusted_comment}\"", outputs()),
        Action::Verify | Action::Publish => format!("{} files", step.inputs.len()),
    }
}
