//! Looks for tools on this machine.

use super::{Probed, version_in};
use crate::config::model::LinkerChoice;
use crate::facts::Facts;
use crate::toolchain::Target;
use crate::toolchain::requirement::{Probe, Requirement, for_target};
use std::path::Path;
use xshell::{Shell, cmd};

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

/// Whether C code can be compiled for a target.
pub fn c_compiler(triple: &str, facts: &Facts) -> bool {
    let Ok(target) = Target::parse(triple) else { return false };
    let needed = for_target(target, &LinkerChoice::SelfContained, true);
    needed.iter().all(|requirement| one(&requirement.probe, facts) != Probed::Missing)
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

fn command(words: &[&str]) -> Probed {
    let (Ok(shell), Some((program, arguments))) = (Shell::new(), words.split_first()) else {
        return Probed::Missing;
    };
    let output = cmd!(shell, "{program} {arguments...}").quiet().ignore_status().output();
    let Ok(output) = output else { return Probed::Missing };
    let printed = [output.stdout, output.stderr].concat();
    let version = version_in(&String::from_utf8_lossy(&printed));
    // Some tools exit with an error after printing their version; one that prints none and fails is not there.
    if output.status.success() || version.is_some() {
        Probed::Present(version)
    } else {
        Probed::Missing
    }
}
