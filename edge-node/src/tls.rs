//! TLS from files: what listeners show and ask, what upstreams are shown and asked, and who a client is.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use crate::config;

/// Why TLS cannot be had from the files named in the config.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// What a listener needs. Reads files, so it may block.
///
/// # Errors
/// When a file cannot be used.
pub fn server(settings: &config::ServerTls) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let path = settings.certificates[0].chain.clone();
    Err(TlsError::File { path, what: "not yet".to_owned() })
}

/// What connections to upstreams need. Reads files, so it may block.
///
/// # Errors
/// When a file cannot be used.
pub fn client(
    settings: &config::ClientTls,
    protocol: config::Protocol,
) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let _ = protocol;
    Err(TlsError::File { path: settings.authorities.clone(), what: "not yet".to_owned() })
}

/// Who a client is, by a certificate that was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its DNS names, lower case.
    pub dns: Vec<String>,
    /// Its URIs.
    pub uris: Vec<String>,
    /// Its addresses.
    pub ips: Vec<std::net::IpAddr>,
    /// SHA-256 of the certificate, lower-case hexadecimal.
    pub fingerprint: String,
}

impl Identity {
    /// Reads a verified certificate; none where it cannot be read.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let _ = certificate;
        None
    }

    /// Whether the rules let it in.
    #[must_use]
    pub fn is_allowed(&self, rules: &config::ClientRules) -> bool {
        rules.allow.is_empty()
    }

    /// The text of the header in which an upstream learns it: RFC 9440 has the whole certificate, this has the names,
    /// in the form `dns=a, uri=b, ip=c, sha256=d`.
    #[must_use]
    pub fn header(&self) -> http::HeaderValue {
        http::HeaderValue::from_static("")
    }
}
