//! Connections that were upgraded to another protocol: bytes pass both ways until one side ends,
//! nothing passes for too long, or the listener's drain is over. How a WebSocket takes its leave
//! before that is in `websocket.rs`.

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
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, split};
use tokio::time::Instant;

use super::body::Answer;
use super::connection::{ConnectionContext, Order};
use super::exchange::Exchange;
use super::reply::Reply;
use crate::observe::metrics::Raised;
use crate::upstream::Try;

pub mod frames;
pub mod websocket;

/// A tunnel that both ends agreed on.
pub struct Tunnel {
    client: OnUpgrade,
    upstream: OnUpgrade,
    attempt: Try,
    kind: Kind,
}

/// What a tunnel carries.
#[derive(Clone, Copy)]
struct Kind {
    /// True if it is in frames, between which something can be said.
    is_websocket: bool,
    /// How long no byte may pass.
    idle: Duration,
}

/// Passes on the answer that switches protocols; the tunnel opens once it was sent.
pub fn agreed(
    client: OnUpgrade,
    mut response: Response<Incoming>,
    attempt: Try,
    idle: Duration,
) -> Reply {
    let upstream = hyper::upgrade::on(&mut response);
    let mut reply = Reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    reply.head.headers = std::mem::take(response.headers_mut());
    reply.head.version = Version::HTTP_11;
    let headers = &mut reply.head.headers;
    let protocol = headers.get(header::UPGRADE).cloned();
    super::proxy::strip(headers);
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    let is_websocket = protocol.as_ref().is_some_and(websocket::is_named);
    if let Some(protocol) = protocol {
        headers.insert(header::UPGRADE, protocol);
    }
    let kind = Kind { is_websocket, idle };
    reply.tunnel = Some(Box::new(Tunnel { client, upstream, attempt, kind }));
    reply
}

impl Tunnel {
    /// Opens it once its answer was sent; the account of its request is closed at its end.
    pub fn open(self, mut exchange: Box<Exchange>) -> Answer {
        exchange.became_tunnel();
        tokio::task::spawn_local(async move {
            let Self { client, upstream, attempt: _attempt, kind } = self;
            let _open = Raised::new(exchange.context.listening.tunnels.clone());
            let (Ok(upstream), Ok(client)) = (upstream.await, client.await) else { return };
            let flow = Rc::new(Flow::default());
            // How a tunnel ends is between its ends.
            let _ = carry(&exchange.context, client, upstream, &flow, kind).await;
            exchange.carried(flow.sent.get(), flow.received.get());
        });
        Answer::empty()
    }
}

/// What passed in a tunnel, as its client sees it.
struct Flow {
    /// When something did last.
    last: Cell<Instant>,
    sent: Cell<u64>,
    received: Cell<u64>,
}

impl Default for Flow {
    fn default() -> Self {
        Self { last: Cell::new(Instant::now()), sent: Cell::new(0), received: Cell::new(0) }
    }
}

impl Flow {
    fn note(&self, count: &Cell<u64>, bytes: usize) {
        self.last.set(Instant::now());
        count.set(count.get() + bytes as u64);
    }
}

/// Carries bytes both ways.
async fn carry(
    context: &ConnectionContext,
    client: Upgraded,
    upstream: Upgraded,
    flow: &Rc<Flow>,
    kind: Kind,
) -> io::Result<()> {
    let client = Noted { stream: TokioIo::new(client), flow: Rc::clone(flow) };
    let (mut from_client, mut to_client) = split(client);
    let (mut from_upstream, mut to_upstream) = split(TokioIo::new(upstream));
    let control = context.standing.control();
    let told = |order: Order| {
        poll_fn(move |task| match control.order(task.waker()) {
            told if told >= order => Poll::Ready(()),
            _less => Poll::Pending,
        })
    };
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_upstream).await?;
        to_upstream.shutdown().await
    };
    let down = async {
        if kind.is_websocket {
            websocket::carry(&mut from_upstream, &mut to_client, told(Order::Close)).await?;
        } else {
            tokio::io::copy(&mut from_upstream, &mut to_client).await?;
        }
        to_client.shutdown().await
    };
    let silent = async {
        while flow.last.get() + kind.idle > Instant::now() {
            tokio::time::sleep_until(flow.last.get() + kind.idle).await;
        }
    };
    tokio::select! {
        ended = async { tokio::try_join!(up, down) } => ended.map(drop),
        () = told(Order::Cut) => Ok(()),
        () = silent => Ok(()),
    }
}

/// A client's stream, of which is noted what passes.
struct Noted<S> {
    stream: S,
    flow: Rc<Flow>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.flow.note(&self.flow.received, buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.flow.note(&self.flow.sent, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
