//! A listener: bound before the service is ready, served with limits, drained when it stops.
//!
//! The same for every listener of the service; who answers the connections is what it is given:
//! `routed` does it with a router on the same event loop, the gateway on its workers.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::shortage::{Reaction, Shortage};
use self::slots::Slot;
use crate::config::Listener as Settings;
use crate::observe::logs::{Level, Logs};
use crate::observe::metrics::{HttpMetrics, Raised};
use crate::probe::Own;
use crate::watchdog::Target;

#[cfg(target_os = "linux")]
mod closing;
mod departure;
pub mod paced;
pub mod routed;
mod shortage;
mod slots;

pub use departure::{Departure, Stage};
pub use slots::Slots;

/// Connections the kernel holds for us while all slots are taken.
const BACKLOG: u32 = 1024;

/// How long accepting rests after it failed for want of descriptors or memory: at once, it would
/// fail again.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How often it is said at most that every slot is taken: peers can bring it about at will.
const CAP_WARNING_EVERY: Duration = Duration::from_secs(60);

/// How long an idle connection is left open at least once its listener drains: what its client
/// sent before is on its way or waits in the kernel.
pub const LAST_CALL: Duration = Duration::from_millis(50);

/// How long listeners may take to close their sockets before those that wait for it go on. Only a
/// shortage of descriptors or of processor time makes it take longer than the last handshakes.
pub const CLOSE_MAX: Duration = Duration::from_secs(1);

/// How long before the end of a drain what lasts begins to take its leave, at most; half of the
/// drain where that is shorter.
const LEAVE_MAX: Duration = Duration::from_secs(5);

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
    /// True where the port is one that this service has bound itself.
    pub is_held_by_us: bool,
}

impl BindError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> String {
        let (name, port) = (&self.name, self.address.port());
        let kind = self.source.kind();
        if kind == io::ErrorKind::AddrInUse && self.is_held_by_us {
            format!(
                "port {port} is in use by this service itself: restart it to change only the \
                 address or to exchange ports, or set another `port` under [listeners.{name}]"
            )
        } else if kind == io::ErrorKind::AddrInUse {
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
        Err(source) => {
            Err(BindError { name, address: settings.address, source, is_held_by_us: false })
        }
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

    /// Hands connections to `answer` from now on; `own` tells which of them is this process asking
    /// itself.
    #[must_use]
    pub fn serve(
        self,
        answer: Box<dyn Answer>,
        metrics: &HttpMetrics,
        own: &Own,
        logs: &Logs,
    ) -> Serving {
        let Self { name, address, listener, settings } = self;
        let slots = Slots::new(settings.connections_max);
        let departure = Arc::new(Departure::default());
        let (stop, stopped) = oneshot::channel();
        let (tell_closed, closed) = oneshot::channel();
        let acceptor = Acceptor {
            answer,
            slots: Arc::clone(&slots),
            departure: Arc::clone(&departure),
            own: own.clone(),
            open: metrics.connections(&name),
            cap_reached: metrics.connection_cap_reached(&name),
            cap_warned: None,
            shortage: Shortage::default(),
            name: Arc::clone(&name),
            logs: logs.clone(),
        };
        let accepting = tokio::spawn(acceptor.run(listener, stopped, tell_closed));
        let (stop, closed) = (Some(stop), Some(closed));
        Serving { name, address, departure, stop, closed, accepting, slots }
    }
}

/// Answers the connections that a listener takes.
pub trait Answer: Send + Sync {
    /// Answers one, elsewhere: the listener waits for it.
    fn answer(&self, taken: Taken);
}

/// A connection that a listener took.
pub struct Taken {
    /// The connection, on the event loop of the listener.
    pub stream: TcpStream,
    /// Who is at its other end.
    pub peer: SocketAddr,
    /// True if that is this process, asking itself.
    pub is_own: bool,
    /// What it holds of the listener.
    pub seat: Seat,
}

/// What a connection holds of its listener, to be dropped with it.
pub struct Seat {
    /// How the listener goes away, which the connection must follow.
    pub departure: Arc<Departure>,
    _open: Option<Raised>,
    _slot: Slot,
}

/// A connection that was accepted without the event loop, on it.
fn unblocked(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Takes connections and answers them.
struct Acceptor {
    answer: Box<dyn Answer>,
    slots: Arc<Slots>,
    departure: Arc<Departure>,
    own: Own,
    open: Gauge,
    cap_reached: Counter,
    cap_warned: Option<Instant>,
    shortage: Shortage,
    name: Arc<str>,
    logs: Logs,
}

impl Acceptor {
    /// Accepts until stopped, then closes the listening socket and says so.
    async fn run(
        mut self,
        listener: TcpListener,
        stopped: oneshot::Receiver<()>,
        closed: oneshot::Sender<()>,
    ) {
        let mut stopped = pin!(stopped);
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                (stream, peer, slot) = self.next(&listener) => self.hand_over(stream, peer, slot),
            }
        }
        let let_in = self.close(listener).await;
        let _ = closed.send(());
        for connection in let_in {
            self.seat(connection).await;
        }
    }

    /// Closes the listening socket; gives the connections that the kernel had let in by then, whose
    /// clients would be reset if they were left in it.
    async fn close(&mut self, listener: TcpListener) -> VecDeque<(TcpStream, SocketAddr)> {
        // Without it the socket closes as well, if less gently.
        #[cfg(target_os = "linux")]
        if closing::let_nobody_in(&listener).is_ok() {
            tokio::time::sleep(closing::HANDSHAKE).await;
        }
        let mut let_in = VecDeque::new();
        // The event loop may not know yet what has come; the socket itself does.
        let Ok(listener) = listener.into_std() else { return let_in };
        for _attempt in 0..=BACKLOG {
            match listener.accept().and_then(|(stream, peer)| Ok((unblocked(stream)?, peer))) {
                Ok(connection) => {
                    self.note_end_of_shortage();
                    let_in.push_back(connection);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.recover(&error).await;
                    // They may be what there is a shortage for.
                    while !self.slots.are_taken()
                        && let Some(connection) = let_in.pop_front()
                    {
                        self.seat(connection).await;
                    }
                }
            }
        }
        let_in
    }

    /// Hands over a connection as soon as there is a slot for it.
    async fn seat(&self, (stream, peer): (TcpStream, SocketAddr)) {
        let slot = self.slots.take().await;
        self.hand_over(stream, peer, slot);
    }

    /// The next connection, with a slot for it: without a free slot, it waits in the kernel.
    async fn next(&mut self, listener: &TcpListener) -> (TcpStream, SocketAddr, Slot) {
        if self.slots.are_taken() {
            self.note_cap_reached();
        }
        let slot = self.slots.take().await;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    self.note_end_of_shortage();
                    return (stream, peer, slot);
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

    fn hand_over(&self, stream: TcpStream, peer: SocketAddr, slot: Slot) {
        // Without it an answer may wait for the peer's acknowledgment; a socket that refuses
        // still works.
        let _ = stream.set_nodelay(true);
        let is_own = self.own.is(peer);
        let seat = Seat {
            departure: Arc::clone(&self.departure),
            _open: (!is_own).then(|| Raised::new(self.open.clone())),
            _slot: slot,
        };
        self.answer.answer(Taken { stream, peer, is_own, seat });
    }
}

/// A listener at work.
pub struct Serving {
    name: Arc<str>,
    address: SocketAddr,
    departure: Arc<Departure>,
    /// Until it is told to stop accepting.
    stop: Option<oneshot::Sender<()>>,
    /// Until somebody waited for its socket to be closed.
    closed: Option<oneshot::Receiver<()>>,
    accepting: JoinHandle<()>,
    slots: Arc<Slots>,
}

/// The connections that were still open when a drain's time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut(pub usize);

impl Serving {
    /// The listener's name in the config.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The address bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a self-probe of this listener needs; `request` is a method and a target.
    #[must_use]
    pub fn target(&self, request: &'static str) -> Target {
        let (listener, slots) = (Arc::clone(&self.name), Arc::clone(&self.slots));
        Target { listener, address: self.address, request, slots }
    }

    /// Sets how many connections there may be at a time; those there are stay.
    pub fn resize(&self, connections_max: usize) {
        self.slots.resize(connections_max);
    }

    /// From now on each answer closes its connection, so that clients which stay busy leave by
    /// themselves, without a request being lost.
    pub fn leave(&self) {
        self.departure.leave();
    }

    /// Tells it to stop accepting, without waiting for that.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Stops accepting; done once the socket is closed and its address free.
    pub async fn close(&mut self) {
        self.stop();
        if let Some(closed) = self.closed.take() {
            // Without an answer the task has ended, and the socket with it.
            let _ = closed.await;
        }
    }

    /// Stops accepting, after `last_call` ends idle connections, and lets requests in flight
    /// finish within `timeout`, each answered with `Connection: close`. Shortly before its end,
    /// what lasts longer than a request takes its leave. Over as soon as no connection is left;
    /// closing the socket comes before all that, and takes its own moment.
    ///
    /// A request that comes on an idle connection in the moment the connection is closed is lost,
    /// which HTTP/1.1 cannot avoid; `last_call` is the time for clients to send it or to leave.
    ///
    /// # Errors
    /// When connections are still open after that; they are cut.
    pub async fn drain(mut self, last_call: Duration, timeout: Duration) -> Result<(), Cut> {
        // Who is sent away while the socket is open comes back to it.
        let _ = tokio::time::timeout(CLOSE_MAX, self.close()).await;
        self.leave();
        let Self { departure, mut accepting, slots, .. } = self;
        let drained = async {
            let _ = tokio::time::timeout(last_call, settled(&mut accepting, &slots)).await;
            departure.end_idle();
            let leave = timeout - (timeout / 2).min(LEAVE_MAX);
            let _ = tokio::time::timeout(leave, settled(&mut accepting, &slots)).await;
            departure.close_lasting();
            settled(&mut accepting, &slots).await;
        };
        let drained = tokio::time::timeout(last_call + timeout, drained).await;
        // It may still wait for slots.
        accepting.abort();
        let cut = drained.map_err(|_elapsed| Cut(slots.used()));
        departure.cut();
        cut
    }
}

/// Waits until no connection is left, and none that waits for a slot either.
async fn settled(accepting: &mut JoinHandle<()>, slots: &Slots) {
    slots.until_unused().await;
    if !accepting.is_finished() {
        // The task can only fail by a panic, which leaves nothing to wait for.
        let _ = accepting.await;
    }
    slots.until_unused().await;
}

#[cfg(test)]
mod tests;
