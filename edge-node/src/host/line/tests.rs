//! What the manager hears of a service and its control handler, in which order, and that neither waits for the other.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use super::*;
use crate::exit::Exit;

/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(10);
const FAILED: Phase = Phase::Stopped(Exit::Failed);

/// A manager that remembers.
struct Manager {
    heard: Mutex<Vec<(Phase, u32)>>,
    /// Told of each status before it is heard.
    begun: Mutex<Sender<Phase>>,
    /// Taken for the status of this phase, as Wine takes a lock for the last one.
    held: Option<Phase>,
    lock: Mutex<()>,
    /// Statuses of this phase do not arrive.
    lost: Option<Phase>,
}

impl Tell for &'static Manager {
    fn tell(self, status: Status) -> io::Result<()> {
        let _ = self.begun.lock().unwrap().send(status.phase);
        if self.lost == Some(status.phase) {
            return Err(io::Error::other("lost"));
        }
        let _held = (self.held == Some(status.phase)).then(|| self.lock.lock().unwrap());
        self.heard.lock().unwrap().push((status.phase, status.checkpoint));
        Ok(())
    }
}

impl Manager {
    /// A line to a manager that has a lock for one phase and does not hear another.
    fn connect(
        held: Option<Phase>,
        lost: Option<Phase>,
    ) -> (Line<&'static Self>, &'static Self, Receiver<Phase>) {
        let (begun, begins) = mpsc::channel();
        let (heard, begun, lock) = (Mutex::default(), Mutex::new(begun), Mutex::default());
        let manager: &'static Self = Box::leak(Box::new(Self { heard, begun, held, lock, lost }));
        let line = Line::new();
        line.open(manager);
        (line, manager, begins)
    }

    fn heard(&self) -> Vec<Phase> {
        self.heard.lock().unwrap().iter().map(|(phase, _)| *phase).collect()
    }
}

fn status(phase: Phase, checkpoint: u32) -> Status {
    Status { phase, checkpoint, is_reloading: false }
}

fn settled(phase: Phase) -> Status {
    status(phase, 0)
}

/// Does it on a thread; the receiver is told when it is done.
fn apart(what: impl FnOnce() + Send + 'static) -> Receiver<()> {
    let (done, end) = mpsc::channel();
    thread::spawn(move || {
        what();
        done.send(())
    });
    end
}

#[test]
fn a_stop_that_meets_the_last_status_waits_for_nobody() {
    let (mut line, manager, begins) = Manager::connect(Some(FAILED), None);
    let handler = line.clone();
    let call = manager.lock.lock().unwrap();
    let service = apart(move || line.announce(settled(FAILED)).unwrap());
    begins.recv_timeout(SOON).unwrap();
    let handler = apart(move || handler.end());
    handler.recv_timeout(SOON).expect("the handler waits for nobody");
    drop(call);
    service.recv_timeout(SOON).unwrap();
    assert_eq!(manager.heard(), [FAILED]);
}

#[test]
fn a_stop_is_heard_after_what_was_being_told() {
    let (mut line, manager, begins) = Manager::connect(Some(Phase::Serving), None);
    let handler = line.clone();
    let call = manager.lock.lock().unwrap();
    let service = apart(move || line.announce(settled(Phase::Serving)).unwrap());
    begins.recv_timeout(SOON).unwrap();
    let handler = apart(move || handler.end());
    // Where it does not wait, it is heard in this time.
    assert!(handler.recv_timeout(Duration::from_millis(200)).is_err());
    drop(call);
    for end in [service, handler] {
        end.recv_timeout(SOON).unwrap();
    }
    assert_eq!(manager.heard(), [Phase::Serving, Phase::Draining]);
}

#[test]
fn nothing_that_accepts_controls_follows_a_stop() {
    let (mut line, manager, _begins) = Manager::connect(None, None);
    line.announce(settled(Phase::Serving)).unwrap();
    line.end();
    for phase in [Phase::Serving, Phase::Paused, FAILED] {
        line.announce(settled(phase)).unwrap();
    }
    line.end();
    assert_eq!(manager.heard(), [Phase::Serving, Phase::Draining, FAILED]);
}

#[test]
fn a_stop_that_comes_late_sets_no_checkpoint_back() {
    let (mut line, manager, _begins) = Manager::connect(None, None);
    line.announce(settled(Phase::Serving)).unwrap();
    for checkpoint in [1, 2] {
        line.announce(status(Phase::Draining, checkpoint)).unwrap();
    }
    line.end();
    let expected = [(Phase::Serving, 0), (Phase::Draining, 1), (Phase::Draining, 2)];
    assert_eq!(*manager.heard.lock().unwrap(), expected);
}

#[test]
fn a_stop_before_the_line_is_open_is_remembered() {
    let (open, manager, _begins) = Manager::connect(None, None);
    drop(open);
    let mut line = Line::new();
    line.end();
    line.open(manager);
    for phase in [Phase::Starting, Phase::Serving, Phase::Draining, FAILED] {
        line.announce(settled(phase)).unwrap();
    }
    assert_eq!(manager.heard(), [Phase::Starting, Phase::Draining, FAILED]);
}

#[test]
fn a_drain_that_was_not_heard_is_told_again_before_the_last_status() {
    let (mut line, manager, begins) = Manager::connect(None, Some(Phase::Draining));
    line.announce(settled(Phase::Serving)).unwrap();
    line.announce(status(Phase::Draining, 1)).unwrap_err();
    line.announce(settled(FAILED)).unwrap();
    // The handler has nothing to say any more.
    line.end();
    assert_eq!(manager.heard(), [Phase::Serving, FAILED]);
    let told: Vec<_> = begins.try_iter().collect();
    assert_eq!(told, [Phase::Serving, Phase::Draining, Phase::Draining, FAILED]);
}

#[test]
fn a_phase_that_was_perhaps_heard_is_ended_all_the_same() {
    let (mut line, manager, _begins) = Manager::connect(None, Some(Phase::Serving));
    line.announce(settled(Phase::Serving)).unwrap_err();
    line.end();
    assert_eq!(manager.heard(), [Phase::Draining]);
}
