//! The Prometheus bundle in a real Prometheus: it finds the running node, and its rules are what they say.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tests::network::Network;
use tests::node::Node;
use tests::prometheus::{Prometheus, promtool};
use tests::release::Release;
use tests::{declared, needs, wait};

/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(120);

fn unpacked() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = Release::built().unpack("prometheus.tar.gz", folder.path());
    (folder, bundle)
}

#[test]
fn prometheus_reports_the_released_node_as_up() {
    needs!(
        Root,
        Tool("prometheus"),
        Tool("unshare"),
        Tool("nsenter"),
        Tool("ip"),
        Tool("bash"),
        Tool("makensis")
    );
    let (_folder, bundle) = unpacked();
    let programs = tempfile::tempdir().unwrap();
    let linux = Release::built().unpack("x86_64-unknown-linux-musl.tar.gz", programs.path());
    let network = Network::new();
    let name = declared::product();
    let node = Node::start(network.command(linux.join(&name)), &linux.join(format!("{name}.toml")));
    assert_eq!(node.address("admin"), declared::listener("admin"));

    // The interval is declared for production; a shorter one only brings the first scrape forward.
    let config = bundle.join("prometheus.yml");
    let prometheus = Prometheus::start(&network, &config);
    let up = wait::until("the first scrape", SOON, || prometheus.value("up"));
    assert_eq!(up, "1");
    let version = prometheus.value("edge_node_build_info");
    assert_eq!(version.as_deref(), Some("1"));

    let rules = prometheus.api("/api/v1/rules");
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() >= 5, "{rules:?}");
    // Evaluated at least once without an error, and nothing fires on a healthy node.
    wait::until("the rules to be evaluated", SOON, || {
        let rules = prometheus.api("/api/v1/rules");
        let rules = rules["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] == "ok" && rule["state"] == "inactive").then_some(())
    });
    drop(node);
}

#[test]
fn promtool_accepts_the_configuration_the_rules_and_their_tests() {
    needs!(Tool("promtool"), Tool("makensis"));
    let (_folder, bundle) = unpacked();
    let name = declared::product();
    promtool(&["check", "config", "prometheus.yml"], &bundle).success();
    promtool(&["check", "rules", &format!("rules/{name}.rules.yml")], &bundle).success();
    promtool(&["test", "rules", &format!("tests/{name}.rules.test.yml")], &bundle).success();
}
