//! A network of one's own: loopback only, and all ports free, so that what is tested may listen on the ports it is
//! released with whatever else runs on this machine.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::process::{self, Background};
use crate::{http, wait};

/// A network namespace (`network_namespaces(7)`).
#[derive(Debug)]
pub struct Network {
    /// A process inside, by which the namespace is named.
    process: u32,
    /// The process that keeps a namespace made here alive.
    _holder: Option<Background>,
}

impl Network {
    /// Makes one. Needs root, `unshare`, `nsenter` and `ip`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[track_caller]
    pub fn new() -> Self {
        let holder = Background::start_reading(Command::new("unshare").args([
            "--net",
            "sh",
            "-c",
            "ip link set lo up && exec cat",
        ]));
        let network = Self { process: holder.id(), _holder: Some(holder) };
        wait::until("a network of one's own", Duration::from_secs(60), || {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", network.process)).ok()?;
            (name == "cat\n").then_some(())
        });
        network
    }

    /// The one that `process` lives in.
    pub fn of(process: u32) -> Self {
        Self { process, _holder: None }
    }

    /// A command that will run `program` in this network, and otherwise on this machine.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.process)).arg(program);
        command
    }

    /// Asks `address` in this network for `path`.
    ///
    /// # Errors
    /// When nothing listens there or the answer is no HTTP response.
    pub fn get(&self, address: SocketAddr, path: &str) -> io::Result<http::Response> {
        let request = http::request(&address.to_string(), path);
        let finished = process::run(&mut self.talk(address, &request), Duration::from_secs(20));
        http::parse(finished.stdout.as_bytes())
            .ok_or_else(|| io::Error::other(format!("no HTTP response: {finished}")))
    }

    /// A command that connects to `address`, sends `first`, then whatever it reads from standard input, and writes
    /// what comes back to standard output until the other side closes.
    ///
    /// A thread cannot enter a network without unsafe code; bash, which every distribution has, can connect.
    pub fn talk(&self, address: SocketAddr, first: &str) -> Command {
        const SCRIPT: &str = "exec 3<>/dev/tcp/$0/$1 4<&0; printf %s \"$2\" >&3; cat <&4 >&3 & cat <&3; kill $! 2>&-";
        let mut command = self.command("bash");
        command.args(["-c", SCRIPT, &address.ip().to_string(), &address.port().to_string(), first]);
        command
    }

    /// Waits until `path` at `address` answers with `status`, and gives that answer.
    ///
    /// # Panics
    /// When it does not within `limit`.
    #[track_caller]
    pub fn wait_for(
        &self,
        address: SocketAddr,
        path: &str,
        status: u16,
        limit: Duration,
    ) -> http::Response {
        wait::until(&format!("{status} from {address}{path}"), limit, || {
            self.get(address, path).ok().filter(|response| response.status == status)
        })
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}
