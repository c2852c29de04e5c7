//! The line to the Windows service manager, of which the control handler holds an end too: what is said on it, and in
//! which order.
//!
//! No call of Windows is made here, so that the order is tested on every system; `windows.rs` gives it the handle.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Announce, Status};
use crate::phase::{Controls, Phase};

#[cfg(test)]
mod tests;

/// The manager's own end.
pub trait Tell: Copy + Send {
    /// Tells the manager the status.
    ///
    /// # Errors
    /// When it cannot be told.
    fn tell(self, status: Status) -> io::Result<()>;
}

/// A line; its clones are ends of the same one.
#[derive(Clone)]
pub struct Line<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    /// Absent until the manager gave it.
    handle: Option<T>,
    /// The service is to end: no status that accepts controls may follow.
    is_ending: bool,
    /// The manager may send controls, as far as it was told.
    is_open_to_controls: bool,
}

impl<T: Tell> Line<T> {
    /// A line that says nothing yet.
    pub fn new() -> Self {
        let state = State { handle: None, is_ending: false, is_open_to_controls: false };
        Self(Arc::new(Mutex::new(state)))
    }

    /// From now on what is said is heard.
    pub fn open(&self, handle: T) {
        self.lock().handle = Some(handle);
    }

    /// Tells the manager that the service ends, if it does not know yet, and nothing that accepts controls any more.
    pub fn end(&self) {
        self.lock().end();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Tell> State<T> {
    fn end(&mut self) {
        self.is_ending = true;
        if let Some(handle) = self.handle.filter(|_| self.is_open_to_controls) {
            let status = Status { phase: Phase::Draining, checkpoint: 1, is_reloading: false };
            let _ = self.tell(handle, status);
        }
    }

    fn tell(&mut self, handle: T, status: Status) -> io::Result<()> {
        // Whether a call that failed was heard is not known.
        let before = self.is_open_to_controls;
        self.is_open_to_controls = before || accepts_controls(status);
        handle.tell(status)?;
        self.is_open_to_controls = accepts_controls(status);
        Ok(())
    }
}

impl<T: Tell> Announce for Line<T> {
    fn announce(&mut self, status: Status) -> io::Result<()> {
        // Held while the manager is told, so that nothing said before a stop is heard after it.
        let mut state = self.lock();
        let is_late = state.is_ending && accepts_controls(status);
        let Some(handle) = state.handle.filter(|_| !is_late) else { return Ok(()) };
        if !matches!(status.phase, Phase::Stopped(_)) {
            return state.tell(handle, status);
        }
        // A drain that could not be told is told now, and after the last status nothing is.
        state.end();
        state.is_open_to_controls = false;
        // Under Wine the control handler is called, in this process, under a lock that this status takes too.
        drop(state);
        handle.tell(status)
    }
}

fn accepts_controls(status: Status) -> bool {
    status.phase.controls() != Controls::default()
}
