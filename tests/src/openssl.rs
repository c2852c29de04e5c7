//! OpenSSL as the other end of a TLS connection.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{self, Background};
use crate::wait;

/// How long a handshake and what follows may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a peer said of a connection.
#[derive(Clone, Debug)]
pub struct Said {
    /// All it wrote.
    pub text: String,
    /// The alert it received, by number. Source: RFC 8446 §6, RFC 5246 §7.2.
    pub alert: Option<u8>,
}

/// Connects with `openssl s_client` and reads until the other side closes.
///
/// # Panics
/// When it does not end.
#[must_use]
pub fn connect(address: SocketAddr, arguments: &[&str]) -> Said {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-ign_eof", "-connect", &address.to_string()]).args(arguments);
    let finished = process::run(&mut command, PATIENCE);
    said(finished.stdout + &finished.stderr)
}

/// Connects with `openssl s_client`, sends `request`, and reads until the other side closes.
///
/// # Panics
/// When it does not end.
#[must_use]
pub fn ask(address: SocketAddr, arguments: &[&str], request: &str) -> Said {
    const SCRIPT: &str = "printf %s \"$0\" | exec openssl s_client -ign_eof -connect \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, request, &address.to_string()]).args(arguments);
    let finished = process::run(&mut command, PATIENCE);
    said(finished.stdout + &finished.stderr)
}

/// An `openssl s_server`, ended when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    log: PathBuf,
    _program: Background,
}

impl Server {
    /// Starts one on a free port of 127.0.0.1, with its log in `folder`.
    ///
    /// # Panics
    /// When it does not listen.
    #[must_use]
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let log = folder.join("s_server.log");
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www"]).args(arguments);
        let program = Background::start(&mut command, &log);
        let address = wait::until("s_server listens", PATIENCE, || {
            let text = fs::read_to_string(&log).unwrap();
            text.lines().find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok())
        });
        Self { address, log, _program: program }
    }

    /// What it has said once that has `text` in it.
    ///
    /// # Panics
    /// When it does not say it.
    #[must_use]
    pub fn said(&self, text: &str) -> Said {
        let all = wait::until(text, PATIENCE, || {
            Some(fs::read_to_string(&self.log).unwrap()).filter(|all| all.contains(text))
        });
        said(all)
    }
}

/// The number is in OpenSSL's error line: `…:SSL alert number 45`.
fn said(text: String) -> Said {
    let alert = text.split("SSL alert number ").nth(1).and_then(|rest| {
        rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|number| number.parse().ok())
    });
    Said { text, alert }
}
