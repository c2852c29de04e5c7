//! TLS from files: what listeners show and ask, what upstreams are shown and asked, and who a client is.
//!
//! Files are read (`files`), their PEM taken apart (`pem`) and their certificates looked into (`certificate`); out of
//! that come the configs of rustls for listeners ([`server()`]: `sni` chooses what is shown, `clients` what is asked)
//! and for upstreams ([`client()`]), and the [`Identity`] of a client. The cryptography is ring's, named explicitly:
//! nothing here depends on the process-wide default provider.

pub(crate) mod certificate;
mod client;
mod clients;
mod files;
mod identity;
pub(crate) mod pem;
mod server;
mod sni;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;

pub use client::{client, server_name};
pub use files::{Stamp, client_files, server_files};
pub use identity::{HEADER_BYTES_MAX, Identity};
pub use server::server;
pub use sni::BySni;

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
        /// What is wrong with it, and how to mend it where that is obvious.
        what: String,
    },
    /// A key and a certificate that do not belong together.
    #[error("{}: is not the key of {}{}", key.display(), chain.display(), hint)]
    Pair {
        /// The file of the certificate.
        chain: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Which certificate's it is instead, as the end of the sentence; empty where it is none's.
        hint: String,
    },
    /// An upstream whose certificate has no name to be checked for.
    #[error("{name}: cannot be the name of a certificate: set `server-name`")]
    ServerName {
        /// What was to be the name.
        name: String,
    },
    /// The system refuses random numbers.
    #[error("random numbers cannot be had from the system")]
    Random,
}

/// What a listener needs, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// For `tokio_rustls::TlsAcceptor`.
    pub config: Arc<rustls::ServerConfig>,
    /// Which of the certificates is whose.
    pub by_sni: Arc<BySni>,
    /// What is shown to clients, in the order of the config.
    pub certificates: Vec<CertificateInfo>,
    /// The lists of revoked certificates, in the order of the config.
    pub revocation_lists: Vec<RevocationListInfo>,
}

/// A certificate that is shown to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The file it is from.
    pub file: PathBuf,
    /// Its DNS names and addresses, lower case.
    pub names: Vec<String>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when the whole chain in the file is valid.
    pub not_after: Timestamp,
}

/// A list of revoked certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationListInfo {
    /// The file it is from.
    pub file: PathBuf,
    /// When a newer one is due; all its authority's clients are refused from then on. RFC 5280 lets nobody leave it
    /// out.
    pub next_update: Option<Timestamp>,
}

/// What is no mistake in a file, but makes clients fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub file: PathBuf,
    /// What is the matter.
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.file.display(), self.what)
    }
}

impl Loaded {
    /// What a person should know of the files at `now`: certificates that are expired, not yet valid or without a
    /// name, and revocation lists that are out of date.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let certificates = self.certificates.iter().flat_map(|info| {
            info.problems(now).map(|what| Warning { file: info.file.clone(), what })
        });
        let lists = self.revocation_lists.iter().filter_map(|list| {
            let next = list.next_update.filter(|next| *next <= now)?;
            let what =
                format!("a newer list was due at {next}: its authority's clients are refused");
            Some(Warning { file: list.file.clone(), what })
        });
        certificates.chain(lists).collect()
    }
}

impl CertificateInfo {
    fn problems(&self, now: Timestamp) -> impl Iterator<Item = String> + use<> {
        let Self { names, not_before, not_after, .. } = self;
        let validity = if *not_after <= now {
            Some(format!("expired at {not_after}"))
        } else if now < *not_before {
            Some(format!("is not valid before {not_before}"))
        } else {
            None
        };
        let nameless = names
            .is_empty()
            .then(|| "has no DNS name and no address: clients refuse it".to_owned());
        validity.into_iter().chain(nameless)
    }
}

/// Whose cryptography is used.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests;
