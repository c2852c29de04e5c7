//! Looks for tools on this machine.

use super::{Probed, version_in};
use crate::facts::Facts;
use crate::tool;
use crate::toolchain::requirement::{Probe, Requirement};
use std::path::Path;

/// Looks for all of them side by side, in order.
pub fn all(requirements: &[Requirement], facts: &Facts) -> Vec<Probed> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = requirements
            .iter()
            .map(|requirement| scope.spawn(|| one(&requirement.probe, facts)))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a probe does not panic")).collect()
    })
}

/// Looks for one tool.
pub fn one(probe: &Probe, facts: &Facts) -> Probed {
    match probe {
        Probe::Command(words) => command(words),
        Probe::RustTarget(triple) if facts.toolchain.targets.contains(*triple) => {
            Probed::Present(Some(facts.toolchain.release.clone()))
        }
        Probe::RustTool(name) if facts.host().rust_tool(name).is_file() => {
            Probed::Present(Some(facts.toolchain.release.clone()))
        }
        Probe::Path(paths) if paths.iter().any(|path| Path::new(path).exists()) => {
            Probed::Present(None)
        }
        Probe::RustTarget(_) | Probe::RustTool(_) | Probe::Path(_) => Probed::Missing,
    }
}

/// Whether a tool is not here, found out without running it: a plan does not wait for compilers to tell their versions.
pub fn is_missing(probe: &Probe, facts: &Facts) -> bool {
    match probe {
        Probe::Command(words) => words.first().is_none_or(|program| !is_on_path(program)),
        Probe::RustTarget(_) | Probe::RustTool(_) | Probe::Path(_) => {
            one(probe, facts) == Probed::Missing
        }
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path).any(|folder| folder.join(&name).is_file())
}

fn command(words: &[&str]) -> Probed {
    let Some((program, arguments)) = words.split_first() else { return Probed::Missing };
    let asked = tool::shell_in(Path::new("."))
        .and_then(|shell| tool::ask(shell.cmd(program).args(arguments)));
    let Ok(answer) = asked else { return Probed::Missing };
    let version = version_in(&answer.printed);
    // Some tools exit with an error after printing their version; one that prints none and fails is not there.
    if answer.status.success() || version.is_some() {
        Probed::Present(version)
    } else {
        Probed::Missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_where_a_shell_would_look() {
        assert!(is_on_path("cargo"));
        assert!(!is_on_path("no-such-program"));
    }
}
