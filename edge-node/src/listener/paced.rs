//! A stream whose peer must read: a write that makes no progress for too long fails.
//!
//! hyper limits how long a peer may take to send; without this a peer that sends requests and
//! never reads the answers would hold its connection for ever. Reading is passed through.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream with a limit on the time between two writes that move bytes.
pub struct Paced<S> {
    stream: S,
    write_timeout: Duration,
    /// Runs while a write waits for the peer.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    /// Limits the writes of a stream.
    pub fn new(stream: S, write_timeout: Duration) -> Self {
        Self { stream, write_timeout, patience: None }
    }

    /// The stream, which may be written to directly.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Ends the wait of a write that got an answer, or fails it once it waited too long.
    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.patience = None;
            return written;
        }
        let timeout = self.write_timeout;
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(patience.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("peer read nothing for {} s", timeout.as_secs_f64()),
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_reads_fails_after_the_timeout() {
        let (near, _far) = tokio::io::duplex(8);
        let mut paced = Paced::new(near, TIMEOUT);
        let start = Instant::now();
        let error = paced.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "peer read nothing for 3 s");
        assert!((3..4).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_that_makes_progress_is_waited_for() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut paced = Paced::new(near, TIMEOUT);
        let start = Instant::now();
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            while all.len() < 64 {
                tokio::time::sleep(Duration::from_secs(2)).await;
                let mut some = [0; 8];
                let length = far.read(&mut some).await.unwrap();
                all.extend_from_slice(&some[..length]);
            }
        });
        paced.write_all(&[0; 64]).await.unwrap();
        reader.await.unwrap();
        assert!(start.elapsed() > 4 * TIMEOUT, "{:?}", start.elapsed());
    }
}
