//! What the log says of upstreams: each change of state, and the beginning and end of panic mode.

use super::Upstream;
use super::state::{State, Transition};
use crate::observe::logs::{Level, Logs};

/// A change of state; `detail` is what the last probe found.
pub fn change(
    logs: &Logs,
    pool: &str,
    upstream: &Upstream,
    transition: &Transition,
    detail: Option<&str>,
) {
    let Transition { from, to, reason, .. } = transition;
    let (level, message) = match to {
        State::Unhealthy { .. } => (Level::Warn, "upstream is unhealthy"),
        State::Ejected { .. } => (Level::Warn, "upstream is ejected"),
        State::Returning => (Level::Info, "upstream returns, slowly"),
        State::Healthy | State::Unknown => (Level::Info, "upstream is healthy"),
    };
    let mut record = logs
        .record(level, "upstream", message)
        .field("pool", pool)
        .field("upstream", upstream.address())
        .field("from", from.as_str())
        .field("to", to.as_str())
        .field("reason", reason.as_str());
    if let State::Ejected { until } = to {
        record = record.value("seconds", (*until - transition.at).as_secs_f64());
    }
    if let Some(detail) = detail {
        record = record.field("detail", detail);
    }
    record.emit();
}

/// The beginning or the end of panic mode.
pub fn panic_mode(logs: &Logs, pool: &str, is_panicking: bool) {
    if is_panicking {
        let message = "too few upstreams are available: all are picked from, whatever their health";
        logs.record(Level::Warn, "upstream", message)
    } else {
        logs.record(Level::Info, "upstream", "enough upstreams are available again")
    }
    .field("pool", pool)
    .emit();
}
