//! The Event Log and the log file of a service under Wine.
//!
//! Wine has no Event Log to read from: its `ReportEventW` succeeds and does no more than write the text to its own
//! trace, in which it is looked for here.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "the real program is what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tests::release::Release;
use tests::wine::Wine;
use tests::{metrics, needs, process, wait};

/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(120);
/// Neither the product's name nor one of the program's own.
const SERVICE: &str = "probe";
const SOURCE: &str = r"HKLM\System\CurrentControlSet\Services\EventLog\Application\probe";
const CONFIG: &str = r"C:\node\edge-node.toml";

macro_rules! needs_windows {
    () => {
        needs!(
            Root,
            Tool("wine"),
            Tool("makensis"),
            Tool("unshare"),
            Tool("nsenter"),
            Tool("ip"),
            Tool("unzip"),
            Tool("bash"),
            Target("x86_64-pc-windows-msvc")
        );
    };
}

/// A Windows with the program as a service by the name of [`SERVICE`], not started.
fn windows(config: &str) -> Wine {
    let wine = Wine::start_traced("eventlog");
    fs::create_dir(wine.path(r"C:\node")).unwrap();
    let archive = Release::built().artifact("x86_64-pc-windows-msvc.zip");
    let mut unzip = std::process::Command::new("unzip");
    unzip
        .args(["-q", "-j"])
        .arg(archive)
        .arg("*/edge-node.exe")
        .arg("-d")
        .arg(wine.path(r"C:\node"));
    process::run(&mut unzip, SOON).success();
    fs::write(wine.path(CONFIG), config).unwrap();
    let image = format!(r"C:\node\edge-node.exe run --config {CONFIG}");
    wine.run("sc", &["create", SERVICE, "binPath=", &image]).success();
    wine
}

fn admin() -> SocketAddr {
    "127.0.0.1:9464".parse().unwrap()
}

/// Starts the service, waits until it serves, stops it.
fn start_and_stop(wine: &Wine) {
    wine.run("sc", &["start", SERVICE]).success();
    wine.wait_for_service(SERVICE, "RUNNING");
    let page = wine.network().wait_for(admin(), "/metrics", 200, SOON);
    let samples = metrics::parse(&page.body).unwrap();
    let of = |name: &str| samples.iter().find(|sample| sample.name == name).unwrap().value;
    assert_eq!(of("edge_node_events_suppressed_total"), 0.0);
    wine.run("sc", &["stop", SERVICE]).success();
    wine.wait_for_service(SERVICE, "STOPPED");
}

#[test]
fn a_service_reports_its_life_whether_its_source_is_registered_or_not() {
    needs_windows!();
    let wine = windows("");
    let count = |text: &str| wine.trace().lines().filter(|line| line.contains(text)).count();
    for times in 1..=2 {
        start_and_stop(&wine);
        for text in ["serving", "draining", "stopped"] {
            wait::until(text, SOON, || (count(&format!("L\"{text}")) == times).then_some(()));
        }
        let message_file = r"%SystemRoot%\System32\EventCreate.exe";
        wine.run("reg", &["add", SOURCE, "/v", "EventMessageFile", "/d", message_file, "/f"])
            .success();
    }
}

#[test]
fn a_service_that_does_not_start_reports_its_diagnostics_and_a_console_reports_nothing() {
    needs_windows!();
    let wine = windows("[listeners.data]\nprot = 1\n");
    let console = wine.run(r"C:\node\edge-node.exe", &["run", "--config", CONFIG]);
    assert_eq!(console.code(), Some(3), "{console}");
    assert!(console.stderr.contains("did you mean"), "{console}");
    assert!(!wine.trace().contains("unknown key") && !console.stderr.contains("ReportEvent"));

    wine.run("sc", &["start", SERVICE]);
    let told = wait::until("the service to stop with exit code 3", SOON, || {
        let told = wine.run("sc", &["query", SERVICE]).stdout;
        told.contains("SERVICE_EXIT_CODE  : 3").then_some(told)
    });
    assert!(told.contains("STOPPED"), "{told}");
    let trace = wine.trace();
    let entry = trace.lines().find(|line| line.contains("ReportEventW")).unwrap();
    assert!(entry.contains("error: unknown key `prot` in `[listeners.data]`"), "{trace}");
}

#[test]
fn the_log_file_of_a_service_is_rotated_while_it_is_open() {
    needs_windows!();
    let wine =
        windows("[log]\nfile = 'edge.log'\nrotate-size = '64KiB'\nrotate-age = '1h'\nkeep = 2\n");
    let file = |name: &str| wine.path(&format!(r"C:\node\{name}"));
    // Full but for a few lines; what is older is in the way.
    let old = format!(
        "{{\"timestamp\":\"2999-01-01T00:00:00.000000Z\",\"n\":\"{}\"}}\n",
        "x".repeat(150)
    );
    let full = old.repeat((64 * 1024 - 600) / old.len());
    fs::write(file("edge.log"), &full).unwrap();
    for number in 1..=4 {
        fs::write(file(&format!("edge.log.{number}")), format!("{number}\n")).unwrap();
    }
    start_and_stop(&wine);
    let read = |name: &str| fs::read_to_string(file(name)).unwrap();
    let young = read("edge.log");
    assert!(read("edge.log.1").starts_with(&full) && young.contains("\"stopped\""), "{young}");
    assert_eq!(read("edge.log.2"), "1\n");
    assert!(!file("edge.log.3").exists() && !file("edge.log.4").exists());
    let rest = read("edge.log.1")[full.len()..].to_owned() + &young;
    let messages: Vec<String> = rest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["message"].to_string())
        .collect();
    for (message, times) in [("starting", 1), ("serving", 1), ("draining", 1), ("stopped", 1)] {
        let said = messages.iter().filter(|said| **said == format!("{message:?}")).count();
        assert_eq!(said, times, "{messages:?}");
    }

    // The age of the first line, at the next start.
    let aged = old.replace("2999", "2001");
    fs::write(file("edge.log"), &aged).unwrap();
    start_and_stop(&wine);
    assert_eq!(read("edge.log.1"), aged);
}
