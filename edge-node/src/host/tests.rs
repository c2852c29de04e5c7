//! What a host hears over a life of the service.

use std::sync::{Arc, Mutex};

use super::*;

/// An ear that remembers.
struct Memory(Arc<Mutex<Vec<Status>>>);

impl Announce for Memory {
    fn announce(&mut self, status: Status) -> io::Result<()> {
        self.0.lock().unwrap().push(status);
        Ok(())
    }
}

fn heard(life: impl FnOnce(&mut Herald)) -> Vec<(Phase, u32)> {
    let memory = Arc::new(Mutex::new(Vec::new()));
    life(&mut Herald::new(Box::new(Memory(memory.clone()))));
    let heard = memory.lock().unwrap();
    heard.iter().map(|status| (status.phase, status.checkpoint)).collect()
}

#[test]
fn checkpoints_count_up_in_pending_phases_and_are_zero_in_settled_ones() {
    let statuses = heard(|herald| {
        herald.beat();
        herald.advance(Event::Bound);
        herald.beat();
        herald.advance(Event::StopAsked);
        herald.beat();
        herald.beat();
        herald.advance(Event::Ended(Exit::Clean));
        herald.beat();
    });
    assert_eq!(
        statuses,
        [
            (Phase::Starting, 1),
            (Phase::Starting, 2),
            (Phase::Serving, 0),
            (Phase::Draining, 1),
            (Phase::Draining, 2),
            (Phase::Draining, 3),
            (Phase::Stopped(Exit::Clean), 0),
        ]
    );
}

#[test]
fn an_event_that_does_not_apply_is_not_announced() {
    let statuses = heard(|herald| {
        herald.advance(Event::Ended(Exit::Config));
        herald.advance(Event::Bound);
        herald.advance(Event::Ended(Exit::Clean));
    });
    assert_eq!(statuses, [(Phase::Starting, 1), (Phase::Stopped(Exit::Config), 0)]);
}

#[test]
fn a_reload_is_announced_at_its_begin_and_its_end() {
    let memory = Arc::new(Mutex::new(Vec::new()));
    let mut herald = Herald::new(Box::new(Memory(memory.clone())));
    herald.advance(Event::Bound);
    herald.reload_begins();
    herald.reload_ends();
    let heard = memory.lock().unwrap();
    let reloads: Vec<_> = heard.iter().map(|told| (told.phase, told.is_reloading)).collect();
    let [starting, serving] = [Phase::Starting, Phase::Serving];
    assert_eq!(reloads, [(starting, false), (serving, false), (serving, true), (serving, false)]);
}

#[test]
fn watchers_see_the_phase_the_host_was_told() {
    let mut herald = Herald::new(Box::new(foreground::Nobody));
    let phases = herald.watch();
    assert_eq!(*phases.borrow(), Phase::Starting);
    herald.advance(Event::Bound);
    assert_eq!(*phases.borrow(), Phase::Serving);
}

/// An ear that is deaf for the first calls.
struct Deaf {
    calls: u32,
    heard: Arc<Mutex<Vec<Status>>>,
}

impl Announce for Deaf {
    fn announce(&mut self, status: Status) -> io::Result<()> {
        if self.calls > 0 {
            self.calls -= 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.heard.lock().unwrap().push(status);
        Ok(())
    }
}

#[test]
fn a_settled_phase_is_told_again_until_it_is_heard_and_then_no_more() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let mut herald = Herald::new(Box::new(Deaf { calls: 3, heard: heard.clone() }));
    herald.advance(Event::Bound);
    assert!(herald.is_unheard());
    for is_unheard in [true, false, false, false] {
        herald.beat();
        assert_eq!(herald.is_unheard(), is_unheard);
    }
    assert_eq!(
        *heard.lock().unwrap(),
        [Status { phase: Phase::Serving, checkpoint: 0, is_reloading: false }]
    );
}
