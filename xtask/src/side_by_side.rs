//! The same work for each of many things, by a few threads. Knows nothing of the work; what waits for what in a release
//! is [`crate::exec::schedule`]'s.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What `work` makes of each item, in the order of the items. At most `workers` are at it at a time.
///
/// # Panics
/// Where `work` does.
pub fn map<T: Sync, R: Send>(items: &[T], workers: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut made = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return made };
            made.push((index, work(item)));
        }
    };
    let mut made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..workers.clamp(1, items.len().max(1))).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().flat_map(|it| it.join().expect("the work does not panic")).collect()
    });
    made.sort_by_key(|(index, _)| *index);
    made.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn what_is_made_comes_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..100).collect();
        for workers in [0, 1, 3, 200] {
            let made = map(&items, workers, |item| item * 2);
            assert_eq!(made, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
        assert!(map(&[] as &[u8], 4, |_| ()).is_empty());
    }

    /// Two that wait for one another come to an end only if they are worked on at the same time.
    #[test]
    fn items_are_worked_on_at_the_same_time() {
        let meeting = Barrier::new(2);
        assert_eq!(map(&[1, 2], 2, |item| (meeting.wait(), *item).1), [1, 2]);
    }
}
