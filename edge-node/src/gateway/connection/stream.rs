//! The client's end of a connection: plain or TLS, with the bytes that were read to find out what
//! it speaks, and with the pulse that its bytes give.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::pulse::Pulse;
use crate::gateway::gather;

/// What an HTTP/2 client says first. Source: RFC 9113, section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client's connection.
pub struct ClientStream {
    transport: Transport,
    /// Read already, and not yet given to who reads.
    ahead: Vec<u8>,
    /// None once every byte that comes belongs to what is going on, as in HTTP/2.
    pulse: Option<Arc<Pulse>>,
}

enum Transport {
    Plain(TcpStream),
    /// Boxed: its state would make each plain connection as large.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1 or HTTP/1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

impl ClientStream {
    /// A plain connection; reads until it is clear what the client speaks.
    ///
    /// # Errors
    /// When it cannot be read from.
    pub async fn plain(mut stream: TcpStream, pulse: &Arc<Pulse>) -> io::Result<(Self, Version)> {
        let (ahead, version) = spoken(&mut stream).await?;
        Ok((Self::new(Transport::Plain(stream), ahead, version, pulse), version))
    }

    /// A TLS connection; what it speaks was agreed on in the handshake. With HTTP/2 the client says so at once, and
    /// that is waited for here: hyper would wait for ever.
    ///
    /// # Errors
    /// When it cannot be read from.
    pub async fn tls(
        mut stream: TlsStream<TcpStream>,
        pulse: &Arc<Pulse>,
    ) -> io::Result<(Self, Version)> {
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let (mut ahead, mut version) = (Vec::new(), Version::Http1);
        if is_http2 {
            version = Version::Http2;
            ahead.resize(PREFACE.len(), 0);
            stream.read_exact(&mut ahead).await?;
        }
        Ok((Self::new(Transport::Tls(Box::new(stream)), ahead, version, pulse), version))
    }

    /// Waits until the client sends something, or goes away.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn until_heard(&mut self) -> io::Result<()> {
        if !self.ahead.is_empty() {
            return Ok(());
        }
        match &mut self.transport {
            Transport::Plain(stream) => stream.readable().await,
            Transport::Tls(stream) => {
                let mut some = [0; 512];
                let length = stream.read(&mut some).await?;
                self.ahead = some[..length].to_vec();
                if let (Some(pulse), true) = (&self.pulse, length > 0) {
                    pulse.heard();
                }
                Ok(())
            }
        }
    }

    /// Puts back what was read and not used.
    pub fn put_back(&mut self, bytes: &[u8]) {
        self.ahead.splice(..0, bytes.iter().copied());
    }

    fn poll_transport(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }

    fn wrote<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Some(pulse) = &self.pulse {
            pulse.wrote(written.is_ready());
        }
        written
    }

    fn new(transport: Transport, ahead: Vec<u8>, version: Version, pulse: &Arc<Pulse>) -> Self {
        let pulse = (version == Version::Http1).then(|| Arc::clone(pulse));
        Self { transport, ahead, pulse }
    }
}

/// Reads until it is clear what a client speaks; gives what was read along with it.
///
/// # Errors
/// When it cannot be read from.
pub async fn spoken(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Vec<u8>, Version)> {
    let mut ahead = vec![0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() && ahead[..length] == PREFACE[..length] {
        match stream.read(&mut ahead[length..]).await? {
            0 => break,
            more => length += more,
        }
    }
    ahead.truncate(length);
    let version = if ahead == PREFACE { Version::Http2 } else { Version::Http1 };
    Ok((ahead, version))
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..length]);
            self.ahead.drain(..length);
            if !self.ahead.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.ahead = Vec::new();
            // What is there already comes along: hyper makes its buffer larger for each part.
            return match self.poll_transport(context, buffer) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
            };
        }
        let before = buffer.filled().len();
        ready!(self.poll_transport(context, buffer))?;
        if let (Some(pulse), true) = (&self.pulse, buffer.filled().len() > before) {
            pulse.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.transport {
            Transport::Plain(stream) => {
                gather::poll_write_vectored(Pin::new(stream), context, slices)
            }
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        // What is written is done with once it is flushed; a write that waits still waits.
        if flushed.is_pending() { self.wrote(flushed) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
