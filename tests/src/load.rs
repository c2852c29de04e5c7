//! Load on a listener while something happens to the service: the program `load` in a network, and what it counted.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::network::Network;

/// Load that goes on until it is ended.
#[derive(Debug)]
pub struct Load {
    program: Child,
}

/// What became of the requests.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Answered with 200.
    pub answered: u64,
    /// Sent on a connection that had been taken, and not answered with 200.
    pub failed: u64,
    /// Connections that were not let in.
    pub refused: u64,
    /// Answers with `Connection: close`.
    pub told_to_close: u64,
}

impl Load {
    /// Starts `program` (`env!("CARGO_BIN_EXE_load")` in a test) in a network, with as many connections; one that is
    /// refused is tried at the next address.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(
        network: &Network,
        program: &str,
        connections: usize,
        addresses: &[SocketAddr],
    ) -> Self {
        let mut command = network.command(program);
        command.arg(connections.to_string()).args(addresses.iter().map(SocketAddr::to_string));
        let program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { program }
    }

    /// Ends it, once each request that was begun has its answer.
    ///
    /// # Panics
    /// When it did not count.
    #[track_caller]
    pub fn end(mut self) -> Counts {
        drop(self.program.stdin.take());
        let mut text = String::new();
        self.program.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(self.program.wait().unwrap().success(), "{text}");
        let counts: Value = serde_json::from_str(&text).unwrap();
        let count = |name: &str| counts[name].as_u64().unwrap();
        Counts {
            answered: count("answered"),
            failed: count("failed"),
            refused: count("refused"),
            told_to_close: count("told-to-close"),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
