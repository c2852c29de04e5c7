//! TLS of a listener: certificates with their keys, what is spoken, how sessions are resumed.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig, SupportedProtocolVersion, version};

use super::sni::BySni;
use super::{CertificateInfo, Loaded, TlsError, certificate, clients, files, pem, provider};
use crate::config::{CertificateFiles, ServerTls, TlsVersion};

/// Sessions remembered for TLS 1.2 clients that cannot keep a ticket.
/// All others carry their own session, encrypted, so that its memory is theirs.
const SESSIONS_MAX: usize = 256;

/// The protocols a listener speaks, the preferred first. Source: RFC 7301 §6, RFC 9113 §3.1.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

static TLS13: [&SupportedProtocolVersion; 1] = [&version::TLS13];
static TLS12_AND_13: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// What a listener needs. Reads files, so it may block.
///
/// Tickets are encrypted with keys that this config alone has: no session outlives a reload. Where clients are asked
/// for certificates there are no sessions at all: rustls takes who resumes one for who he was, and would let in for
/// ever, ticket by ticket, whose certificate has expired meanwhile or whose revocation list is out of date.
///
/// # Errors
/// When a file cannot be used.
pub fn server(settings: &ServerTls) -> Result<Loaded, TlsError> {
    let ServerTls { certificates, version_min, clients: asked } = settings;
    let provider = provider();
    let mut shown = Vec::with_capacity(certificates.len());
    for files in certificates {
        shown.push(certified(files, &provider)?);
    }
    let (verifier, revocation_lists) = clients::verifier(asked.as_ref(), &provider)?;
    let by_sni = Arc::new(BySni::new(
        shown.iter().map(|(key, info)| (Arc::clone(key), info.names.as_slice())),
    ));
    let resolver = Arc::clone(&by_sni);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(*version_min))
        .expect("ring has ciphers for every version")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    if asked.is_some() {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
        config.ticketer = Ticketer::new().map_err(|_random| TlsError::Random)?;
    }
    let certificates = shown.into_iter().map(|(_, info)| info).collect();
    Ok(Loaded { config: Arc::new(config), by_sni, certificates, revocation_lists })
}

fn versions(least: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match least {
        TlsVersion::Tls12 => &TLS12_AND_13,
        TlsVersion::Tls13 => &TLS13,
    }
}

/// A certificate with its key and its stapled OCSP response.
fn certified(
    files: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<(Arc<CertifiedKey>, CertificateInfo), TlsError> {
    let (mut key, info) = key_pair(&files.chain, &files.key, provider)?;
    if let Some(path) = &files.ocsp {
        key.ocsp = Some(ocsp(path)?);
    }
    Ok((Arc::new(key), info))
}

/// A certificate and its key, which belong together.
///
/// # Errors
/// When a file cannot be used, or the key is not that of the first certificate.
pub fn key_pair(
    chain: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, CertificateInfo), TlsError> {
    let certificates = pem::certificates(chain)?;
    let info = info(chain, &certificates)?;
    let private = pem::key(key)?;
    let certified = CertifiedKey::from_der(certificates.clone(), private.clone_key(), provider)
        .map_err(|error| {
            if let Error::InconsistentKeys(InconsistentKeys::KeyMismatch) = error {
                mismatch(chain, key, &certificates, &private, provider)
            } else if let Error::General(why) = error {
                wrong(key, format!("has a key that cannot be used: {why}"))
            } else {
                wrong(chain, format!("cannot be used: {error}"))
            }
        })?;
    Ok((certified, info))
}

/// Looks whether the key is that of a later certificate: a chain in the wrong order is the most frequent reason.
fn mismatch(
    chain: &Path,
    key: &Path,
    certificates: &[CertificateDer<'static>],
    private: &PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> TlsError {
    let fits = |certificate: &CertificateDer<'static>| {
        CertifiedKey::from_der(vec![certificate.clone()], private.clone_key(), provider).is_ok()
    };
    let hint = certificates.iter().position(fits).map_or_else(String::new, |position| {
        format!("'s first certificate but of number {}: put that first", position + 1)
    });
    TlsError::Pair { chain: chain.to_owned(), key: key.to_owned(), hint }
}

fn info(
    file: &Path,
    certificates: &[CertificateDer<'static>],
) -> Result<CertificateInfo, TlsError> {
    let mut valid = (Timestamp::MIN, Timestamp::MAX);
    let mut names = Vec::new();
    for (position, der) in certificates.iter().enumerate() {
        let malformed =
            || wrong(file, format!("has a malformed certificate, number {}", position + 1));
        let parsed = certificate::parse(der).ok_or_else(malformed)?;
        let (not_before, not_after) = certificate::validity(&parsed);
        valid = (valid.0.max(not_before), valid.1.min(not_after));
        if position == 0 {
            let found = certificate::names(&parsed).ok_or_else(malformed)?;
            let ips = found.ips.iter().map(ToString::to_string);
            names = found.dns.into_iter().chain(ips).collect();
        }
    }
    Ok(CertificateInfo { file: file.to_owned(), names, not_before: valid.0, not_after: valid.1 })
}

/// An OCSP response, which clients verify; that it is one at all is what can be known of it here.
fn ocsp(path: &Path) -> Result<Vec<u8>, TlsError> {
    let response = files::read(path)?;
    match response.as_slice() {
        // RFC 6960 §4.2.1: a SEQUENCE whose first part is the ENUMERATED `successful`, the whole in two length bytes.
        [0x30, 0x82, _, _, 0x0A, 1, 0, ..] | [0x30, 0x81, _, 0x0A, 1, 0, ..] => Ok(response),
        [0x30, _, 0x0A, 1, status, ..] => Err(wrong(
            path,
            format!(
                "is an OCSP response that says nothing: its responder failed with status {status}"
            ),
        )),
        _ => Err(wrong(path, "is no OCSP response in DER".to_owned())),
    }
}

fn wrong(path: &Path, what: String) -> TlsError {
    TlsError::File { path: path.to_owned(), what }
}
