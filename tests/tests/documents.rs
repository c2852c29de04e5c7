//! What the documents say is so: every command they show is one, every link leads somewhere, and the workflows do what
//! the project says of them.

#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use tests::workspace::Workspace;
use tests::{needs, process, release, tools};
use xtask::cli::{Cli, Command};

const LIMIT: Duration = Duration::from_secs(300);

/// The documents people read, and what is in them.
fn documents() -> Vec<(String, String)> {
    let mut names: Vec<String> = Vec::new();
    for folder in ["", "docs/"] {
        let entries = fs::read_dir(tools::workspace().join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.extend(
            files.filter(|name| name.ends_with(".md")).map(|name| format!("{folder}{name}")),
        );
    }
    names.sort();
    assert!(names.iter().any(|name| name == "README.md") && names.len() >= 5, "{names:?}");
    let read = |name: String| {
        let text = fs::read_to_string(tools::workspace().join(&name)).unwrap();
        (name, text)
    };
    names.into_iter().map(read).collect()
}

/// The commands `cargo xtask …` of a text: lines of code blocks, and code within lines.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            let line = line.trim_start().trim_start_matches("$ ");
            let line = line.split(" #").next().unwrap_or_default();
            found.extend(line.starts_with("cargo xtask").then(|| line.trim().to_owned()));
        } else {
            let code = line.split('`').skip(1).step_by(2);
            let commands = code.filter(|code| code.starts_with("cargo xtask"));
            found.extend(commands.map(str::to_owned));
        }
    }
    found
}

/// The words after `cargo`; quotes hold words together.
fn words(command: &str) -> Vec<String> {
    let unquoted = |word: &str| word.trim_matches(['"', '\'']).to_owned();
    command.split_whitespace().skip(1).map(unquoted).collect()
}

/// The commands of all documents, without repetitions.
fn shown() -> BTreeSet<String> {
    let all: BTreeSet<_> = documents().iter().flat_map(|(_, text)| commands(text)).collect();
    assert!(all.len() >= 10, "{all:?}");
    all
}

#[test]
fn every_command_that_is_shown_is_one() {
    for command in shown() {
        let Err(error) = Cli::try_parse_from(words(&command)) else { continue };
        // Prose names the program itself, and its help.
        let is_help = [ErrorKind::DisplayHelp, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
        let is_name = command == "cargo xtask" || command == "cargo xtask …";
        assert!(is_help.contains(&error.kind()) || is_name, "{command}\n{error}");
    }
}

/// Those that neither install nor build nor take minutes; the release they speak of is made around stand-ins.
#[test]
fn the_commands_that_are_shown_work() {
    needs!(Tool("makensis"), Tool("promtool"), Tool("systemd-analyze"));
    let workspace = Workspace::field_probe();
    let run = |words: &[String]| {
        // The documents are about our product; their key and version are not those of the workspace here.
        let given = ["--public-key", "minisign.pub", "--expect-version", "0.1.0"];
        let words: Vec<_> = words.iter().filter(|word| !given.contains(&word.as_str())).collect();
        workspace.xtask(&words)
    };
    workspace.xtask(["dist", "--stub-build"]).success();
    let mut count = 0;
    for command in shown() {
        let words = words(&command);
        let Ok(cli) = Cli::try_parse_from(&words) else { continue };
        match cli.command {
            Command::Dist(dist) if !dist.selection.stub_build => continue,
            // keygen asks for a password on the terminal; another test gives it one.
            Command::Test(_) | Command::Repro(_) | Command::Bench(_) | Command::Keygen(_) => {
                continue;
            }
            // They are about this repository.
            Command::Docs(_) => {
                process::run(release::xtask().args(["docs", "--check"]), LIMIT).success();
            }
            // It ends with an error where a tool is missing, and that is what it is for.
            Command::Doctor(_) => {
                assert!(run(&words[1..]).stdout.contains("makensis"), "{command}")
            }
            Command::Dist(_)
            | Command::Plan(_)
            | Command::Render(_)
            | Command::Check(_)
            | Command::Verify(_)
            | Command::Schema(_) => {
                run(&words[1..]).success();
            }
        }
        count += 1;
    }
    assert!(count >= 6, "{count}");
}

/// The targets of the links of a text.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.match_indices("](").map(|(at, _)| &text[at + 2..]);
    ends.filter_map(|rest| rest.split(')').next())
}

/// The name by which GitHub links to a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let mut count = 0;
    for (name, text) in documents() {
        let folder = tools::workspace().join(&name).parent().unwrap().to_owned();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let file =
                if path.is_empty() { tools::workspace().join(&name) } else { folder.join(path) };
            assert!(file.exists(), "{name}: {link}");
            if !heading.is_empty() {
                let text = fs::read_to_string(&file).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let leads = headings.any(|line| anchor(line.trim_start_matches('#')) == heading);
                assert!(leads, "{name}: {link}");
            }
            count += 1;
        }
    }
    assert!(count >= 5, "{count}");
}

#[test]
fn the_two_commands_of_the_readme_come_first_and_ci_runs_the_second() {
    let readme = fs::read_to_string(tools::workspace().join("README.md")).unwrap();
    let two = ["cargo xtask dist --install-tools", "cargo xtask test --install-tools"];
    assert_eq!(commands(&readme)[..2], two);
    let ci = fs::read_to_string(tools::workspace().join(".ci/run")).unwrap();
    assert_eq!(ci.lines().last(), Some("exec cargo xtask test --install-tools"));
}

#[test]
fn the_table_of_the_readme_names_what_a_release_holds() {
    let readme = fs::read_to_string(tools::workspace().join("README.md")).unwrap();
    let plan =
        process::run(release::xtask().args(["plan", "--stub-build", "--format", "json"]), LIMIT);
    let plan: serde_json::Value = serde_json::from_str(&plan.success()).unwrap();
    for artifact in plan["artifacts"].as_array().unwrap() {
        let name = artifact["name"].as_str().unwrap();
        let row = match artifact["kind"].as_str().unwrap() {
            "signature" => "`*.minisig`".to_owned(),
            "symbols" => {
                format!("…-symbols.{}`", if name.ends_with(".zip") { "zip" } else { "tar.gz" })
            }
            _ => format!("`{name}`"),
        };
        assert!(readme.contains(&row), "README.md does not name {name} as {row}");
    }
}

/// Git for Windows, which the Windows job checks out with, writes CRLF unless the repository says otherwise.
#[test]
fn a_checkout_on_windows_has_the_bytes_of_one_on_linux() {
    needs!(Tool("git"));
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=Nobody", "-c", "user.email=nobody@probe.example"]);
        command.args(arguments).current_dir(folder.path());
        process::run(&mut command, LIMIT).success()
    };
    let files = ["LICENSE", ".cargo/host-linker", "packaging/windows/edge-node.ico"];
    for file in files.into_iter().chain([".gitattributes"]) {
        let copy = folder.path().join(file);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(tools::workspace().join(file), copy).unwrap();
    }
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "All there is"]);
    files.iter().for_each(|file| fs::remove_file(folder.path().join(file)).unwrap());
    git(&["-c", "core.autocrlf=true", "checkout", "--quiet", "--", "."]);
    for file in files {
        let same = fs::read(folder.path().join(file)).unwrap()
            == fs::read(tools::workspace().join(file)).unwrap();
        assert!(same, "{file}");
    }
}

/// The workflows, and what is in them.
fn workflows() -> Vec<(String, String)> {
    let folder = tools::workspace().join(".github/workflows");
    let read = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let workflows: Vec<_> = paths.map(|path| read(&path)).collect();
    assert!(workflows.len() >= 2);
    workflows
}

/// The values of a key in a workflow, with their comments.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(move |line| line.strip_prefix(key)?.strip_prefix(": "))
}

#[test]
fn every_action_is_pinned_by_commit_with_its_version() {
    for (name, text) in workflows() {
        let mut count = 0;
        for uses in values(&text, "uses") {
            let (action, version) =
                uses.split_once(" # v").unwrap_or_else(|| panic!("{name}: {uses}"));
            let (_, commit) = action.split_once('@').unwrap_or_else(|| panic!("{name}: {uses}"));
            assert!(
                commit.len() == 40 && commit.bytes().all(|c| c.is_ascii_hexdigit()),
                "{name}: {uses}"
            );
            assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{name}: {uses}");
            count += 1;
        }
        assert!(count > 0, "{name}");
    }
}

#[test]
fn a_workflow_has_no_permissions_but_those_that_a_job_asks_for() {
    for (name, text) in workflows() {
        assert!(text.lines().any(|line| line == "permissions: {}"), "{name}");
        let jobs = text.split_once("\njobs:\n").unwrap().1;
        let is_job =
            |line: &&str| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        let count = jobs.lines().filter(is_job).count();
        let asked = jobs.lines().filter(|line| *line == "    permissions:").count();
        assert!(count > 0 && asked == count, "{name}: {asked} of {count} jobs say what they may");
    }
}

/// Building runs what strangers wrote: build scripts, procedural macros and installers of tools.
#[test]
fn no_job_that_builds_may_write_and_no_step_with_a_key_installs() {
    for (name, text) in workflows() {
        let jobs = text.split_once("\njobs:\n").unwrap().1;
        let blocks = |text: &str, start: &str| -> Vec<String> {
            let starts =
                |line: &str| line.starts_with(start) && !line[start.len()..].starts_with(' ');
            let mut blocks: Vec<String> = Vec::new();
            for line in text.lines() {
                match blocks.last_mut() {
                    Some(block) if !starts(line) => *block += &format!("\n{line}"),
                    _ => blocks.push(line.to_owned()),
                }
            }
            blocks
        };
        for job in blocks(jobs, "  ") {
            let builds = values(&job, "run").any(|run| !run.starts_with("gh "));
            assert!(!builds || !job.contains(": write"), "{name}: {job}");
            for step in blocks(&job, "      - ").iter().filter(|step| step.contains("secrets.")) {
                assert!(!step.contains("--install-tools"), "{name}: {step}");
            }
        }
    }
}

#[test]
fn every_step_of_a_workflow_is_a_command_that_anybody_can_run() {
    for (name, text) in workflows() {
        for run in values(&text, "run") {
            // sudo alone would reset PATH, where rustup is.
            let as_root = r#"sudo env "PATH=$PATH" "HOME=$HOME" "#;
            let run = run.strip_prefix(as_root).unwrap_or(run);
            let known = [".ci/run", "cargo xtask ", "gh release ", "git "]
                .iter()
                .any(|start| run.starts_with(start));
            assert!(known && !run.contains("${{"), "{name}: {run}");
            if run.starts_with("cargo xtask ") {
                Cli::try_parse_from(words(run))
                    .unwrap_or_else(|error| panic!("{name}: {run}\n{error}"));
            }
        }
    }
}
