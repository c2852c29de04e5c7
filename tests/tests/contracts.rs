//! What the toolkit and the service must agree on, each side asked in its own words: configuration, ports, paths,
//! metric names and exit codes.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use tempfile::TempDir;
use tests::node::Node;
use tests::process::Finished;
use tests::release::{program, xtask};
use tests::{declared, http, metrics, process};
use toml::Table;

const LIMIT: Duration = Duration::from_secs(300);

/// All rendered texts, in a folder.
fn rendered() -> &'static Path {
    static RENDERED: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        process::run(xtask().args(["render", "all", "--out"]).arg(folder.path()), LIMIT).success();
        folder
    });
    RENDERED.path()
}

fn text(path: &str) -> String {
    let path = rendered().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn node(arguments: &[&str]) -> Finished {
    process::run(Command::new(program("edge-node")).args(arguments), LIMIT)
}

/// The configurations of all targets.
fn configurations() -> Vec<PathBuf> {
    let name = format!("{}.toml", declared::product());
    let folders = std::fs::read_dir(rendered().join("configuration")).unwrap();
    let files: Vec<_> = folders.map(|entry| entry.unwrap().path().join(&name)).collect();
    assert!(files.len() >= 2, "{files:?}");
    files
}

#[test]
fn the_service_accepts_every_configuration_that_the_toolkit_renders() {
    for file in configurations() {
        node(&["check", "--config", file.to_str().unwrap()]).success();
    }
}

#[test]
fn every_rendered_configuration_has_the_declared_listeners() {
    let declaration = declared::declaration();
    for file in configurations() {
        let config: Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
        assert_eq!(config["listeners"], declaration["listeners"]);
    }
}

#[test]
fn prometheus_scrapes_the_port_of_the_metrics_listener() {
    let declaration = declared::declaration();
    let port = declared::listener(declaration["metrics"]["listener"].as_str().unwrap()).port();
    let targets: serde_json::Value =
        serde_json::from_str(&text(&format!("prometheus/targets/{}.json", declared::product())))
            .unwrap();
    for host in
        targets.as_array().unwrap().iter().flat_map(|group| group["targets"].as_array().unwrap())
    {
        assert!(host.as_str().unwrap().ends_with(&format!(":{port}")), "{host}");
    }
}

#[test]
fn the_unit_runs_what_the_install_script_installs() {
    let name = declared::product();
    let unit = text(&format!("systemd/{name}.service"));
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let script = text("systemd/install.sh");
    let words: Vec<&str> = command.split_ascii_whitespace().collect();
    let [program, "run", "--config", config] = words[..] else { panic!("{command}") };
    for path in [program, config] {
        assert!(script.contains(&format!("=$root'{path}'")), "{path} is not installed");
    }
}

/// A declared duration of milliseconds or seconds.
fn seconds(value: &str) -> f64 {
    let (number, unit) = value.split_at(value.find(|c: char| c.is_alphabetic()).unwrap());
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        _ => panic!("{value}: read here are seconds and milliseconds"),
    };
    number.parse::<f64>().unwrap() * scale
}

#[test]
fn the_service_has_time_to_drain_before_it_is_killed() {
    let stop = declared::declaration()["service"]["stop-timeout"].as_str().map(seconds).unwrap();
    for file in configurations() {
        let config: Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
        let drain = seconds(config["shutdown"]["drain-timeout"].as_str().unwrap());
        assert!(drain + 1.0 < stop, "{drain} s of {stop} s");
    }
}

/// What a running service answers Prometheus after one request to its data listener.
fn scraped() -> Vec<metrics::Sample> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("any-port.toml");
    std::fs::write(
        &config,
        "[listeners.data]\naddress = \"127.0.0.1\"\nport = 0\n[listeners.admin]\nport = 0\n",
    )
    .unwrap();
    let node = Node::start(Command::new(program("edge-node")), &config);
    assert_eq!(http::get(node.address("data"), "/").unwrap().status, 200);
    let declaration = declared::declaration();
    let path = declaration["metrics"].get("path").map_or("/metrics", |path| path.as_str().unwrap());
    let page = http::get(node.address("admin"), path).unwrap();
    assert!(node.stop().success());
    metrics::parse(&page.body).unwrap()
}

#[test]
fn the_latency_that_alerts_lies_within_the_finite_buckets() {
    let threshold =
        declared::declaration()["alerts"]["latency-p99-max"].as_str().map(seconds).unwrap();
    let bounds = scraped()
        .into_iter()
        .filter(|sample| sample.name == "http_request_duration_seconds_bucket")
        .map(|sample| sample.labels["le"].parse::<f64>().unwrap())
        .filter(|bound| bound.is_finite());
    // A quantile is never more than the largest finite bound: at or above it, the alert could not fire.
    let largest = bounds.fold(0.0, f64::max);
    assert!(threshold < largest, "{threshold} s, and the largest finite bucket is {largest} s");
}

#[test]
fn exit_codes_are_those_the_service_documents() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let write = |name: &str, contents: &str| {
        std::fs::write(folder.path().join(name), contents).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let wrong = write("wrong.toml", "[log]\nlevel = \"loud\"\n");
    let occupied = write(
        "occupied.toml",
        &format!("[listeners.admin]\nport = {port}\n[listeners.data]\nport = 0\n"),
    );
    let help = node(&["--help"]).success();
    for (arguments, code, meaning) in [
        (&["version"][..], 0, "done"),
        (&["rnu"], 2, "command line"),
        (&["check", "--config", &wrong], 3, "config"),
        (&["run", "--config", &wrong], 3, "config"),
        (&["run", "--config", "no-such-file"], 3, "config"),
        (&["run", "--config", &occupied], 4, "listener"),
    ] {
        let finished = node(arguments);
        assert_eq!(finished.code(), Some(code), "{finished}");
        let documented = help
            .lines()
            .any(|line| line.trim().starts_with(&format!("{code}  ")) && line.contains(meaning));
        assert!(documented, "{code} {meaning} is not in:\n{help}");
    }
}
