//! What an upstream says to a client in a WebSocket, passed on; and its end when the listener goes
//! away, of which the client is told in a frame, so that it connects to another node at once.

use std::io;
use std::pin::pin;

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink};

use super::frames::{Frames, GOING_AWAY};

/// Bytes that are on their way.
const BUFFER: usize = 8 * 1024;

/// True if an `Upgrade` names WebSocket.
pub fn is_named(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
}

/// Passes on what an upstream says until it has ended. Once `told` is ready, the client is told
/// after the next whole frame that the other end goes away; of what the upstream says then, nothing
/// may follow (RFC 6455, section 5.5.1). The client's answer makes the upstream end.
///
/// # Errors
/// When either side breaks.
pub async fn carry(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    told: impl Future<Output = ()>,
) -> io::Result<()> {
    let (mut frames, mut buffer) = (Frames::default(), vec![0; BUFFER]);
    let (mut told, mut is_leaving) = (pin!(told), false);
    while !(is_leaving && frames.is_between()) {
        let read = tokio::select! {
            biased;
            () = &mut told, if !is_leaving => {
                is_leaving = true;
                continue;
            }
            read = from.read(&mut buffer) => read?,
        };
        if read == 0 {
            return Ok(());
        }
        let whole = frames.pass(&buffer[..read]);
        let is_last = is_leaving && whole.is_some();
        let passed = if is_last { whole.unwrap_or(read) } else { read };
        to.write_all(&buffer[..passed]).await?;
        to.flush().await?;
        if is_last {
            break;
        }
    }
    if !frames.has_closed() {
        to.write_all(&GOING_AWAY).await?;
        to.flush().await?;
    }
    copy(from, &mut sink()).await.map(drop)
}
