//! The serde mirror of the config file: keys, types, defaults and their documentation.
//!
//! Doc comments here become the JSON Schema's descriptions. Rules that a type cannot say are in
//! `lower.rs`.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strict_toml::{ByteSize, Duration, Spanned};

use crate::observe::logs::Level;

/// The config file of edge-node. Every key has a default.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Where connections are taken.
    pub listeners: Listeners,
    /// How the service stops.
    pub shutdown: Shutdown,
    /// What is logged, and where to.
    pub log: Log,
}

/// Where connections are taken.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Listeners {
    /// The listener for the world.
    pub data: DataListener,
    /// The listener for supervisors and scrapers: `/livez`, `/readyz`, `/metrics`. It knows no
    /// authentication, so keep it on loopback or in a network of your own.
    pub admin: AdminListener,
}

/// The listener for the world.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DataListener {
    /// The address bound; `0.0.0.0` for every interface by IPv4, `::` by IPv6 and IPv4.
    pub address: Spanned<IpAddr>,
    /// The port bound; 0 for any free port.
    pub port: Spanned<u16>,
    /// Connections at a time; more of them wait.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_max: u32,
    /// How long a client may take to send a request's head, and keep a connection idle; 1s to 10m.
    pub header_read_timeout: Spanned<Duration>,
    /// How long a client may leave an answer unread before its connection is cut; 1s to 10m.
    pub write_timeout: Spanned<Duration>,
    /// Size of a request's head at most; 8KiB to 1MiB.
    pub header_bytes_max: Spanned<ByteSize>,
}

impl Default for DataListener {
    fn default() -> Self {
        Self {
            address: IpAddr::from(Ipv4Addr::UNSPECIFIED).into(),
            port: 8080.into(),
            connections_max: 4096,
            header_read_timeout: Duration::from_secs(10).into(),
            write_timeout: Duration::from_secs(30).into(),
            header_bytes_max: ByteSize::from_bytes(16 * 1024).into(),
        }
    }
}

/// The listener for supervisors and scrapers.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AdminListener {
    /// The address bound, `::` for every interface by IPv6 and IPv4; on loopback, requests must name an address or `localhost` as host.
    pub address: Spanned<IpAddr>,
    /// The port bound; 0 for any free port.
    pub port: Spanned<u16>,
    /// Connections at a time; more of them wait.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_max: u32,
    /// How long a client may take to send a request's head, and keep a connection idle; 1s to 10m.
    pub header_read_timeout: Spanned<Duration>,
    /// How long a client may leave an answer unread before its connection is cut; 1s to 10m.
    pub write_timeout: Spanned<Duration>,
    /// Size of a request's head at most; 8KiB to 1MiB.
    pub header_bytes_max: Spanned<ByteSize>,
}

impl Default for AdminListener {
    fn default() -> Self {
        Self {
            address: IpAddr::from(Ipv4Addr::LOCALHOST).into(),
            port: 9464.into(),
            connections_max: 64,
            header_read_timeout: Duration::from_secs(10).into(),
            write_timeout: Duration::from_secs(30).into(),
            header_bytes_max: ByteSize::from_bytes(16 * 1024).into(),
        }
    }
}

/// How the service stops.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Shutdown {
    /// How long connections are still taken after `/readyz` turned to 503, so that those who
    /// watch it send no more; at most 5m.
    pub unready_wait: Spanned<Duration>,
    /// How long requests in flight may take once `unready-wait` has passed and listeners are
    /// closed, before they are cut; at most 1h. The service manager's stop timeout must be longer than both together.
    pub drain_timeout: Spanned<Duration>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            unready_wait: Duration::from_secs(1).into(),
            drain_timeout: Duration::from_secs(25).into(),
        }
    }
}

/// What is logged, and where to.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Log {
    /// The least level that is written.
    pub level: Level,
    /// The file log lines are appended to, relative to the folder of this file. Without it they
    /// go to stdout, which a Windows service does not have.
    #[schemars(length(min = 1))]
    pub file: Option<String>,
    /// Size of the file at which it is renamed to `FILE.1`, `FILE.1` to `FILE.2` and so on, and
    /// another is begun; 64KiB to 1GiB.
    pub rotate_size: Spanned<ByteSize>,
    /// Age of the file's first line at which the same happens, however small the file is; 1m to
    /// 366d. Without it only the size counts.
    pub rotate_age: Option<Spanned<Duration>>,
    /// How many renamed files are kept; the oldest goes first.
    #[schemars(range(min = 1, max = 100))]
    pub keep: u8,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: Level::Info,
            file: None,
            rotate_size: ByteSize::from_bytes(16 * 1024 * 1024).into(),
            rotate_age: None,
            keep: 5,
        }
    }
}
