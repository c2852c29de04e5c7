//! Who of a pool may be picked, and with which weight: a snapshot that picks look at, made anew when an upstream
//! changes and, during a slow start, every now and then. Pure.

use tokio::time::Instant;

use super::balance::Candidates;
use super::state::{FULL_PERMILLE, Machine};
use crate::config;

/// The snapshot.
#[derive(Clone, Debug)]
pub struct View {
    /// Who may be picked.
    pub candidates: Candidates,
    /// Whether that is everybody because too few are well.
    pub is_panicking: bool,
    /// When it is out of date by time alone.
    pub until: Option<Instant>,
    /// The changes it knows of; out of date when there are more.
    pub generation: u64,
}

impl View {
    /// A snapshot of upstreams and their weights, in the order of the pool.
    pub fn new(
        members: &[(u32, Machine)],
        settings: &config::Pool,
        now: Instant,
        generation: u64,
    ) -> Self {
        let share = |machine: &Machine| machine.share_permille(now, settings);
        let available = members.iter().filter(|(_, machine)| share(machine) > 0).count();
        let rest = members.len() - ejected_max(members.len(), settings.ejection.share_max);
        let is_panicking = available < rest;
        let weight = |(weight, machine): &(u32, Machine)| {
            let share = if is_panicking { FULL_PERMILLE } else { share(machine) };
            u64::from(*weight) * u64::from(share)
        };
        Self {
            candidates: Candidates::new(members.iter().map(weight).enumerate()),
            is_panicking,
            until: members.iter().filter_map(|(_, it)| it.next_change(now, settings)).min(),
            generation,
        }
    }

    /// Whether it still says how things are.
    pub fn is_current(&self, generation: u64, now: impl FnOnce() -> Instant) -> bool {
        self.generation == generation && self.until.is_none_or(|until| now() < until)
    }
}

/// How many of a pool's upstreams may be ejected at a time.
#[must_use]
pub fn ejected_max(upstreams: usize, share_max: f64) -> usize {
    // A share such as 0.29 of a hundred must not be 28 by rounding.
    let max = (share_max * upstreams as f64 + 1e-9).floor();
    // Between 0 and the number of upstreams, for a share between 0 and 1.
    (max as usize).min(upstreams)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_a_pool_is_rounded_down_to_whole_upstreams() {
        for (upstreams, share_max, expected) in [
            (1, 0.5, 0),
            (2, 0.5, 1),
            (3, 0.5, 1),
            (4, 0.5, 2),
            (100, 0.29, 29),
            (10, 0.3, 3),
            (3, 1.0, 3),
            (3, 0.0, 0),
        ] {
            assert_eq!(ejected_max(upstreams, share_max), expected, "{share_max} of {upstreams}");
        }
    }
}
