//! The streams of an HTTP/2 connection whose answers wait for the client to make room: one that never does is cut, as
//! it holds a connection to an upstream. Nothing else would notice: the transport stands still for no stream alone, and
//! hyper asks for no more of a body that has no room.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::task::{self, AbortHandle, Id};
use tokio::time::Instant;

/// The streams of a connection.
#[derive(Default)]
pub struct Streams {
    /// Each runs as a task; of those that ended, some are still here.
    tasks: RefCell<Vec<AbortHandle>>,
    /// How many there may be before those that ended are looked for.
    room: Cell<usize>,
    /// Those that wait for the client, and since when.
    unread: RefCell<Vec<(Id, Instant)>>,
}

/// Tasks before those that ended are looked for the first time.
const ROOM_MIN: usize = 32;

impl Streams {
    /// Takes in the task of a stream.
    pub fn enter(&self, task: AbortHandle) {
        let mut tasks = self.tasks.borrow_mut();
        if tasks.len() >= self.room.get() {
            tasks.retain(|task| !task.is_finished());
            self.room.set(ROOM_MIN.max(2 * tasks.len()));
        }
        tasks.push(task);
    }

    /// Gives up what those that ended left here; there are no others.
    pub fn rest(&self) {
        if !self.tasks.borrow().is_empty() {
            *self.tasks.borrow_mut() = Vec::new();
            self.room.set(0);
        }
    }

    /// The answer of the stream that runs now waits until the client has room for more.
    pub fn wait(&self) {
        if let Some(id) = task::try_id() {
            self.unread.borrow_mut().push((id, Instant::now()));
        }
    }

    /// The client has room for more of the answer of the stream that runs now.
    pub fn go_on(&self) {
        let mut unread = self.unread.borrow_mut();
        let id = task::try_id();
        if let Some(place) = unread.iter().rposition(|(waiting, _)| Some(*waiting) == id) {
            unread.swap_remove(place);
        }
    }

    /// Cuts the streams that have waited for longer than `patience`, and gives their number.
    pub fn cut_overdue(&self, patience: Duration, now: Instant) -> usize {
        let mut unread = self.unread.borrow_mut();
        let overdue: Vec<_> =
            unread.extract_if(.., |(_, since)| now >= *since + patience).collect();
        for task in &*self.tasks.borrow() {
            if overdue.iter().any(|(id, _)| *id == task.id()) {
                task.abort();
            }
        }
        overdue.len()
    }
}
