//! The transition table written out, and what must hold after any history of events.

use proptest::prelude::*;

use super::*;

const STOPPED: Phase = Phase::Stopped(Exit::Clean);
const PHASES: [Phase; 5] =
    [Phase::Starting, Phase::Serving, Phase::Paused, Phase::Draining, STOPPED];
const EVENTS: [Event; 5] = [
    Event::Bound,
    Event::PauseAsked,
    Event::ResumeAsked,
    Event::StopAsked,
    Event::Ended(Exit::Clean),
];

#[test]
fn the_transition_table_is_this() {
    let (serving, paused, draining, stopped) =
        (Some(Phase::Serving), Some(Phase::Paused), Some(Phase::Draining), Some(STOPPED));
    // Columns:  Bound    PauseAsked ResumeAsked StopAsked  Ended
    let table = [
        /* Starting */ [serving, None, None, draining, stopped],
        /* Serving  */ [None, paused, None, draining, stopped],
        /* Paused   */ [None, None, serving, draining, stopped],
        /* Draining */ [None, None, None, None, stopped],
        /* Stopped  */ [None, None, None, None, None],
    ];
    for (phase, row) in PHASES.into_iter().zip(table) {
        for (event, expected) in EVENTS.into_iter().zip(row) {
            assert_eq!(phase.after(event), expected, "{phase:?} after {event:?}");
        }
    }
}

#[test]
fn the_windows_manager_is_told_this() {
    let told =
        PHASES.map(|phase| (phase.manager_state(), phase.controls(), phase.wait_hint().is_some()));
    let (none, all) = (
        Controls::default(),
        Controls {
            stop: true,
            shutdown: true,
            preshutdown: true,
            pause_continue: true,
            param_change: true,
        },
    );
    assert_eq!(
        told,
        [
            (ManagerState::StartPending, none, true),
            (ManagerState::Running, all, false),
            (ManagerState::Paused, all, false),
            (ManagerState::StopPending, none, true),
            (ManagerState::Stopped, none, false),
        ]
    );
}

#[test]
fn systemd_is_told_this() {
    assert_eq!(
        PHASES.map(Phase::notify_text),
        [
            "STATUS=starting\nEXTEND_TIMEOUT_USEC=10000000",
            "READY=1\nSTATUS=serving",
            "READY=1\nSTATUS=paused, not ready",
            "STOPPING=1\nSTATUS=draining, requests in flight finish\nEXTEND_TIMEOUT_USEC=10000000",
            "STATUS=stopped: done, or drained and stopped as asked",
        ]
    );
}

#[test]
fn systemd_is_told_of_a_reload_with_the_time_it_was_taken_up() {
    assert_eq!(
        reloading_text(Duration::from_millis(12_345)),
        "RELOADING=1\nMONOTONIC_USEC=12345000\nSTATUS=reloading"
    );
}

#[test]
fn a_reload_ends_with_readiness_in_every_phase_that_accepts_one() {
    for phase in PHASES.into_iter().filter(|phase| phase.controls().param_change) {
        assert!(phase.notify_text().starts_with("READY=1\n"), "{phase:?}");
    }
}

#[test]
fn only_serving_is_ready() {
    for phase in PHASES {
        assert_eq!(phase.unready_reason().is_none(), phase == Phase::Serving, "{phase:?}");
    }
}

#[test]
fn a_wait_hint_outlasts_several_beats() {
    for hint in PHASES.into_iter().filter_map(Phase::wait_hint) {
        assert!(hint >= 3 * BEAT);
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        proptest::sample::select(&EVENTS[..]),
        proptest::sample::select(&Exit::ALL[..]).prop_map(Event::Ended),
    ]
}

proptest! {
    #[test]
    fn no_history_leaves_draining_for_anything_but_stopped(
        events in proptest::collection::vec(event(), 0..40),
    ) {
        let mut phase = Phase::Starting;
        let mut stop_asked = false;
        let mut ended = None;
        for event in events {
            let next = phase.after(event).unwrap_or(phase);
            stop_asked |= event == Event::StopAsked;
            if let Event::Ended(exit) = event {
                ended = ended.or(Some(exit));
            }
            if stop_asked {
                prop_assert!(matches!(next, Phase::Draining | Phase::Stopped(_)));
            }
            if let Some(first) = ended {
                prop_assert_eq!(next, Phase::Stopped(first), "the first ending is the one kept");
            }
            prop_assert!(next != Phase::Starting || phase == Phase::Starting);
            phase = next;
        }
    }
}
