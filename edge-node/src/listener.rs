//! A listener: bound before the service is ready, served with limits, drained when it stops.
//!
//! The same for every listener of the service; what is answered is the router it is given.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::paced::Paced;
use self::shortage::{Reaction, Shortage};
use crate::config::Listener as Settings;
use crate::observe::logs::{Level, Logs};
use crate::observe::metrics::{HttpMetrics, Raised};

mod paced;
mod shortage;

/// Connections the kernel holds for us while all slots are taken.
const BACKLOG: u32 = 1024;

/// How long accepting rests after it failed for want of descriptors or memory: at once, it would
/// fail again.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How often it is said at most that every slot is taken: peers can bring it about at will.
const CAP_WARNING_EVERY: Duration = Duration::from_secs(60);

/// A listener that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("listener `{name}` cannot bind {address}: {source}")]
pub struct BindError {
    /// The listener's name in the config.
    pub name: Arc<str>,
    /// The address asked for.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

impl BindError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        let (name, port) = (&self.name, self.address.port());
        let kind = self.source.kind();
        if kind == io::ErrorKind::AddrInUse {
            format!(
                "another program has port {port}: stop it, or set another `port` under \
                 [listeners.{name}]"
            )
        } else if kind == io::ErrorKind::PermissionDenied {
            format!(
                "port {port} is reserved: ports under 1024 need the capability \
                 CAP_NET_BIND_SERVICE on Linux; or set another `port` under [listeners.{name}]"
            )
        } else if kind == io::ErrorKind::AddrNotAvailable {
            format!(
                "no interface of this machine has the address {}: set another `address` under \
                 [listeners.{name}]",
                self.address.ip()
            )
        } else {
            format!("see `address` and `port` under [listeners.{name}]")
        }
    }
}

/// A bound listener; the kernel takes connections from now on, answered once it is served.
pub struct Bound {
    name: Arc<str>,
    address: SocketAddr,
    listener: TcpListener,
    settings: Settings,
}

/// Binds a listener; must be called inside the tokio runtime.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(name: &str, settings: &Settings) -> Result<Bound, BindError> {
    let name: Arc<str> = name.into();
    let listen = || {
        let listener = socket(settings.address)?.listen(BACKLOG)?;
        Ok((listener.local_addr()?, listener))
    };
    match listen() {
        Ok((address, listener)) => {
            Ok(Bound { name, address, listener, settings: settings.clone() })
        }
        Err(source) => Err(BindError { name, address: settings.address, source }),
    }
}

/// A socket bound to the address, for us alone.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Unix this lets a restart bind while connections of the last run linger; on Windows it
    // would let another process take the port, so there the opposite is asked for.
    if address.is_ipv6() {
        // `::` takes IPv4 as well; systems differ in what they do unasked.
        socket2::SockRef::from(&socket).set_only_v6(false)?;
    }
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    #[cfg(windows)]
    crate::win32::claim_address(&socket)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Bound {
    /// The listener's name in the config.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The address bound; for port 0, the port that was chosen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers connections with the router from now on.
    #[must_use]
    pub fn serve(self, router: Router, metrics: &HttpMetrics, logs: &Logs) -> Serving {
        let slots = Arc::new(Semaphore::new(self.settings.connections_max));
        let (stop, stopped) = oneshot::channel();
        let acceptor = Acceptor {
            http: http(&self.settings),
            router,
            slots: Arc::clone(&slots),
            open: metrics.connections(&self.name),
            cap_reached: metrics.connection_cap_reached(&self.name),
            cap_warned: None,
            shortage: Shortage::default(),
            write_timeout: self.settings.write_timeout,
            graceful: GracefulShutdown::new(),
            name: Arc::clone(&self.name),
            logs: logs.clone(),
        };
        let accepting = tokio::spawn(acceptor.run(self.listener, stopped));
        Serving { stop, accepting, slots, connections_max: self.settings.connections_max }
    }
}

/// HTTP/1.1 with the listener's limits.
fn http(settings: &Settings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // Runs from the first wait for a head, so it ends idle connections as well.
        .header_read_timeout(settings.header_read_timeout)
        .max_header_size(settings.header_bytes_max)
        // What a connection may hold of what its peer sent; hyper refuses less than 8 KiB.
        .max_buf_size(settings.header_bytes_max);
    http
}

/// Takes connections and answers them.
struct Acceptor {
    http: http1::Builder,
    router: Router,
    slots: Arc<Semaphore>,
    open: Gauge,
    cap_reached: Counter,
    cap_warned: Option<Instant>,
    shortage: Shortage,
    write_timeout: Duration,
    graceful: GracefulShutdown,
    name: Arc<str>,
    logs: Logs,
}

impl Acceptor {
    /// Accepts until stopped, then closes the listening socket; gives back what drains the
    /// connections taken.
    async fn run(
        mut self,
        listener: TcpListener,
        stopped: oneshot::Receiver<()>,
    ) -> GracefulShutdown {
        let mut stopped = pin!(stopped);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return self.graceful,
                (stream, slot) = self.next(&listener) => self.answer(stream, slot),
            }
        }
    }

    /// The next connection, with a slot for it: without a free slot, it waits in the kernel.
    async fn next(&mut self, listener: &TcpListener) -> (TcpStream, OwnedSemaphorePermit) {
        if self.slots.available_permits() == 0 {
            self.note_cap_reached();
        }
        let slot =
            Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match listener.accept().await {
                Ok((stream, _peer)) => {
                    self.note_end_of_shortage();
                    return (stream, slot);
                }
                Err(error) => self.recover(&error).await,
            }
        }
    }

    /// Says what an error of accepting means, and rests where that helps.
    async fn recover(&mut self, error: &io::Error) {
        let (level, rest) = match self.shortage.failed(error) {
            Reaction::Retry => (Level::Debug, None),
            Reaction::Rest { is_first: true } => (Level::Error, Some(ACCEPT_REST)),
            Reaction::Rest { is_first: false } => (Level::Debug, Some(ACCEPT_REST)),
        };
        self.logs
            .record(level, "listener", "connection cannot be accepted")
            .field("listener", &self.name)
            .field("error", error)
            .emit();
        if let Some(rest) = rest {
            tokio::time::sleep(rest).await;
        }
    }

    fn note_end_of_shortage(&mut self) {
        let Some(errors) = self.shortage.accepted() else { return };
        self.logs
            .record(Level::Info, "listener", "connections are accepted again")
            .field("listener", &self.name)
            .value("errors", errors)
            .emit();
    }

    /// Counts that every slot is taken, and says it from time to time.
    fn note_cap_reached(&mut self) {
        self.cap_reached.inc();
        let now = Instant::now();
        if self.cap_warned.is_some_and(|last| now < last + CAP_WARNING_EVERY) {
            return;
        }
        self.cap_warned = Some(now);
        self.logs
            .record(Level::Warn, "listener", "every connection slot is taken, new ones wait")
            .field("listener", &self.name)
            .value("times", self.cap_reached.get())
            .emit();
    }

    /// Answers a connection in a task of its own.
    fn answer(&self, stream: TcpStream, slot: OwnedSemaphorePermit) {
        // Without it an answer may wait for the peer's acknowledgment; a socket that refuses
        // still works.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.router.clone().into_service());
        let io = TokioIo::new(Paced::new(stream, self.write_timeout));
        let connection = self.http.serve_connection(io, service);
        let watched = self.graceful.watch(connection);
        let (open, logs, name) =
            (Raised::new(self.open.clone()), self.logs.clone(), Arc::clone(&self.name));
        tokio::spawn(async move {
            let ended: Result<(), hyper::Error> = watched.await;
            if let Err(error) = ended {
                // What a peer does wrong is no news for operators: it can be sent at will.
                logs.record(Level::Debug, "listener", "connection ended by an error")
                    .field("listener", name)
                    .field("error", error)
                    .emit();
            }
            drop((slot, open));
        });
    }
}

/// A listener at work.
pub struct Serving {
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<GracefulShutdown>,
    slots: Arc<Semaphore>,
    connections_max: usize,
}

/// Connections that were still open when a drain's time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut(pub usize);

impl Serving {
    /// Stops accepting, ends idle connections, and lets requests in flight finish, each answered
    /// with `Connection: close`, until the deadline.
    ///
    /// # Errors
    /// When connections are still open at the deadline.
    pub async fn drain(self, deadline: Instant) -> Result<(), Cut> {
        let Self { stop, accepting, slots, connections_max } = self;
        let _ = stop.send(());
        let drained = async {
            // The task can only fail by a panic, which leaves nothing to drain.
            if let Ok(graceful) = accepting.await {
                graceful.shutdown().await;
            }
        };
        tokio::time::timeout_at(deadline, drained)
            .await
            .map_err(|_elapsed| Cut(connections_max - slots.available_permits()))
    }
}

#[cfg(test)]
mod tests;
