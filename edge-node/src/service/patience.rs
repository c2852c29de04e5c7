//! How long a service manager's pending state is waited for: as long as checkpoints come.
//!
//! Pure; the clock is the caller's. Source: Win32, `SERVICE_STATUS`, `dwCheckPoint` and
//! `dwWaitHint`, and the example "Starting a Service".

use std::time::Duration;

/// The least that is waited for the next checkpoint, whatever the hint says: a busy machine.
const PATIENCE_MIN: Duration = Duration::from_secs(10);

/// The patience with one pending operation.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    checkpoint: u32,
    /// When the checkpoint was first seen, counted from the start of the wait.
    since: Duration,
}

impl Patience {
    /// The patience at the start of a wait.
    #[must_use]
    pub const fn new() -> Self {
        Self { checkpoint: 0, since: Duration::ZERO }
    }

    /// Looks at a pending status, `now` after the start of the wait; false when the service has
    /// made no progress for longer than it said it would take.
    pub fn lasts(&mut self, now: Duration, checkpoint: u32, wait_hint: Duration) -> bool {
        if checkpoint != self.checkpoint {
            (self.checkpoint, self.since) = (checkpoint, now);
        }
        now.saturating_sub(self.since) <= wait_hint.max(PATIENCE_MIN)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: Duration = Duration::from_secs(20);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_service_that_makes_progress_is_waited_for_however_long_it_takes() {
        let mut patience = Patience::new();
        for second in 0..1000 {
            let checkpoint = u32::try_from(second / 15).unwrap() + 1;
            assert!(patience.lasts(at(second), checkpoint, HINT), "{second}");
        }
    }

    #[test]
    fn one_that_makes_none_is_given_up_after_its_own_hint() {
        let mut patience = Patience::new();
        assert!(patience.lasts(at(5), 1, HINT));
        assert!(patience.lasts(at(25), 1, HINT));
        assert!(!patience.lasts(at(26), 1, HINT));
    }

    #[test]
    fn a_hint_of_nothing_is_not_believed() {
        let mut patience = Patience::new();
        assert!(patience.lasts(at(10), 0, Duration::ZERO));
        assert!(!patience.lasts(at(11), 0, Duration::ZERO));
    }
}
