//! Connections that were upgraded to another protocol: bytes pass both ways until one side ends,
//! nothing passes for too long, or the listener's drain is over.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::Instant;

use super::connection::{ConnectionContext, Order};
use super::reply::Reply;
use crate::observe::metrics::Raised;
use crate::upstream::Try;

/// Bytes that are on their way in a tunnel, each way.
const BUFFER: usize = 8 * 1024;

/// Passes on the answer that switches protocols; the tunnel opens once it was sent.
pub fn open(
    context: &Rc<ConnectionContext>,
    client: OnUpgrade,
    response: Response<Incoming>,
    attempt: Try,
    idle: Duration,
) -> Reply {
    let mut reply = Reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    let protocol = response.headers().get(header::UPGRADE).cloned();
    let (parts, body) = response.into_parts();
    reply.head.headers = parts.headers.clone();
    reply.head.version = Version::HTTP_11;
    super::proxy::strip(&mut reply.head.headers);
    reply.head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        reply.head.headers.insert(header::UPGRADE, protocol);
    }
    let response = Response::from_parts(parts, body);
    let context = Rc::clone(context);
    // Not idle, whatever its requests do.
    context.pulse.begin(Instant::now());
    tokio::task::spawn_local(async move {
        let _open = Raised::new(context.listening.tunnels.clone());
        let _attempt = attempt;
        let Ok(upstream) = hyper::upgrade::on(response).await else { return };
        let Ok(client) = client.await else { return };
        // How a tunnel ends is between its ends.
        let _ = carry(&context, client, upstream, idle).await;
    });
    reply
}

/// Carries bytes both ways.
async fn carry(
    context: &ConnectionContext,
    client: Upgraded,
    upstream: Upgraded,
    idle: Duration,
) -> io::Result<()> {
    let last = Rc::new(Cell::new(Instant::now()));
    let mut client = Noted { stream: TokioIo::new(client), last: Rc::clone(&last) };
    let mut upstream = Noted { stream: TokioIo::new(upstream), last: Rc::clone(&last) };
    let control = context.standing.control();
    let cut = poll_fn(|task| match control.order(task.waker()) {
        Order::Cut => Poll::Ready(()),
        Order::Stay | Order::Rest | Order::End => Poll::Pending,
    });
    let silent = async {
        while last.get() + idle > Instant::now() {
            tokio::time::sleep_until(last.get() + idle).await;
        }
    };
    tokio::select! {
        ended = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER) => {
            ended.map(drop)
        }
        () = cut => Ok(()),
        () = silent => Ok(()),
    }
}

/// A stream that notes when bytes passed.
struct Noted<S> {
    stream: S,
    last: Rc<Cell<Instant>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.last.set(Instant::now());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
