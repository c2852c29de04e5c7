//! The connections of a worker to one upstream: those that are idle, those of HTTP/2 that many
//! requests share, and who waits for one. How many there may be, and how long they are kept, is in
//! `client.rs`; how one is opened in `connect.rs`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot};
use tokio::time::Instant;

use super::connect::{Place, UpstreamStream};
use super::{ConnectFault, Connector, Counted, Destination, Kind, Lease, connect};
use crate::gateway::body::Outbound;
use crate::gateway::connection::{OnThisThread, WINDOW_MAX};

/// Requests at a time on an HTTP/2 connection before another one is opened.
const STREAMS_WANTED: usize = 100;

/// Bytes of an HTTP/2 answer that wait for its client, a stream: as much comes in a round trip. A connection has all
/// that its streams can use, so that clients which read nothing do not hold up the others.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Bytes of the head of an upstream's answer at most, and of its body that wait for the client.
const ANSWER_BUFFER_MAX: usize = 128 * 1024;

/// Headers of an upstream's answer at most.
const HEADERS_MAX: usize = 256;

/// How long an HTTP/2 upstream may leave a ping unanswered, and how often it gets one.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// Of the connections that come free while other workers wait too, every so many goes to them.
const SHARED_EVERY: u32 = 8;

/// The connections to one destination.
pub struct Shelf {
    /// What it belongs to, as long as the config has it.
    pub connector: Weak<Connector>,
    /// Where they lead.
    pub destination: Arc<Destination>,
    /// Unused ones, the last used last.
    pub idle: RefCell<Vec<Idle>>,
    /// Requests of this worker that wait for one.
    pub waiters: RefCell<VecDeque<oneshot::Sender<Sender1>>>,
    /// How many came free while somebody waited.
    given: Cell<u32>,
    /// Those of HTTP/2.
    pub multiplexed: RefCell<Vec<Rc<Multiplexed>>>,
    /// Held while an HTTP/2 connection is made, so that not every request makes its own.
    making: Semaphore,
    /// When the last one could not be made.
    failed: Cell<Option<Instant>>,
}

/// The way to send on a connection of HTTP/1.
pub type Sender1 = http1::SendRequest<Outbound>;

/// A connection of HTTP/1 that nobody uses.
pub struct Idle {
    /// The way to send on it.
    pub sender: Sender1,
    /// Since when.
    pub since: Instant,
}

/// A connection of HTTP/2.
pub struct Multiplexed {
    /// The way to send on it; a clone sends another request.
    pub sender: http2::SendRequest<Outbound>,
    /// Requests on it.
    pub streams: Cell<usize>,
    /// Knows how many its upstream takes at a time.
    driven: Driven,
    /// When the last one ended.
    pub used: Cell<Instant>,
}

/// What drives an HTTP/2 connection, as a task of its own; none once it has ended, as what is sent to it would wait for
/// ever.
type Driven = Rc<RefCell<Option<Connection2>>>;
type Connection2 = http2::Connection<TokioIo<UpstreamStream>, Outbound, OnThisThread>;

/// A stream of an HTTP/2 connection, counted while it lives.
pub struct Stream(pub Rc<Multiplexed>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.used.set(Instant::now());
    }
}

impl Shelf {
    /// Those to `destination`, of which there are none yet.
    pub fn new(connector: &Arc<Connector>, destination: &Arc<Destination>) -> Self {
        Self {
            connector: Arc::downgrade(connector),
            destination: Arc::clone(destination),
            idle: RefCell::default(),
            waiters: RefCell::default(),
            given: Cell::new(0),
            multiplexed: RefCell::default(),
            making: Semaphore::new(1),
            failed: Cell::new(None),
        }
    }

    /// An unused one that works, if there is one.
    pub fn take_idle(&self) -> Option<Sender1> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { sender, .. }) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Takes back a connection that is ready for the next request.
    pub fn put(&self, mut sender: Sender1) {
        let waiting = self.destination.waiting.load(Ordering::Relaxed);
        if waiting > 0 {
            let mut waiters = self.waiters.borrow_mut();
            waiters.retain(|waiter| !waiter.is_closed());
            let given = self.given.get().wrapping_add(1);
            self.given.set(given);
            if waiting > waiters.len() && (waiters.is_empty() || given.is_multiple_of(SHARED_EVERY))
            {
                // Closed, so that another worker may open one.
                return;
            }
            while let Some(waiter) = waiters.pop_front() {
                match waiter.send(sender) {
                    Ok(()) => return,
                    Err(back) => sender = back,
                }
            }
        }
        self.idle.borrow_mut().push(Idle { sender, since: Instant::now() });
    }

    /// Opens a connection of HTTP/1.
    ///
    /// # Errors
    /// When nobody takes it.
    pub async fn open_single(
        &self,
        connector: &Connector,
        permit: OwnedSemaphorePermit,
    ) -> Result<Sender1, ConnectFault> {
        let io = self.connect(connector, Some(permit)).await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(ANSWER_BUFFER_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(io)
            .await
            .map_err(ConnectFault::Http)?;
        tokio::task::spawn_local(async move {
            // What went wrong is told to the request that it went wrong for.
            let _ = connection.with_upgrades().await;
        });
        Ok(sender)
    }

    async fn connect(
        &self,
        connector: &Connector,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<TokioIo<UpstreamStream>, ConnectFault> {
        let Destination { upstream, tls, open, .. } = &*self.destination;
        let patience = connector.connect_timeout;
        let connecting = connect::connect(upstream, tls.as_ref(), patience);
        match tokio::time::timeout(patience, connecting).await {
            Ok(Ok(stream)) => Ok(TokioIo::new(stream.at(Place::new(permit, open)))),
            Ok(Err(error)) => Err(ConnectFault::Refused(error)),
            Err(_elapsed) => Err(ConnectFault::TimedOut),
        }
    }

    /// A stream of an HTTP/2 connection, of a new one where those there are busy. Where it has to wait for the end of
    /// another one, `is_queued` is true from then on.
    ///
    /// # Errors
    /// When none can be had: also where a connection failed that was waited for.
    pub async fn stream(
        self: Rc<Self>,
        connector: &Connector,
        is_fresh: bool,
        is_queued: &Cell<bool>,
    ) -> Result<Lease, ConnectFault> {
        if is_fresh {
            self.multiplexed.borrow_mut().clear();
        }
        if let Some(found) = self.free_stream(false) {
            return Ok(Lease { kind: Kind::Stream(found), shelf: self, is_reused: true });
        }
        let asked = Instant::now();
        let making = self.making(connector).await?;
        if let Some(found) = self.free_stream(false) {
            drop(making);
            return Ok(Lease { kind: Kind::Stream(found), shelf: self, is_reused: true });
        }
        if self.failed.get().is_some_and(|failed| failed >= asked) {
            // Else each would wait for all before it.
            return Err(ConnectFault::Shared);
        }
        // Each worker may have one connection whatever the limit says: they cannot be shared.
        let permit = Arc::clone(&self.destination.permits).try_acquire_owned().ok();
        if permit.is_none()
            && let Some(found) = self.free_stream(true)
        {
            drop(making);
            is_queued.set(found.is_queued());
            return Ok(Lease { kind: Kind::Stream(found), shelf: self, is_reused: true });
        }
        let made = self.open_multiplexed(connector, permit).await;
        self.failed.set(made.is_err().then(Instant::now));
        drop(making);
        let stream = made?;
        Ok(Lease { kind: Kind::Stream(stream), shelf: self, is_reused: false })
    }

    /// The right to make a connection of HTTP/2, which one request has at a time.
    async fn making(&self, connector: &Connector) -> Result<SemaphorePermit<'_>, ConnectFault> {
        if let Ok(making) = self.making.try_acquire() {
            return Ok(making);
        }
        let (_pending, before) = Counted::new(&connector.pending);
        if before >= connector.pending_max {
            return Err(ConnectFault::Overloaded);
        }
        // It is never closed.
        self.making.acquire().await.map_err(|_closed| ConnectFault::Overloaded)
    }

    /// A stream of the connection with the fewest; of a busy one only where that is wanted.
    fn free_stream(&self, is_busy_fine: bool) -> Option<Stream> {
        let mut multiplexed = self.multiplexed.borrow_mut();
        multiplexed.retain(|one| !one.sender.is_closed());
        let found = multiplexed.iter().min_by_key(|one| one.streams.get())?;
        let is_fine = is_busy_fine || found.streams.get() < found.streams_wanted();
        is_fine.then(|| Stream::of(found))
    }

    async fn open_multiplexed(
        &self,
        connector: &Connector,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Stream, ConnectFault> {
        let io = self.connect(connector, permit).await?;
        let (sender, connection) = http2::Builder::new(OnThisThread)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW_MAX)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE)
            .handshake(io)
            .await
            .map_err(ConnectFault::Http)?;
        let driven = Rc::new(RefCell::new(Some(connection)));
        let driving = Rc::clone(&driven);
        tokio::task::spawn_local(async move {
            poll_fn(|task| match &mut *driving.borrow_mut() {
                Some(connection) => Pin::new(connection).poll(task).map(drop),
                None => Poll::Ready(()),
            })
            .await;
            drop(driving.take());
        });
        let (streams, used) = (Cell::new(0), Cell::new(Instant::now()));
        let made = Rc::new(Multiplexed { sender, streams, driven, used });
        self.multiplexed.borrow_mut().push(Rc::clone(&made));
        Ok(Stream::of(&made))
    }
}

impl Multiplexed {
    /// Requests that its upstream takes on it at a time.
    fn streams_max(&self) -> usize {
        self.driven.borrow().as_ref().map_or(0, http2::Connection::current_max_send_streams)
    }

    /// Requests on it before another connection is opened.
    fn streams_wanted(&self) -> usize {
        STREAMS_WANTED.min(self.streams_max())
    }
}

impl Stream {
    /// True if its upstream takes it only once another one has ended.
    fn is_queued(&self) -> bool {
        self.0.streams.get() > self.0.streams_max()
    }

    fn of(connection: &Rc<Multiplexed>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self(Rc::clone(connection))
    }
}
