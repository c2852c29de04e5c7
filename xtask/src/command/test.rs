//! `cargo xtask test`: the project's whole test suite.

use super::{Project, doctor};
use crate::cli::{SelectionArgs, Test};
use crate::config::model::System;
use crate::doctor::install;
use crate::error::Error;
use crate::toolchain::{self, requirement::Need};
use xshell::{Shell, cmd};

/// Set to 1, it turns a test's skip for want of a tool into a failure.
const REQUIRE_TOOLS: &str = "XTASK_TEST_REQUIRE_TOOLS";

pub(super) fn run(arguments: &Test) -> Result<(), Error> {
    let mut project = Project::load()?;
    if arguments.install_tools {
        refuse_without_root(&project.facts.toolchain.host, install::is_root())?;
        doctor::install_missing(
            &doctor::examine(&project, &SelectionArgs::default(), Need::Tests),
            Need::Tests,
        )?;
        project = Project::load()?;
        doctor::refuse_missing(
            &doctor::examine(&project, &SelectionArgs::default(), Need::Tests),
            Need::Tests,
        )?;
    }
    let shell = Shell::new()?;
    shell.change_dir(&project.facts.root);
    cmd!(shell, "cargo fmt --all --check").run()?;
    cmd!(shell, "cargo clippy --workspace --all-targets --locked -- --deny warnings").run()?;
    lint_for_windows(&project, &shell)?;
    super::docs::run(&crate::cli::Docs { check: true })?;
    let tests = cmd!(shell, "cargo test --workspace --locked --no-fail-fast");
    let tests = if arguments.install_tools { tests.env(REQUIRE_TOOLS, "1") } else { tests };
    Ok(tests.run()?)
}

/// The tests and the toolkit itself are built on Windows, too. Build scripts of dependencies compile C even for lints;
/// a machine that cannot build the target at all leaves it out, which `--install-tools` rules out.
fn lint_for_windows(project: &Project, shell: &Shell) -> Result<(), Error> {
    let facts = &project.facts;
    for target in project.config.targets_of(System::Windows) {
        let missing = crate::doctor::missing(target, facts);
        if !missing.is_empty() {
            eprintln!("not linted for {}: needs {}", target.triple, missing.join(", "));
            continue;
        }
        let arguments = ["--workspace", "--all-targets", "--target", &target.triple, "--locked"];
        let clippy = cmd!(shell, "cargo clippy {arguments...} -- --deny warnings");
        let compiler = toolchain::c_environment(&target.triple, &facts.host())
            .map_err(|error| Error::Findings(error.to_string()))?;
        clippy.envs(compiler).run()?;
    }
    Ok(())
}

/// Told before half an hour of tests that then fail for it. Only Linux has tests that need root.
fn refuse_without_root(host: &str, is_root: bool) -> Result<(), Error> {
    if host.contains("-linux-") && !is_root { Err(Error::NotRoot) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_suite_is_refused_without_root_where_tests_need_it() {
        let error = refuse_without_root("x86_64-unknown-linux-gnu", false).unwrap_err();
        assert!(error.to_string().contains("needs root"), "{error}");
        assert!(error.help().unwrap().starts_with("sudo env \"PATH=$PATH\""));
        refuse_without_root("x86_64-unknown-linux-gnu", true).unwrap();
        refuse_without_root("x86_64-pc-windows-msvc", false).unwrap();
    }
}
