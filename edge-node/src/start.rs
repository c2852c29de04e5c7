//! Waiting during a start: the host sees progress each second, and a request to stop is heard,
//! however long a disk takes.

use tokio::sync::mpsc;

use crate::host::{Ask, Herald};

/// The result of `work`, or `None` if a stop was asked for first; what else is asked of a service
/// that starts comes too early and is dropped.
pub async fn unless_stopped<T>(
    work: impl Future<Output = T>,
    asks: &mut mpsc::Receiver<Ask>,
    herald: &mut Herald,
) -> Option<T> {
    let stop = async {
        while let Some(ask) = asks.recv().await {
            if matches!(ask, Ask::Stop(_)) {
                return;
            }
        }
        // A host that went away asks for nothing; the service will notice when it serves.
        std::future::pending().await
    };
    tokio::select! {
        biased;
        result = work => Some(result),
        () = stop => None,
        never = herald.beat_on() => match never {},
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::host::{Announce, Status, Stop};
    use crate::phase::Phase;

    struct Telling(mpsc::UnboundedSender<Status>);

    impl Announce for Telling {
        fn announce(&mut self, status: Status) -> io::Result<()> {
            let _ = self.0.send(status);
            Ok(())
        }
    }

    fn herald() -> (Herald, mpsc::UnboundedReceiver<Status>) {
        let (speaker, told) = mpsc::unbounded_channel();
        (Herald::new(Box::new(Telling(speaker))), told)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_start_shows_progress_each_second() {
        let (mut herald, mut told) = herald();
        let (_asks, mut receiver) = mpsc::channel(1);
        let work = tokio::time::sleep(Duration::from_millis(3500));
        let start = Instant::now();
        assert_eq!(unless_stopped(work, &mut receiver, &mut herald).await, Some(()));
        assert_eq!(start.elapsed().as_secs(), 3);
        drop(herald);
        let mut checkpoints = Vec::new();
        while let Some(status) = told.recv().await {
            assert_eq!(status.phase, Phase::Starting);
            checkpoints.push(status.checkpoint);
        }
        assert_eq!(checkpoints, [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_stop_ends_a_start_that_hangs_and_nothing_else_does() {
        let (mut herald, _told) = herald();
        let (asks, mut receiver) = mpsc::channel(8);
        for ask in [Ask::Reload, Ask::Pause, Ask::Resume, Ask::Stop(Stop::Terminate)] {
            asks.send(ask).await.unwrap();
        }
        let work = std::future::pending::<()>();
        assert_eq!(unless_stopped(work, &mut receiver, &mut herald).await, None);
        assert!(receiver.try_recv().is_err(), "every ask was taken");
    }
}
