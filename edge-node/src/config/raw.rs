//! The serde mirror of the config file: keys, types, defaults and their documentation.
//!
//! Doc comments here become the JSON Schema's descriptions and the reference in `docs/gateway.md`.
//! Rules that a type cannot say are in `lower.rs`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strict_toml::{ByteSize, Duration, Spanned};

use crate::observe::logs::Level;

mod listener;
mod pool;
mod route;

pub use listener::{
    AdminListener, CertificateFiles, ClientCertificates, DataListener, Demand, Listeners,
    ServerTls, TlsVersion,
};
pub use pool::{
    Balance, ClientCertificate, ClientTls, Ejection, HashKey, HttpProbe, Pool, Probe, Protocol,
    SuccessRate, Upstream,
};
pub use route::{
    ClientRules, Files, Forward, HeaderEdits, HeaderMatch, HostRewrite, NamePattern, PathPattern,
    PathRewrite, RateLimit, RatePer, Redirect, Respond, Route, Scheme,
};

/// The config file of edge-node. An empty one is fine.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Threads that serve data listeners; as many as the machine has processors without it, 64 at most.
    #[schemars(range(min = 1, max = 64))]
    pub workers: Option<u32>,
    /// Where connections are taken.
    pub listeners: Listeners,
    /// Which requests go where. Without any, `/` says who answers.
    pub routes: BTreeMap<Spanned<String>, Route>,
    /// Where they go.
    pub pools: BTreeMap<Spanned<String>, Pool>,
    /// How the service stops.
    pub shutdown: Shutdown,
    /// What is logged, and where to.
    pub log: Log,
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
    /// Whether each request of a data listener is logged, at level `info`.
    pub access: bool,
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
            access: true,
            file: None,
            rotate_size: ByteSize::from_bytes(16 * 1024 * 1024).into(),
            rotate_age: None,
            keep: 5,
        }
    }
}
