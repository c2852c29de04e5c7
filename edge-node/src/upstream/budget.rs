//! How many requests of a pool may be tried again: a share of them, beside a few each second. Pure: time is given.
//!
//! Without a budget the retries of an overloaded pool are what keeps it overloaded.

use std::time::Duration;

use crate::config::RETRIES_FREE;

/// Over how many seconds the share is taken.
const SECONDS: usize = 10;

/// What was spent lately.
#[derive(Clone, Debug)]
pub struct Budget {
    /// The present second.
    second: u64,
    /// Of the present second.
    free: u32,
    /// Of the last ten seconds, by second: what was retried on the share's account, and the requests that there had
    /// been in all when the second began.
    shared: [u32; SECONDS],
    requests: [u64; SECONDS],
}

impl Budget {
    /// Nothing is spent.
    #[must_use]
    pub const fn new() -> Self {
        Self { second: 0, free: 0, shared: [0; SECONDS], requests: [0; SECONDS] }
    }

    /// Whether one more retry is within the budget, spent if so. `now` is since an origin that never changes,
    /// `requests` are those since then, and `share_max` how many retries each of them pays for.
    pub fn spend(&mut self, now: Duration, requests: u64, share_max: f64) -> bool {
        self.advance(now.as_secs(), requests);
        if self.free < RETRIES_FREE {
            self.free += 1;
            return true;
        }
        let oldest = self.requests.iter().min().copied().unwrap_or_default();
        let paid = share_max * requests.saturating_sub(oldest) as f64;
        let spent: u32 = self.shared.iter().sum();
        let is_within = f64::from(spent + 1) <= paid;
        if is_within {
            self.shared[place(self.second)] += 1;
        }
        is_within
    }

    /// Moves on to a second. Requests of seconds in which nobody asked are taken for old: it is the retries that
    /// must be few.
    fn advance(&mut self, second: u64, requests: u64) {
        if second <= self.second {
            return;
        }
        for second in (self.second + 1..=second).rev().take(SECONDS) {
            self.shared[place(second)] = 0;
            self.requests[place(second)] = requests;
        }
        (self.second, self.free) = (second, 0);
    }
}

fn place(second: u64) -> usize {
    (second % SECONDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_few_retries_a_second_are_free_whatever_the_traffic() {
        let mut budget = Budget::new();
        for second in 5..8 {
            let now = Duration::from_secs(second);
            let spent = (0..10).filter(|_| budget.spend(now, 0, 0.2)).count();
            assert_eq!(spent, 3, "second {second}");
        }
    }

    #[test]
    fn a_share_of_the_requests_may_be_retried() {
        let mut budget = Budget::new();
        let mut spent = 0;
        for request in 0..10_000_u64 {
            // A thousand a second, all of which fail.
            let now = Duration::from_millis(request);
            spent += u64::from(budget.spend(now, request + 1, 0.2));
        }
        assert!((1950..=2030).contains(&spent), "{spent}");
    }

    proptest! {
        #[test]
        fn at_no_time_is_more_spent_than_was_paid_for(
            steps in prop::collection::vec((0_u64..1500, 0_u64..50, 0_usize..20), 1..200),
            share_max in 0.0_f64..1.0,
        ) {
            let mut budget = Budget::new();
            let (mut now, mut requests, mut spent) = (0, 0, 0);
            for (step, more, retries) in steps {
                now += step;
                requests += more;
                let time = Duration::from_millis(now);
                let within = |_: &usize| budget.spend(time, requests, share_max);
                spent += (0..retries).filter(within).count();
                let free = u64::from(RETRIES_FREE) * (now / 1000 + 1);
                let paid = share_max * requests as f64 + free as f64;
                prop_assert!(spent as f64 <= paid, "{} > {}", spent, paid);
            }
        }
    }
}
