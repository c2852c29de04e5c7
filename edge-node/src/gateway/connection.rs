//! A client's connection from the handshake to its end: what it speaks, who is at its other end,
//! and the loop that drives it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderValue;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use self::stream::{ClientStream, Version};
use super::forwarded::Via;
use super::limits::Share;
use super::snapshot::{HANDSHAKE, HEAD_SIZE, HEAD_TIME, Listening, MALFORMED, Site, UNREAD};
use super::workers::Worker;
use crate::listener::Seat;
use crate::listener::paced::Paced;
use crate::observe::logs::Level;
use crate::tls::Identity;

pub mod pulse;
mod room;
pub mod stream;
mod streams;

use pulse::{Patience, Pulse};
pub use room::{Control, Order, Room, Standing};
pub use streams::Streams;

/// Bytes that an HTTP/2 client may send of a body before it is read, a stream. A connection has as much for each of its
/// streams, so that bodies which nobody reads do not hold up the others.
const STREAM_WINDOW: u32 = 64 * 1024;

/// What a connection may have of that at most: what its client may make this process hold.
const CONNECTION_WINDOW_MAX: u32 = 16 * 1024 * 1024;

/// The largest window there is. Source: RFC 9113, section 6.9.1.
pub const WINDOW_MAX: u32 = (1 << 31) - 1;

/// Streams that a client may have reset before they were looked at: more of them is an attack
/// (CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 32;

/// Bytes of answers that wait for an HTTP/2 client, a stream.
const SEND_BUFFER_MAX: usize = 128 * 1024;

/// Headers of a request at most.
const HEADERS_MAX: usize = 128;

/// What a connection holds beside its stream.
pub struct Guest {
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// True if that is this process.
    pub is_own: bool,
    /// The listener that took it.
    pub listening: Arc<Listening>,
    /// Its place among the listener's connections.
    pub _seat: Seat,
    /// Its place among those of its address, where these are counted.
    pub _share: Option<Share>,
}

/// All that a request needs to know of the connection it came on.
pub struct ConnectionContext {
    /// The thread it is served on.
    pub worker: Rc<Worker>,
    /// The listener.
    pub listening: Arc<Listening>,
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// The same for the access log.
    pub peer_text: Box<str>,
    /// True for a request of this process to itself.
    pub is_own: bool,
    /// True for TLS.
    pub is_secure: bool,
    /// The name that the client asked for in the handshake (SNI).
    pub server_name: Option<Box<str>>,
    /// Who the client is by its certificate.
    pub identity: Option<Identity>,
    /// The same as the header that upstreams see.
    pub identity_header: Option<HeaderValue>,
    /// What upstreams are told of the way here.
    pub via: RefCell<Via>,
    /// What the connection is doing.
    pub pulse: Arc<Pulse>,
    /// Its place; a tunnel keeps it after the connection's end.
    pub standing: Standing,
    _guest: Guest,
}

impl ConnectionContext {
    /// True once each answer is to close the connection.
    pub fn is_leaving(&self) -> bool {
        self._guest._seat.departure.is_leaving()
    }
}

/// Serves a client to the end of its connection.
pub async fn serve(stream: TcpStream, guest: Guest, worker: Rc<Worker>) {
    let (logs, listening) = (worker.logs.clone(), Arc::clone(&guest.listening));
    let ended = greet_and_serve(stream, guest, worker).await;
    if let Err(error) = ended {
        if let Some(reason) = error.reason() {
            listening.refused.count(reason);
        }
        // What a peer does wrong is no news for operators: it can be sent at will.
        logs.record(Level::Debug, "gateway", "connection ended by an error")
            .field("listener", listening.name())
            .field("error", error)
            .emit();
    }
}

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Greeting(std::io::Error),
    #[error("nothing came in time")]
    Silent,
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

impl Fault {
    /// The reason for which a client was refused by it, if that is what it means: others just went away.
    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Silent => Some(HEAD_TIME),
            Self::Greeting(error) => {
                matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::Other)
                    .then_some(HANDSHAKE)
            }
            Self::Http(error) if error.is_parse_too_large() => Some(HEAD_SIZE),
            Self::Http(error) if error.is_parse() => Some(MALFORMED),
            Self::Http(error) => {
                let source = std::error::Error::source(error)?;
                if let Some(error) = source.downcast_ref::<h2::Error>() {
                    // Else it is the client that ended it.
                    return error.is_library().then_some(MALFORMED);
                }
                let error = source.downcast_ref::<std::io::Error>()?;
                (error.kind() == ErrorKind::TimedOut).then_some(UNREAD)
            }
        }
    }
}

async fn greet_and_serve(stream: TcpStream, guest: Guest, worker: Rc<Worker>) -> Result<(), Fault> {
    let site = guest.listening.site();
    let limits = &site.settings.listener;
    let pulse = Arc::new(Pulse::new());
    let patience = Patience {
        head: limits.header_read_timeout,
        idle: site.settings.idle_timeout,
        write: limits.write_timeout,
    };
    let standing = worker.room.enter(&guest.listening, &guest._seat.departure, &pulse, patience);
    // Boxed, as is HTTP/2: what is over or rare must not make each connection as large.
    let greeting = Box::pin(greet(stream, &site, guest.is_own, &pulse));
    let greeting = unless_told(greeting, standing.control());
    let greeted = tokio::time::timeout(limits.header_read_timeout, greeting).await;
    let Some(greeted) = greeted.map_err(|_elapsed| Fault::Silent)? else { return Ok(()) };
    let Greeted { stream, version, server_name, identity } = greeted.map_err(Fault::Greeting)?;
    pulse.greeted(version == Version::Http1);
    let context = Rc::new(ConnectionContext {
        worker,
        listening: Arc::clone(&guest.listening),
        peer: guest.peer,
        peer_text: guest.peer.to_string().into(),
        is_own: guest.is_own,
        is_secure: site.tls.is_some(),
        server_name,
        identity_header: identity.as_ref().map(Identity::header),
        identity,
        via: RefCell::default(),
        pulse,
        standing,
        _guest: guest,
    });
    let stream = Paced::new(stream, limits.write_timeout);
    match version {
        Version::Http1 => {
            drop(site);
            serve_http1(stream, &context).await
        }
        Version::Http2 => {
            let http = http2(&site, &context);
            drop(site);
            Ok(Box::pin(serve_http2(http, stream, &context)).await?)
        }
    }
}

/// Serves HTTP/1 to the end of the connection; while no request comes, it holds no buffers.
async fn serve_http1(
    mut stream: Paced<ClientStream>,
    context: &Rc<ConnectionContext>,
) -> Result<(), Fault> {
    let control = context.standing.control();
    loop {
        let Some(mut rested) = Box::pin(until_rest(stream, context)).await? else { return Ok(()) };
        context.worker.room.gave_up();
        match unless_told(rested.get_mut().until_heard(), control).await {
            Some(heard) => heard.map_err(Fault::Greeting)?,
            None => return Ok(()),
        }
        control.rested();
        stream = rested;
    }
}

/// Serves HTTP/1 until the connection ends, or rests: then it is given back.
async fn until_rest(
    stream: Paced<ClientStream>,
    context: &Rc<ConnectionContext>,
) -> Result<Option<Paced<ClientStream>>, hyper::Error> {
    let http = http1(&context.listening.site());
    let for_service = Rc::clone(context);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let context = Rc::clone(&for_service);
        async move { Ok::<_, Infallible>(super::serve(request, context).await) }
    });
    let mut connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let end_when_idle = http1::UpgradeableConnection::graceful_shutdown;
    let mut driving = Driving::new(context, end_when_idle);
    let ended =
        poll_fn(|task: &mut Context<'_>| match driving.poll(Pin::new(&mut connection), task) {
            Poll::Pending if driving.may_rest(task) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
        });
    if let Some(ended) = ended.await {
        return ended.map(|()| None);
    }
    let Some(parts) = connection.into_parts() else { return Ok(None) };
    let mut stream = parts.io.into_inner();
    if !parts.read_buf.is_empty() {
        // They came behind a request and could not be told from it before.
        context.pulse.heard_before();
        stream.get_mut().put_back(&parts.read_buf);
    }
    Ok(Some(stream))
}

/// What is known of a client once it was greeted.
struct Greeted {
    stream: ClientStream,
    version: Version,
    server_name: Option<Box<str>>,
    identity: Option<Identity>,
}

/// Finds out what the client speaks and who it is. This process asks itself in plain text, which
/// nobody else can do under its address.
async fn greet(
    stream: TcpStream,
    site: &Site,
    is_own: bool,
    pulse: &Arc<Pulse>,
) -> std::io::Result<Greeted> {
    let tls = match &site.tls {
        Some(tls) if !is_own => Arc::clone(&tls.config),
        Some(_) | None => {
            let (stream, version) = ClientStream::plain(stream, pulse).await?;
            return Ok(Greeted { stream, version, server_name: None, identity: None });
        }
    };
    let stream = TlsAcceptor::from(tls).accept(stream).await?;
    let session = stream.get_ref().1;
    let server_name = session.server_name().map(Box::from);
    let identity = Identity::of_peer(session).map_err(std::io::Error::other)?;
    let (stream, version) = ClientStream::tls(stream, pulse).await?;
    Ok(Greeted { stream, version, server_name, identity })
}

/// HTTP/1.1 with the listener's limits; how long a head may take is the pulse's business.
fn http1(site: &Site) -> http1::Builder {
    let bytes_max = site.settings.listener.header_bytes_max;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_header_size(bytes_max)
        // What a connection may hold of what its peer sent; hyper refuses less than 8 KiB.
        .max_buf_size(bytes_max.max(64 * 1024));
    http
}

/// HTTP/2 with the listener's limits.
fn http2(site: &Site, context: &Rc<ConnectionContext>) -> http2::Builder<AsStreams> {
    let settings = &site.settings;
    let mut http = http2::Builder::new(AsStreams(Rc::clone(context)));
    http.timer(TokioTimer::new())
        .max_concurrent_streams(settings.http2_streams_max)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(
            settings.http2_streams_max.saturating_mul(STREAM_WINDOW).min(CONNECTION_WINDOW_MAX),
        )
        .max_send_buf_size(SEND_BUFFER_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_header_list_size(u32::try_from(settings.listener.header_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(settings.idle_timeout)
        .keep_alive_timeout(settings.listener.header_read_timeout);
    http
}

async fn serve_http2(
    http: http2::Builder<AsStreams>,
    stream: Paced<ClientStream>,
    context: &Rc<ConnectionContext>,
) -> Result<(), hyper::Error> {
    let for_service = Rc::clone(context);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let context = Rc::clone(&for_service);
        // Boxed: hyper makes a task of it, which is moved more than once.
        Box::pin(async move { Ok::<_, Infallible>(super::serve(request, context).await) })
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut driving = Driving::new(context, http2::Connection::graceful_shutdown);
    poll_fn(|task: &mut Context<'_>| driving.poll(connection.as_mut(), task)).await
}

/// Drives a connection to its end, or to the end that it is told.
struct Driving<'a, C> {
    context: &'a ConnectionContext,
    end_when_idle: fn(Pin<&mut C>),
    is_ending: bool,
}

impl<'a, C: Future<Output = Result<(), hyper::Error>>> Driving<'a, C> {
    fn new(context: &'a ConnectionContext, end_when_idle: fn(Pin<&mut C>)) -> Self {
        Self { context, end_when_idle, is_ending: false }
    }

    /// What came before the connection was told to end is taken first, and so is answered.
    fn poll(&mut self, mut connection: Pin<&mut C>, task: &mut Context<'_>) -> Poll<C::Output> {
        let polled = connection.as_mut().poll(task);
        match self.order(task) {
            Order::Cut if polled.is_pending() => Poll::Ready(Ok(())),
            Order::End | Order::Close if polled.is_pending() && !self.is_ending => {
                self.is_ending = true;
                (self.end_when_idle)(connection.as_mut());
                connection.poll(task)
            }
            Order::Cut | Order::Close | Order::End | Order::Rest | Order::Stay => polled,
        }
    }

    fn order(&self, task: &mut Context<'_>) -> Order {
        self.context.standing.control().order(task.waker())
    }

    /// True if the connection is told to rest and can; asked again later where it cannot.
    fn may_rest(&self, task: &mut Context<'_>) -> bool {
        if self.order(task) != Order::Rest {
            return false;
        }
        let may_rest = self.context.pulse.is_at_rest();
        if !may_rest {
            self.context.standing.control().rested();
        }
        may_rest
    }
}

/// The output of a future, unless the connection is told to end before. What the kernel has by then still counts: the
/// event loop may not have seen it yet, but has once this had to wait for its turn.
async fn unless_told<F: Future>(future: F, control: &Control) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut turn = pin!(tokio::task::yield_now());
    poll_fn(|task| match future.as_mut().poll(task) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if control.order(task.waker()) > Order::Rest => {
            turn.as_mut().poll(task).map(|()| None)
        }
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Runs what a client's connection needs to have run beside it: its streams.
#[derive(Clone)]
struct AsStreams(Rc<ConnectionContext>);

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for AsStreams {
    fn execute(&self, stream: F) {
        let task = tokio::task::spawn_local(stream);
        self.0.standing.control().streams.enter(task.abort_handle());
    }
}

/// Runs what a connection needs to have run beside it on the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub struct OnThisThread;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(future));
    }
}
