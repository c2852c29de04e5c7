//! The queue between those who log and the thread that writes: bounded in lines and in bytes,
//! never waited for by the former.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Lines that may wait.
pub const LINES_MAX: usize = 1024;

/// Bytes that may wait.
pub const BYTES_MAX: usize = 1024 * 1024;

/// Lines on their way to the writer.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    bytes: usize,
    is_closed: bool,
    is_finished: bool,
}

impl Queue {
    /// Adds a line; false if there is no room or the queue is closed.
    pub fn push(&self, line: String) -> bool {
        let mut state = self.lock();
        let has_room = state.lines.len() < LINES_MAX && state.bytes + line.len() <= BYTES_MAX;
        if !has_room || state.is_closed {
            return false;
        }
        state.bytes += line.len();
        state.lines.push(line);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// All lines waiting, at least one; waits for them; `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<Vec<String>> {
        let state = self.lock();
        let mut state = self
            .changed
            .wait_while(state, |state| state.lines.is_empty() && !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        Some(std::mem::take(&mut state.lines)).filter(|lines| !lines.is_empty())
    }

    /// The writer's last word: nothing will be taken any more.
    pub fn finish(&self) {
        self.lock().is_finished = true;
        self.changed.notify_all();
    }

    /// Takes no more lines, and waits until the writer has finished or `deadline` has passed.
    pub fn close(&self, deadline: Instant) {
        let mut state = self.lock();
        state.is_closed = true;
        self.changed.notify_all();
        let patience = deadline.saturating_duration_since(Instant::now());
        drop(self.changed.wait_timeout_while(state, patience, |state| !state.is_finished));
    }

    /// The state; a panic elsewhere while it was held left it as consistent as it is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
