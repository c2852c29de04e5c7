//! What a listener asks of clients: a certificate of an authority that it knows and that is not revoked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use x509_cert::certificate::Rfc5280;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;
use x509_cert::name::Name;

use super::{RevocationListInfo, TlsError, certificate, pem};
use crate::config::ClientCertificates;

type Verifier = Arc<dyn ClientCertVerifier>;

/// Who verifies clients; nobody where nothing is asked of them.
///
/// With revocation lists, every certificate of a chain but the authority's own must be in the reach of one that is not
/// out of date, as nginx and HAProxy have it: whose list is missing is refused with `unknown_ca`.
///
/// # Errors
/// When a file cannot be used.
pub fn verifier(
    asked: Option<&ClientCertificates>,
    provider: &Arc<CryptoProvider>,
) -> Result<(Verifier, Vec<RevocationListInfo>), TlsError> {
    let Some(ClientCertificates { authorities, revoked, is_required }) = asked else {
        return Ok((WebPkiClientVerifier::no_client_auth(), vec![]));
    };
    let roots = Arc::new(roots(authorities)?);
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    if !is_required {
        builder = builder.allow_unauthenticated();
    }
    let (mut infos, mut issuers) = (Vec::new(), Vec::<(Name, &PathBuf)>::new());
    for file in revoked {
        let lists = pem::revocation_lists(file)?;
        for list in &lists {
            let list = parse(file, list)?;
            let issuer = list.tbs_cert_list.issuer;
            if let Some((_, first)) = issuers.iter().find(|(known, _)| *known == issuer) {
                return Err(twice(file, first, &issuer));
            }
            issuers.push((issuer, file));
            let next_update = list.tbs_cert_list.next_update.map(certificate::timestamp);
            infos.push(RevocationListInfo { file: file.clone(), next_update });
        }
        builder = builder.with_crls(lists);
    }
    if !revoked.is_empty() {
        builder = builder.enforce_revocation_expiration();
    }
    // The roots are not empty and each list was read; what webpki wants beyond that is named with the first file.
    let named = revoked.first().unwrap_or(authorities);
    let verifier = builder.build().map_err(|error| {
        if let VerifierBuilderError::InvalidCrl(why) = error {
            wrong(named, rustls::Error::from(why).to_string())
        } else {
            wrong(authorities, error.to_string())
        }
    })?;
    Ok((verifier, infos))
}

/// The authorities of a file, at least one.
///
/// # Errors
/// When the file cannot be used, or what is in it is no certificate of an authority.
pub fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (position, der) in pem::certificates(file)?.into_iter().enumerate() {
        roots.add(der).map_err(|error| {
            wrong(file, format!("has a malformed certificate, number {}: {error}", position + 1))
        })?;
    }
    Ok(roots)
}

fn parse(
    file: &Path,
    list: &CertificateRevocationListDer<'_>,
) -> Result<CertificateList<Rfc5280>, TlsError> {
    CertificateList::from_der(list)
        .map_err(|error| wrong(file, format!("has a malformed revocation list: {error}")))
}

/// Two lists of an issuer: webpki would ask the first and never the other one, whichever is the newer, and in whatever
/// parts the issuer divides its certificates where these do not say so.
fn twice(file: &Path, first: &Path, issuer: &Name) -> TlsError {
    let what = format!(
        "has a revocation list of `{issuer}`, and so has {}: only one of them would be asked",
        first.display()
    );
    wrong(file, what)
}

fn wrong(path: &Path, what: String) -> TlsError {
    TlsError::File { path: path.to_owned(), what }
}
