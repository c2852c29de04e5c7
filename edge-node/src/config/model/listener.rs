//! Validated listeners and what they limit.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

/// The listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// For the world, in the order of their names; at least one.
    pub data: Vec<DataListener>,
    /// For supervisors and scrapers.
    pub admin: Listener,
}

/// One listener and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it is bound; port 0 stands for any free port.
    pub address: SocketAddr,
    /// Connections at a time.
    pub connections_max: usize,
    /// From the first wait for a request's head until it is complete.
    pub header_read_timeout: Duration,
    /// From a write that the peer does not take until it takes some of it.
    pub write_timeout: Duration,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
}

/// A listener of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataListener {
    /// Its name in the config.
    pub name: Arc<str>,
    /// What it has in common with the admin listener.
    pub listener: Listener,
    /// Connections at a time from one client address; none for no limit of its own.
    pub connections_per_address_max: Option<usize>,
    /// How long a connection may be open without a request.
    pub idle_timeout: Duration,
    /// Bytes of a request's body, unless its route says otherwise; none for no limit.
    pub body_bytes_max: Option<u64>,
    /// Bytes a second that a client must send of a body on average, after a grace of
    /// `header_read_timeout`; none for no minimum.
    pub body_rate_min: Option<u64>,
    /// Requests at a time on an HTTP/2 connection.
    pub http2_streams_max: u32,
    /// Peers whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// TLS; plain without.
    pub tls: Option<ServerTls>,
}

/// How a listener speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// What it shows clients; chosen by SNI, the first where no name fits. At least one.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version spoken.
    pub version_min: TlsVersion,
    /// What it asks of clients.
    pub clients: Option<ClientCertificates>,
}

/// A certificate and its key, by file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that lead to its authority.
    pub chain: PathBuf,
    /// PEM: its private key, in PKCS #8, SEC 1 or PKCS #1.
    pub key: PathBuf,
    /// DER: an OCSP response to staple.
    pub ocsp: Option<PathBuf>,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// What a listener asks of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// PEM: the authorities that clients' certificates must lead to.
    pub authorities: PathBuf,
    /// PEM: certificate revocation lists.
    pub revoked: Vec<PathBuf>,
    /// Whether a client without a certificate is refused in the handshake. Otherwise routes say.
    pub is_required: bool,
}
