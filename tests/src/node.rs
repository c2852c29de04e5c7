//! A running service: the program of this workspace or of a release, on whatever ports its configuration asks for.

use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Background;
use crate::wait;

/// The longest a start or an end may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A service in the background, killed when dropped.
#[derive(Debug)]
pub struct Node {
    program: Background,
    log: PathBuf,
    _folder: TempDir,
}

impl Node {
    /// Starts `command` (a program, in a network or not) with `run --config` and waits until it serves.
    ///
    /// # Panics
    /// When it does not serve; the message has its log.
    #[track_caller]
    pub fn start(mut command: Command, config: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let program = Background::start(command.args(["run", "--config"]).arg(config), &log);
        let mut node = Self { program, log, _folder: folder };
        let served = wait::within(LIMIT, || {
            let over = node.program.ended().is_some();
            (over || node.logged("serving").is_some()).then_some(())
        });
        assert!(
            served.is_some() && node.logged("serving").is_some(),
            "it does not serve:\n{}",
            std::fs::read_to_string(&node.log).unwrap_or_default()
        );
        node
    }

    /// The address that a listener is bound to; after a reload the new one, once the log tells of that.
    ///
    /// # Panics
    /// When it did not log one.
    #[track_caller]
    pub fn address(&self, listener: &str) -> SocketAddr {
        let is_bound =
            |line: &Value| line["message"] == "listening" && line["listener"] == listener;
        let line = self.lines().into_iter().rfind(is_bound);
        line.expect("the listener is logged")["address"].as_str().unwrap().parse().unwrap()
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// The first log line with this message.
    pub fn logged(&self, message: &str) -> Option<Value> {
        self.lines().into_iter().find(|line| line["message"] == message)
    }

    /// How many log lines have this message.
    pub fn times_logged(&self, message: &str) -> usize {
        self.lines().iter().filter(|line| line["message"] == message).count()
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn stop(mut self) -> ExitStatus {
        let process = i32::try_from(self.program.id()).ok().and_then(Pid::from_raw);
        let _gone = process.map(|process| kill_process(process, Signal::TERM));
        wait::until("the service to end", LIMIT, || self.program.ended())
    }
}
