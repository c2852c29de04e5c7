//! Small writes in one piece: a head and a short body are copied together, as `send` with one
//! buffer costs the kernel less than `writev` with two.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Bytes that are copied rather than handed over as slices.
const COPIED_MAX: usize = 2 * 1024;

/// Writes slices, as one where they are small.
pub fn poll_write_vectored<S: AsyncWrite>(
    stream: Pin<&mut S>,
    context: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if let [slice] = slices {
        return stream.poll_write(context, slice);
    }
    let length = slices.iter().map(|slice| slice.len()).sum();
    if length > COPIED_MAX {
        return stream.poll_write_vectored(context, slices);
    }
    let mut copied = [0; COPIED_MAX];
    let mut end = 0;
    for slice in slices {
        copied[end..end + slice.len()].copy_from_slice(slice);
        end += slice.len();
    }
    stream.poll_write(context, &copied[..length])
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn slices_arrive_in_order_whatever_their_number_and_size() {
        let long = vec![b'l'; COPIED_MAX];
        for slices in [&[&b"one"[..]][..], &[b"one", b"", b"two"], &[b"one", &long], &[]] {
            let (mut near, mut far) = tokio::io::duplex(4 * COPIED_MAX);
            let whole = slices.concat();
            let mut rest: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
            let mut rest = &mut rest[..];
            while rest.iter().any(|slice| !slice.is_empty()) {
                let written = std::future::poll_fn(|context| {
                    poll_write_vectored(Pin::new(&mut near), context, rest)
                });
                let written = written.await.unwrap();
                IoSlice::advance_slices(&mut rest, written);
            }
            drop(near);
            let mut heard = Vec::new();
            far.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, whole);
        }
    }
}
