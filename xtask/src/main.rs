//! Arguments in, exit code out; nothing else.

use clap::Parser;
use std::process::ExitCode;
use xtask::exec::codesign;
use xtask::toolchain::link;

#[expect(
    clippy::disallowed_methods,
    reason = "the process's own arguments and environment enter here"
)]
fn main() -> ExitCode {
    let lossy = |argument: std::ffi::OsString| argument.to_string_lossy().into_owned();
    let arguments: Vec<String> = std::env::args_os().skip(1).map(lossy).collect();
    if let Some(code) = link::intercept(&arguments, std::env::var(link::JOB).ok().as_deref()) {
        return code;
    }
    if let Some(code) =
        codesign::intercept(&arguments, std::env::var(codesign::FOLDER).ok().as_deref())
    {
        return code;
    }
    xtask::run(&xtask::cli::Cli::parse())
}
