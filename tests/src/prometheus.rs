//! A real Prometheus, run with a given configuration and asked through its HTTP API.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::network::Network;
use crate::process::{self, Background, Finished};
use crate::wait;

/// Its port, in a network of its own.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// A running Prometheus, ended when dropped.
#[derive(Debug)]
pub struct Prometheus<'network> {
    network: &'network Network,
    _server: Background,
    _data: TempDir,
}

impl<'network> Prometheus<'network> {
    /// Starts one in `network`, and waits until it is ready. Needs `prometheus`.
    ///
    /// # Panics
    /// When it does not become ready; the message has its log.
    #[track_caller]
    pub fn start(network: &'network Network, config: &Path) -> Self {
        let data = tempfile::tempdir().unwrap();
        let log = data.path().join("log");
        let mut command = network.command("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={ADDRESS}"));
        let server = Background::start(&mut command, &log);
        let ready = wait::within(Duration::from_secs(120), || {
            network.get(ADDRESS, "/-/ready").ok().filter(|response| response.status == 200)
        });
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(ready.is_some(), "Prometheus does not become ready:\n{text}");
        Self { network, _server: server, _data: data }
    }

    /// What the API answers at `path` (`/api/v1/query?query=up`): the value of `data`.
    ///
    /// # Panics
    /// When it does not answer with success.
    #[track_caller]
    pub fn api(&self, path: &str) -> Value {
        let response = self.network.get(ADDRESS, path).unwrap();
        let mut answer: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(answer["status"], "success", "{answer}");
        answer["data"].take()
    }

    /// The value of an instant query that has one series, or `None` while it has none.
    ///
    /// # Panics
    /// When the query is refused, or has several series.
    #[track_caller]
    pub fn value(&self, query: &str) -> Option<String> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let data = self.api(&format!("/api/v1/query?query={encoded}"));
        let series = data["result"].as_array().unwrap();
        assert!(series.len() <= 1, "{query} has several series: {data}");
        Some(series.first()?["value"][1].as_str().unwrap().to_owned())
    }
}

/// Has promtool judge what a scrape was answered (`promtool check metrics`). Needs `promtool` and `sh`.
///
/// # Panics
/// When it does not end.
#[track_caller]
pub fn check_metrics(text: &str) -> Finished {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "promtool check metrics <\"$0\""]).arg(file.path());
    process::run(&mut command, Duration::from_secs(60))
}

/// Runs promtool. Needs `promtool`.
///
/// # Panics
/// When it does not end.
#[track_caller]
pub fn promtool(arguments: &[&str], folder: &Path) -> Finished {
    process::run(
        Command::new("promtool").args(arguments).current_dir(folder),
        Duration::from_secs(60),
    )
}
