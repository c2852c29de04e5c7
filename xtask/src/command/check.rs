//! `cargo xtask check`.

use super::context::context;
use super::{Credentials, Project, doctor};
use crate::check::{self, Outcome, State};
use crate::cli::{Check, OutputFormat, SelectionArgs};
use crate::error::Error;
use crate::exec::{self, files};
use crate::plan::{Plan, Stage, Step};
use crate::report;
use crate::stage::Selection;
use crate::toolchain::requirement::Need;
use std::path::Path;

pub(super) fn run(arguments: &Check) -> Result<(), Error> {
    let mut project = Project::load()?;
    // What is compiled here is thrown away; no key is needed to find mistakes.
    project.config.codesign = None;
    let _not_wanted = project.config.take_gpg();
    let documents = project.documents()?;
    let folder =
        tempfile::tempdir().map_err(files::at("cannot make a folder in", &std::env::temp_dir()))?;
    let mut outcomes = vec![Outcome::new(crate::config::PATH, State::Passed)];
    outcomes.push(Outcome::new(format!("{} rendered texts", documents.len()), State::Passed));
    outcomes.extend(installers(&project, folder.path())?);
    outcomes.extend(check::documents(&documents, &project.config, &folder.path().join("text"))?);
    match arguments.format {
        OutputFormat::Text => {
            report::data(&outcomes.iter().map(|outcome| format!("{outcome}\n")).collect::<String>())
        }
        OutputFormat::Json => report::json(&outcomes),
    }
    let failed = outcomes.iter().filter(|outcome| outcome.state == State::Failed).count();
    if failed == 0 {
        Ok(())
    } else {
        Err(Error::Findings(format!("{failed} of {} checks failed", outcomes.len())))
    }
}

/// Compiles the installers around stand-ins, by the very steps of a release.
fn installers(project: &Project, work: &Path) -> Result<Vec<Outcome>, Error> {
    let selection = Selection { stub: true, ..Selection::default() };
    let plan = project.plan(&selection)?;
    let (before, compile): (Vec<_>, Vec<_>) = plan
        .steps
        .iter()
        .filter(|step| step.stage <= Stage::Installer)
        .cloned()
        .partition(|step| step.stage < Stage::Installer);
    let findings = doctor::examine(project, &SelectionArgs::default(), Need::Release);
    let installed =
        findings.iter().any(|finding| finding.name == "makensis" && finding.found.is_some());
    let mut context =
        context(project, &findings, None, Credentials::default(), work.join("dist"), Some(1));
    context.roots.work = work.to_path_buf();
    context.roots.release = work.join("release");
    let part = |steps: Vec<Step>| Plan { steps, ..plan.clone() };
    exec::execute(&part(before), &context, &|_| {})?;
    let outcome = |step: Step| {
        let check = format!("makensis -WX {}", step.target.as_deref().unwrap_or_default());
        if !installed {
            return Outcome::new(check, State::Skipped);
        }
        match exec::execute(&part(vec![step]), &context, &|_| {}) {
            Ok(()) => Outcome::new(check, State::Passed),
            Err(error) => Outcome { check, state: State::Failed, detail: error.to_string() },
        }
    };
    Ok(compile.into_iter().map(outcome).collect())
}
