//! What traffic says of an upstream: errors in a row, and the share of successes in a window. Pure: time is given.
//!
//! The success path writes one counter in each and takes no lock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::config;

/// The window is counted in this many slices: what it says is exact for a window that ends with the present slice, so
/// the oldest request in it is between 19 and 20 twentieths of its length old.
const SLICES: usize = 20;

/// One more than are read, so that the next slice is empty before anybody counts in it.
const SLOTS: usize = SLICES + 1;

/// Errors in a row.
#[derive(Debug, Default)]
pub struct Streak(AtomicU32);

impl Streak {
    /// An error; how many that makes.
    pub fn lengthen(&self) -> u32 {
        // Four thousand million errors in a row do not happen without an ejection.
        self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// No error: they begin anew. Writes only where there is something to end.
    pub fn end(&self) {
        if self.length() != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// Errors in a row until now.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Successes and failures in a window of time, in bounded memory. Time is since an origin that never changes.
#[derive(Debug)]
pub struct Window {
    settings: config::SuccessRate,
    slice: Duration,
    /// The present slice, counted from the origin.
    present: AtomicU64,
    slots: [Slot; SLOTS],
}

#[derive(Debug, Default)]
struct Slot {
    successes: AtomicU32,
    failures: AtomicU32,
}

/// What is in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that went well.
    pub successes: u64,
    /// Requests that did not.
    pub failures: u64,
}

impl Counts {
    /// The share that went well; none of nothing.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        let all = self.successes + self.failures;
        (all > 0).then(|| self.successes as f64 / all as f64)
    }
}

impl Window {
    /// An empty one.
    #[must_use]
    pub fn new(settings: &config::SuccessRate) -> Self {
        let slice = (settings.window / SLICES as u32).max(Duration::from_millis(1));
        let slots = std::array::from_fn(|_| Slot::default());
        Self { settings: settings.clone(), slice, present: 0.into(), slots }
    }

    /// What it was made of.
    #[must_use]
    pub fn settings(&self) -> &config::SuccessRate {
        &self.settings
    }

    /// Counts a request.
    pub fn count(&self, now: Duration, is_success: bool) {
        let slot = &self.slots[self.advance(now)];
        let counter = if is_success { &slot.successes } else { &slot.failures };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// What is in it.
    #[must_use]
    pub fn counts(&self, now: Duration) -> Counts {
        let next = (self.advance(now) + 1) % SLOTS;
        let mut counts = Counts::default();
        for (index, slot) in self.slots.iter().enumerate() {
            if index != next {
                counts.successes += u64::from(slot.successes.load(Ordering::Relaxed));
                counts.failures += u64::from(slot.failures.load(Ordering::Relaxed));
            }
        }
        counts
    }

    /// Whether there are enough requests in it, and too few of them went well.
    #[must_use]
    pub fn is_bad(&self, now: Duration) -> bool {
        let counts = self.counts(now);
        let enough = counts.successes + counts.failures >= u64::from(self.settings.requests_min);
        enough && counts.share().is_some_and(|share| share < self.settings.share_min)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.slots.iter().for_each(Slot::clear);
    }

    /// Moves on to the slice of `now`; its slot. Of several threads that find it over one moves on; what the others
    /// count meanwhile may go to the slice before.
    fn advance(&self, now: Duration) -> usize {
        let slice = u64::try_from(now.as_nanos() / self.slice.as_nanos()).unwrap_or(u64::MAX - 1);
        let present = self.present.load(Ordering::Acquire);
        // A thread with an older time counts in the present.
        if slice <= present {
            return slot_of(present);
        }
        let moves =
            self.present.compare_exchange(present, slice, Ordering::AcqRel, Ordering::Acquire);
        if moves.is_ok() {
            // The slot of the slice behind `present` is empty already.
            let emptied = (present + 2..=slice + 1).rev().take(SLOTS);
            emptied.for_each(|slice| self.slots[slot_of(slice)].clear());
        }
        slot_of(slice)
    }
}

impl Slot {
    fn clear(&self) {
        self.successes.store(0, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
    }
}

fn slot_of(slice: u64) -> usize {
    (slice % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(window_ms: u64, requests_min: u32) -> config::SuccessRate {
        let window = Duration::from_millis(window_ms);
        config::SuccessRate { share_min: 0.5, window, requests_min }
    }

    #[test]
    fn a_success_ends_the_errors_in_a_row() {
        let streak = Streak::default();
        assert_eq!((streak.lengthen(), streak.lengthen()), (1, 2));
        streak.end();
        assert_eq!((streak.length(), streak.lengthen()), (0, 1));
    }

    #[test]
    fn a_window_is_bad_from_the_least_number_of_requests_on_and_below_the_least_share() {
        let window = Window::new(&settings(20_000, 4));
        let now = Duration::from_secs(1000);
        for is_success in [true, false, false] {
            window.count(now, is_success);
            assert!(!window.is_bad(now), "too few");
        }
        window.count(now, true);
        assert!(!window.is_bad(now), "half is not below half");
        window.count(now, false);
        assert!(window.is_bad(now));
        let later = now + Duration::from_secs(20);
        assert!(!window.is_bad(later), "they are forgotten");
    }

    #[test]
    fn a_window_keeps_its_size_however_much_is_counted() {
        assert!(size_of::<Window>() < 512, "{}", size_of::<Window>());
    }

    proptest! {
        #[test]
        fn a_window_counts_exactly_what_came_in_its_last_slices(
            steps in prop::collection::vec((0_u64..4000, any::<bool>()), 1..300),
            window_ms in 20_u64..20_000,
        ) {
            let window = Window::new(&settings(window_ms, 1));
            let slice = u128::from(window_ms) * 1_000_000 / SLICES as u128;
            let mut now = Duration::ZERO;
            let mut all = Vec::new();
            for (step, is_success) in steps {
                now += Duration::from_millis(step);
                window.count(now, is_success);
                all.push((now.as_nanos() / slice, is_success));
                let present = now.as_nanos() / slice;
                let expected = all.iter().filter(|(at, _)| at + SLICES as u128 > present).fold(
                    Counts::default(),
                    |counts, (_, is_success)| Counts {
                        successes: counts.successes + u64::from(*is_success),
                        failures: counts.failures + u64::from(!*is_success),
                    },
                );
                prop_assert_eq!(window.counts(now), expected);
            }
        }
    }
}
