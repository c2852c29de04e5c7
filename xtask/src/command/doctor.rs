//! `cargo xtask doctor`, and installing tools for the other commands.

use super::Project;
use crate::cli::{Doctor, OutputFormat, SelectionArgs};
use crate::doctor::{self, Finding, install, probe};
use crate::error::Error;
use crate::report;
use crate::toolchain::requirement::{Need, Probe, Requirement};

pub(super) fn run(arguments: &Doctor) -> Result<(), Error> {
    let project = Project::load()?;
    let mut findings = examine(&project, &SelectionArgs::default(), Need::Comfort);
    if arguments.install_tools {
        install_missing(&findings, Need::Comfort)?;
        findings = examine(&Project::load()?, &SelectionArgs::default(), Need::Comfort);
    }
    match arguments.format {
        OutputFormat::Text => {
            report::data(&findings.iter().map(|finding| format!("{finding}\n")).collect::<String>())
        }
        OutputFormat::Json => report::json(&findings),
    }
    refuse_missing(&findings, Need::Tests).map_err(|error| Error::Told(Box::new(error)))
}

/// Looks for everything the selected targets need for a purpose, and for optional Rust targets, which cost no command.
pub(super) fn examine(project: &Project, selection: &SelectionArgs, purpose: Need) -> Vec<Finding> {
    let mut requirements = doctor::requirements(
        &project.config,
        &project.facts.toolchain.host,
        &selection.targets,
        selection.stub_build,
    );
    let is_rust_target =
        |requirement: &Requirement| matches!(requirement.probe, Probe::RustTarget(_));
    requirements.retain(|requirement| requirement.need <= purpose || is_rust_target(requirement));
    findings(project, requirements)
}

/// Looks for tools.
pub(super) fn findings(project: &Project, requirements: Vec<Requirement>) -> Vec<Finding> {
    let machine = install::machine();
    let probed = probe::all(&requirements, &project.facts);
    let judged = requirements.into_iter().zip(&probed).map(|(requirement, probed)| {
        let hint = install::hint(&requirement, machine);
        doctor::examine(requirement, probed, hint)
    });
    judged.collect()
}

/// Installs what keeps somebody from the purpose, and what is merely optional where something installs it.
pub(super) fn install_missing(findings: &[Finding], need: Need) -> Result<(), Error> {
    let machine = install::machine();
    let installable = |finding: &&Finding| {
        finding.blocks(need)
            || (finding.blocks(Need::Comfort)
                && finding.install.is_some()
                && finding.is_rust_target())
    };
    let missing: Vec<_> = findings.iter().filter(installable).collect();
    Ok(install::run(&install::commands(&missing, machine))?)
}

/// Ends the command when something is missing that the purpose needs.
pub(super) fn refuse_missing(findings: &[Finding], need: Need) -> Result<(), Error> {
    let missing: Vec<_> = findings.iter().filter(|finding| finding.blocks(need)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::ToolsMissing(missing.into_iter().map(|finding| finding.name.clone()).collect()))
}
