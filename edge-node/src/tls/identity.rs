//! Who a client is, by the names of its verified certificate; what rules say to that, and how upstreams learn it.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::HeaderValue;
use ring::digest;
use rustls::CommonState;
use rustls::pki_types::CertificateDer;

use super::certificate::{self, Names};
use crate::config::{ClientRules, HostPattern, NamePattern};

/// The longest value of [`Identity::header`]: what does not fit any more is left out and counted.
pub const HEADER_BYTES_MAX: usize = 2048;

/// Room for `omitted=N, sha256=…` at the end.
const END_BYTES_MAX: usize = 100;

/// Who a client is, by a certificate that was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its DNS names, lower case.
    pub dns: Vec<String>,
    /// Its URIs.
    pub uris: Vec<String>,
    /// Its addresses.
    pub ips: Vec<IpAddr>,
    /// SHA-256 of the certificate, lower-case hexadecimal.
    pub fingerprint: String,
}

/// A verified certificate with names that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client's certificate has names that cannot be read")]
pub struct Unreadable;

impl Identity {
    /// Reads a verified certificate; none where it cannot be read.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let Names { dns, uris, ips } = certificate::names(&certificate::parse(certificate)?)?;
        Some(Self { dns, uris, ips, fingerprint: fingerprint(certificate) })
    }

    /// Who is at the other end of a connection whose handshake is done; none where it showed no certificate.
    ///
    /// # Errors
    /// When it showed one that rustls could read and this cannot: that is not nobody, whom a route may let in.
    pub fn of_peer(connection: &CommonState) -> Result<Option<Self>, Unreadable> {
        Self::of_first(connection.peer_certificates())
    }

    fn of_first(chain: Option<&[CertificateDer<'_>]>) -> Result<Option<Self>, Unreadable> {
        let shown = chain.and_then(<[_]>::first);
        shown.map(|certificate| Self::of(certificate).ok_or(Unreadable)).transpose()
    }

    /// Whether the rules let it in: one of its names fits one of them, or there are none.
    #[must_use]
    pub fn is_allowed(&self, rules: &ClientRules) -> bool {
        rules.allow.is_empty() || rules.allow.iter().any(|pattern| self.fits(pattern))
    }

    fn fits(&self, pattern: &NamePattern) -> bool {
        match pattern {
            NamePattern::Dns(HostPattern::Exact(wanted)) => {
                self.dns.iter().any(|name| **name == **wanted)
            }
            NamePattern::Dns(HostPattern::Wildcard(suffix)) => {
                self.dns.iter().any(|name| has_one_label_before(name, suffix))
            }
            NamePattern::Uri { text, is_prefix: false } => {
                self.uris.iter().any(|uri| **uri == **text)
            }
            NamePattern::Uri { text, is_prefix: true } => {
                self.uris.iter().any(|uri| uri.starts_with(&**text))
            }
            NamePattern::Ip(network) => self.ips.iter().any(|address| network.contains(address)),
        }
    }

    /// The text of the header in which an upstream learns it: RFC 9440 has the whole certificate, this has the names,
    /// in the form `dns=a, uri=b, ip=c, sha256=d`.
    ///
    /// Whatever an authority signed, `, ` ends a name and nothing else does: in names, each byte that is no letter,
    /// digit or one of `-._~:/?#[]@!$&'()*+;=` becomes `%XX`. At most [`HEADER_BYTES_MAX`] bytes; names are left out
    /// whole, and how many is said before the fingerprint (`omitted=N`).
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let dns = self.dns.iter().map(|name| ("dns", escaped(name)));
        let uris = self.uris.iter().map(|uri| ("uri", escaped(uri)));
        let ips = self.ips.iter().map(|ip| ("ip", ip.to_string()));
        let mut text = String::new();
        let mut omitted = 0_usize;
        for (kind, name) in dns.chain(uris).chain(ips) {
            if text.len() + kind.len() + name.len() + "=, ".len() > HEADER_BYTES_MAX - END_BYTES_MAX
            {
                omitted += 1;
            } else {
                let _infallible = write!(text, "{kind}={name}, ");
            }
        }
        if omitted > 0 {
            let _infallible = write!(text, "omitted={omitted}, ");
        }
        text.push_str("sha256=");
        text.push_str(&self.fingerprint);
        HeaderValue::try_from(text).expect("every byte is a visible one of ASCII, or a space")
    }
}

/// Whether a name is one label and the suffix. A wildcard in a client's certificate is nobody's name and fits nothing.
fn has_one_label_before(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}

/// A name without anything that could end it. Escapes `%` as well, so that it can be read back.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+;=".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// SHA-256 of a certificate in lower-case hexadecimal, as `openssl x509 -fingerprint -sha256` has it without colons.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    digest::digest(&digest::SHA256, certificate).as_ref().iter().fold(
        String::with_capacity(64),
        |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        },
    )
}

#[cfg(test)]
mod tests;
