//! What whoever types a command, or calls it from a script, can rely on: exit codes, what is printed where, help that
//! says everything, data that parses, and secrets that appear nowhere.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::time::Duration;

use clap::CommandFactory;
use serde_json::{Value, json};
use tests::process::{self, Finished};
use tests::workspace::{DECLARATION, Workspace, tree};
use tests::{needs, release, schema, tools};
use xtask::cli::Cli;
use xtask::error;

const LIMIT: Duration = Duration::from_secs(300);

/// The command failed with this code, and said why on stderr, which begins a line with `told`; nothing is on stdout.
#[track_caller]
fn fails(run: &Finished, code: u8, told: &str) {
    assert_eq!(run.code(), Some(code.into()), "{run}");
    assert!(run.stderr.lines().any(|line| line.starts_with(told)), "{told:?}\n{run}");
    assert_eq!(run.stdout, "", "{run}");
}

#[test]
fn what_works_ends_with_0_and_prints_data_only() {
    let workspace = Workspace::field_probe();
    for arguments in [&["plan"][..], &["schema"], &["schema", "manifest"], &["render"]] {
        let run = workspace.xtask(arguments);
        assert_eq!(run.code(), Some(error::EXIT_DONE.into()), "{run}");
        assert_eq!(run.stderr, "", "{run}");
        assert!(!run.stdout.is_empty(), "{run}");
    }
}

#[test]
fn what_fails_ends_with_1() {
    let workspace = Workspace::field_probe();
    let missing = workspace.xtask(["verify", "target/no-release", "--public-key", "no-key"]);
    fails(&missing, error::EXIT_FAILED, "error: no-key: cannot read the public key: ");
    fails(&workspace.xtask(["verify"]), error::EXIT_FAILED, "error: there is no public key");
    fs::create_dir_all(workspace.path("target/dist")).unwrap();
    fs::write(workspace.path("target/dist/thesis"), "").unwrap();
    let refused = workspace.xtask(["dist", "--stub-build"]);
    assert_eq!(refused.code(), Some(error::EXIT_FAILED.into()), "{refused}");
    assert!(refused.stderr.contains("is not empty and holds no release.json"), "{refused}");
    assert_eq!(tree(&workspace.path("target")).len(), 1, "something was written");
    fs::remove_file(workspace.path(DECLARATION)).unwrap();
    let told = "error: no packaging/release.toml in ";
    fails(&workspace.xtask(["plan"]), error::EXIT_FAILED, told);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let workspace = Workspace::field_probe();
    let wrong: [&[&str]; 7] = [
        &["plna"],
        &["plan", "--no-such-option"],
        &["dist", "--jobs", "0"],
        &["render", "nothing"],
        &["keygen"],
        // Options of `bench gateway`, which this would not look at.
        &["bench", "--row", "grpc"],
        &["bench", "dist", "--quick"],
    ];
    for arguments in wrong {
        fails(&workspace.xtask(arguments), error::EXIT_USAGE, "error: ");
    }
    for command in ["plan", "dist"] {
        let run = workspace.xtask([command, "--stub-build", "--target", "x86_64-pc-windows-mvsc"]);
        let told = "error: target `x86_64-pc-windows-mvsc` is not declared (did you mean `x86_64-pc-windows-msvc`?)";
        fails(&run, error::EXIT_USAGE, told);
    }
    assert!(!workspace.path("target").exists());
}

#[test]
fn a_wrong_declaration_or_template_ends_with_3_and_nothing_is_written() {
    let workspace = Workspace::field_probe();
    let unit = "release/templates/systemd/service.service.j2";
    workspace.edit(unit, "{{ homepage |", "{{ homepgae |");
    let refused = |told: &str, help: &str, count: &str| {
        for arguments in [&["plan"][..], &["render"], &["check"], &["dist", "--stub-build"]] {
            let run = workspace.xtask(arguments);
            let count = format!("error: {count}; nothing was written");
            fails(&run, error::EXIT_DECLARATION, &count);
            assert!(run.stderr.contains(told) && run.stderr.contains(help), "{run}");
        }
        assert!(!workspace.path("target").exists());
    };
    refused("homepgae", unit, "1 mistake");
    // All that is wrong is told at once, in the declaration and in the templates.
    workspace.edit(DECLARATION, "publisher =", "publihser =");
    workspace.edit(DECLARATION, "restart = \"always\"", "restart = \"allways\"");
    refused("publihser", "did you mean `publisher`?", "3 mistakes");
    refused("packaging/release.toml:", "did you mean `always`?", "3 mistakes");
    refused("homepgae", unit, "3 mistakes");
    // What only the rules see, and what is declared twice, hides nothing either.
    workspace.edit(DECLARATION, "licence/COPYING.txt", "licence/COPYING.txt\", source = \"COPYNIG");
    refused("duplicate key `source`", unit, "4 mistakes");
    workspace.edit(DECLARATION, "licence/COPYING.txt\", source = \"COPYNIG", "probe.toml");
    refused("`probe.toml` is in the bundle twice", unit, "4 mistakes");

    let workspace = Workspace::field_probe();
    workspace.edit(DECLARATION, "licence/COPYING.txt", "probe.toml");
    let told = "error: `probe.toml` is in the bundle twice";
    fails(&workspace.xtask(["dist", "--stub-build"]), error::EXIT_DECLARATION, told);
    assert!(!workspace.path("target").exists());
}

#[test]
fn a_missing_tool_ends_with_4_and_nothing_is_written() {
    needs!(Tool("git"));
    let workspace = Workspace::field_probe();
    let bin = workspace.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy(tools::find("git").unwrap(), bin.join("git")).unwrap();
    let mut command = workspace.command(["dist", "--stub-build"]);
    let run = process::run(command.env("PATH", &bin), LIMIT);
    fails(&run, error::EXIT_TOOL_MISSING, "error: 1 missing: makensis");
    assert!(run.stderr.contains("cargo xtask doctor"), "{run}");
    assert!(!workspace.path("target").exists());
}

#[test]
fn help_names_every_command_option_and_exit_code() {
    let help = |arguments: &[&str]| {
        process::run(release::xtask().args(arguments).arg("--help"), LIMIT).success()
    };
    let whole = help(&[]);
    let codes = [
        error::EXIT_DONE,
        error::EXIT_FAILED,
        error::EXIT_USAGE,
        error::EXIT_DECLARATION,
        error::EXIT_TOOL_MISSING,
    ];
    for code in codes {
        assert!(whole.lines().any(|line| line.starts_with(&format!("  {code}  "))), "{code}");
    }
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(whole.lines().any(|line| line.starts_with(&format!("  {name} "))), "{name}");
        let text = help(&[name]);
        for argument in command.get_arguments() {
            let option = argument.get_long().map(|long| format!("--{long}"));
            let shown =
                option.unwrap_or_else(|| argument.get_value_names().unwrap()[0].to_string());
            assert!(text.contains(&shown), "{name} {shown}");
            assert!(argument.get_help().is_some(), "{name} {shown} is not explained");
        }
    }
}

#[test]
fn render_check_prints_what_differs_and_writes_nothing() {
    let workspace = Workspace::field_probe();
    workspace.xtask(["render", "--out", "texts"]).success();
    assert_eq!(workspace.xtask(["render", "--out", "texts", "--check"]).success(), "");
    workspace.edit("texts/systemd/fprobe.service", "Restart=always", "Restart=never");
    fs::remove_file(workspace.path("texts/systemd/install.sh")).unwrap();
    let before = tree(&workspace.path("texts"));
    let run = workspace.xtask(["render", "--out", "texts", "--check"]);
    assert_eq!(run.code(), Some(error::EXIT_FAILED.into()), "{run}");
    assert!(run.stderr.contains("2 files differ in texts"), "{run}");
    for line in [
        "--- texts/systemd/fprobe.service",
        "-Restart=never",
        "+Restart=always",
        "+#!/bin/sh",
        "--- /dev/null",
    ] {
        assert!(run.stdout.lines().any(|found| found.starts_with(line)), "{line}\n{run}");
    }
    assert_eq!(tree(&workspace.path("texts")), before);
    // Other groups are as rendered.
    workspace.xtask(["render", "prometheus", "--out", "texts", "--check"]).success();
}

#[test]
fn doctor_tells_programs_about_every_tool() {
    let workspace = Workspace::field_probe();
    let run = workspace.xtask(["doctor", "--format", "json"]);
    let missing = i32::from(error::EXIT_TOOL_MISSING);
    assert!(matches!(run.code(), Some(code) if code == 0 || code == missing), "{run}");
    let findings: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    let finding = |name: &str| findings.iter().find(|finding| finding["name"] == name).unwrap();
    assert_eq!(finding("makensis")["needed-for"], "release");
    assert_eq!(finding("minisign")["needed-for"], "tests");
    for finding in &findings {
        let known =
            ["good", "missing", "too-old"].contains(&finding["state"].as_str().unwrap_or("good"));
        assert!(known || finding["state"]["known-bad"].is_string(), "{finding}");
        let absent = finding["state"] == "missing" && finding["needed-for"] != "comfort";
        assert!(!absent || run.code() == Some(missing), "{finding}");
    }
    // Where much is missing, that is all there is on stdout as well.
    let bin = workspace.path("bin");
    fs::create_dir(&bin).unwrap();
    let mut command = workspace.command(["doctor", "--format", "json"]);
    let run = process::run(command.env("PATH", &bin), LIMIT);
    assert_eq!(run.code(), Some(missing), "{run}");
    let bare: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(bare.len(), findings.len());
}

#[test]
fn an_error_is_told_to_programs_in_their_format() {
    let workspace = Workspace::field_probe();
    workspace.edit(DECLARATION, "publisher =", "publihser =");
    for arguments in
        [&["plan"][..], &["dist", "--stub-build"], &["check"], &["doctor"], &["verify"]]
    {
        let run = workspace.xtask([arguments, &["--format", "json"]].concat());
        assert_eq!(run.code(), Some(error::EXIT_DECLARATION.into()), "{run}");
        let told: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(told["exit-code"], error::EXIT_DECLARATION, "{run}");
        assert_eq!(told["diagnostics"].as_array().map(Vec::len), Some(1), "{run}");
    }
}

fn printed_schema(arguments: &[&str]) -> Value {
    let text = process::run(release::xtask().arg("schema").args(arguments), LIMIT).success();
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    schema
}

#[test]
fn the_schema_of_the_declaration_accepts_declarations_and_nothing_else() {
    let schema = printed_schema(&[]);
    let declaration = |path: &str| -> Value {
        let text = fs::read_to_string(tools::workspace().join(path)).unwrap();
        serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
    };
    for path in [
        DECLARATION,
        "tests/fixtures/field-probe/packaging/release.toml",
        "xtask/src/config/every-key.toml",
    ] {
        assert_eq!(schema::refusals(&schema, &declaration(path)), [""; 0], "{path}");
    }
    let refused = |place: &str, value: Value, expected: &str| {
        let mut wrong = declaration(DECLARATION);
        let (table, key) = place.rsplit_once('/').unwrap();
        wrong.pointer_mut(table).unwrap()[key] = value;
        let refusals = schema::refusals(&schema, &wrong);
        assert!(refusals.iter().any(|refusal| refusal.starts_with(expected)), "{refusals:?}");
    };
    refused("/product/nmae", json!("x"), "$.product.nmae: unknown");
    refused("/product/name", json!(7), "$.product.name: type \"string\"");
    refused("/service/restart", json!("sometimes"), "$.service.restart");
    refused("/listeners/data", json!({ "address": "::" }), "$.listeners.data: required");
    refused("/schema-version", json!(2), "$.schema-version: maximum 1");
}

#[test]
fn the_schema_of_the_manifest_accepts_the_manifest_of_a_release() {
    needs!(Tool("makensis"));
    let release = Workspace::field_probe().release();
    let schema = printed_schema(&["manifest"]);
    let mut manifest: Value = serde_json::from_slice(&release["release.json"]).unwrap();
    assert_eq!(schema::refusals(&schema, &manifest), [""; 0]);
    manifest["artifacts"][0]["digest"] = json!("x");
    assert_eq!(schema::refusals(&schema, &manifest), ["$.artifacts[0].digest: unknown"]);
}

/// A password that would be noticed.
const PASSWORD: &str = "correct horse battery staple";

/// Makes a key pair in a workspace.
#[track_caller]
fn keygen(workspace: &Workspace, name: &str) -> Finished {
    let arguments = ["keygen", name, "--password-environment", "PROBE_PASSWORD"];
    process::run(workspace.command(arguments).env("PROBE_PASSWORD", PASSWORD), LIMIT)
}

#[test]
fn keygen_never_overwrites_a_key_and_keeps_it_from_others() {
    let workspace = Workspace::field_probe();
    let made = keygen(&workspace, "release.key");
    let public = fs::read_to_string(workspace.path("release.key.pub")).unwrap();
    assert_eq!(made.stdout.trim(), public.lines().nth(1).unwrap(), "{made}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(workspace.path("release.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let before = tree(workspace.root());
    fails(
        &keygen(&workspace, "release.key"),
        error::EXIT_FAILED,
        "error: release.key: already exists",
    );
    // Half a pair is in the way as well.
    fs::rename(workspace.path("release.key"), workspace.path("elsewhere.key")).unwrap();
    fails(
        &keygen(&workspace, "release.key"),
        error::EXIT_FAILED,
        "error: release.key.pub: already exists",
    );
    fs::rename(workspace.path("elsewhere.key"), workspace.path("release.key")).unwrap();
    assert_eq!(tree(workspace.root()), before);
    let mut command =
        workspace.command(["keygen", "other.key", "--password-environment", "NOT_SET"]);
    let unset = process::run(command.env_remove("NOT_SET"), LIMIT);
    fails(
        &unset,
        error::EXIT_FAILED,
        "error: the password: environment variable NOT_SET is not set",
    );
    assert_eq!(tree(workspace.root()), before);
}

/// A workspace whose declared key is in the environment, and the lines of its secret.
struct Signed {
    workspace: Workspace,
    key: String,
}

impl Signed {
    fn new() -> Self {
        let workspace = Workspace::field_probe();
        keygen(&workspace, "release.key").success();
        fs::rename(workspace.path("release.key.pub"), workspace.path("packaging/minisign.pub"))
            .unwrap();
        let mut declaration = fs::read_to_string(workspace.path(DECLARATION)).unwrap();
        declaration += "
[signing]
public-key = \"packaging/minisign.pub\"
secret-key = { environment = \"PROBE_KEY\" }
password = { environment = \"PROBE_PASSWORD\" }
";
        fs::write(workspace.path(DECLARATION), declaration).unwrap();
        let key = fs::read_to_string(workspace.path("release.key")).unwrap();
        fs::remove_file(workspace.path("release.key")).unwrap();
        Self { workspace, key }
    }

    /// Makes a release with these in the environment.
    fn dist(&self, key: Option<&str>, password: Option<&str>) -> Finished {
        let mut command = self.workspace.command([
            "dist",
            "--stub-build",
            "--target",
            "x86_64-unknown-linux-musl",
        ]);
        for (name, value) in [("PROBE_KEY", key), ("PROBE_PASSWORD", password)] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut run = process::run(&mut command, LIMIT);
        // The command line of the test itself has the environment in it.
        run.command.clear();
        self.keeps_secrets(&format!("{run}"));
        run
    }

    /// Neither key nor password is in a text.
    #[track_caller]
    fn keeps_secrets(&self, text: &str) {
        let secret = self.key.lines().nth(1).unwrap();
        assert!(!text.contains(secret) && !text.contains(PASSWORD));
        // Nor a part that would help.
        assert!(!text.contains(&secret[secret.len() - 40..]) && !text.contains("horse battery"));
    }
}

#[test]
fn a_declared_key_from_the_environment_signs_and_is_written_nowhere() {
    let signed = Signed::new();
    let run = signed.dist(Some(&signed.key), Some(PASSWORD));
    assert!(run.status.success(), "{run}");
    assert!(!run.stderr.contains("DEVELOPMENT"), "{run}");
    let target = tree(&signed.workspace.path("target"));
    target.values().for_each(|bytes| signed.keeps_secrets(&String::from_utf8_lossy(bytes)));
    let verify = signed.workspace.xtask(["verify", "--format", "json"]);
    let verified: Value = serde_json::from_str(&verify.success()).unwrap();
    assert_eq!(verified["release"]["signed-by"], "release");
    assert_eq!(verified["release"]["key-origin"], "declared");
    // The key is that of a release; the programs are not.
    let strict = signed.workspace.xtask(["verify", "--release-only"]);
    assert_eq!(strict.code(), Some(error::EXIT_FAILED.into()), "{strict}");
    assert!(strict.stdout.contains("stand-ins"), "{strict}");
    assert!(!strict.stdout.contains("development key"), "{strict}");
}

#[test]
fn a_declared_key_that_cannot_be_used_is_an_error_and_nothing_is_written() {
    let signed = Signed::new();
    let secret = signed.key.as_str();
    let (no_key, no_password) = (
        "the secret key: environment variable PROBE_KEY",
        "the password: environment variable PROBE_PASSWORD",
    );
    let unusable = "the secret key of environment variable PROBE_KEY";
    let damaged = secret.replace(&secret.lines().nth(1).unwrap()[..8], "!");
    let refused = |key, password, told: &str| {
        fails(&signed.dist(key, password), error::EXIT_FAILED, &format!("error: {told}"));
        assert!(!signed.workspace.path("target").exists());
    };
    refused(None, Some(PASSWORD), no_key);
    refused(Some(secret), None, no_password);
    refused(Some(secret), Some("incorrect horse"), unusable);
    refused(Some(damaged.as_str()), Some(PASSWORD), unusable);
    // The public key of another pair is declared.
    keygen(&signed.workspace, "other.key").success();
    fs::copy(
        signed.workspace.path("other.key.pub"),
        signed.workspace.path("packaging/minisign.pub"),
    )
    .unwrap();
    refused(Some(secret), Some(PASSWORD), unusable);
    let run = signed.dist(Some(secret), Some(PASSWORD));
    assert!(run.stderr.contains("\nhelp: use the secret key of that public key"), "{run}");
    // Only who says so gets a release that proves nothing.
    let arguments =
        ["dist", "--stub-build", "--target", "x86_64-unknown-linux-musl", "--development-key"];
    let run = signed.workspace.xtask(arguments);
    assert!(run.status.success() && run.stderr.contains("DEVELOPMENT KEY"), "{run}");
}
