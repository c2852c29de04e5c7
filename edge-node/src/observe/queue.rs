//! The queue between those who tell something and the thread that writes it: bounded in entries and
//! in bytes, never waited for by the former.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Entries.
    pub entries: usize,
    /// Bytes of their text.
    pub bytes: usize,
}

/// Entries on their way to the thread that writes.
pub struct Queue<T> {
    bounds: Bounds,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    entries: Vec<T>,
    bytes: usize,
    is_closed: bool,
    is_finished: bool,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub fn new(bounds: Bounds) -> Self {
        let state = State { entries: Vec::new(), bytes: 0, is_closed: false, is_finished: false };
        Self { bounds, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds an entry with a text of `bytes`.
    ///
    /// # Errors
    /// The entry, if there is no room or the queue is closed.
    pub fn push(&self, entry: T, bytes: usize) -> Result<(), T> {
        let mut state = self.lock();
        let has_room =
            state.entries.len() < self.bounds.entries && state.bytes + bytes <= self.bounds.bytes;
        if !has_room || state.is_closed {
            return Err(entry);
        }
        state.bytes += bytes;
        state.entries.push(entry);
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// Adds an entry whether or not there is room, in the place of those that it makes obsolete.
    pub fn push_instead(&self, entry: T, is_obsolete: impl Fn(&T) -> bool) {
        let mut state = self.lock();
        state.entries.retain(|waiting| !is_obsolete(waiting));
        state.entries.push(entry);
        drop(state);
        self.changed.notify_all();
    }

    /// All that waits, at least one entry; waits for it; `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<Vec<T>> {
        let state = self.lock();
        let mut state = self
            .changed
            .wait_while(state, |state| state.entries.is_empty() && !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        Some(std::mem::take(&mut state.entries)).filter(|entries| !entries.is_empty())
    }

    /// The writer's last word: nothing will be taken any more.
    pub fn finish(&self) {
        self.lock().is_finished = true;
        self.changed.notify_all();
    }

    /// Takes no more entries, and waits until the writer has finished or `deadline` has passed.
    pub fn close(&self, deadline: Instant) {
        let mut state = self.lock();
        state.is_closed = true;
        self.changed.notify_all();
        let patience = deadline.saturating_duration_since(Instant::now());
        drop(self.changed.wait_timeout_while(state, patience, |state| !state.is_finished));
    }

    /// The state; a panic elsewhere while it was held left it as consistent as it is.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded_in_entries_and_in_bytes() {
        let queue = Queue::new(Bounds { entries: 2, bytes: 10 });
        assert_eq!(queue.push('a', 10), Ok(()));
        assert_eq!(queue.push('b', 1), Err('b'));
        assert_eq!(queue.take(), Some(vec!['a']));
        assert!(queue.push('c', 1).is_ok() && queue.push('d', 1).is_ok());
        assert_eq!(queue.push('e', 1), Err('e'));
        assert_eq!(queue.take(), Some(vec!['c', 'd']));
    }

    #[test]
    fn an_entry_that_makes_others_obsolete_takes_their_place_at_the_end() {
        let queue = Queue::new(Bounds { entries: 2, bytes: 10 });
        assert!(queue.push('A', 1).is_ok() && queue.push('b', 1).is_ok());
        queue.push_instead('C', |waiting| waiting.is_uppercase());
        assert_eq!(queue.take(), Some(vec!['b', 'C']));
    }
}
