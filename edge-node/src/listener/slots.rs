//! The slots of a listener, one for each connection it may hold; their number can be changed
//! while they are in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Slots of which one taker at a time waits for the next.
#[derive(Debug)]
pub struct Slots {
    max: AtomicUsize,
    used: AtomicUsize,
    /// Keeps the news of a freed slot for a taker that does not wait yet.
    freed: Notify,
    /// The same for who waits until all are free.
    left: Notify,
}

/// A slot that is taken, free again when dropped.
#[derive(Debug)]
pub struct Slot(Arc<Slots>);

impl Slots {
    /// As many free slots.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max: max.into(),
            used: 0.into(),
            freed: Notify::new(),
            left: Notify::new(),
        })
    }

    /// Changes their number; where more are taken, none is free until enough were given back.
    pub fn resize(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
        self.freed.notify_one();
    }

    /// How many are taken.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// True while none is free.
    pub fn are_taken(&self) -> bool {
        self.used() >= self.max.load(Ordering::Relaxed)
    }

    /// Takes a slot as soon as one is free.
    pub async fn take(self: &Arc<Self>) -> Slot {
        while self.are_taken() {
            self.freed.notified().await;
        }
        self.used.fetch_add(1, Ordering::Relaxed);
        Slot(Arc::clone(self))
    }

    /// Waits until all are free; one at a time may.
    pub async fn until_unused(&self) {
        while self.used() > 0 {
            self.left.notified().await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
        self.0.freed.notify_one();
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// Polls once: the slot, or `None` where one must be waited for.
    async fn try_take(slots: &Arc<Slots>) -> Option<Slot> {
        let mut taking = pin!(slots.take());
        std::future::poll_fn(|context| match taking.as_mut().poll(context) {
            Poll::Ready(slot) => Poll::Ready(Some(slot)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn no_more_are_taken_than_there_are() {
        let slots = Slots::new(2);
        let (first, second) = (slots.take().await, slots.take().await);
        assert!(try_take(&slots).await.is_none());
        drop(first);
        let third = try_take(&slots).await;
        assert!(third.is_some() && slots.are_taken());
        drop((second, third));
        assert_eq!(slots.used(), 0);
    }

    #[tokio::test]
    async fn a_smaller_number_holds_once_enough_were_given_back() {
        let slots = Slots::new(3);
        let mut taken = vec![slots.take().await, slots.take().await, slots.take().await];
        slots.resize(1);
        for _ in 0..2 {
            taken.pop();
            assert!(try_take(&slots).await.is_none(), "{} are taken", slots.used());
        }
        taken.pop();
        assert!(try_take(&slots).await.is_some());
    }

    #[tokio::test]
    async fn they_are_unused_when_the_last_was_given_back() {
        let slots = Slots::new(2);
        slots.until_unused().await;
        let mut taken = vec![slots.take().await, slots.take().await];
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.until_unused().await }
        });
        taken.pop();
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        taken.pop();
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn a_larger_number_wakes_who_waits() {
        let slots = Slots::new(1);
        let _first = slots.take().await;
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.take().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        slots.resize(2);
        assert!(waiting.await.is_ok());
    }
}
