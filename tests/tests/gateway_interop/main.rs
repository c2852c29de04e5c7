//! The gateway between programs that others wrote: their clients in front of it, their servers behind it.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(
    clippy::unwrap_used,
    reason = "test code; the lint exempts only functions marked as tests"
)]

mod clients;
mod grpc;
mod python;
mod servers;
mod websocket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tests::certificates::Authority;
use tests::gateway::Gateway;
use tests::process::{self, Finished};

/// Only a test that fails waits this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A gateway with a plain and a TLS listener, whose certificate is for `localhost` and 127.0.0.1.
struct Front {
    gateway: Gateway,
    plain: String,
    secure: String,
    authority: PathBuf,
}

impl Front {
    fn start(tables: &str) -> Self {
        const TLS: &str = "[listeners.secure]\naddress = '127.0.0.1'\nport = 0\n\
                           [listeners.secure.tls]\ncertificates = [{ chain = 'site.pem', key = 'site.key' }]\n";
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("site");
        authority.write(folder.path(), "ca");
        authority.server(&["localhost", "127.0.0.1"]).write(folder.path(), "site");
        let gateway = Gateway::start_in(folder, "", &format!("{TLS}{tables}"));
        let plain = format!("http://{}", gateway.data());
        let secure = format!("https://{}", gateway.node().address("secure"));
        let authority = gateway.folder().join("ca.pem");
        Self { gateway, plain, secure, authority }
    }
}

fn run(program: &str, arguments: &[&str]) -> Finished {
    process::run(Command::new(program).args(arguments), PATIENCE)
}

/// A port of 127.0.0.1 that is free now, for a program that cannot look for one itself.
fn free_port() -> u16 {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    std::net::TcpListener::bind(any).unwrap().local_addr().unwrap().port()
}

/// Bytes that compress badly and are the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}
