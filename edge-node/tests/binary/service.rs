//! The real program while it runs: its log line by line, its signals, its end.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{PATIENCE, program};

/// A running service; killed when the test ends, however it ends.
pub struct Service {
    child: Child,
    lines: Receiver<String>,
}

impl Service {
    pub fn start(config: &Path, environment: &[(&str, &Path)]) -> Self {
        Self::spawn(program(), config, environment)
    }

    pub fn spawn(mut program: Command, config: &Path, environment: &[(&str, &Path)]) -> Self {
        let mut child = program
            .arg("run")
            .arg("--config")
            .arg(config)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // Reading has no deadline of its own; a channel has one. The thread ends with the program.
        thread::spawn(move || {
            for line in stdout.lines() {
                if sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The next log line; none when the log has ended. The test fails when nothing comes.
    pub fn line(&self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap()),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing is logged, and the log goes on"),
        }
    }

    /// The next log line with this message; the test fails when the log ends before.
    pub fn until(&self, message: &str) -> Value {
        loop {
            let line = self.line().unwrap_or_else(|| panic!("{message:?} is not logged"));
            if line["message"] == message {
                return line;
            }
        }
    }

    /// The address of a listener, from its log line.
    pub fn address(&self, listener: &str) -> SocketAddr {
        loop {
            let line = self.until("listening");
            if line["listener"] == listener {
                return line["address"].as_str().unwrap().parse().unwrap();
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Reads the log to its end and gives the exit status.
    pub fn end(mut self) -> (ExitStatus, Vec<Value>) {
        let lines = std::iter::from_fn(|| self.line()).collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, lines);
            }
            assert!(Instant::now() < deadline, "the log has ended, the program goes on");
            thread::yield_now();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
