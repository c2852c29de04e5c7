//! A gateway at work: the service with a configuration that a test changes while it runs, and what it says of itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::keep_alive::{Answer, Client};
use crate::metrics::{self, Sample};
use crate::node::Node;
use crate::release::program;
use crate::wait;

/// Only a test that fails waits this long.
const LIMIT: Duration = Duration::from_secs(60);

/// A running gateway, ended when dropped.
#[derive(Debug)]
pub struct Gateway {
    node: Node,
    config: PathBuf,
    /// More keys of the listener `data`.
    listener: String,
    data: SocketAddr,
    admin: SocketAddr,
    folder: TempDir,
}

/// What the system says of a process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Memory held in RAM.
    pub resident_kib: u64,
    /// Open files, sockets among them.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
}

impl Gateway {
    /// Starts one with routes and pools; the listeners `data` and `admin`, on any port, are added.
    ///
    /// # Panics
    /// When it does not serve.
    #[track_caller]
    #[must_use]
    pub fn start(config: &str) -> Self {
        Self::with_listener("", config)
    }

    /// The same with more keys for the listener `data`.
    ///
    /// # Panics
    /// When it does not serve.
    #[track_caller]
    #[must_use]
    pub fn with_listener(listener: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, listener, config)
    }

    /// Starts one with a whole configuration, which has the listeners `data` and `admin`.
    ///
    /// # Panics
    /// When it does not serve.
    #[track_caller]
    #[must_use]
    pub fn of(config: &str) -> Self {
        Self::of_file(tempfile::tempdir().unwrap(), "", config)
    }

    /// Starts one as [`Gateway::with_listener`] does, with files in its folder.
    ///
    /// # Panics
    /// When it does not serve.
    #[track_caller]
    #[must_use]
    pub fn start_in(folder: TempDir, listener: &str, config: &str) -> Self {
        Self::of_file(folder, listener, &whole(listener, config))
    }

    #[track_caller]
    fn of_file(folder: TempDir, listener: &str, config: &str) -> Self {
        let path = folder.path().join("edge-node.toml");
        std::fs::write(&path, config).unwrap();
        let node = Node::start(Command::new(program("edge-node")), &path);
        let [data, admin] = ["data", "admin"].map(|name| node.address(name));
        Self { node, config: path, listener: listener.to_owned(), data, admin, folder }
    }

    /// Starts one that sends every request to this upstream.
    ///
    /// # Panics
    /// When it does not serve.
    #[track_caller]
    #[must_use]
    pub fn to(upstream: SocketAddr) -> Self {
        Self::start(&forwarding(upstream, ""))
    }

    /// The folder of its configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it takes requests.
    #[must_use]
    pub fn data(&self) -> SocketAddr {
        self.data
    }

    /// Where it tells of itself.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The service.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn stop(self) -> ExitStatus {
        self.node.stop()
    }

    /// Puts another configuration (as for [`Gateway::start`]) in its file and asks for a reload by `client`, which is
    /// one of the admin listener.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn reload(&self, client: &mut Client, config: &str) -> Answer {
        // In one step, as an editor does it: the service never sees half a file.
        let unfinished = self.config.with_extension("new");
        std::fs::write(&unfinished, whole(&self.listener, config)).unwrap();
        std::fs::rename(&unfinished, &self.config).unwrap();
        client.ask("POST", "/v1/reload", &["accept: application/json"], &[]).unwrap()
    }

    /// The status and the text of a page of the admin listener.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    #[must_use]
    pub fn ask(&self, path: &str) -> (u16, String) {
        let answer = Client::new(self.admin).get(path).unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    /// What it tells of an upstream of a pool.
    ///
    /// # Panics
    /// When it tells of no such one.
    #[track_caller]
    #[must_use]
    pub fn upstream(&self, pool: &str, address: SocketAddr) -> Value {
        let (_, text) = self.ask("/v1/upstreams");
        let told: Value = serde_json::from_str(&text).unwrap();
        let pools = told["pools"].as_array().unwrap();
        let pool = pools.iter().find(|one| one["name"] == pool).unwrap_or(&Value::Null);
        let mut upstreams = pool["upstreams"].as_array().into_iter().flatten();
        let found = upstreams.find(|one| one["address"] == address.to_string());
        found.unwrap_or_else(|| panic!("{address} is not in {text}")).clone()
    }

    /// Waits until an upstream of a pool is in a state, and gives what is told of it then.
    ///
    /// # Panics
    /// When it does not get there.
    #[track_caller]
    pub fn wait_for_state(&self, pool: &str, address: SocketAddr, state: &str) -> Value {
        wait::until(&format!("{address} to be {state}"), LIMIT, || {
            Some(self.upstream(pool, address)).filter(|told| told["state"] == state)
        })
    }

    /// The text of a scrape.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn metrics(&self) -> String {
        self.ask("/metrics").1
    }

    /// All samples of a scrape.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        metrics::parse(&self.metrics()).unwrap()
    }

    /// The sum over the series of a metric that have these labels.
    #[track_caller]
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &Sample| {
            let label = |(key, value): &(&str, &str)| {
                sample.labels.get(*key).is_some_and(|found| found == value)
            };
            sample.name == name && labels.iter().all(label)
        };
        self.samples().iter().filter(|sample| has(sample)).map(|sample| sample.value).sum()
    }

    /// What the system says of it (`proc_pid_status(5)`); Linux only.
    ///
    /// # Panics
    /// When the system says nothing.
    #[track_caller]
    #[must_use]
    pub fn figures(&self) -> Figures {
        let folder = PathBuf::from("/proc").join(self.node.id().to_string());
        let status = std::fs::read_to_string(folder.join("status")).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let count = |of: &str| std::fs::read_dir(folder.join(of)).unwrap().count();
        Figures { resident_kib: field("VmRSS:"), descriptors: count("fd"), threads: count("task") }
    }
}

/// The tables that send every request to this upstream, with more keys for its pool.
#[must_use]
pub fn forwarding(upstream: SocketAddr, pool: &str) -> String {
    format!(
        "[pools.up]\nupstreams = [{{ address = '{upstream}' }}]\n{pool}\n\
         [routes.all]\nforward = {{ pool = 'up' }}\n"
    )
}

/// Two workers, where the config does not say how many: what they share is tested on any machine.
fn whole(listener: &str, config: &str) -> String {
    let workers = if config.starts_with("workers") { "" } else { "workers = 2\n" };
    format!(
        "{workers}{config}\n[listeners.data]\naddress = '127.0.0.1'\nport = 0\n{listener}\n\
         [listeners.admin]\nport = 0\n"
    )
}
