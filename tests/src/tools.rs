//! What a test needs from the machine, and what happens when it is not there: a skip that says why, or a failure
//! where the environment variable `XTASK_TEST_REQUIRE_TOOLS` is 1, which the project's own test command sets.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Says a skip is no answer: a missing tool then fails the test.
pub const REQUIRE_VARIABLE: &str = "XTASK_TEST_REQUIRE_TOOLS";

/// One thing a test needs.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// A program on the `PATH` (or in the folders of the administrator's programs).
    Tool(&'static str),
    /// To be root: mounts, network namespaces and containers are made.
    Root,
    /// The standard library of a compilation target, as `rustup target add` installs it.
    Target(&'static str),
    /// musl's C headers, where a distribution lays them.
    MuslHeaders,
    /// A module of Python 3.
    Module(&'static str),
}

/// Ends the test early when one of the needs is not met: `needs!(Tool("wine"), Root)`.
///
/// # Panics
/// Instead, where [`tools::REQUIRE_VARIABLE`](crate::tools::REQUIRE_VARIABLE) is 1.
#[macro_export]
macro_rules! needs {
    ($($need:ident $(($name:expr))?),+ $(,)?) => {
        let needs = [$($crate::tools::Need::$need $(($name))?),+];
        if !$crate::tools::are_met(&needs, std::any::type_name_of_val(&|| ())) {
            return;
        }
    };
}

/// Whether all `needs` of the test are met; prints what is missing.
///
/// # Panics
/// When one is not, and [`REQUIRE_VARIABLE`] is 1.
#[track_caller]
pub fn are_met(needs: &[Need], test: &str) -> bool {
    let missing: Vec<String> = needs.iter().filter_map(|need| missing(*need)).collect();
    let required = std::env::var_os(REQUIRE_VARIABLE).is_some_and(|value| value == "1");
    runs(test.trim_end_matches("::{{closure}}"), &missing, required)
}

#[track_caller]
fn runs(test: &str, missing: &[String], required: bool) -> bool {
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert!(!required, "{test} needs {missing}, and {REQUIRE_VARIABLE}=1 forbids to skip it");
    // Written past the test harness, which would keep it from the reader of a passing run.
    let _ = writeln!(std::io::stderr(), "skipped {test}: needs {missing}");
    false
}

/// The path of a program, looked for in `PATH` and then where an administrator's programs are.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn missing(need: Need) -> Option<String> {
    match need {
        Need::Tool(name) => find(name).is_none().then(|| name.to_owned()),
        Need::Root => (!is_root()).then(|| "to be root".to_owned()),
        Need::Module(module) => (!has_module(module)).then(|| format!("Python's module {module}")),
        Need::Target(target) => {
            (!has_target(target)).then(|| format!("the rustup target {target}"))
        }
        Need::MuslHeaders => {
            let places = ["/usr/include/x86_64-linux-musl", "/usr/x86_64-linux-musl/include"];
            let is_there = places.iter().any(|place| Path::new(place).is_dir());
            (!is_there).then(|| "musl's C headers".to_owned())
        }
    }
}

/// Root owns what it makes; asking the kernel would take a call outside the standard library.
#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    tempfile::tempfile().and_then(|file| file.metadata()).is_ok_and(|data| data.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

fn has_target(target: &str) -> bool {
    sysroot().is_some_and(|root| root.join("lib/rustlib").join(target).join("lib").is_dir())
}

fn has_module(module: &str) -> bool {
    let import = format!("import {module}");
    let output = std::process::Command::new("python3").args(["-c", &import]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Where the toolchain of this workspace is installed.
pub fn sysroot() -> Option<PathBuf> {
    let output = std::process::Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(workspace())
        .output()
        .ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_skipped_for_want_of_a_tool_and_told_which() {
        assert!(find("sh").is_some() || cfg!(windows));
        assert_eq!(missing(Need::Tool("no-such-tool")).as_deref(), Some("no-such-tool"));
        assert!(missing(Need::Target("no-such-target")).is_some());
        assert!(!runs("a_test", &["a tool".to_owned()], false));
        assert!(runs("a_test", &[], true));
    }

    #[test]
    #[should_panic(expected = "a_test needs a tool, and XTASK_TEST_REQUIRE_TOOLS=1 forbids")]
    fn a_missing_tool_is_a_failure_where_tools_are_required() {
        runs("a_test", &["a tool".to_owned()], true);
    }
}
