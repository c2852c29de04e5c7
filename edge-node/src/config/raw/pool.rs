//! The mirror of `[pools.<name>]`: upstreams, how one is picked, and how their health is known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strict_toml::{Duration, Spanned};

/// A pool of upstreams, by a name of your choice: lower-case letters, digits and dashes, at most 40 of them.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pool {
    /// Who is in it.
    #[schemars(length(min = 1, max = 1024))]
    pub upstreams: Vec<Upstream>,
    /// How one is picked: in turn with `round-robin`, of two at random the one with fewer requests in
    /// flight with `least-requests`, always the same for the same key with `consistent-hash`.
    #[serde(default)]
    pub balance: Balance,
    /// What they speak. gRPC needs `http2`: by prior knowledge, or with `tls` by ALPN.
    #[serde(default)]
    pub protocol: Protocol,
    /// TLS towards them; plain without it.
    pub tls: Option<Spanned<ClientTls>>,
    /// How long connecting may take, the TLS handshake included; 1ms to 5m.
    #[serde(default = "Pool::connect_timeout")]
    pub connect_timeout: Spanned<Duration>,
    /// How long an unused connection is kept; 10ms to 1h.
    #[serde(default = "Pool::idle_timeout")]
    pub idle_timeout: Spanned<Duration>,
    /// Connections to one upstream at a time.
    #[schemars(range(min = 1, max = 100_000))]
    #[serde(default = "Pool::connections_max")]
    pub connections_max: u32,
    /// Requests that may wait for a connection; more are answered 503.
    #[schemars(range(min = 0, max = 1_000_000))]
    #[serde(default = "Pool::pending_max")]
    pub pending_max: u32,
    /// The share of requests that may be retries, beside three a second; so failing upstreams do not get twice the work.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default = "Pool::retry_share_max")]
    pub retry_share_max: f64,
    /// How long an upstream that comes back gets less than its share; 0s to 1h.
    #[serde(default = "Pool::slow_start")]
    pub slow_start: Spanned<Duration>,
    /// Asks each upstream for its health, by one of `http`, `tcp` and `grpc`; without it health is only
    /// seen in the traffic.
    pub probe: Option<Spanned<Probe>>,
    /// How health is seen in the traffic, and who is left out for it.
    #[serde(default)]
    pub ejection: Ejection,
}

impl Pool {
    fn connect_timeout() -> Spanned<Duration> {
        Duration::from_secs(2).into()
    }

    fn idle_timeout() -> Spanned<Duration> {
        Duration::from_secs(60).into()
    }

    fn connections_max() -> u32 {
        256
    }

    fn pending_max() -> u32 {
        1024
    }

    fn retry_share_max() -> f64 {
        0.2
    }

    fn slow_start() -> Spanned<Duration> {
        Duration::from_secs(10).into()
    }
}

/// An upstream.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Upstream {
    /// `IP:port`, `[IPv6]:port`, `name:port` (looked up at each connection) or, on Linux, `unix:/path`.
    pub address: Spanned<String>,
    /// Its share of requests, against those of the others.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default = "Upstream::weight")]
    pub weight: u32,
}

impl Upstream {
    fn weight() -> u32 {
        1
    }
}

/// How an upstream is picked.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// In turn.
    #[default]
    RoundRobin,
    /// Of two at random, the one with fewer requests in flight.
    LeastRequests,
    /// Always the same for the same key.
    ConsistentHash(HashKey),
}

/// What requests to the same upstream have in common: the client's address, or a header.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HashKey {
    /// The client's address.
    ClientAddress,
    /// A header; the client's address where it is missing.
    Header(Spanned<String>),
}

/// What upstreams speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
}

/// TLS towards upstreams.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientTls {
    /// PEM: the authorities that their certificates must lead to.
    #[schemars(length(min = 1))]
    pub authorities: String,
    /// The name their certificates must have; the host of their address without it. Needed where that
    /// is a Unix socket.
    pub server_name: Option<Spanned<String>>,
    /// What is shown to those that ask.
    pub certificate: Option<ClientCertificate>,
}

/// A certificate that is shown to upstreams, and its key, by file.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientCertificate {
    /// PEM: the certificate, then those that lead to its authority.
    #[schemars(length(min = 1))]
    pub chain: String,
    /// PEM: its private key, in PKCS #8, SEC 1 or PKCS #1.
    #[schemars(length(min = 1))]
    pub key: String,
}

/// How health is asked for.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Probe {
    /// A GET.
    pub http: Option<Spanned<HttpProbe>>,
    /// A connection, and no more.
    pub tcp: Option<Spanned<TcpProbe>>,
    /// The health protocol of gRPC, `grpc.health.v1.Health/Check`.
    pub grpc: Option<Spanned<GrpcProbe>>,
    /// Between two probes of an upstream; 10ms to 1h.
    pub interval: Spanned<Duration>,
    /// By how much of `interval` each is moved at random, so that they do not come all at once.
    #[schemars(range(min = 0, max = 50))]
    pub jitter_percent: u8,
    /// How long an answer may take, connecting included; 1ms to 5m.
    pub timeout: Spanned<Duration>,
    /// Failures in a row that make a healthy upstream unhealthy.
    #[schemars(range(min = 1, max = 100))]
    pub down_after: u32,
    /// Successes in a row that make an unhealthy upstream healthy.
    #[schemars(range(min = 1, max = 100))]
    pub up_after: u32,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            http: None,
            tcp: None,
            grpc: None,
            interval: Duration::from_secs(10).into(),
            jitter_percent: 10,
            timeout: Duration::from_secs(2).into(),
            down_after: 3,
            up_after: 2,
        }
    }
}

/// A probe by GET.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HttpProbe {
    /// Its path, and a query if it needs one.
    pub path: Spanned<String>,
    /// Its `Host`; the upstream's address without it.
    pub host: Option<Spanned<String>>,
    /// The answers that are a success: `204`, or `200-299` for all of them.
    #[schemars(length(min = 1, max = 32))]
    pub status: Vec<Spanned<String>>,
    /// What the first 64 KiB of the body must contain.
    #[schemars(length(min = 1, max = 1024))]
    pub body_contains: Option<String>,
}

impl Default for HttpProbe {
    fn default() -> Self {
        Self {
            path: "/".to_owned().into(),
            host: None,
            status: vec!["200-299".to_owned().into()],
            body_contains: None,
        }
    }
}

/// A probe that only connects.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpProbe {}

/// A probe by gRPC's health protocol.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GrpcProbe {
    /// The service asked about; empty for the server as a whole.
    #[schemars(length(max = 255))]
    pub service: String,
}

/// How health is seen in the traffic. Who is ejected is left out for a while.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Ejection {
    /// Failed connections, answers that did not come in time, and answers 502, 503 and 504 in a row
    /// that eject; 0 for never. What a client brought about does not count: a `grpc-timeout` of its
    /// own, a body that it did not send.
    #[schemars(range(min = 0, max = 1000))]
    pub consecutive_errors: u32,
    /// The least share of successes; without it that is not looked at.
    pub success_rate: Option<SuccessRate>,
    /// For how long an upstream is ejected the first time, doubled each further time; 10ms to 1h.
    pub time_base: Spanned<Duration>,
    /// For how long at most; 10ms to 1d.
    pub time_max: Spanned<Duration>,
    /// The share of the pool that may be ejected at a time. Where fewer are healthy than the rest of it,
    /// requests go to all of them.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share_max: f64,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive_errors: 5,
            success_rate: None,
            time_base: Duration::from_secs(5).into(),
            time_max: Duration::from_secs(300).into(),
            share_max: 0.5,
        }
    }
}

/// The least share of successes in a window of time.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SuccessRate {
    /// The share below which an upstream is ejected.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share_min: f64,
    /// The window; 1s to 10m.
    pub window: Spanned<Duration>,
    /// Requests in the window below which it does not count.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_min: u32,
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self { share_min: 0.5, window: Duration::from_secs(30).into(), requests_min: 20 }
    }
}
