//! The validated config, as the service uses it: no option stands for a default, no value is out
//! of range, every path is ready for use.

use std::path::PathBuf;
use std::time::Duration;

use crate::observe::logs::{Level, Rotation};

mod listener;
mod pool;
mod route;

pub use listener::{
    CertificateFiles, ClientCertificates, DataListener, Listener, Listeners, ServerTls, TlsVersion,
};
pub use pool::{
    Balance, ClientTls, Ejection, HashKey, Pool, Probe, ProbeKind, Protocol, RETRIES_FREE,
    SuccessRate, Upstream, UpstreamAddress,
};
pub use route::{
    Action, ClientRules, Files, FixedResponse, Forward, HeaderEdits, HeaderMatch, HostPattern,
    HostRewrite, Matcher, NamePattern, PathPattern, PathRewrite, RateLimit, RatePer, Redirect,
    Route, TemplateSegment,
};

/// The whole config.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where connections are taken.
    pub listeners: Listeners,
    /// Which requests go where, in the order of their names.
    pub routes: Vec<Route>,
    /// Where they go, in the order of their names.
    pub pools: Vec<Pool>,
    /// Threads that serve data listeners.
    pub workers: usize,
    /// How the service stops.
    pub shutdown: Shutdown,
    /// What is logged, and where to.
    pub log: Log,
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
    /// Whether each request of a data listener is logged, at level info.
    pub access: bool,
    /// The file that is appended to; stdout if none.
    pub file: Option<PathBuf>,
    /// When another file is begun.
    pub rotation: Rotation,
}
