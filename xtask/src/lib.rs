//! The toolkit, in the order in which a release is made.
//!
//! [`config`] reads the declaration, [`facts`] asks the world once, [`render`] makes the texts, [`stage`] lays out the
//! [`plan`], [`exec`] runs it, [`verify`] reads the result back. Everything before `exec` is pure but for
//! `facts::gather` and reading the templates. Beside that line stand the commands that look at what others made
//! ([`doctor`], [`repro`], [`documentation`]); [`command`] joins the parts, [`cli`] and [`report`] face people.

pub mod apt;
pub mod archive;
pub mod authenticode;
pub mod bench;
pub mod check;
pub mod checksum;
pub mod cli;
pub mod command;
pub mod config;
pub mod doctor;
pub mod documentation;
pub mod error;
pub mod exec;
pub mod facts;
pub mod inspect;
pub mod manifest;
pub mod plan;
pub mod render;
pub mod report;
pub mod repro;
pub mod side_by_side;
pub mod signature;
pub mod stage;
#[cfg(test)]
mod stock_tools;
pub mod tool;
pub mod toolchain;
pub mod verify;

use std::process::ExitCode;

/// Runs what was typed, prints what went wrong, and says how to exit.
pub fn run(cli: &cli::Cli) -> ExitCode {
    match command::run(&cli.command) {
        Ok(()) => ExitCode::from(error::EXIT_DONE),
        Err(error) => {
            report::error(&error, cli.command.format());
            ExitCode::from(error.exit_code())
        }
    }
}
