//! The body of `edges`: whatever reads bytes of clients or upstreams and is not reached from a config, a path, a table or
//! a head. The first byte says which of them.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};

mod files;
mod headers;
mod streams;

const EDGES: [fn(&[u8]); 9] = [
    headers::hops,
    headers::way,
    headers::answer,
    headers::grpc_timeout,
    files::conditions,
    files::place,
    streams::frames,
    streams::version,
    streams::health,
];

/// Gives the rest of the bytes to one of the readers: the first for `0`, the second for `1`, and so on.
pub fn edges(data: &[u8]) {
    if let Some((choice, rest)) = data.split_first() {
        EDGES[usize::from(choice.wrapping_sub(b'0')) % EDGES.len()](rest);
    }
}

/// Bytes that come in pieces, each one longer than its number says; the numbers begin anew after the last.
struct Pieces<'a> {
    rest: &'a [u8],
    lengths: std::iter::Cycle<std::slice::Iter<'a, u8>>,
}

impl<'a> Pieces<'a> {
    /// The bytes behind as many numbers as the first byte says.
    fn new(data: &'a [u8]) -> Option<Self> {
        let (count, data) = data.split_first()?;
        let (lengths, rest) = data.split_at_checked(usize::from(count % 8))?;
        let lengths = if lengths.is_empty() { &[255] } else { lengths };
        Some(Self { rest, lengths: lengths.iter().cycle() })
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.lengths.next()?) + 1;
        let (piece, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let length = self.lengths.next().map_or(0, |length| usize::from(*length) + 1);
        let length = length.min(self.rest.len()).min(buffer.remaining());
        let (piece, rest) = self.rest.split_at(length);
        buffer.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// What comes of a future that never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("nothing is waited for here"),
    }
}
