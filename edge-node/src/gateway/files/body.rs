//! The body of a response that comes from a file: read in chunks beside the event loop, each when it is wanted.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes of a file that a response holds at a time.
const CHUNK_BYTES: u64 = 32 * 1024;

/// A part of a file.
///
/// It ends in an error where the file became shorter meanwhile, so that the client does not take it for whole.
#[derive(Debug)]
pub struct FileBody {
    /// What is still to be sent, `ready` included.
    remaining: u64,
    ready: Bytes,
    source: Source,
}

#[derive(Debug)]
enum Source {
    None,
    Idle(File),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
}

impl FileBody {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self { remaining: 0, ready: Bytes::new(), source: Source::None }
    }

    /// `length` bytes from `start`. Reads the first chunk, so it may block.
    pub(super) fn open(mut file: File, start: u64, length: u64) -> io::Result<Self> {
        if start > 0 {
            file.seek(SeekFrom::Start(start))?;
        }
        let (file, ready) = read(file, length)?;
        Ok(Self { remaining: length, ready, source: Source::Idle(file) })
    }
}

fn read(mut file: File, wanted: u64) -> io::Result<(File, Bytes)> {
    let wanted = wanted.min(CHUNK_BYTES);
    let capacity = usize::try_from(wanted).map_err(io::Error::other)?;
    let mut chunk = Vec::with_capacity(capacity);
    (&mut file).take(wanted).read_to_end(&mut chunk)?;
    if chunk.len() < capacity {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "file became shorter"));
    }
    Ok((file, chunk.into()))
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if !self.ready.is_empty() {
                let chunk = std::mem::take(&mut self.ready);
                self.remaining -= chunk.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            if self.remaining == 0 {
                self.source = Source::None;
                return Poll::Ready(None);
            }
            match std::mem::replace(&mut self.source, Source::None) {
                Source::None => return Poll::Ready(None),
                Source::Idle(file) => {
                    let wanted = self.remaining;
                    self.source = Source::Reading(spawn_blocking(move || read(file, wanted)));
                }
                Source::Reading(mut reading) => {
                    let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
                        self.source = Source::Reading(reading);
                        return Poll::Pending;
                    };
                    match read.map_err(io::Error::other).flatten() {
                        Ok((file, chunk)) => {
                            self.ready = chunk;
                            self.source = Source::Idle(file);
                        }
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
