//! A new connection to an upstream, TLS agreed on. How its address is found and reached is in `upstream/dial.rs`.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::UpstreamAddress;
use crate::gateway::gather;
use crate::observe::metrics::Raised;
use crate::upstream::{Upstream, dial};

/// A connection to an upstream.
pub struct UpstreamStream {
    wire: Wire,
    /// True once nobody reads what is written.
    is_deaf: bool,
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

/// Connects, within `patience` by who waits for it.
///
/// # Errors
/// When nobody takes the connection, or TLS cannot be agreed on.
pub async fn connect(
    upstream: &Upstream,
    tls: Option<&Tls>,
    patience: Duration,
) -> io::Result<UpstreamStream> {
    let stream = match upstream.address() {
        UpstreamAddress::Socket(address) => Wire::Tcp(dial::by_address(*address).await?).into(),
        UpstreamAddress::Name(name, port) => {
            Wire::Tcp(dial::by_name(name, *port, upstream.lookup(), patience).await?).into()
        }
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

impl From<Wire> for UpstreamStream {
    fn from(wire: Wire) -> Self {
        Self { wire, is_deaf: false, _place: None }
    }
}

impl UpstreamStream {
    /// Takes it for written where the upstream reads no more: it may have answered before that, as one does that
    /// refuses an upload, and what it said is still to be read. If it said nothing, reading fails just as well.
    fn heard(
        &mut self,
        written: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let is_over = |error: &io::Error| {
            matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
        };
        match written {
            Poll::Ready(Err(error)) if is_over(&error) => {
                self.is_deaf = true;
                Poll::Ready(Ok(length))
            }
            Poll::Ready(Ok(_) | Err(_)) | Poll::Pending => written,
        }
    }

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
        if self.is_deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written =
            whichever!(&mut self.wire, stream => Pin::new(stream).poll_write(context, bytes));
        self.heard(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if self.is_deaf {
            return Poll::Ready(Ok(length));
        }
        let written = whichever!(&mut self.wire, stream => {
            gather::poll_write_vectored(Pin::new(stream), context, slices)
        });
        self.heard(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        whichever!(&self.wire, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_deaf {
            return Poll::Ready(Ok(()));
        }
        whichever!(&mut self.wire, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        whichever!(&mut self.wire, stream => Pin::new(stream).poll_shutdown(context))
    }
}
