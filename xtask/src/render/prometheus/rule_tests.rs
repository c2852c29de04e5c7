//! The figures of the rule tests: for each alert a case in which it fires and one just short of it.
//!
//! Derived from the same thresholds as the rules, so that a changed threshold changes the test with it. Samples are a
//! minute apart unless said otherwise; so are evaluations, but for thresholds of many hours, so that a case takes no more
//! than about a thousand of them.

use crate::config::model::Alerts;
use serde::Serialize;
use std::time::Duration;

const MINUTE: u64 = 60;

/// Evaluations in a case, about.
const EVALUATIONS_MAX: u64 = 1000;

/// What the cases put in and expect.
#[derive(Serialize)]
pub(super) struct RuleTests {
    evaluation_ms: u64,
    /// Samples of a case about an alert that waits for `down-for`.
    down_samples: u64,
    /// When its rule must fire.
    down_fires_at_ms: u64,
    restarts: Restarts,
    errors: Errors,
    latency: Latency,
    certificate: Certificate,
    /// Samples of a case about an alert that waits for `degraded-for`.
    degraded_samples: u64,
    /// When its rule must fire.
    degraded_fires_at_ms: u64,
}

#[derive(Serialize)]
struct Restarts {
    /// Distance of the samples: a few more of them than allowed restarts fit into the window.
    step_ms: u64,
    /// How often the first sample is repeated before each further one is a restart, up to one too many.
    repeats: u64,
    /// How many samples follow the first restart that is one too many.
    more: u64,
    /// The same for as many restarts as are allowed.
    allowed_repeats: u64,
    allowed_more: u64,
    at_ms: u64,
    /// What the annotation shows.
    shown: String,
}

#[derive(Serialize)]
struct Errors {
    /// Whether a ratio above the threshold exists.
    can_fire: bool,
    /// Requests in a minute, out of a hundred, that fail: just too many.
    too_many: u32,
    too_many_ok: u32,
    /// And just few enough.
    few: u32,
    few_ok: u32,
    shown: String,
}

#[derive(Serialize)]
struct Latency {
    /// Upper bound of a bucket: the threshold.
    good_seconds: f64,
    /// Upper bound of the next bucket.
    bad_seconds: f64,
    /// What the annotation shows when every request falls behind the last bucket.
    shown: String,
}

#[derive(Serialize)]
struct Certificate {
    /// Ends, in seconds since the epoch, at which the tests start.
    soon: u64,
    late: u64,
    at_ms: u64,
    shown: String,
}

impl RuleTests {
    pub(super) fn of(alerts: &Alerts, rate_window: Duration) -> Self {
        let step = evaluation_minutes(alerts);
        let evaluated = |minutes: u64| minutes.next_multiple_of(step);
        let down = evaluated(minutes(alerts.down_for)) + step;
        let degraded = evaluated(minutes(alerts.degraded_for) + minutes(rate_window)) + 2 * step;
        Self {
            evaluation_ms: step * MINUTE * 1000,
            down_samples: down + 1,
            down_fires_at_ms: down * MINUTE * 1000,
            restarts: restarts(alerts, evaluated(minutes(alerts.restarts_window))),
            errors: errors(alerts.error_ratio_max),
            latency: latency(alerts.latency_p99_max),
            certificate: certificate(alerts.certificate_expires_within, step * MINUTE),
            degraded_samples: degraded + 1,
            degraded_fires_at_ms: degraded * MINUTE * 1000,
        }
    }
}

/// Whole minutes that hold a duration.
fn minutes(duration: Duration) -> u64 {
    duration.as_secs().div_ceil(MINUTE)
}

/// Minutes between two evaluations.
fn evaluation_minutes(alerts: &Alerts) -> u64 {
    let longest = alerts.down_for.max(alerts.degraded_for).max(alerts.restarts_window);
    minutes(longest).div_ceil(EVALUATIONS_MAX).max(1)
}

/// The window holds two distances more than the restarts that are too many, so that all of them lie in it whether or not
/// its left end belongs to it (Prometheus 3 changed that). They come last, just before the evaluation.
fn restarts(alerts: &Alerts, at_minutes: u64) -> Restarts {
    let allowed = u64::from(alerts.restarts_max);
    let window_ms = u64::try_from(alerts.restarts_window.as_millis()).unwrap_or(u64::MAX);
    let step_ms = (window_ms / (allowed + 3)).max(1);
    let at_ms = at_minutes * MINUTE * 1000;
    let last = at_ms / step_ms;
    Restarts {
        step_ms,
        repeats: last - allowed - 1,
        more: allowed,
        allowed_repeats: last - allowed,
        allowed_more: allowed.saturating_sub(1),
        at_ms,
        shown: (allowed + 1).to_string(),
    }
}

fn errors(ratio_max: f64) -> Errors {
    let percent_max = ratio_max * 100.0;
    let percents = || (0..=100_u32).map(|percent| (percent, f64::from(percent) / 100.0));
    let too_many = percents().find(|(_, ratio)| *ratio > ratio_max).map(|(percent, _)| percent);
    let few = percents().rfind(|(_, ratio)| *ratio < ratio_max).map_or(0, |(percent, _)| percent);
    let too_many_shown = too_many.unwrap_or(percent_max as u32);
    Errors {
        can_fire: too_many.is_some(),
        too_many: too_many_shown,
        too_many_ok: 100 - too_many_shown.min(100),
        few,
        few_ok: 100 - few,
        shown: format!("{too_many_shown}%"),
    }
}

/// The quantile of requests behind the last finite bucket is that bucket's bound, exactly.
fn latency(p99_max: Duration) -> Latency {
    let (good_seconds, bad_seconds) = (p99_max.as_secs_f64(), p99_max.as_secs_f64() * 2.0);
    Latency { good_seconds, bad_seconds, shown: format!("{bad_seconds:.3}") }
}

/// A minute short of the threshold, and a minute beyond it, when the first evaluation after the start comes.
fn certificate(within: Duration, at: u64) -> Certificate {
    let (left_soon, left_late) =
        (within.as_secs().saturating_sub(MINUTE), within.as_secs() + MINUTE);
    let days = left_soon as f64 / 86_400.0;
    Certificate {
        soon: at + left_soon,
        late: at + left_late,
        at_ms: at * 1000,
        shown: format!("{days:.1}"),
    }
}
