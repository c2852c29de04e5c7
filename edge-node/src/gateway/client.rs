//! A worker's connections to upstreams: kept alive between requests, the last one used first, and
//! no more of them than the pool allows over all workers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use self::connect::Tls;
use self::shelf::{Sender1, Shelf, Stream};
use super::body::Outbound;
use super::snapshot::PoolAtWork;
use super::workers::Job;
use crate::config::Protocol;
use crate::observe::metrics::HttpMetrics;
use crate::tls::server_name;
use crate::upstream::{Pool, Upstream};

mod connect;
mod shelf;

/// Each destination of this process has another number.
static DESTINATIONS: AtomicU64 = AtomicU64::new(0);

/// The way to the upstreams of a pool; shared by all workers.
pub struct Connector {
    protocol: Protocol,
    connect_timeout: Duration,
    idle_timeout: Duration,
    pending_max: usize,
    pending: AtomicUsize,
    destinations: Box<[Arc<Destination>]>,
}

/// The way to one upstream.
pub struct Destination {
    id: u64,
    upstream: Arc<Upstream>,
    /// Its address, for people.
    pub label: Arc<str>,
    tls: Option<Tls>,
    permits: Arc<Semaphore>,
    /// Requests that wait for a permit.
    waiting: AtomicUsize,
    open: Gauge,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    /// Too many requests wait already.
    #[error("too many requests wait for a connection")]
    Overloaded,
    /// The upstream did not take it in time.
    #[error("connecting took too long")]
    TimedOut,
    /// Another request tried that just now.
    #[error("connecting just failed")]
    Shared,
    /// The upstream did not take it.
    #[error("{0}")]
    Refused(std::io::Error),
    /// It does not speak HTTP.
    #[error("{0}")]
    Http(hyper::Error),
}

impl Connector {
    /// The way to the upstreams of `pool`.
    pub fn new(pool: &Pool, tls: Option<Arc<rustls::ClientConfig>>, metrics: &HttpMetrics) -> Self {
        let settings = pool.settings();
        let is_http2 = settings.protocol == Protocol::Http2;
        let destination = |upstream: &Arc<Upstream>| {
            let label: Arc<str> = upstream.address().to_string().into();
            let tls = match (&settings.tls, &tls) {
                (Some(settings), Some(config)) => {
                    // A config without a name to check is not loaded; nothing goes out in plain.
                    let name = server_name(settings, upstream.address()).ok()?;
                    Some(Tls { config: Arc::clone(config), name, is_http2 })
                }
                (Some(_), None) => return None,
                (None, _) => None,
            };
            Some(Arc::new(Destination {
                id: DESTINATIONS.fetch_add(1, Ordering::Relaxed),
                upstream: Arc::clone(upstream),
                tls,
                permits: Arc::new(Semaphore::new(settings.connections_max)),
                waiting: AtomicUsize::new(0),
                open: metrics.upstream_connections(&settings.name, &label),
                label,
            }))
        };
        Self {
            protocol: settings.protocol,
            connect_timeout: settings.connect_timeout,
            idle_timeout: settings.idle_timeout,
            pending_max: settings.pending_max,
            pending: AtomicUsize::new(0),
            destinations: pool.upstreams().iter().filter_map(destination).collect(),
        }
    }

    /// What the upstreams speak.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The addresses of the upstreams, for people.
    pub fn labels(&self) -> impl Iterator<Item = &Arc<str>> {
        self.destinations.iter().map(|destination| &destination.label)
    }

    /// The way to one of the pool's upstreams.
    pub fn destination(&self, upstream: &Arc<Upstream>) -> Option<&Arc<Destination>> {
        self.destinations.iter().find(|known| Arc::ptr_eq(&known.upstream, upstream))
    }
}

impl Destination {
    /// True if it is reached by TLS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }
}

/// A worker's connections.
pub struct Connections {
    shelves: RefCell<HashMap<u64, Rc<Shelf>>>,
    peers: Vec<mpsc::WeakUnboundedSender<Job>>,
    expired_at: Cell<Option<Instant>>,
}

/// A connection in use by a request.
pub struct Lease {
    kind: Kind,
    shelf: Rc<Shelf>,
    /// True if it carried a request before, so that its end may be news that was on its way.
    pub is_reused: bool,
}

enum Kind {
    Single(Sender1),
    Stream(Stream),
}

/// A number that is one higher while this lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    /// Raises the number; gives what it was as well.
    fn new(count: &'a AtomicUsize) -> (Self, usize) {
        (Self(count), count.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    /// No connections; `peers` are all workers.
    pub fn new(peers: Vec<mpsc::WeakUnboundedSender<Job>>) -> Self {
        Self { shelves: RefCell::default(), peers, expired_at: Cell::new(None) }
    }

    /// True if there is nothing that could expire.
    pub fn is_empty(&self) -> bool {
        self.shelves.borrow().is_empty()
    }

    /// A connection to an upstream; a new one where `is_fresh`. While it is waited for behind other requests,
    /// `is_queued` is true.
    ///
    /// # Errors
    /// When none can be had.
    pub async fn lease(
        &self,
        pool: &PoolAtWork,
        destination: &Arc<Destination>,
        is_fresh: bool,
        is_queued: &Cell<bool>,
    ) -> Result<Lease, ConnectFault> {
        let connector = &pool.connector;
        let shelf = self.shelf(connector, destination);
        match connector.protocol {
            Protocol::Http1 => self.single(pool, shelf, is_fresh, is_queued).await,
            Protocol::Http2 => shelf.stream(connector, is_fresh, is_queued).await,
        }
    }

    fn shelf(&self, connector: &Arc<Connector>, destination: &Arc<Destination>) -> Rc<Shelf> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves
            .entry(destination.id)
            .or_insert_with(|| Rc::new(Shelf::new(connector, destination)));
        Rc::clone(shelf)
    }

    async fn single(
        &self,
        pool: &PoolAtWork,
        shelf: Rc<Shelf>,
        is_fresh: bool,
        is_queued: &Cell<bool>,
    ) -> Result<Lease, ConnectFault> {
        if is_fresh {
            // What is idle went the way of the one that failed, most likely.
            shelf.idle.borrow_mut().clear();
        } else if let Some(sender) = shelf.take_idle() {
            return Ok(Lease { kind: Kind::Single(sender), shelf, is_reused: true });
        }
        let permits = Arc::clone(&shelf.destination.permits);
        let permit = match permits.try_acquire_owned() {
            Ok(permit) => permit,
            Err(_none) => {
                is_queued.set(true);
                let free = self.wait(&pool.connector, &shelf).await?;
                is_queued.set(false);
                match free {
                    Free::Permit(permit) => permit,
                    Free::Connection(sender) => {
                        return Ok(Lease { kind: Kind::Single(sender), shelf, is_reused: true });
                    }
                }
            }
        };
        let sender = shelf.open_single(&pool.connector, permit).await?;
        Ok(Lease { kind: Kind::Single(sender), shelf, is_reused: false })
    }

    /// Waits for a connection of this worker, or for the right to open one.
    async fn wait(&self, connector: &Connector, shelf: &Rc<Shelf>) -> Result<Free, ConnectFault> {
        let (_pending, before) = Counted::new(&connector.pending);
        if before >= connector.pending_max {
            return Err(ConnectFault::Overloaded);
        }
        let destination = &shelf.destination;
        let (_waiting, _) = Counted::new(&destination.waiting);
        let (give, given) = oneshot::channel();
        shelf.waiters.borrow_mut().push_back(give);
        // Connections that other workers keep for later hold permits too.
        for peer in &self.peers {
            if let Some(peer) = peer.upgrade() {
                let _ = peer.send(Job::Relinquish(destination.id));
            }
        }
        tokio::select! {
            Ok(sender) = given => Ok(Free::Connection(sender)),
            Ok(permit) = Arc::clone(&destination.permits).acquire_owned() => Ok(Free::Permit(permit)),
            else => Err(ConnectFault::Overloaded),
        }
    }

    /// Closes an unused connection to a destination that another worker waits for.
    pub fn relinquish(&self, destination: u64) {
        if let Some(shelf) = self.shelves.borrow().get(&destination) {
            let mut idle = shelf.idle.borrow_mut();
            if !idle.is_empty() {
                idle.remove(0);
            }
        }
    }

    /// Closes what was not used for long, and what the config no longer has; looks once a second.
    pub fn expire(&self, now: Instant) {
        let is_recent = |last: Instant| now < last + Duration::from_secs(1);
        if self.expired_at.get().is_some_and(is_recent) {
            return;
        }
        self.expired_at.set(Some(now));
        self.shelves.borrow_mut().retain(|_, shelf| {
            let timeout = shelf.connector.upgrade().map(|connector| connector.idle_timeout);
            let is_fresh = |since: Instant| timeout.is_some_and(|timeout| now < since + timeout);
            let mut idle = shelf.idle.borrow_mut();
            idle.retain(|idle| is_fresh(idle.since) && !idle.sender.is_closed());
            let mut multiplexed = shelf.multiplexed.borrow_mut();
            multiplexed.retain(|one| {
                !one.sender.is_closed() && (one.streams.get() > 0 || is_fresh(one.used.get()))
            });
            let is_used = !idle.is_empty() || !multiplexed.is_empty();
            is_used || (timeout.is_some() && Rc::strong_count(shelf) > 1)
        });
    }
}

/// What came free for who waited.
enum Free {
    Permit(OwnedSemaphorePermit),
    Connection(Sender1),
}

impl Lease {
    /// Sends a request; what was not sent comes back with the error.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(
        &mut self,
        request: http::Request<Outbound>,
    ) -> Result<http::Response<Incoming>, TrySendError<http::Request<Outbound>>> {
        match &mut self.kind {
            Kind::Single(sender) => sender.try_send_request(request).await,
            Kind::Stream(stream) => stream.0.sender.clone().try_send_request(request).await,
        }
    }

    /// True if other requests may be on the same connection.
    pub fn is_multiplexed(&self) -> bool {
        matches!(self.kind, Kind::Stream(_))
    }

    /// Gives the connection back, its answer being complete.
    pub fn give_back(self) {
        let Self { kind, shelf, .. } = self;
        let Kind::Single(mut sender) = kind else { return };
        if sender.is_ready() {
            shelf.put(sender);
        } else if !sender.is_closed() {
            // The rest of the request may still be on its way.
            tokio::task::spawn_local(async move {
                if sender.ready().await.is_ok() {
                    shelf.put(sender);
                }
            });
        }
    }
}
