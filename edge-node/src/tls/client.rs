//! TLS towards upstreams: whom they must be certified by, what they are shown, which name they must have.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;

use super::{TlsError, clients, provider, server};
use crate::config::{ClientTls, Protocol, UpstreamAddress};

/// Upstreams whose sessions are remembered, by server name.
const SESSIONS_MAX: usize = 64;

/// What connections to upstreams need. Reads files, so it may block.
///
/// Only the authorities of the file are trusted, none of the system's. A certificate must have the upstream's name among
/// its subject alternative names; one with a common name only is refused. Offers one protocol by ALPN, `h2` or
/// `http/1.1`; an upstream that does not answer to `h2` does not speak it, which whoever connects must look at
/// (`alpn_protocol`).
///
/// # Errors
/// When a file cannot be used.
pub fn client(settings: &ClientTls, protocol: Protocol) -> Result<Arc<ClientConfig>, TlsError> {
    let ClientTls { authorities, server_name: _, certificate } = settings;
    let provider = provider();
    let roots = Arc::new(clients::roots(authorities)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|error| TlsError::File { path: authorities.clone(), what: error.to_string() })?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has ciphers for every version")
        .with_webpki_verifier(verifier);
    let mut config = match certificate {
        Some(files) => {
            let (key, _info) = server::key_pair(&files.chain, &files.key, &provider)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }];
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    Ok(Arc::new(config))
}

/// The name that an upstream's certificate must have and that it is told as SNI: the setting's, or else the host of the
/// address.
///
/// # Errors
/// When it is no name, or the address is a Unix socket, which has none.
pub fn server_name(
    settings: &ClientTls,
    address: &UpstreamAddress,
) -> Result<ServerName<'static>, TlsError> {
    let name = match (&settings.server_name, address) {
        (Some(name), _) | (None, UpstreamAddress::Name(name, _)) => name.as_ref(),
        (None, UpstreamAddress::Socket(socket)) => return Ok(socket.ip().into()),
        (None, UpstreamAddress::Unix(_)) => {
            return Err(TlsError::ServerName { name: address.to_string() });
        }
    };
    ServerName::try_from(name.to_owned())
        .map_err(|_invalid| TlsError::ServerName { name: name.to_owned() })
}
