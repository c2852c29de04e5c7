//! What a certificate says: names, validity, who made it. Nothing here verifies; rustls does.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

/// The subject alternative names that mean something here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// DNS names, lower case.
    pub dns: Vec<String>,
    /// URIs, as they are.
    pub uris: Vec<String>,
    /// Addresses.
    pub ips: Vec<IpAddr>,
}

/// Reads a certificate; none where it is malformed.
#[must_use]
pub fn parse(der: &CertificateDer<'_>) -> Option<Certificate> {
    Certificate::from_der(der).ok()
}

/// The names of a certificate; none where they are malformed. The subject's common name is not among them: RFC 9525
/// §2 has it mean nothing.
#[must_use]
pub fn names(certificate: &Certificate) -> Option<Names> {
    let mut names = Names::default();
    let extension = certificate.tbs_certificate().get_extension::<SubjectAltName>().ok()?;
    for name in extension.into_iter().flat_map(|(_, SubjectAltName(names))| names) {
        if let GeneralName::DnsName(dns) = name {
            names.dns.push(dns.as_str().to_ascii_lowercase());
        } else if let GeneralName::UniformResourceIdentifier(uri) = name {
            names.uris.push(uri.as_str().to_owned());
        } else if let GeneralName::IpAddress(bytes) = name {
            names.ips.push(address(bytes.as_bytes())?);
        }
    }
    Some(names)
}

/// From when and until when it is valid.
#[must_use]
pub fn validity(certificate: &Certificate) -> (Timestamp, Timestamp) {
    let validity = certificate.tbs_certificate().validity();
    (timestamp(validity.not_before), timestamp(validity.not_after))
}

/// A time of X.509. The end of the year 9999, which means "never" (RFC 5280 §4.1.2.5), is a day later than what can be
/// held, and becomes that.
#[must_use]
pub fn timestamp(time: Time) -> Timestamp {
    i64::try_from(time.to_unix_duration().as_secs())
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}

/// RFC 5280 §4.2.1.6: four bytes or sixteen.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
