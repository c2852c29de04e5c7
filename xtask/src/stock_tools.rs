//! Stock tools that tests hand our files to. Tests only: the toolkit itself runs commands through [`crate::exec`].

use std::ffi::OsStr;
use std::path::Path;
use xshell::Shell;

/// What a tool answered.
pub struct Answer {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Its output, then what it said about errors.
    pub text: String,
}

/// Runs a tool in `folder` with `input` on its standard input.
///
/// Nothing, with a printed reason, where the tool is not installed; that is a failure where `XTASK_TEST_REQUIRE_TOOLS`
/// is set.
#[track_caller]
pub fn run(
    folder: &Path,
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    input: &str,
) -> Option<Answer> {
    let shell = Shell::new().unwrap();
    shell.change_dir(folder);
    shell.set_var("TZ", "UTC");
    shell.set_var("LC_ALL", "C.UTF-8");
    let command = shell.cmd(program).args(arguments).stdin(input).quiet().ignore_status();
    match command.output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            Some(Answer { success: output.status.success(), text })
        }
        Err(error) => {
            let required = shell.var_os("XTASK_TEST_REQUIRE_TOOLS").is_some();
            assert!(!required, "{program} is required: {error}");
            eprintln!("skipped what needs {program}: {error}");
            None
        }
    }
}
