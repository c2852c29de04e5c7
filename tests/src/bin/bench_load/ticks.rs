//! A clock that ticks more often than tokio's, which knows milliseconds only: a thread that sleeps and wakes the others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

/// From one tick to the next, at least.
pub const LENGTH: Duration = Duration::from_micros(100);

/// Ticks until it is dropped.
pub struct Ticks(Arc<Notify>);

impl Ticks {
    /// Starts them.
    pub fn start() -> Self {
        let ticks = Arc::new(Notify::new());
        let bell = Arc::downgrade(&ticks);
        std::thread::spawn(move || {
            while let Some(ticks) = bell.upgrade() {
                ticks.notify_one();
                drop(ticks);
                std::thread::sleep(LENGTH);
            }
        });
        Self(ticks)
    }

    /// Waits for the next; those that passed unnoticed count as one.
    pub async fn next(&self) {
        self.0.notified().await;
    }
}
