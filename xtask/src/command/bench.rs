//! `cargo xtask bench`.

use super::context::{context, lock};
use super::{Project, doctor};
use crate::bench::{self, Figure};
use crate::cli::{Bench, BenchOf, SelectionArgs};
use crate::error::Error;
use crate::exec::{self, files, publish};
use crate::plan::Action;
use crate::report;
use crate::toolchain::requirement::Need;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(super) fn run(arguments: &Bench) -> Result<(), Error> {
    match &arguments.of {
        Some(BenchOf::Gateway(chosen)) => super::bench_gateway::run(arguments, chosen),
        Some(BenchOf::Dist) | None => measure(arguments),
    }
}

fn measure(arguments: &Bench) -> Result<(), Error> {
    let selection = SelectionArgs { development_key: true, ..SelectionArgs::default() };
    let project = Project::load_for(&selection)?;
    let mut figures = vec![bench::plan(&project.facts)?];
    figures.extend(releases(&project)?);
    figures.extend(bench::sizes(&project.config, &project.facts)?);
    figures.push(bench::cold_build(&project.facts)?);
    figures.extend(bench::start(&project.config, &project.facts, &project.documents()?)?);
    let table = bench::table(&figures);
    report::data(&table);
    if arguments.write {
        write(&project, "dist", &bench::section(&figures, &bench::machine()))?;
    }
    let missed = figures.iter().filter(|figure| !figure.is_met()).count();
    if missed == 0 {
        Ok(())
    } else {
        Err(Error::Findings(format!("{missed} of {} goals are missed", figures.len())))
    }
}

/// Puts a section into docs/benchmarks.md.
pub(super) fn write(project: &Project, name: &str, section: &str) -> Result<(), Error> {
    let path = project.facts.root.join("docs/benchmarks.md");
    let page = if path.exists() { files::read_text(&path)? } else { String::new() };
    let page = bench::with_section(&page, name, section);
    Ok(files::write(&path, page.as_bytes(), 0o644)?)
}

/// A warm-up, a release of which everything after the compiler is made anew, and one with nothing changed.
fn releases(project: &Project) -> Result<[Figure; 2], Error> {
    release(project)?;
    for folder in ["stamps", "text", "release"] {
        files::remove_folder(&project.facts.work_dir().join(folder))?;
    }
    let packaging = release(project)?;
    let unchanged = release(project)?;
    Ok([
        Figure::seconds(
            "everything after the compiler, all targets",
            packaging,
            Duration::from_secs(3),
        ),
        Figure::seconds(
            "a second `dist` with nothing changed, besides cargo",
            unchanged,
            Duration::from_secs(1),
        ),
    ])
}

/// Makes a release and returns how long it took, cargo's own runs taken off.
fn release(project: &Project) -> Result<Duration, Error> {
    let start = Instant::now();
    let findings = doctor::examine(project, &SelectionArgs::default(), Need::Release);
    let keys = Some(project.keys()?);
    let plan = project.plan(&project.selection(&SelectionArgs::default()))?;
    let credentials = project.credentials(&plan)?;
    let out = project.facts.target_dir.join("dist");
    publish::check(&out, &project.facts.work_dir())?;
    let context = context(project, &findings, keys, credentials, out, None);
    let _lock = lock(&context.roots.work)?;
    let cargo = Mutex::new(Duration::ZERO);
    exec::execute(&plan, &context, &|event| {
        if let (Action::Cargo(_), Some(took), Ok(mut cargo)) =
            (&event.step.action, event.took, cargo.lock())
        {
            *cargo += took;
        }
    })?;
    let cargo = cargo.into_inner().unwrap_or_default();
    Ok(start.elapsed().saturating_sub(cargo))
}
