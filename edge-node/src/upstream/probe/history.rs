//! What probes of an upstream found: the last few results, counts of all of them, and when the next one comes.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Results that are kept of each upstream.
pub const RESULTS_MAX: usize = 5;

/// The words for what comes of a probe.
pub const OUTCOMES: [&str; 6] =
    ["success", "connect-failed", "tls-failed", "timed-out", "broke", "unexpected-answer"];

/// Characters of a fault that are kept.
const DETAIL_MAX: usize = 200;

/// What came of a probe.
#[derive(Clone, Debug)]
pub struct Probed {
    /// When it began.
    pub at: Instant,
    /// How long it took.
    pub took: Duration,
    /// One of [`OUTCOMES`].
    pub outcome: &'static str,
    /// What was wrong, for people.
    pub detail: Option<String>,
}

impl Probed {
    /// A result; of a long detail the beginning.
    pub fn new(at: Instant, took: Duration, outcome: &'static str, detail: Option<String>) -> Self {
        let detail = detail.map(|detail| detail.chars().take(DETAIL_MAX).collect());
        Self { at, took, outcome, detail }
    }
}

/// What probes of an upstream found.
#[derive(Clone, Debug, Default)]
pub struct History {
    next: Option<Instant>,
    results: VecDeque<Probed>,
    counts: [u64; OUTCOMES.len()],
}

impl History {
    /// When the next one comes; none where none does.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// The last results, the newest first.
    pub fn results(&self) -> impl ExactSizeIterator<Item = &Probed> {
        self.results.iter().rev()
    }

    /// How many had each of [`OUTCOMES`].
    #[must_use]
    pub fn counts(&self) -> [u64; OUTCOMES.len()] {
        self.counts
    }

    /// Says when the next one comes.
    pub fn expect_at(&mut self, next: Option<Instant>) {
        self.next = next;
    }

    /// Adds a result; of too many the oldest goes.
    pub fn note(&mut self, probed: Probed) {
        if let Some(index) = OUTCOMES.iter().position(|word| *word == probed.outcome) {
            self.counts[index] += 1;
        }
        if self.results.len() == RESULTS_MAX {
            self.results.pop_front();
        }
        self.results.push_back(probed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_results_are_kept_and_all_are_counted() {
        let mut history = History::default();
        for count in 0..8 {
            let outcome = OUTCOMES[count % 2];
            let detail = Some("é".repeat(300 + count));
            history.note(Probed::new(Instant::now(), Duration::ZERO, outcome, detail));
        }
        assert_eq!(history.results().len(), RESULTS_MAX);
        assert_eq!(history.counts(), [4, 4, 0, 0, 0, 0]);
        let newest = history.results().next().unwrap();
        assert_eq!(newest.outcome, "connect-failed");
        assert_eq!(newest.detail.as_ref().unwrap().chars().count(), DETAIL_MAX);
    }
}
