//! The toolkit knows no product: it releases one whose package, binary, product and service are all called otherwise,
//! and neither its output nor its own sources name ours.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use tests::needs;
use tests::tools;
use tests::workspace::{Tree, Workspace, tree};
use xtask::archive;
use xtask::config::model::Format;

/// Our product as it would be written somewhere, in lower case.
const OURS: [&str; 4] = ["edge-node", "edge node", "edge_node", "edgenode"];

/// No text names our product.
#[track_caller]
fn is_foreign(name: &str, bytes: &[u8]) {
    let text = format!("{name}\n{}", String::from_utf8_lossy(bytes)).to_lowercase();
    for ours in OURS {
        assert!(!text.contains(ours), "{name} mentions {ours}");
    }
}

/// What is in an archive, nothing where it is none.
fn members(name: &str, bytes: &[u8]) -> Tree {
    let Some(format) = Format::of(name) else { return Tree::new() };
    let members = archive::members(format, bytes).unwrap();
    members.into_iter().map(|member| (member.path, member.contents)).collect()
}

#[test]
fn another_product_is_released_verified_and_checked_and_nothing_names_ours() {
    needs!(Tool("makensis"));
    let workspace = Workspace::field_probe();
    let run = workspace.xtask(["dist", "--stub-build"]);
    is_foreign(
        "what dist printed",
        format!("{run}").replace(tools::workspace().to_str().unwrap(), "").as_bytes(),
    );
    run.success();
    let release = tree(&workspace.dist());
    let names: Vec<_> = release.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "SHA256SUMS",
            "SHA256SUMS.minisig",
            "field-probe-2.5.0-prometheus.tar.gz",
            "field-probe-2.5.0-x86_64-pc-windows-msvc-setup.exe",
            "field-probe-2.5.0-x86_64-pc-windows-msvc-symbols.zip",
            "field-probe-2.5.0-x86_64-pc-windows-msvc.zip",
            "field-probe-2.5.0-x86_64-unknown-linux-musl-symbols.tar.gz",
            "field-probe-2.5.0-x86_64-unknown-linux-musl.tar.gz",
            "release.json",
            "release.json.minisig",
        ]
    );
    for (name, bytes) in &release {
        is_foreign(name, bytes);
        members(name, bytes).iter().for_each(|(name, bytes)| is_foreign(name, bytes));
    }

    let verified = workspace.xtask(["verify", "--format", "json"]).success();
    let verified: serde_json::Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(verified["verified"], true);
    assert_eq!(verified["release"]["product"], "field-probe");
    assert_eq!(verified["release"]["version"], "2.5.0");
    assert_eq!(verified["release"]["channel"], "nightly");

    let checked = workspace.xtask(["check", "--format", "json"]);
    assert!(checked.status.success(), "{checked}");
    is_foreign("what check printed", checked.stdout.as_bytes());
}

#[test]
fn the_texts_of_another_product_speak_of_it() {
    let workspace = Workspace::field_probe();
    workspace.xtask(["render", "--out", "texts"]).success();
    let texts = tree(&workspace.path("texts"));
    texts.iter().for_each(|(name, bytes)| is_foreign(name, bytes));
    let text = |path: &str| String::from_utf8(texts[path].clone()).unwrap();
    let unit = text("systemd/fprobe.service");
    let arguments = "ExecStart=/usr/local/bin/fprobed watch /etc/field-probe/probe.toml\n";
    assert!(unit.contains(arguments), "{unit}");
    assert!(text("nsis/x86_64-pc-windows-msvc/field-probe.nsi").contains("fprobed.exe"));
    let targets = text("prometheus/targets/field-probe.json");
    assert!(targets.contains("field-1.example:7071"), "{targets}");
    let rules = text("prometheus/rules/field-probe.rules.yml");
    for family in [
        "probe_requests_total",
        "probe_request_duration_seconds_bucket",
        "probe_certificate_end_seconds",
    ] {
        assert!(rules.contains(family), "{family}");
    }
}

/// A file of the toolkit that is tests only.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Code without comments and without the module of tests at its end: what could be wired to a product.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(code).map(|line| format!("{line}\n")).collect()
}

#[test]
fn neither_the_toolkit_nor_a_template_is_wired_to_our_product() {
    let read =
        |folder: &str| -> BTreeMap<String, Vec<u8>> { tree(&tools::workspace().join(folder)) };
    let sources: Vec<_> = read("xtask/src")
        .into_iter()
        .filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "rs"))
        .filter(|(path, _)| !is_test(path))
        .collect();
    assert!(sources.len() > 50, "{}", sources.len());
    for (path, bytes) in &sources {
        is_foreign(path, code(std::str::from_utf8(bytes).unwrap()).as_bytes());
    }
    let templates = read("templates");
    assert!(templates.len() > 8, "{}", templates.len());
    templates.iter().for_each(|(path, bytes)| is_foreign(path, bytes));
}
