//! Active probes: each upstream of a pool that wants them is asked by a task of its own, again and again, and what came
//! of it goes to its state machine. What is asked is in `http`, `tcp` and `grpc`, over what in `connection`.
//!
//! They live on the main runtime and use connections of their own, so that a pool without a free connection is not
//! taken for one that is down.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{self, Instant, MissedTickBehavior};

use self::connection::Fault;
use super::balance::mix;
use super::{Pool, Upstream, locked};
use crate::config::{self, ProbeKind};

mod connection;
mod grpc;
mod history;
mod http;
mod tcp;

#[doc(hidden)]
pub use grpc::status as grpc_health_status;
pub use history::{History, OUTCOMES, Probed};

/// How late, at most, the log tells of a change that time alone makes, where no request notices it.
const SETTLE_INTERVAL: Duration = Duration::from_secs(1);

/// The first probe of an upstream comes within this: at once, yet not all in one moment.
const FIRST_WITHIN: Duration = Duration::from_millis(200);

/// The probes of all pools; they end when this is dropped.
#[derive(Debug, Default)]
pub struct Probes {
    probing: BTreeMap<Key, Probing>,
    settling: Option<Task>,
}

/// Pool and address: what makes an upstream the same in the next config.
type Key = (Arc<str>, String);

/// The probes of an upstream.
#[derive(Debug)]
struct Probing {
    /// Where its task hears of a new config.
    target: watch::Sender<Target>,
    _task: Task,
}

/// What is probed, and how.
#[derive(Clone, Debug)]
struct Target {
    pool: Arc<Pool>,
    upstream: Arc<Upstream>,
    probe: config::Probe,
    tls: Option<Arc<ClientConfig>>,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Probes {
    /// Probes these pools from now on, and no others; must be called inside the runtime. `tls` is what connections to
    /// a pool's upstreams need, none where they are plain.
    ///
    /// Those that are probed already go on as they would have, if at a new interval; new ones are probed at once.
    pub fn set(&mut self, pools: &[Arc<Pool>], tls: impl Fn(&Pool) -> Option<Arc<ClientConfig>>) {
        let mut before = std::mem::take(&mut self.probing);
        for pool in pools {
            let Some(probe) = &pool.settings().probe else {
                pool.unprobed();
                continue;
            };
            let tls = tls(pool);
            for upstream in pool.upstreams() {
                let key = (Arc::clone(&pool.settings().name), upstream.address().to_string());
                let (pool, upstream) = (Arc::clone(pool), Arc::clone(upstream));
                let target = Target { pool, upstream, probe: probe.clone(), tls: tls.clone() };
                let probing = match before.remove(&key) {
                    Some(probing) => probing.redirect(target),
                    None => Probing::begin(target),
                };
                self.probing.insert(key, probing);
            }
        }
        self.settling = (!pools.is_empty()).then(|| Task(tokio::spawn(settle(pools.to_vec()))));
    }
}

impl Probing {
    fn begin(target: Target) -> Self {
        let (target, targets) = watch::channel(target);
        Self { target, _task: Task(tokio::spawn(probe(targets))) }
    }

    fn redirect(self, target: Target) -> Self {
        self.target.send_replace(target);
        self
    }
}

/// Has time do what it does where no request looks.
async fn settle(pools: Vec<Arc<Pool>>) {
    let mut ticks = time::interval(SETTLE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        pools.iter().for_each(|pool| pool.settle(now));
    }
}

/// Probes an upstream until there is nobody to say what to probe.
async fn probe(mut targets: watch::Receiver<Target>) {
    let mut target = targets.borrow_and_update().clone();
    let mut random = RandomState::new().hash_one(&target.upstream.address);
    let mut next = Instant::now() + FIRST_WITHIN.mul_f64(uniform(&mut random));
    loop {
        target.upstream.history().expect_at(Some(next));
        tokio::select! {
            () = time::sleep_until(next) => {
                let begun = Instant::now();
                let result = ask_in_time(&target).await;
                // The config may have changed meanwhile: the newest thresholds count.
                target = targets.borrow_and_update().clone();
                next = begun + jittered(&target.probe, uniform(&mut random));
                target.upstream.history().expect_at(Some(next));
                conclude(&target, begun, &result);
            }
            changed = targets.changed() => {
                if changed.is_err() {
                    return;
                }
                target = targets.borrow_and_update().clone();
                next = next.min(Instant::now() + jittered(&target.probe, uniform(&mut random)));
            }
        }
    }
}

/// Notes what came of a probe and has the state machine judge it.
fn conclude(target: &Target, begun: Instant, result: &Result<(), Fault>) {
    let Target { pool, upstream, .. } = target;
    let detail = result.as_ref().err().map(ToString::to_string);
    let word = result.as_ref().map_or_else(Fault::word, |()| OUTCOMES[0]);
    upstream.history().note(Probed::new(begun, begun.elapsed(), word, detail.clone()));
    pool.probed(upstream, result.is_ok(), detail.as_deref());
}

async fn ask_in_time(target: &Target) -> Result<(), Fault> {
    let asked = time::timeout(target.probe.timeout, ask(target)).await;
    asked.unwrap_or(Err(Fault::TimedOut(target.probe.timeout)))
}

async fn ask(target: &Target) -> Result<(), Fault> {
    match &target.probe.kind {
        ProbeKind::Tcp => tcp::ask(target).await,
        ProbeKind::Grpc { service } => grpc::ask(target, service).await,
        ProbeKind::Http { path, host, status, body_contains } => {
            let asked = http::Asked {
                path,
                host: host.as_deref(),
                status,
                body_contains: body_contains.as_deref(),
            };
            http::ask(target, &asked).await
        }
    }
}

/// The time until the next probe: the interval, moved by its jitter. `uniform` is between 0 and 1.
fn jittered(probe: &config::Probe, uniform: f64) -> Duration {
    let jitter = f64::from(probe.jitter_percent) / 100.0;
    probe.interval.mul_f64(1.0 + jitter * (2.0 * uniform - 1.0))
}

/// A number between 0 and 1, and a new state behind it. Nothing secret depends on it.
fn uniform(random: &mut u64) -> f64 {
    *random = mix(*random);
    (*random >> 11) as f64 / (1_u64 << 53) as f64
}

impl Upstream {
    /// What probes found lately.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        locked(&self.history)
    }
}

#[cfg(test)]
mod tests;
