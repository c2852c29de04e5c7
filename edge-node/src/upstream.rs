//! Pools of upstreams: who is in them, how one is picked, what is known of their health. Shared by all workers;
//! connections are elsewhere (`gateway/client.rs`), each worker has its own.
//!
//! A request's way: [`Pool::pick`] → [`Try`] → [`Try::report`]. A `pool` looks at a snapshot of who may be picked
//! (`view`), picks by a pure rule (`balance`), and takes a lock only where something goes wrong. What goes wrong is
//! counted in `passive`, asked for in `probe`, and judged in `state`, one machine an upstream; `tell` says what changed
//! in the log, `report` and `metrics` what is. How often to try again is in `budget`.
//!
//! The clock is tokio's and read in `pool` and `probe` only; everything below them is given the time.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use http::StatusCode;

use self::dial::Lookup;
use self::passive::Streak;
use self::probe::History;
use self::state::{Cause, Machine, State};
use crate::config;

mod balance;
mod budget;
pub mod dial;
mod passive;
pub(crate) mod pool;
pub mod probe;
pub mod report;
pub mod state;
mod tell;
mod view;

pub use balance::hash;
pub use pool::Pool;

/// The pools in force, for whoever looks at them: cheap to clone, all clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Pools(Arc<ArcSwap<Vec<Arc<Pool>>>>);

impl Pools {
    /// Puts others in force.
    pub fn set(&self, pools: Vec<Arc<Pool>>) {
        self.0.store(Arc::new(pools));
    }

    /// Those in force.
    #[must_use]
    pub fn current(&self) -> Arc<Vec<Arc<Pool>>> {
        self.0.load_full()
    }
}

/// An upstream at work. One that is in the next config as well, be it with another weight, is the same value there.
#[derive(Debug)]
pub struct Upstream {
    address: config::UpstreamAddress,
    /// For those that have a name.
    lookup: Lookup,
    /// Its own number in consistent hashing.
    seed: u64,
    in_flight: Padded<AtomicUsize>,
    streak: Streak,
    counters: Counters,
    machine: Mutex<Machine>,
    history: Mutex<History>,
}

/// What is counted of an upstream.
#[derive(Debug, Default)]
struct Counters {
    /// Tries, by [`Outcome::index`].
    tries: [AtomicU64; Outcome::WORDS.len()],
    /// Ejections, by [`Cause::index`].
    ejections: [AtomicU64; Cause::WORDS.len()],
    /// Changes of state, by [`State::index`] of the new one.
    changes: [AtomicU64; State::WORDS.len()],
}

/// What was counted of an upstream, by the place of the word that says what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Tries, by [`Outcome::WORDS`].
    pub tries: [u64; Outcome::WORDS.len()],
    /// Ejections, by [`Cause::WORDS`].
    pub ejections: [u64; Cause::WORDS.len()],
    /// Changes of state, by [`State::WORDS`] of the new one.
    pub changes: [u64; State::WORDS.len()],
    /// Probes, by [`probe::OUTCOMES`].
    pub probes: [u64; probe::OUTCOMES.len()],
}

/// On a cache line of its own, so that threads that write it do not slow down those that read its neighbours.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Upstream {
    fn new(address: &config::UpstreamAddress, machine: Machine) -> Self {
        Self {
            address: address.clone(),
            seed: balance::hash(address.to_string().as_bytes()),
            in_flight: Padded::default(),
            streak: Streak::default(),
            counters: Counters::default(),
            machine: Mutex::new(machine),
            history: Mutex::default(),
            lookup: Lookup::default(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &config::UpstreamAddress {
        &self.address
    }

    /// The lookups of its name.
    #[must_use]
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// Requests that it has now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What was counted of it since it came into the config.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Counters { tries, ejections, changes } = &self.counters;
        let probes = self.history().counts();
        Counts { tries: read(tries), ejections: read(ejections), changes: read(changes), probes }
    }

    /// What it is. Time that has passed since anybody looked may have changed it.
    #[must_use]
    pub fn state(&self) -> State {
        self.machine().state()
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        locked(&self.machine)
    }
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this status.
    Answered(StatusCode),
    /// No connection was had.
    ConnectFailed,
    /// There was no answer in the time that the config gives, and that was nobody else's doing.
    TimedOut,
    /// The connection broke before the answer.
    Broke,
    /// The client went away, or was what was waited for, which says nothing of the upstream.
    Abandoned,
}

/// What an outcome says of the upstream's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    Nothing,
}

impl Outcome {
    /// The words of all outcomes, as metrics have them.
    pub const WORDS: [&str; 7] = [
        "success",
        "application-error",
        "gateway-error",
        "connect-failed",
        "timed-out",
        "broke",
        "abandoned",
    ];

    /// Its place in [`Outcome::WORDS`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Answered(code) if is_gateway_error(code) => 2,
            Self::Answered(code) if code.is_server_error() => 1,
            Self::Answered(_) => 0,
            Self::ConnectFailed => 3,
            Self::TimedOut => 4,
            Self::Broke => 5,
            Self::Abandoned => 6,
        }
    }

    /// An application's own error is a good sign: it was there to make it. Were it a bad one, a client could eject
    /// upstreams by URLs that make them fail.
    fn verdict(self) -> Verdict {
        match self {
            Self::Answered(code) if is_gateway_error(code) => Verdict::Bad,
            Self::Answered(_) => Verdict::Good,
            Self::ConnectFailed | Self::TimedOut | Self::Broke => Verdict::Bad,
            Self::Abandoned => Verdict::Nothing,
        }
    }
}

/// Source: RFC 9110, sections 15.6.3 to 15.6.5: what a gateway says of what is behind it, or a server of itself when it
/// cannot serve.
fn is_gateway_error(code: StatusCode) -> bool {
    matches!(
        code,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

/// A try at an upstream, counted while it lives.
#[derive(Debug)]
pub struct Try {
    pool: Arc<Pool>,
    index: usize,
    is_reported: AtomicBool,
}

impl Try {
    fn begin(pool: Arc<Pool>, index: usize) -> Self {
        pool.upstreams()[index].in_flight.fetch_add(1, Ordering::Relaxed);
        Self { pool, index, is_reported: AtomicBool::new(false) }
    }

    /// Where the request goes.
    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.pool.upstreams()[self.index]
    }

    /// Says what became of it, as soon as the response's head is there or cannot be; it stays in flight until
    /// dropped. What is said first counts.
    pub fn report(&self, outcome: Outcome) {
        // A try is in one hand: no exchange is needed.
        if !self.is_reported.load(Ordering::Relaxed) {
            self.is_reported.store(true, Ordering::Relaxed);
            self.pool.note(self.index, outcome);
        }
    }
}

impl Drop for Try {
    /// One that nobody reported was abandoned.
    fn drop(&mut self) {
        self.report(Outcome::Abandoned);
        self.upstream().in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn read<const N: usize>(counters: &[AtomicU64; N]) -> [u64; N] {
    counters.each_ref().map(|counter| counter.load(Ordering::Relaxed))
}

/// What a lock protects here is whole between any two statements, so a panic elsewhere is no reason for another one.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
