//! The health of one upstream as a state machine: what probes and traffic make of it, and when time alone changes it.
//! Pure: time is given, nothing is told to anybody; whoever drives it acts on the [`Transition`] it gets back.
//!
//! Two witnesses, one verdict. Probes make an upstream unhealthy, and healthy again; traffic ejects it for a time that
//! grows with each ejection. An ejection is not ended by a probe that succeeds, and one that fails meanwhile makes the
//! upstream unhealthy, so that it does not come back on time alone. Whoever comes back does so through the slow start.

use std::time::Duration;

use tokio::time::Instant;

use crate::config;

/// The share of its weight, in thousandths, with which an upstream begins its slow start.
pub const SLOW_START_PERMILLE: u32 = 100;

/// A full share.
pub const FULL_PERMILLE: u32 = 1000;

/// Steps in which the weight grows during a slow start: each is at most 3 % of the weight off the straight line.
const SLOW_START_STEPS: u32 = 32;

/// The weight is not computed more often than this.
const STEP_MIN: Duration = Duration::from_millis(10);

/// Ejections are counted up to here at most, however small the times are.
const EJECTIONS_MAX: u32 = 32;

/// What an upstream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not probed yet; requests take it for healthy.
    Unknown,
    /// It gets its share of requests.
    Healthy,
    /// Probes found it down.
    Unhealthy {
        /// The end of an ejection that it was in at that time, and returns to if it comes up before.
        ejected_until: Option<Instant>,
    },
    /// Its answers were too bad; it gets no requests for a while.
    Ejected {
        /// The while.
        until: Instant,
    },
    /// In its slow start.
    Returning,
}

impl State {
    /// The words of all states, as metrics and reports have them.
    pub const WORDS: [&str; 5] = ["unknown", "healthy", "unhealthy", "ejected", "returning"];

    /// Its place in [`State::WORDS`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Unknown => 0,
            Self::Healthy => 1,
            Self::Unhealthy { .. } => 2,
            Self::Ejected { .. } => 3,
            Self::Returning => 4,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self.index()]
    }

    /// Whether it may be picked outside of panic mode.
    #[must_use]
    pub const fn is_available(self) -> bool {
        matches!(self, Self::Unknown | Self::Healthy | Self::Returning)
    }
}

/// Why traffic ejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Too many errors in a row.
    ConsecutiveErrors,
    /// Too small a share of successes in the window.
    SuccessRate,
}

impl Cause {
    /// The words of all causes, as metrics have them.
    pub const WORDS: [&str; 2] = ["consecutive-errors", "success-rate"];

    /// Its place in [`Cause::WORDS`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::ConsecutiveErrors => 0,
            Self::SuccessRate => 1,
        }
    }
}

/// Why an upstream is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is new.
    New,
    /// The first probe decided.
    FirstProbe,
    /// As many probes in a row as it takes said so.
    Probes,
    /// A probe failed while it was ejected.
    ProbeWhileEjected,
    /// It came up before its ejection was over.
    EjectionGoesOn,
    /// Traffic said so.
    Traffic(Cause),
    /// Its ejection is over.
    EjectionOver,
    /// Its slow start is over.
    SlowStartOver,
    /// The config no longer wants it probed, so nothing would ever find it up.
    ProbesEnded,
}

impl Reason {
    /// What logs and reports say.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::FirstProbe => "first-probe",
            Self::Probes => "probes",
            Self::ProbeWhileEjected => "probe-failed-while-ejected",
            Self::EjectionGoesOn => "up-before-ejection-is-over",
            Self::Traffic(cause) => Cause::WORDS[cause.index()],
            Self::EjectionOver => "ejection-over",
            Self::SlowStartOver => "slow-start-over",
            Self::ProbesEnded => "probes-ended",
        }
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// Since when; before the present where time alone changed it and nobody looked.
    pub at: Instant,
}

/// The state of an upstream and what decides the next one.
#[derive(Clone, Debug)]
pub struct Machine {
    state: State,
    since: Instant,
    reason: Reason,
    /// Probes that succeeded in a row.
    successes: u32,
    /// Probes that failed in a row.
    failures: u32,
    /// Ejections that are not forgiven yet, as of the last one.
    ejections: u32,
    /// When the last ejection is or was over.
    released: Option<Instant>,
}

impl Machine {
    /// A new upstream: unknown where it is going to be probed, else healthy until traffic says otherwise.
    #[must_use]
    pub const fn new(now: Instant, is_probed: bool) -> Self {
        Self {
            state: if is_probed { State::Unknown } else { State::Healthy },
            since: now,
            reason: Reason::New,
            successes: 0,
            failures: 0,
            ejections: 0,
            released: None,
        }
    }

    /// What it is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Since when.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Probes in a row that succeeded and that failed; one of the two is 0.
    #[must_use]
    pub const fn probes_in_a_row(&self) -> (u32, u32) {
        (self.successes, self.failures)
    }

    /// Whether an ejection is in force, be it that probes found the upstream down as well.
    #[must_use]
    pub fn is_ejected(&self, now: Instant) -> bool {
        match self.state {
            State::Ejected { until } | State::Unhealthy { ejected_until: Some(until) } => {
                now < until
            }
            State::Unknown
            | State::Healthy
            | State::Returning
            | State::Unhealthy { ejected_until: None } => false,
        }
    }

    /// The share of its weight that it gets, in thousandths; 0 where it may not be picked.
    #[must_use]
    pub fn share_permille(&self, now: Instant, settings: &config::Pool) -> u32 {
        match self.state {
            State::Unknown | State::Healthy => FULL_PERMILLE,
            State::Unhealthy { .. } | State::Ejected { .. } => 0,
            State::Returning => {
                ramp(now.saturating_duration_since(self.since), settings.slow_start)
            }
        }
    }

    /// When time alone changes its state or its weight next.
    #[must_use]
    pub fn next_change(&self, now: Instant, settings: &config::Pool) -> Option<Instant> {
        match self.state {
            State::Unknown | State::Healthy | State::Unhealthy { .. } => None,
            State::Ejected { until } => Some(until),
            State::Returning => {
                let step = (settings.slow_start / SLOW_START_STEPS).max(STEP_MIN);
                Some((now + step).min(self.since + settings.slow_start))
            }
        }
    }

    /// Does what time alone does. To be called until it has nothing more to say, and before everything below.
    pub fn settle(&mut self, now: Instant, settings: &config::Pool) -> Option<Transition> {
        match self.state {
            State::Ejected { until } if now >= until => {
                Some(self.come_back(until, Reason::EjectionOver, settings))
            }
            State::Returning if now >= self.since + settings.slow_start => {
                let at = self.since + settings.slow_start;
                Some(self.turn(State::Healthy, Reason::SlowStartOver, at))
            }
            State::Unknown
            | State::Healthy
            | State::Returning
            | State::Unhealthy { .. }
            | State::Ejected { .. } => None,
        }
    }

    /// Takes the result of a probe; none counts for a pool without probes.
    pub fn probed(
        &mut self,
        is_success: bool,
        now: Instant,
        settings: &config::Pool,
    ) -> Option<Transition> {
        let probe = settings.probe.as_ref()?;
        if is_success {
            (self.successes, self.failures) = (self.successes.saturating_add(1), 0);
        } else {
            (self.successes, self.failures) = (0, self.failures.saturating_add(1));
        }
        match self.state {
            State::Unknown if is_success => {
                Some(self.turn(State::Healthy, Reason::FirstProbe, now))
            }
            State::Unknown => Some(self.go_down(None, Reason::FirstProbe, now)),
            State::Healthy | State::Returning if self.failures >= probe.down_after => {
                Some(self.go_down(None, Reason::Probes, now))
            }
            State::Ejected { until } if !is_success => {
                Some(self.go_down(Some(until), Reason::ProbeWhileEjected, now))
            }
            State::Unhealthy { ejected_until } if self.successes >= probe.up_after => {
                Some(match ejected_until.filter(|until| now < *until) {
                    Some(until) => self.turn(State::Ejected { until }, Reason::EjectionGoesOn, now),
                    None => self.come_back(now, Reason::Probes, settings),
                })
            }
            State::Healthy | State::Returning | State::Ejected { .. } | State::Unhealthy { .. } => {
                None
            }
        }
    }

    /// Ejects it for longer than the last time; nothing happens to one that gets no requests anyway.
    pub fn eject(
        &mut self,
        cause: Cause,
        now: Instant,
        settings: &config::Pool,
    ) -> Option<Transition> {
        if !self.state.is_available() {
            return None;
        }
        self.ejections = self.ejections(now, settings) + 1;
        let until = now + ejection_time(self.ejections, &settings.ejection);
        self.released = Some(until);
        // More would only take longer to be forgiven, and eject for no longer.
        if until >= now + settings.ejection.time_max {
            let enough =
                |n: &u32| ejection_time(*n, &settings.ejection) >= settings.ejection.time_max;
            self.ejections = (1..self.ejections).find(enough).unwrap_or(self.ejections);
        }
        self.ejections = self.ejections.min(EJECTIONS_MAX);
        Some(self.turn(State::Ejected { until }, Reason::Traffic(cause), now))
    }

    /// Lets go of what only probes could change, because there are none any more.
    pub fn unprobed(&mut self, now: Instant, settings: &config::Pool) -> Option<Transition> {
        (self.successes, self.failures) = (0, 0);
        match self.state {
            State::Unknown => Some(self.turn(State::Healthy, Reason::ProbesEnded, now)),
            State::Unhealthy { ejected_until: Some(until) } if now < until => {
                Some(self.turn(State::Ejected { until }, Reason::ProbesEnded, now))
            }
            State::Unhealthy { .. } => Some(self.come_back(now, Reason::ProbesEnded, settings)),
            State::Healthy | State::Ejected { .. } | State::Returning => None,
        }
    }

    /// Ejections that are not forgiven yet. One is forgiven for each time, counted from the end of the slow start, that
    /// the upstream serves for as long as it was ejected.
    #[must_use]
    pub fn ejections(&self, now: Instant, settings: &config::Pool) -> u32 {
        let Some(released) = self.released else { return 0 };
        let mut quiet = now.saturating_duration_since(released + settings.slow_start);
        let mut left = self.ejections;
        while left > 0 {
            match quiet.checked_sub(ejection_time(left, &settings.ejection)) {
                Some(rest) if !quiet.is_zero() => (quiet, left) = (rest, left - 1),
                Some(_) | None => break,
            }
        }
        left
    }

    fn go_down(
        &mut self,
        ejected_until: Option<Instant>,
        reason: Reason,
        at: Instant,
    ) -> Transition {
        self.turn(State::Unhealthy { ejected_until }, reason, at)
    }

    fn come_back(&mut self, at: Instant, reason: Reason, settings: &config::Pool) -> Transition {
        let has_slow_start = !settings.slow_start.is_zero();
        self.turn(if has_slow_start { State::Returning } else { State::Healthy }, reason, at)
    }

    fn turn(&mut self, to: State, reason: Reason, at: Instant) -> Transition {
        let from = std::mem::replace(&mut self.state, to);
        (self.since, self.reason) = (at, reason);
        Transition { from, to, reason, at }
    }
}

/// How long the `n`-th ejection in a row lasts; `n` counts from 1.
fn ejection_time(n: u32, ejection: &config::Ejection) -> Duration {
    let factor = 1_u32.checked_shl(n.saturating_sub(1)).unwrap_or(u32::MAX);
    ejection.time_base.saturating_mul(factor).min(ejection.time_max)
}

/// The share of its weight that an upstream gets after some time of its slow start, in thousandths.
fn ramp(elapsed: Duration, slow_start: Duration) -> u32 {
    if elapsed >= slow_start {
        return FULL_PERMILLE;
    }
    let done = elapsed.as_secs_f64() / slow_start.as_secs_f64();
    // Below a thousand, so it fits.
    SLOW_START_PERMILLE + (f64::from(FULL_PERMILLE - SLOW_START_PERMILLE) * done) as u32
}

#[cfg(test)]
mod tests;
