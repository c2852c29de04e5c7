//! The answer to `GET /v1/upstreams`: what is known of each upstream, and why. Pure: both clocks are given.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::passive;
use super::probe::Probed;
use super::state::{Cause, FULL_PERMILLE, State};
use super::{Pool, Upstream};
use crate::config::Balance;

/// The whole answer. Times are RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// In the order of the config.
    pub pools: Vec<PoolReport>,
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PoolReport {
    /// Its name.
    pub name: String,
    /// How upstreams are picked.
    pub balance: &'static str,
    /// Whether all are picked from because too few are well.
    pub panic_mode: bool,
    /// In the order of the config.
    pub upstreams: Vec<UpstreamReport>,
}

/// An upstream.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct UpstreamReport {
    /// Its address.
    pub address: String,
    /// `unknown`, `healthy`, `unhealthy`, `ejected` or `returning`.
    pub state: &'static str,
    /// Why.
    pub reason: &'static str,
    /// Since when.
    pub since: String,
    /// When its ejection is over.
    pub ejected_until: Option<String>,
    /// As configured.
    pub weight: u32,
    /// What it is picked by: less during the slow start, nothing while it is down.
    pub effective_weight: f64,
    /// Requests that it has now.
    pub in_flight: usize,
    /// Errors in the traffic, in a row.
    pub consecutive_errors: u32,
    /// Requests in the window of the success rate, where there is one.
    pub window: Option<WindowReport>,
    /// Ejections since it came into the config.
    pub ejections: EjectionReport,
    /// Its probes, where it has some.
    pub probes: Option<ProbeReport>,
}

/// The window of a success rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WindowReport {
    /// Requests that went well.
    pub successes: u64,
    /// Those that did not.
    pub failures: u64,
}

/// Ejections.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EjectionReport {
    /// Those that make the next one longer.
    pub unforgiven: u32,
    /// Because of errors in a row.
    pub consecutive_errors: u64,
    /// Because of too few successes.
    pub success_rate: u64,
}

/// Probes of an upstream.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProbeReport {
    /// When the next one comes.
    pub next: Option<String>,
    /// Successes in a row.
    pub consecutive_successes: u32,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// The last few, the newest first.
    pub last: Vec<ResultReport>,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResultReport {
    /// When it began.
    pub at: String,
    /// How long it took.
    pub seconds: f64,
    /// `success`, or what kind of failure.
    pub outcome: &'static str,
    /// What was wrong.
    pub detail: Option<String>,
}

/// The clocks at one moment: states are kept by the one that never jumps, people read the other.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// The one that never jumps.
    pub now: Instant,
    /// What it is by the wall.
    pub wall: Timestamp,
}

impl Clocks {
    /// A moment as people read it.
    fn show(self, at: Instant) -> String {
        let shown = match at.checked_duration_since(self.now) {
            Some(ahead) => self.wall.checked_add(ahead),
            None => self.wall.checked_sub(self.now.saturating_duration_since(at)),
        };
        format!("{:.3}", shown.unwrap_or(self.wall))
    }
}

/// Reports on pools, after time did what it does to them.
#[must_use]
pub fn report(pools: &[Arc<Pool>], clocks: Clocks) -> Report {
    Report { pools: pools.iter().map(|pool| pool_report(pool, clocks)).collect() }
}

fn pool_report(pool: &Pool, clocks: Clocks) -> PoolReport {
    pool.settle(clocks.now);
    let settings = pool.settings();
    let upstreams = pool.upstreams().iter().enumerate();
    PoolReport {
        name: settings.name.to_string(),
        balance: match settings.balance {
            Balance::RoundRobin => "round-robin",
            Balance::LeastRequests => "least-requests",
            Balance::ConsistentHash(_) => "consistent-hash",
        },
        panic_mode: pool.is_panicking(),
        upstreams: upstreams
            .map(|(index, one)| upstream_report(pool, index, one, clocks))
            .collect(),
    }
}

fn upstream_report(
    pool: &Pool,
    index: usize,
    upstream: &Upstream,
    clocks: Clocks,
) -> UpstreamReport {
    let settings = pool.settings();
    let machine = upstream.machine().clone();
    let weight = settings.upstreams[index].weight;
    let share = match pool.is_panicking() {
        true => FULL_PERMILLE,
        false => machine.share_permille(clocks.now, settings),
    };
    let ejections = upstream.counts().ejections;
    let window = pool.window(index, clocks.now);
    UpstreamReport {
        address: upstream.address().to_string(),
        state: machine.state().as_str(),
        reason: machine.reason().as_str(),
        since: clocks.show(machine.since()),
        ejected_until: ejected_until(machine.state()).map(|until| clocks.show(until)),
        weight,
        effective_weight: f64::from(weight * share) / f64::from(FULL_PERMILLE),
        in_flight: upstream.in_flight(),
        consecutive_errors: upstream.streak.length(),
        window: window
            .map(|passive::Counts { successes, failures }| WindowReport { successes, failures }),
        ejections: EjectionReport {
            unforgiven: machine.ejections(clocks.now, settings),
            consecutive_errors: ejections[Cause::ConsecutiveErrors.index()],
            success_rate: ejections[Cause::SuccessRate.index()],
        },
        probes: settings
            .probe
            .is_some()
            .then(|| probe_report(upstream, machine.probes_in_a_row(), clocks)),
    }
}

fn ejected_until(state: State) -> Option<Instant> {
    match state {
        State::Ejected { until } => Some(until),
        State::Unhealthy { ejected_until } => ejected_until,
        State::Unknown | State::Healthy | State::Returning => None,
    }
}

fn probe_report(upstream: &Upstream, in_a_row: (u32, u32), clocks: Clocks) -> ProbeReport {
    let history = upstream.history();
    let result = |Probed { at, took, outcome, detail }: &Probed| ResultReport {
        at: clocks.show(*at),
        seconds: rounded(*took),
        outcome,
        detail: detail.clone(),
    };
    ProbeReport {
        next: history.next().map(|next| clocks.show(next)),
        consecutive_successes: in_a_row.0,
        consecutive_failures: in_a_row.1,
        last: history.results().map(result).collect(),
    }
}

/// Seconds to the microsecond.
fn rounded(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::advance;

    use super::super::Outcome;
    use super::super::pool::tests::{probed, settings};
    use super::*;
    use crate::config::SuccessRate;

    const SECOND: Duration = Duration::from_secs(1);

    fn said_of(pool: &Arc<Pool>) -> serde_json::Value {
        let wall = "2026-01-02T03:04:05Z".parse().unwrap();
        let clocks = Clocks { now: Instant::now(), wall };
        serde_json::to_value(report(std::slice::from_ref(pool), clocks)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn everything_known_of_an_upstream_is_said() {
        let pool = Pool::new(&probed(1), None);
        advance(SECOND * 5).await;
        let upstream = &pool.upstreams()[0];
        let refused = Some("cannot connect: refused".to_owned());
        let result = Probed::new(Instant::now(), SECOND / 4, "connect-failed", refused);
        upstream.history().note(result);
        upstream.history().expect_at(Some(Instant::now() + SECOND * 10));
        pool.probed(upstream, false, None);
        let _try = pool.pick(0, &[]).unwrap();
        advance(SECOND).await;
        let expected = json!({ "pools": [{
            "name": "api",
            "balance": "round-robin",
            "panic-mode": true,
            "upstreams": [{
                "address": "127.0.0.1:1",
                "state": "unhealthy",
                "reason": "first-probe",
                "since": "2026-01-02T03:04:04.000Z",
                "ejected-until": null,
                "weight": 1,
                "effective-weight": 1.0,
                "in-flight": 1,
                "consecutive-errors": 0,
                "window": null,
                "ejections": { "unforgiven": 0, "consecutive-errors": 0, "success-rate": 0 },
                "probes": {
                    "next": "2026-01-02T03:04:14.000Z",
                    "consecutive-successes": 0,
                    "consecutive-failures": 1,
                    "last": [{
                        "at": "2026-01-02T03:04:04.000Z",
                        "seconds": 0.25,
                        "outcome": "connect-failed",
                        "detail": "cannot connect: refused",
                    }],
                },
            }],
        }]});
        assert_eq!(said_of(&pool), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn an_ejection_has_an_end_and_a_return_a_growing_weight() {
        let mut settings = settings(2);
        settings.upstreams[0].weight = 10;
        let rate = SuccessRate { share_min: 0.5, window: SECOND * 30, requests_min: 20 };
        settings.ejection.success_rate = Some(rate);
        let pool = Pool::new(&settings, None);
        (0..4).for_each(|_| pool.note(0, Outcome::ConnectFailed));
        let said = said_of(&pool)["pools"][0]["upstreams"][0].clone();
        assert_eq!(said["consecutive-errors"], 4);
        assert_eq!(said["window"], json!({ "successes": 0, "failures": 4 }));
        assert_eq!(said["probes"], json!(null));
        pool.note(0, Outcome::ConnectFailed);
        let said = said_of(&pool)["pools"][0]["upstreams"][0].clone();
        assert_eq!(said["state"], "ejected");
        assert_eq!(said["reason"], "consecutive-errors");
        assert_eq!(said["ejected-until"], "2026-01-02T03:04:10.000Z");
        assert_eq!(said["effective-weight"], 0.0);
        assert_eq!(said["ejections"]["unforgiven"], 1);
        advance(SECOND * 10).await;
        let said = said_of(&pool)["pools"][0]["upstreams"][0].clone();
        assert_eq!((&said["state"], &said["effective-weight"]), (&json!("returning"), &json!(5.5)));
        assert_eq!(said["since"], "2026-01-02T03:04:00.000Z");
    }
}
