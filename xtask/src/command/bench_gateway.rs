//! `cargo xtask bench gateway`: builds what takes part, goes into a network of its own, measures there.

use super::context::{context, lock};
use super::{Credentials, Project, bench, doctor};
use crate::bench::gateway::{self, HELPERS, Job, ROWS};
use crate::bench::{self as figures};
use crate::cli::{Bench, GatewayArgs, SelectionArgs};
use crate::config::model::{System, Target};
use crate::error::Error;
use crate::exec::{self, files};
use crate::plan::{Plan, Stage};
use crate::report;
use crate::stage::Selection;
use crate::toolchain::requirement::{self, Need};
use std::path::PathBuf;
use xshell::{Shell, cmd};

/// Runs `$0` where loopback is all there is, and may hold all connections at once.
const ENTER: &str = "ip link set lo up && ulimit -n \"$(ulimit -Hn)\" && exec \"$0\" \"$@\"";

pub(super) fn run(arguments: &Bench, chosen: &GatewayArgs) -> Result<(), Error> {
    let project = Project::load()?;
    if chosen.inside {
        return measure(&project, arguments, chosen);
    }
    refuse_missing(&project, chosen)?;
    let program = match &chosen.program {
        Some(program) => std::path::absolute(program).map_err(files::at("not a path", program))?,
        None => build(&project)?,
    };
    build_helpers(&project)?;
    let mut words = vec!["bench".to_owned(), "gateway".to_owned(), "--inside".to_owned()];
    words.push(format!("--program={}", program.display()));
    words.extend(arguments.write.then(|| "--write".to_owned()));
    words.extend(chosen.quick.then(|| "--quick".to_owned()));
    words.extend(chosen.rows.iter().map(|row| format!("--row={row}")));
    words.extend(chosen.proxies.iter().map(|proxy| format!("--proxy={proxy}")));
    let shell = Shell::new()?;
    shell.change_dir(&project.facts.root);
    let options = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let user = (!crate::doctor::install::is_root()).then_some("--map-root-user");
    let xtask = &project.facts.xtask;
    // When this program is killed `unshare` goes, and with `unshare` every process inside (setpriv(1), unshare(1)).
    let ends_with_us = ["--pdeathsig", "KILL"];
    let inside = cmd!(
        shell,
        "setpriv {ends_with_us...} unshare {user...} {options...} sh -c {ENTER} {xtask} {words...}"
    );
    inside.quiet().run().map_err(|_| Error::Findings("see what is said above".to_owned()))
}

/// Names what installs what is missing.
fn refuse_missing(project: &Project, chosen: &GatewayArgs) -> Result<(), Error> {
    let proxies = &chosen.proxies;
    let is_left_out = |name: &str| {
        ["nginx", "haproxy", "caddy"].contains(&name)
            && !proxies.is_empty()
            && !proxies.iter().any(|proxy| proxy == name)
    };
    let mut needed = requirement::gateway_bench();
    needed.retain(|requirement| !is_left_out(&requirement.name));
    let findings = doctor::findings(project, needed);
    let missing = findings.iter().filter(|finding| finding.blocks(Need::Comfort));
    let lines: Vec<_> = missing.map(|finding| finding.to_string()).collect();
    if lines.is_empty() { Ok(()) } else { Err(Error::BenchToolsMissing(lines.join("\n"))) }
}

/// The declared target that this machine runs.
fn target(project: &Project) -> Result<&Target, Error> {
    let architecture = project.facts.toolchain.host.split('-').next().unwrap_or_default();
    let mut targets = project.config.targets_of(System::Linux);
    let found = targets.find(|target| target.triple.starts_with(architecture));
    found.ok_or_else(|| Error::Findings("no declared target runs on this machine".to_owned()))
}

/// Builds the product as it is released.
fn build(project: &Project) -> Result<PathBuf, Error> {
    let triple = &target(project)?.triple;
    let arguments = SelectionArgs { targets: vec![triple.clone()], ..SelectionArgs::default() };
    let findings = doctor::examine(project, &arguments, Need::Release);
    let compilers = |name: &str| name != "makensis";
    let needed: Vec<_> = findings.into_iter().filter(|finding| compilers(&finding.name)).collect();
    doctor::refuse_missing(&needed, Need::Release)?;
    let selection: Selection = project.selection(&arguments);
    let plan = project.plan(&selection)?;
    let steps = plan.steps.iter().filter(|step| step.stage <= Stage::Build).cloned().collect();
    let out = project.facts.target_dir.join("dist");
    let context = context(project, &needed, None, Credentials::default(), out, None);
    let _lock = lock(&context.roots.work)?;
    exec::execute(&Plan { steps, ..plan }, &context, &|event| report::event(&event))?;
    let folder = project.facts.work_dir().join("build").join(triple);
    Ok(folder.join(project.config.product.program(System::Linux)))
}

/// Builds what makes the load and what answers it, for speed but without the minutes that the last percent takes.
fn build_helpers(project: &Project) -> Result<(), Error> {
    let shell = Shell::new()?;
    shell.change_dir(&project.facts.root);
    let programs = HELPERS.iter().flat_map(|name| ["--bin", name]);
    let build = cmd!(shell, "cargo build --locked --release --package tests {programs...}");
    Ok(build
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_TARGET_DIR", &project.facts.target_dir)
        .run()?)
}

fn measure(project: &Project, arguments: &Bench, chosen: &GatewayArgs) -> Result<(), Error> {
    let (repeats, seconds, idle_connections) = Job::thoroughness(chosen.quick);
    let work = project.facts.work_dir();
    files::create_folder(&work)?;
    let folder =
        tempfile::tempdir_in(&work).map_err(files::at("cannot make a folder in", &work))?;
    let is_chosen =
        |row: &gateway::Row| chosen.rows.is_empty() || chosen.rows.iter().any(|it| it == row.name);
    let job = Job {
        product: project.config.product.binary.clone(),
        program: chosen.program.clone().unwrap_or_default(),
        arguments: project.config.service.arguments.clone(),
        configuration: project.config.configuration.file_name.clone(),
        root: project.facts.root.clone(),
        helpers: project.facts.target_dir.join("release"),
        folder: folder.path().to_path_buf(),
        rows: ROWS.into_iter().filter(is_chosen).collect(),
        proxies: chosen.proxies.clone(),
        repeats,
        seconds,
        idle_connections,
    };
    let outcome = compare(&job)?;
    let section = gateway::section(&outcome, &figures::machine());
    report::data(&section);
    let goals = gateway::goals(&outcome);
    let missed: Vec<_> = goals.iter().filter(|goal| !goal.is_met()).cloned().collect();
    report::data(&figures::table(&missed));
    if arguments.write {
        bench::write(project, "gateway", &section)?;
    }
    if missed.is_empty() {
        return Ok(());
    }
    Err(Error::Findings(format!("{} of {} goals are missed", missed.len(), goals.len())))
}

#[cfg(target_os = "linux")]
fn compare(job: &Job) -> Result<gateway::Outcome, Error> {
    Ok(gateway::run(job, &|what| eprintln!("  {what}"))?)
}

#[cfg(not(target_os = "linux"))]
fn compare(_: &Job) -> Result<gateway::Outcome, Error> {
    Err(Error::Findings("proxies are compared on Linux only".to_owned()))
}
