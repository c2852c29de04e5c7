//! `cargo xtask repro`: two builds under different conditions have the same bytes, and where they have not, it says so.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tests::process;
use tests::workspace::Workspace;
use tests::{needs, tools};

const LIMIT: Duration = Duration::from_secs(300);

/// A workspace with all it holds committed.
fn committed() -> Workspace {
    let workspace = Workspace::field_probe();
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "All"]]
    {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Nobody", "-c", "user.email=nobody@probe.example"]);
        process::run(command.args(arguments).current_dir(workspace.root()), LIMIT).success();
    }
    workspace
}

#[test]
fn two_builds_of_every_artifact_are_identical() {
    needs!(Tool("git"), Tool("makensis"));
    let workspace = committed();
    let plan = workspace.xtask(["plan", "--stub-build", "--format", "json"]).success();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let artifacts = plan["artifacts"].as_array().unwrap().iter();
    let mut expected: Vec<_> = artifacts
        .map(|artifact| format!("identical  {}", artifact["name"].as_str().unwrap()))
        .collect();
    expected.sort_unstable();
    let told = workspace.xtask(["repro", "--stub-build"]).success();
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_compiler_that_writes_the_time_zone_is_told_with_file_and_place() {
    needs!(Tool("git"), Tool("makensis"));
    let workspace = committed();
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "#!/bin/sh\n{} \"$@\" || exit\n[ \"$1\" = -VERSION ] || for setup in *-setup.exe; do printf %s \"$TZ\" >>$setup; done\n",
        tools::find("makensis").unwrap().display()
    );
    let mut write = Command::new("sh");
    // Written by another process: a file that this one has open for writing when it forks cannot be executed.
    write.args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""]);
    process::run(write.arg(folder.path().join("makensis")).arg(script), LIMIT).success();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        [folder.path().to_owned()].into_iter().chain(std::env::split_paths(&path)).collect();
    let mut command = workspace.command(["repro", "--stub-build", "--format", "json"]);
    let run = process::run(command.env("PATH", std::env::join_paths(folders).unwrap()), LIMIT);
    assert_eq!(run.code(), Some(1), "{run}");
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    let differences = told["differences"].as_array().unwrap();
    let setup = "field-probe-2.5.0-x86_64-pc-windows-msvc-setup.exe";
    let place = differences.iter().find(|difference| difference["file"] == setup).unwrap();
    let place = &place["what"]["bytes"];
    let [first, second] = ["first-size", "second-size"].map(|key| place[key].as_u64());
    assert!(first.is_some() && second.is_some() && first != second, "{run}");
    // What says something of it differs as well, and nothing else does.
    let others = differences.iter().map(|difference| difference["file"].as_str().unwrap());
    let others: Vec<_> = others.filter(|file| *file != setup).collect();
    assert!(
        others.iter().all(|file| file.contains("SUMS") || file.contains("release.json")),
        "{run}"
    );
}
