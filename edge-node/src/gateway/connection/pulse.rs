//! What a client's connection is doing, and since when: noted where bytes and requests pass, read
//! by the worker's clock, so that no timer is set for each request.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Nothing of a request is there.
const IDLE: u32 = u32::MAX;
/// A part of a head is there, or of what comes before the first one.
const HEAD: u32 = u32::MAX - 1;

/// The pulse of a connection. All of it happens on one thread; the atomics are for the upgrade of
/// a connection, which may not hold what is bound to a thread.
#[derive(Debug)]
pub struct Pulse {
    epoch: Instant,
    /// [`IDLE`], [`HEAD`] or the number of requests being answered.
    state: AtomicU32,
    /// Milliseconds from `epoch` to the last change of `state`.
    since: AtomicU64,
    /// True while bytes wait for the client to read, or may.
    is_writing: AtomicBool,
    /// The number of requests so far.
    requests: AtomicU32,
    /// The number of the last request that had a body, while some of it may still be on its way; else zero.
    body: AtomicU32,
}

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// While a head is on its way.
    pub head: Duration,
    /// While none is.
    pub idle: Duration,
    /// While the client has no room for an answer.
    pub write: Duration,
}

/// What a connection did for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Nothing.
    Idle,
    /// Nothing, though told to end: its client does not read what is left of an answer.
    Unread,
    /// It waited for the rest of a head.
    Head,
    /// Nothing, for long enough that its buffers are better used elsewhere.
    Rest,
}

/// How long a connection keeps its buffers without a request: a rush of clients that ask once each
/// would else hold those of all of them.
const REST: Duration = Duration::from_millis(200);

impl Pulse {
    /// That of a connection which was just taken.
    pub fn new() -> Self {
        Self {
            epoch: Instant::now(),
            state: AtomicU32::new(HEAD),
            since: AtomicU64::new(0),
            is_writing: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            body: AtomicU32::new(0),
        }
    }

    /// Bytes came of what may be the next head.
    pub fn heard(&self) {
        if self.state.load(Ordering::Relaxed) == IDLE {
            self.turn(HEAD, Instant::now());
        }
    }

    /// Bytes of what may be the next head are there, and were when the last answer ended.
    pub fn heard_before(&self) {
        if self.state.load(Ordering::Relaxed) == IDLE {
            self.state.store(HEAD, Ordering::Relaxed);
        }
    }

    /// What comes before the first head went well; the time for that begins anew. With HTTP/2 there is nothing to wait
    /// for: its clients connect before they have anything to ask.
    pub fn greeted(&self, is_head_due: bool) {
        self.turn(if is_head_due { HEAD } else { IDLE }, Instant::now());
    }

    /// Bytes could be written, or wait.
    pub fn wrote(&self, is_done: bool) {
        self.is_writing.store(!is_done, Ordering::Relaxed);
    }

    /// The request that just began has a body, or has none; gives its number.
    pub fn note_body(&self, has_body: bool) -> u32 {
        let number = self.requests.load(Ordering::Relaxed).wrapping_add(1).max(1);
        self.requests.store(number, Ordering::Relaxed);
        self.body.store(if has_body { number } else { 0 }, Ordering::Relaxed);
        number
    }

    /// The body of the request of this number came to its end. That of a later one may not have.
    pub fn end_body(&self, number: u32) {
        let _later = self.body.compare_exchange(number, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// True if nothing of a request or an answer is on its way.
    pub fn is_at_rest(&self) -> bool {
        self.state.load(Ordering::Relaxed) == IDLE
            && !self.is_writing.load(Ordering::Relaxed)
            && self.body.load(Ordering::Relaxed) == 0
    }

    /// A head is complete.
    pub fn begin(&self, now: Instant) {
        let state = self.state.load(Ordering::Relaxed);
        self.turn(if state >= HEAD { 1 } else { state + 1 }, now);
    }

    /// An answer is complete, or was given up.
    pub fn end(&self, now: Instant) {
        let state = self.state.load(Ordering::Relaxed);
        self.turn(if state >= HEAD || state <= 1 { IDLE } else { state - 1 }, now);
    }

    /// What it did for longer than it may, if anything.
    pub fn overdue(&self, patience: Patience, now: Instant) -> Option<Overdue> {
        let since = Duration::from_millis(self.since.load(Ordering::Relaxed));
        let passed = now.saturating_duration_since(self.epoch).saturating_sub(since);
        match self.state.load(Ordering::Relaxed) {
            IDLE if passed >= patience.idle + patience.write => Some(Overdue::Unread),
            IDLE if passed >= patience.idle => Some(Overdue::Idle),
            IDLE if passed >= REST => Some(Overdue::Rest),
            HEAD if passed >= patience.head => Some(Overdue::Head),
            _requests => None,
        }
    }

    fn turn(&self, state: u32, now: Instant) {
        let since = now.saturating_duration_since(self.epoch).as_millis();
        self.since.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.state.store(state, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: SECOND.saturating_mul(10),
        idle: SECOND.saturating_mul(60),
        write: SECOND,
    };
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_connection_rests_once_the_body_of_its_last_request_has_come() {
        let pulse = Pulse::new();
        let ask = |has_body| {
            pulse.begin(pulse.epoch);
            let number = pulse.note_body(has_body);
            pulse.end(pulse.epoch);
            number
        };
        ask(false);
        assert!(pulse.is_at_rest());
        let (first, second) = (ask(true), ask(true));
        pulse.end_body(first);
        assert!(!pulse.is_at_rest(), "the second is on its way");
        pulse.end_body(second);
        assert!(pulse.is_at_rest());
    }

    #[test]
    fn a_head_that_began_during_an_answer_is_waited_for_from_the_end_of_that() {
        let pulse = Pulse::new();
        let after = |seconds| pulse.epoch + Duration::from_secs(seconds);
        pulse.begin(after(0));
        pulse.end(after(5));
        pulse.heard_before();
        let overdue = |seconds| pulse.overdue(PATIENCE, after(seconds));
        assert_eq!((overdue(14), overdue(15)), (None, Some(Overdue::Head)));
    }

    #[test]
    fn a_head_is_waited_for_less_long_than_a_request_and_an_answer_for_ever() {
        let pulse = Pulse::new();
        let start = pulse.epoch;
        let after = |seconds| start + Duration::from_secs(seconds);
        let overdue = |seconds| pulse.overdue(PATIENCE, after(seconds));
        assert_eq!((overdue(9), overdue(10)), (None, Some(Overdue::Head)));
        pulse.begin(after(5));
        pulse.begin(after(6));
        assert_eq!(overdue(10_000), None);
        pulse.end(after(7));
        assert_eq!(overdue(10_000), None, "one request goes on");
        pulse.end(after(20));
        assert_eq!((overdue(20), overdue(21)), (None, Some(Overdue::Rest)));
        assert_eq!((overdue(79), overdue(80)), (Some(Overdue::Rest), Some(Overdue::Idle)));
        assert_eq!(overdue(81), Some(Overdue::Unread));
    }
}
