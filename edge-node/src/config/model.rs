//! The validated config, as the service uses it: no option stands for a default, no value is out
//! of range, every path is ready for use.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::observe::logs::{Level, Rotation};

/// The whole config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where connections are taken.
    pub listeners: Listeners,
    /// How the service stops.
    pub shutdown: Shutdown,
    /// What is logged, and where to.
    pub log: Log,
}

/// The listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// For the world.
    pub data: Listener,
    /// For supervisors and scrapers.
    pub admin: Listener,
}

/// One listener and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it is bound; port 0 stands for any free port.
    pub address: SocketAddr,
    /// Connections at a time.
    pub connections_max: usize,
    /// From the first wait for a request's head until it is complete.
    pub header_read_timeout: Duration,
    /// From a write that the peer does not take until it takes some of it.
    pub write_timeout: Duration,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
}

/// How the service stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// From the moment `/readyz` answers 503 until listeners close.
    pub unready_wait: Duration,
    /// From then on, how long requests in flight may take.
    pub drain_timeout: Duration,
}

/// What is logged, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least level that is written.
    pub level: Level,
    /// The file that is appended to; stdout if none.
    pub file: Option<PathBuf>,
    /// When another file is begun.
    pub rotation: Rotation,
}
