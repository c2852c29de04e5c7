//! What the machine does when, by given times.

use proptest::prelude::*;

use super::*;
use crate::upstream::pool::tests::settings;

const SECOND: Duration = Duration::from_secs(1);

/// 3 down, 2 up; ejected 5 s doubled up to 300 s; 10 s of slow start.
fn probed_pool() -> config::Pool {
    let mut pool = settings(1);
    pool.probe = Some(config::Probe {
        kind: config::ProbeKind::Tcp,
        interval: SECOND * 10,
        jitter_percent: 10,
        timeout: SECOND * 2,
        down_after: 3,
        up_after: 2,
    });
    pool
}

/// A machine, and a clock for it.
struct Rig {
    machine: Machine,
    settings: config::Pool,
    now: Instant,
}

impl Rig {
    fn new(settings: config::Pool) -> Self {
        let now = Instant::now();
        Self { machine: Machine::new(now, settings.probe.is_some()), settings, now }
    }

    fn wait(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        while self.machine.settle(self.now, &self.settings).is_some() {}
        self
    }

    /// Probes, `+` for one that succeeds; the state after each.
    fn probe(&mut self, results: &str) -> String {
        let state = |result| {
            self.machine.probed(result == '+', self.now, &self.settings);
            self.machine.state().as_str()
        };
        results.chars().map(state).collect::<Vec<_>>().join(" ")
    }

    /// Ejects; for how long.
    fn eject(&mut self) -> Option<Duration> {
        let cause = Cause::ConsecutiveErrors;
        match self.machine.eject(cause, self.now, &self.settings)?.to {
            State::Ejected { until } => Some(until - self.now),
            State::Unknown | State::Healthy | State::Unhealthy { .. } | State::Returning => None,
        }
    }

    fn word(&self) -> &'static str {
        self.machine.state().as_str()
    }

    fn share(&self) -> u32 {
        self.machine.share_permille(self.now, &self.settings)
    }
}

#[test]
fn the_first_probe_decides_and_until_then_requests_come() {
    let mut rig = Rig::new(probed_pool());
    assert_eq!((rig.word(), rig.share()), ("unknown", 1000));
    assert_eq!(rig.probe("+"), "healthy");
    assert_eq!(rig.share(), 1000, "there is no slow start at the start");
    let mut rig = Rig::new(probed_pool());
    assert_eq!(rig.probe("-"), "unhealthy");
    assert_eq!(rig.share(), 0);
}

#[test]
fn a_healthy_one_goes_down_after_three_failures_in_a_row_and_comes_up_after_two_successes() {
    let mut rig = Rig::new(probed_pool());
    rig.probe("+");
    assert_eq!(rig.probe("--+--"), "healthy healthy healthy healthy healthy");
    assert_eq!(rig.probe("-"), "unhealthy");
    assert_eq!(rig.probe("+-+"), "unhealthy unhealthy unhealthy");
    assert_eq!(rig.probe("+"), "returning");
}

#[test]
fn one_that_comes_back_gets_its_share_in_a_straight_line_from_a_tenth() {
    let mut rig = Rig::new(probed_pool());
    rig.probe("-++");
    for (seconds, share) in [(0, 100), (1, 190), (4, 550), (4, 910)] {
        assert_eq!(rig.wait(SECOND * seconds).share(), share, "after {seconds} s more");
    }
    assert_eq!(rig.wait(SECOND).word(), "healthy");
    assert_eq!(rig.share(), 1000);
}

#[test]
fn without_a_slow_start_it_is_healthy_at_once() {
    let mut rig = Rig::new(config::Pool { slow_start: Duration::ZERO, ..probed_pool() });
    assert_eq!(rig.probe("-++"), "unhealthy unhealthy healthy");
}

#[test]
fn each_ejection_lasts_twice_as_long_up_to_the_longest() {
    let mut rig = Rig::new(settings(1));
    let lasted: Vec<_> = (0..8)
        .map(|_| {
            let time = rig.eject().unwrap();
            rig.wait(time);
            time.as_secs()
        })
        .collect();
    assert_eq!(lasted, [5, 10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn an_ejection_is_forgiven_for_as_long_a_time_without_one_behind_the_slow_start() {
    let mut rig = Rig::new(settings(1));
    rig.eject();
    rig.wait(SECOND * 5);
    assert_eq!(rig.eject(), Some(SECOND * 10));
    // 10 s ejected, 10 s of slow start, 10 s quiet: one is forgiven; 5 s more: both.
    rig.wait(SECOND * 29);
    assert_eq!(rig.machine.ejections(rig.now, &rig.settings), 2);
    rig.wait(SECOND);
    assert_eq!(rig.machine.ejections(rig.now, &rig.settings), 1);
    rig.wait(SECOND * 5);
    assert_eq!(rig.eject(), Some(SECOND * 5));
}

#[test]
fn an_ejection_is_over_by_time_alone_and_says_since_when() {
    let mut rig = Rig::new(settings(1));
    rig.eject();
    let end = rig.now + SECOND * 5;
    rig.now += SECOND * 7;
    let over = rig.machine.settle(rig.now, &rig.settings).unwrap();
    assert_eq!((over.to, over.reason, over.at), (State::Returning, Reason::EjectionOver, end));
    assert_eq!(rig.share(), 280, "its slow start began two seconds ago");
}

#[test]
fn a_probe_that_succeeds_does_not_end_an_ejection() {
    let mut rig = Rig::new(probed_pool());
    rig.probe("+");
    rig.eject();
    assert_eq!(rig.probe("+++"), "ejected ejected ejected");
    assert_eq!(rig.wait(SECOND * 5).word(), "returning");
}

#[test]
fn a_probe_that_fails_makes_an_ejected_one_unhealthy_and_time_does_not_bring_it_back() {
    let mut rig = Rig::new(probed_pool());
    rig.probe("+");
    rig.eject();
    assert_eq!(rig.probe("-"), "unhealthy");
    assert!(rig.machine.is_ejected(rig.now));
    assert_eq!(rig.wait(SECOND * 60).word(), "unhealthy");
    assert!(!rig.machine.is_ejected(rig.now));
    assert_eq!(rig.probe("++"), "unhealthy returning");
}

#[test]
fn one_that_comes_up_before_its_ejection_is_over_goes_on_with_it() {
    let mut rig = Rig::new(probed_pool());
    rig.probe("+");
    rig.eject();
    rig.probe("-");
    rig.wait(SECOND * 2);
    assert_eq!(rig.probe("++"), "unhealthy ejected");
    assert_eq!(rig.wait(SECOND * 2).word(), "ejected");
    assert_eq!(rig.wait(SECOND).word(), "returning");
}

#[test]
fn one_that_gets_no_requests_is_not_ejected() {
    let mut rig = Rig::new(probed_pool());
    rig.probe("-");
    assert_eq!(rig.eject(), None);
    let mut rig = Rig::new(settings(1));
    rig.eject();
    assert_eq!(rig.eject(), None);
}

#[test]
fn when_probes_end_nobody_stays_down_for_ever() {
    let mut rig = Rig::new(probed_pool());
    rig.probe("-");
    rig.settings = settings(1);
    rig.machine.unprobed(rig.now, &rig.settings);
    assert_eq!(rig.word(), "returning");
    let mut rig = Rig::new(probed_pool());
    rig.machine.unprobed(rig.now, &rig.settings);
    assert_eq!(rig.word(), "healthy");
    let mut rig = Rig::new(probed_pool());
    rig.eject();
    rig.probe("-");
    rig.machine.unprobed(rig.now, &rig.settings);
    assert_eq!(rig.word(), "ejected");
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Wait(u64),
    Probe(bool),
    Eject,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0_u64..20_000).prop_map(Event::Wait),
        any::<bool>().prop_map(Event::Probe),
        Just(Event::Eject),
    ];
    prop::collection::vec(event, 0..120)
}

proptest! {
    #[test]
    fn whatever_happens_thresholds_and_ejections_are_exact(events in events()) {
        let mut rig = Rig::new(probed_pool());
        let mut in_a_row = (0, 0);
        let mut ejected_until = None;
        for event in events {
            match event {
                Event::Wait(ms) => {
                    rig.wait(Duration::from_millis(ms));
                }
                Event::Probe(is_success) => {
                    in_a_row = if is_success { (in_a_row.0 + 1, 0) } else { (0, in_a_row.1 + 1) };
                    let before = rig.machine.state();
                    rig.machine.probed(is_success, rig.now, &rig.settings);
                    let after = rig.machine.state();
                    let went_down = before.is_available() && !after.is_available();
                    let expected = in_a_row.1 >= 3 || (before == State::Unknown && !is_success);
                    prop_assert_eq!(went_down, before.is_available() && expected);
                    if matches!(before, State::Unhealthy { .. }) {
                        let is_up = !matches!(after, State::Unhealthy { .. });
                        prop_assert_eq!(is_up, in_a_row.0 >= 2);
                    }
                }
                Event::Eject => {
                    let was_available = rig.machine.state().is_available();
                    let time = rig.eject();
                    prop_assert_eq!(time.is_some(), was_available);
                    if let Some(time) = time {
                        prop_assert!((SECOND * 5..=SECOND * 300).contains(&time));
                        ejected_until = Some(rig.now + time);
                    }
                }
            }
            // No request before the end of an ejection, and never more than a full share.
            if ejected_until.is_some_and(|until| rig.now < until) {
                prop_assert_eq!(rig.share(), 0);
            }
            prop_assert!(rig.share() <= 1000);
            prop_assert_eq!(rig.share() > 0, rig.machine.state().is_available());
        }
    }
}
