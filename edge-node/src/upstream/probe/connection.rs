//! The connection of a probe: TCP or a Unix socket, with TLS where the pool has it; and what can be wrong.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::Target;
use crate::config::{Protocol, UpstreamAddress};
use crate::upstream::dial::{self, with_causes};

/// Why a probe failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// There is no TLS on the connection.
    #[error("TLS: {0}")]
    Tls(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection ended too early, or what came is not of the protocol.
    #[error("connection broke: {0}")]
    Broke(String),
    /// The answer is not one of those that are a success.
    #[error("{0}")]
    Unexpected(String),
}

impl Fault {
    /// Its word among the [`OUTCOMES`](super::OUTCOMES).
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect-failed",
            Self::Tls(_) => "tls-failed",
            Self::TimedOut(_) => "timed-out",
            Self::Broke(_) => "broke",
            Self::Unexpected(_) => "unexpected-answer",
        }
    }

    /// A connection that broke so.
    pub fn broke(error: hyper::Error) -> Self {
        Self::Broke(with_causes(&error))
    }
}

/// A connection, whatever it is made of.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects, and does the TLS handshake where the pool has TLS; `protocol` is what is then spoken.
pub async fn connect(target: &Target, protocol: Protocol) -> Result<Box<dyn Stream>, Fault> {
    let address = target.upstream.address();
    let stream = dial(target).await.map_err(Fault::Connect)?;
    let Some(settings) = &target.pool.settings().tls else { return Ok(stream) };
    let config = target.tls.as_ref().ok_or_else(|| Fault::Tls("no configuration".to_owned()))?;
    let name = server_name(settings.server_name.as_deref(), address)?;
    // Requests may speak another protocol than probes do.
    let mut config = (**config).clone();
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    let connector = TlsConnector::from(Arc::new(config));
    let secured = connector.connect(name, stream).await;
    Ok(Box::new(secured.map_err(|error| Fault::Tls(error.to_string()))?))
}

async fn dial(target: &Target) -> io::Result<Box<dyn Stream>> {
    let Target { upstream, probe, .. } = target;
    Ok(match upstream.address() {
        UpstreamAddress::Socket(address) => Box::new(dial::by_address(*address).await?),
        UpstreamAddress::Name(name, port) => {
            Box::new(dial::by_name(name, *port, upstream.lookup(), probe.timeout).await?)
        }
        UpstreamAddress::Unix(path) => dial_unix(path).await?,
    })
}

#[cfg(unix)]
async fn dial_unix(path: &Path) -> io::Result<Box<dyn Stream>> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn dial_unix(_path: &Path) -> io::Result<Box<dyn Stream>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "no Unix sockets on this system"))
}

/// The name that the upstream's certificate must have.
fn server_name(
    configured: Option<&str>,
    address: &UpstreamAddress,
) -> Result<ServerName<'static>, Fault> {
    let name = match (configured, address) {
        (Some(name), _) => name.to_owned(),
        (None, UpstreamAddress::Name(name, _)) => name.to_string(),
        (None, UpstreamAddress::Socket(address)) => return Ok(address.ip().into()),
        (None, UpstreamAddress::Unix(_)) => {
            return Err(Fault::Tls("a Unix socket has no name: set server-name".to_owned()));
        }
    };
    ServerName::try_from(name).map_err(|error| Fault::Tls(error.to_string()))
}

/// The host that requests name where the config names none.
pub fn host(address: &UpstreamAddress) -> String {
    match address {
        UpstreamAddress::Socket(_) | UpstreamAddress::Name(..) => address.to_string(),
        UpstreamAddress::Unix(_) => "localhost".to_owned(),
    }
}

/// Asks over a connection that works only while it is driven.
pub async fn while_driven<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    ask: impl Future<Output = T>,
) -> T {
    let mut connection = pin!(connection);
    let drive = async {
        // Its end, be it by a fault, shows where it was asked.
        let _ = connection.as_mut().await;
        std::future::pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        biased;
        answer = ask => answer,
        never = drive => match never {},
    }
}
