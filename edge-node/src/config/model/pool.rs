//! Validated pools of upstreams: who is in them, how one is picked, and how their health is known.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::CertificateFiles;

/// A pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Its name in the config, and its label in metrics.
    pub name: Arc<str>,
    /// At least one.
    pub upstreams: Vec<Upstream>,
    /// How one is picked.
    pub balance: Balance,
    /// What they speak.
    pub protocol: Protocol,
    /// TLS towards them; plain without.
    pub tls: Option<ClientTls>,
    /// How long connecting may take, the TLS handshake included.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Connections to one upstream at a time.
    pub connections_max: usize,
    /// Requests that may wait for a connection, pool-wide; more are answered 503.
    pub pending_max: usize,
    /// Retries may be this share of the requests, beside [`RETRIES_FREE`] a second.
    pub retry_share_max: f64,
    /// An upstream that comes back gets its share of requests only after this.
    pub slow_start: Duration,
    /// How health is asked for; not at all without.
    pub probe: Option<Probe>,
    /// How health is seen in the traffic.
    pub ejection: Ejection,
}

/// Retries a second that a pool may do whatever its traffic, so that little traffic can be retried at all.
pub const RETRIES_FREE: u32 = 3;

/// An upstream of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Where it is.
    pub address: UpstreamAddress,
    /// Its share of requests, against those of the others; 1 to 1000.
    pub weight: u32,
}

/// Where an upstream is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamAddress {
    /// An address and a port.
    Socket(SocketAddr),
    /// A name that is looked up at each connection, and a port.
    Name(Box<str>, u16),
    /// A Unix socket, on Linux.
    Unix(PathBuf),
}

impl std::fmt::Display for UpstreamAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(formatter),
            Self::Name(name, port) => write!(formatter, "{name}:{port}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// How an upstream is picked among those that may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn, by weight.
    RoundRobin,
    /// Of two at random, the one with fewer requests in flight for its weight.
    LeastRequests,
    /// Always the same for the same key, as long as it is there.
    ConsistentHash(HashKey),
}

/// What a consistent hash is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    ClientAddress,
    /// A header; the client's address where it is missing.
    Header(HeaderName),
}

/// What upstreams speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; by prior knowledge without TLS, by ALPN with it.
    Http2,
}

/// TLS towards upstreams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// PEM: the authorities that their certificates must lead to.
    pub authorities: PathBuf,
    /// The name their certificates must have; without, the host of their address.
    pub server_name: Option<Box<str>>,
    /// What is shown to those that ask.
    pub certificate: Option<CertificateFiles>,
}

/// How health is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// Between two probes of an upstream.
    pub interval: Duration,
    /// The share of `interval` by which each is moved at random, in percent; 0 to 50.
    pub jitter_percent: u8,
    /// How long an answer may take, connecting included.
    pub timeout: Duration,
    /// Failures in a row that make a healthy one unhealthy.
    pub down_after: u32,
    /// Successes in a row that make an unhealthy one healthy.
    pub up_after: u32,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A GET.
    Http {
        /// Its path.
        path: Box<str>,
        /// Its `Host`; the upstream's address without.
        host: Option<Box<str>>,
        /// The answers that are a success, as inclusive ranges.
        status: Vec<(StatusCode, StatusCode)>,
        /// What the first 64 KiB of the body must contain.
        body_contains: Option<Box<str>>,
    },
    /// A connection.
    Tcp,
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// The service asked about; empty for the server as a whole.
        service: Box<str>,
    },
}

/// How health is seen in the traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Ejection {
    /// Connections that failed and answers 502, 503, 504 in a row that eject; none for never.
    pub consecutive_errors: Option<u32>,
    /// The least share of successes in a window; none for never.
    pub success_rate: Option<SuccessRate>,
    /// For how long the first time; doubled with each further one.
    pub time_base: Duration,
    /// For how long at most.
    pub time_max: Duration,
    /// The share of a pool that may be ejected at a time. Where fewer are healthy than the rest of it, all are
    /// picked from (panic mode).
    pub share_max: f64,
}

/// The least share of successes in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct SuccessRate {
    /// 0 to 1.
    pub share_min: f64,
    /// The window.
    pub window: Duration,
    /// Requests in the window before it counts.
    pub requests_min: u32,
}
