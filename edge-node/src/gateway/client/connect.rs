//! A new connection to an upstream: looked up, connected, TLS agreed on.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use prometheus_client::metrics::gauge::Gauge;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::UpstreamAddress;
use crate::gateway::gather;
use crate::observe::metrics::Raised;

/// A connection to an upstream.
pub struct UpstreamStream {
    wire: Wire,
    _place: Option<Place>,
}

/// What bytes go over.
enum Wire {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    Tls(Box<TlsStream<UpstreamStream>>),
}

/// A connection's place among those of its upstream; given back when it is closed, however that
/// comes about and whatever it carries by then.
pub struct Place {
    // Dropped first, so that there are never more counted than permitted.
    _open: Raised,
    _permit: Option<OwnedSemaphorePermit>,
}

/// TLS towards an upstream.
#[derive(Clone)]
pub struct Tls {
    /// Whom it trusts, and what it shows.
    pub config: Arc<rustls::ClientConfig>,
    /// The name that the upstream's certificate must have.
    pub name: ServerName<'static>,
    /// True where HTTP/2 must be agreed on.
    pub is_http2: bool,
}

/// Connects; a name is looked up by `lookup`.
///
/// # Errors
/// When nobody takes the connection, or TLS cannot be agreed on.
pub async fn connect(
    address: &UpstreamAddress,
    tls: Option<&Tls>,
    lookup: &Lookup,
) -> io::Result<UpstreamStream> {
    let stream = match address {
        UpstreamAddress::Socket(address) => tcp(*address).await?,
        UpstreamAddress::Name(name, port) => by_name(name, *port, lookup).await?,
        #[cfg(unix)]
        UpstreamAddress::Unix(path) => Wire::Unix(UnixStream::connect(path).await?).into(),
        #[cfg(not(unix))]
        UpstreamAddress::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
    };
    let Some(Tls { config, name, is_http2 }) = tls else { return Ok(stream) };
    let stream = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await?;
    let agreed = stream.get_ref().1.alpn_protocol();
    if *is_http2 != (agreed == Some(b"h2")) {
        let why = if *is_http2 { "upstream does not speak h2" } else { "upstream insists on h2" };
        return Err(io::Error::other(why));
    }
    Ok(Wire::Tls(Box::new(stream)).into())
}

async fn tcp(address: SocketAddr) -> io::Result<UpstreamStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Wire::Tcp(stream).into())
}

/// Tries each address of a name in turn.
async fn by_name(name: &str, port: u16, lookup: &Lookup) -> io::Result<UpstreamStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "name has no address");
    for address in lookup.addresses(name.to_owned(), port).await? {
        match tcp(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Looks up the name of one upstream. Nobody can call a resolver off, so that few lookups go on at a time, however many
/// gave up waiting; who waits for one takes what another brings meanwhile.
pub struct Lookup {
    /// Held until the resolver comes to an end.
    permits: Arc<Semaphore>,
    /// What the last one brought, and when.
    last: Arc<Mutex<Option<Found>>>,
}

/// The addresses of a name, and when they were brought.
type Found = (Instant, Vec<SocketAddr>);

/// Lookups of a name at a time: more than one, as a reply may be lost.
const LOOKUPS_MAX: usize = 4;

impl Default for Lookup {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(LOOKUPS_MAX)), last: Arc::default() }
    }
}

impl Lookup {
    async fn addresses(&self, name: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let asked = Instant::now();
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        if let Some((brought, addresses)) = &*locked(&self.last)
            && *brought >= asked
        {
            return Ok(addresses.clone());
        }
        let last = Arc::clone(&self.last);
        let looking_up = tokio::task::spawn_blocking(move || {
            let addresses: Vec<_> = (name.as_str(), port).to_socket_addrs()?.collect();
            *locked(&last) = Some((Instant::now(), addresses.clone()));
            drop(permit);
            Ok(addresses)
        });
        looking_up.await.map_err(io::Error::other)?
    }
}

/// What was found last is whole between any two statements, so a panic elsewhere is no reason for another one.
fn locked(last: &Mutex<Option<Found>>) -> MutexGuard<'_, Option<Found>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<Wire> for UpstreamStream {
    fn from(wire: Wire) -> Self {
        Self { wire, _place: None }
    }
}

impl UpstreamStream {
    /// The same, which holds `place` until it is closed.
    pub fn at(self, place: Place) -> Self {
        Self { _place: Some(place), ..self }
    }
}

impl Place {
    /// A place that `permit` allows, counted in `open`.
    pub fn new(permit: Option<OwnedSemaphorePermit>, open: &Gauge) -> Self {
        Self { _open: Raised::new(open.clone()), _permit: permit }
    }
}

/// Calls the same function of whichever stream it is.
macro_rules! whichever {
    ($wire:expr, $stream:ident => $call:expr) => {
        match $wire {
            Wire::Tcp($stream) => $call,
            #[cfg(unix)]
            Wire::Unix($stream) => $call,
            Wire::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for UpstreamStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        whichever!(&mut self.wire, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        whichever!(&mut self.wire, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        whichever!(&mut self.wire, stream => {
            gather::poll_write_vectored(Pin::new(stream), context, slices)
        })
    }

    fn is_write_vectored(&self) -> bool {
        whichever!(&self.wire, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        whichever!(&mut self.wire, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        whichever!(&mut self.wire, stream => Pin::new(stream).poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_lookup_takes_what_another_brings_and_nobody_starts_one_more() {
        let lookup = Arc::new(Lookup::default());
        let permits = Arc::clone(&lookup.permits);
        let hanging = permits.acquire_many_owned(LOOKUPS_MAX as u32).await.unwrap();
        let waiting = tokio::spawn({
            let lookup = Arc::clone(&lookup);
            async move { lookup.addresses("no.such.name.invalid".to_owned(), 1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "a lookup more than is allowed was started");
        let brought = vec![SocketAddr::from(([192, 0, 2, 1], 1))];
        *locked(&lookup.last) = Some((Instant::now(), brought.clone()));
        drop(hanging);
        assert_eq!(waiting.await.unwrap().unwrap(), brought);
    }

    #[tokio::test]
    async fn what_was_brought_before_anybody_asked_is_asked_for_again() {
        let lookup = Lookup::default();
        *locked(&lookup.last) = Some((Instant::now(), Vec::new()));
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let found = lookup.addresses("localhost".to_owned(), 7).await.unwrap();
        assert!(found.iter().any(|address| address.ip().is_loopback() && address.port() == 7));
    }
}
