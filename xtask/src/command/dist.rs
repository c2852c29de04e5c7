//! `cargo xtask dist`.

use super::context::{context, lock};
use super::{Project, doctor};
use crate::cli::{Dist, OutputFormat};
use crate::error::Error;
use crate::exec::{self, Context, files, publish};
use crate::plan::Plan;
use crate::report;
use crate::toolchain::requirement::Need;
use crate::verify::KeyOrigin;
use std::path::{Path, PathBuf};

pub(super) fn run(arguments: &Dist) -> Result<(), Error> {
    let mut project = Project::load_for(&arguments.selection)?;
    // Whatever can be wrong is found before anything is installed, built or written.
    project.plan(&project.selection(&arguments.selection))?;
    let out = out_folder(&project, arguments.out.as_deref())?;
    publish::check(&out, &project.facts.work_dir())?;
    let mut findings = doctor::examine(&project, &arguments.selection, Need::Release);
    if arguments.install_tools {
        doctor::install_missing(&findings, Need::Release)?;
        project = Project::load_for(&arguments.selection)?;
        findings = doctor::examine(&project, &arguments.selection, Need::Release);
    }
    doctor::refuse_missing(&findings, Need::Release)?;
    let keys = project.keys()?;
    let plan = project.plan(&project.selection(&arguments.selection))?;
    let credentials = project.credentials(&plan)?;
    let jobs = arguments.jobs.map(usize::from);
    let context = context(&project, &findings, Some(keys), credentials, out, jobs);
    let _lock = lock(&context.roots.work)?;
    exec::execute(&plan, &context, &|event| report::event(&event))?;
    conclude(&plan, &context, arguments.format);
    for sentence in &project.unsigned {
        eprintln!("  WARNING  {sentence}");
    }
    Ok(())
}

fn out_folder(project: &Project, chosen: Option<&Path>) -> Result<PathBuf, Error> {
    let out = chosen.map_or_else(|| project.facts.target_dir.join("dist"), Path::to_path_buf);
    Ok(std::path::absolute(&out).map_err(files::at("not a path", &out))?)
}

fn conclude(plan: &Plan, context: &Context, format: OutputFormat) {
    for skipped in &plan.skipped {
        eprintln!("  skipped  {}: {}", skipped.target, skipped.reason);
    }
    if context.keys.as_ref().is_some_and(|keys| keys.trusted.origin == KeyOrigin::Development) {
        eprintln!(
            "  WARNING  signed with a DEVELOPMENT KEY, which proves nothing: declare [signing] for a real release"
        );
    }
    match format {
        OutputFormat::Json => {
            report::json(
                &serde_json::json!({ "folder": context.out, "artifacts": plan.artifacts }),
            );
        }
        OutputFormat::Text => {
            for artifact in &plan.artifacts {
                report::data(&context.out.join(&artifact.name).display().to_string());
            }
        }
    }
}
