//! The same work for each of many things, by a few threads. Knows nothing of the work; what waits for what in a release
//! is [`crate::exec::schedule`]'s.

use std::cmp::Reverse;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `work` makes of each item, in the order of the items. At most `workers` are at it at a time; what takes longest
/// by `cost`, in any unit, is begun first, so that no worker is left with it at the end.
///
/// # Panics
///
/// Where `work` does.
pub fn map<T: Sync, R: Send>(
    items: &[T],
    workers: usize,
    cost: impl Fn(&T) -> u64,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let mut order: Vec<_> = items.iter().enumerate().collect();
    order.sort_by_cached_key(|(_, item)| Reverse(cost(item)));
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut made = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some((index, item)) = order.get(place) else { return made };
            made.push((*index, work(item)));
        }
    };
    let mut made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..workers.clamp(1, items.len().max(1))).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .flat_map(|it| it.join().unwrap_or_else(|cause| resume_unwind(cause)))
            .collect()
    });
    made.sort_by_key(|(index, _)| *index);
    made.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Barrier, Mutex};

    #[test]
    fn what_is_made_comes_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        for workers in [0, 1, 3, 200] {
            let made = map(&items, workers, |item| *item % 7, |item| item * 2);
            assert_eq!(made, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
        assert!(map(&[] as &[u8], 4, |_| 0, |_| ()).is_empty());
    }

    #[test]
    fn what_takes_longest_is_begun_first() {
        let begun = Mutex::new(Vec::new());
        map(&[2, 9, 4], 1, |item| *item, |item| begun.lock().unwrap().push(*item));
        assert_eq!(begun.into_inner().unwrap(), [9, 4, 2]);
    }

    /// Two that wait for one another come to an end only if they are worked on at the same time.
    #[test]
    fn items_are_worked_on_at_the_same_time() {
        let meeting = Barrier::new(2);
        assert_eq!(map(&[1, 2], 2, |_| 0, |item| (meeting.wait(), *item).1), [1, 2]);
    }
}
