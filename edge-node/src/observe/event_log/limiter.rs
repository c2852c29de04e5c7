//! How many entries of a kind are reported: a handful at once, then a few a minute. Each kind has
//! its own measure, so that a storm of warnings hides no end of the service. Time is given.

use std::time::{Duration, Instant};

use super::EventId;

/// Entries of a kind that are reported however fast they come.
const BURST: u32 = 10;

/// From then on, one entry of a kind is reported each.
const PAUSE: Duration = Duration::from_secs(30);

/// Decides which entries are reported.
#[derive(Debug, Default)]
pub struct Limiter {
    kinds: [Kind; EventId::ALL.len()],
}

/// What came of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    /// How many of the burst are used up.
    used: u32,
    /// The last moment at which one of them was given back, or the first was used.
    since: Option<Instant>,
    /// Left out since the last that was reported.
    left_out: u64,
}

impl Limiter {
    /// Whether an entry that comes `now` is reported: the number of its kind that was left out
    /// since the last one, or `None`.
    pub fn admit(&mut self, id: EventId, now: Instant) -> Option<u64> {
        let position = EventId::ALL.iter().position(|kind| *kind == id)?;
        let kind = &mut self.kinds[position];
        kind.recover(now);
        if kind.used == BURST {
            kind.left_out += 1;
            return None;
        }
        kind.used += 1;
        Some(std::mem::take(&mut kind.left_out))
    }

    /// How many were left out that no entry tells of; they count as told from then on.
    pub fn untold(&mut self) -> u64 {
        self.kinds.iter_mut().map(|kind| std::mem::take(&mut kind.left_out)).sum()
    }
}

impl Kind {
    /// Gives back what the time since allows.
    fn recover(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let pauses = now.saturating_duration_since(since).as_secs() / PAUSE.as_secs();
        let given = u32::try_from(pauses).unwrap_or(u32::MAX);
        self.used = self.used.saturating_sub(given);
        // What is not used up does not add up.
        self.since = Some(if self.used == 0 { now } else { since + PAUSE * given });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_is_reported_then_one_each_pause_with_what_was_left_out() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(limiter.admit(EventId::Warning, start), Some(0));
        }
        let almost = start + PAUSE - Duration::from_millis(1);
        for now in [start, almost] {
            assert_eq!(limiter.admit(EventId::Warning, now), None);
        }
        assert_eq!(limiter.admit(EventId::Warning, start + PAUSE), Some(2));
        assert_eq!(limiter.admit(EventId::Warning, start + PAUSE), None);
        assert_eq!(limiter.untold(), 1);
        assert_eq!(limiter.untold(), 0);
    }

    #[test]
    fn a_storm_of_one_kind_hides_no_other() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        while limiter.admit(EventId::Warning, now).is_some() {}
        assert_eq!(limiter.admit(EventId::BindRefused, now), Some(0));
    }

    proptest! {
        #[test]
        fn no_more_are_reported_than_the_measure_and_all_are_accounted_for(
            waits in proptest::collection::vec(0..20_000_u64, 1..300),
        ) {
            let (mut limiter, mut now) = (Limiter::default(), Instant::now());
            let start = now;
            let (mut reported, mut told) = (0, 0);
            for wait in &waits {
                now += Duration::from_millis(*wait);
                if let Some(left_out) = limiter.admit(EventId::Error, now) {
                    reported += 1;
                    told += left_out;
                }
            }
            let pauses = (now - start).as_secs() / PAUSE.as_secs();
            prop_assert!(reported <= u64::from(BURST) + pauses + 1, "{reported} in {pauses}");
            prop_assert_eq!(reported + told + limiter.untold(), waits.len() as u64);
        }
    }
}
