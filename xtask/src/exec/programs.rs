//! Building, stubbing, splitting and inspecting programs.

mod stub;

use super::Cause;
use super::files;
use crate::inspect::{self, Rules, Violation};
use crate::plan::{CargoBuild, Inspect, Roots, Step};
use crate::tool::{self, ToolError};
use crate::toolchain::{self, Host};
use std::path::Path;
use xshell::cmd;

/// Runs cargo, which prints to stderr for itself, and lays its products at their places.
pub(super) fn build(build: &CargoBuild, roots: &Roots) -> Result<(), Cause> {
    let shell = tool::shell_in(&roots.workspace)?;
    let arguments = &build.arguments;
    let mut command = cmd!(shell, "cargo {arguments...}").quiet();
    for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
        if build.removed.iter().any(|removed| stands_for(removed, &name)) {
            command = command.env_remove(name);
        }
    }
    for (name, value) in &build.environment {
        command = command.env(name, value);
    }
    let line = command.to_string();
    // What cargo said is already on stderr.
    command.run().map_err(|error| ToolError {
        command: line,
        reason: error.to_string(),
        output: String::new(),
    })?;
    for product in &build.products {
        let contents = files::read(&product.from.resolve(roots))?;
        files::write_if_changed(&product.to.resolve(roots), &contents, 0o755)?;
    }
    Ok(())
}

/// Whether an entry of [`CargoBuild::removed`] is about a variable.
fn stands_for(removed: &str, name: &str) -> bool {
    match removed.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == removed,
    }
}

/// Writes a stand-in whose bytes differ from target to target, so that none can be taken for another. For Windows it is
/// a program, because nothing else can be code-signed; it does nothing but fail.
pub(super) fn stub(step: &Step, roots: &Roots) -> Result<(), Cause> {
    for output in &step.outputs {
        let text = format!("stand-in for {}, not a program\n", output.base_name());
        let text = format!("{text}target {}\n", step.target.as_deref().unwrap_or("none"));
        let bytes = if output.base_name().ends_with(".exe") {
            stub::windows_program(&text)
        } else {
            text.into_bytes()
        };
        files::write_if_changed(&output.resolve(roots), &bytes, 0o755)?;
    }
    Ok(())
}

/// Moves debug symbols out of a program, as a release finds them.
pub(super) fn split(
    host: &Host,
    program: &Path,
    stripped: &Path,
    symbols: &Path,
) -> Result<(), Cause> {
    Ok(toolchain::symbols::split(host, program, stripped, symbols)?)
}

/// Refuses a program whose bytes are not as they should be, and symbols that are not the program's.
pub(super) fn inspect(what: &Inspect, roots: &Roots) -> Result<(), Cause> {
    let target = toolchain::Target::parse(&what.triple)?;
    let program = files::read(&what.program.resolve(roots))?;
    let symbols = files::read(&what.symbols.resolve(roots))?;
    let rules = Rules {
        target,
        size_max: what.size_max,
        dlls: what.dlls.clone(),
        forbidden: what.forbidden.clone(),
    };
    let mut violations = inspect::inspect(&program, &rules).err().unwrap_or_default();
    violations.extend(
        inspect::symbols::check(target, &program, &symbols, what.symbols.base_name()).err(),
    );
    if violations.is_empty() {
        return Ok(());
    }
    let text = |violation: &Violation| match violation.help() {
        Some(help) => format!("{violation}\n      help: {help}"),
        None => violation.to_string(),
    };
    let violations = violations.iter().map(text).collect();
    Err(Cause::Inspect { program: what.program.to_string(), violations })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_of_xtask_does_not_reach_the_build() {
        let removed = toolchain::REMOVED;
        let is_removed = |name: &str| removed.iter().any(|removed| stands_for(removed, name));
        let of_xtask =
            ["CARGO_PKG_VERSION", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "OUT_DIR"];
        assert!(of_xtask.into_iter().all(is_removed));
        let needed = ["CARGO_HOME", "CARGO", "PATH", "RUSTUP_TOOLCHAIN", "OUT_DIRECTORY"];
        assert!(!needed.into_iter().any(is_removed));
    }
}
