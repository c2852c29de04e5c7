//! The rules for a request's host that all listeners follow; how a fault is answered is theirs. Pure.

use std::net::Ipv6Addr;

use axum::extract::Request;
use axum::http::{HeaderMap, Version, header};

/// The longest host name. Source: RFC 1035, section 2.3.4.
const HOST_BYTES_MAX: usize = 255;

/// What is wrong with the host of a request, which must be answered 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    /// HTTP/1.1 demands one.
    #[error("no Host header")]
    Missing,
    /// One server may believe the first, another the last.
    #[error("more than one Host header")]
    Several,
    /// Not one that this service takes.
    #[error("Host header is not a host with an optional port")]
    Invalid,
    /// The target names another host.
    #[error("Host header is not the host of the request's target")]
    Mismatch,
}

/// What is wrong with the `Host` of a request that must be answered 400, if anything is.
///
/// Source: RFC 9112, section 3.2.
#[must_use]
pub fn fault(request: &Request) -> Option<HostFault> {
    match of(request.headers()) {
        Ok(None) if request.version() >= Version::HTTP_11 => Some(HostFault::Missing),
        result => result.err(),
    }
}

/// The `Host` header, valid, if there is one.
///
/// # Errors
/// When there are several, or the one is not valid.
pub fn of(headers: &HeaderMap) -> Result<Option<&str>, HostFault> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(HostFault::Several),
        (Some(host), None) => {
            let host = host.to_str().map_err(|_opaque| HostFault::Invalid)?;
            name(host).ok_or(HostFault::Invalid).map(|_name| Some(host))
        }
    }
}

/// The host of `host[:port]`, without the dot of the root; none where it is not valid. An empty one is that of no `http`
/// URL, whatever the grammar of `Host` says.
///
/// Names are letters, digits, `-` and `_`; escapes and other alphabets are not taken, as no client sends them.
/// Sources: RFC 3986, section 3.2.2; RFC 9110, sections 4.2.1 and 7.2.
#[must_use]
pub fn name(text: &str) -> Option<&str> {
    let end = match text.strip_prefix('[') {
        Some(literal) => literal.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            digits.bytes().all(|byte| byte.is_ascii_digit())
                && (digits.is_empty() || digits.parse::<u16>().is_ok())
        });
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match literal {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    (is_port && is_host && text.len() <= HOST_BYTES_MAX)
        .then(|| host.strip_suffix('.').unwrap_or(host))
}

/// Whether there is a label and none is empty, but for the root's.
fn is_name(host: &str) -> bool {
    let mut is_label_begun = false;
    for byte in host.bytes() {
        match byte {
            b'.' if !is_label_begun => return false,
            b'.' => is_label_begun = false,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => is_label_begun = true,
            _ => return false,
        }
    }
    !host.is_empty()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn one_valid_host_is_demanded_of_http_1_1() {
        for (version, hosts, is_fine) in [
            (Version::HTTP_11, &["edge.example:80"][..], true),
            (Version::HTTP_11, &["[::1]:80"], true),
            (Version::HTTP_11, &[""], false),
            (Version::HTTP_10, &[""], false),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &["a", "a"], false),
            (Version::HTTP_11, &["a b"], false),
            (Version::HTTP_11, &["user@a"], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_10, &["a", "b"], false),
        ] {
            let request = hosts
                .iter()
                .fold(Request::builder().version(version), |request, host| {
                    request.header(header::HOST, *host)
                })
                .body(Body::empty())
                .unwrap();
            assert_eq!(fault(&request).is_none(), is_fine, "{version:?} {hosts:?}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for (text, host) in [
            ("a", Some("a")),
            ("A-1_b.example.", Some("A-1_b.example")),
            ("10.0.0.1:8080", Some("10.0.0.1")),
            ("a:", Some("a")),
            ("[::1]", Some("[::1]")),
            ("", None),
            (":80", None),
            ("a:65536", None),
            ("a:+1", None),
            ("a:b", None),
            ("a:1:2", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[a]", None),
            ("[fe80::1%25eth0]", None),
            ("a..b", None),
            (".a", None),
            (".", None),
            ("a/b", None),
            ("a%2eb", None),
            ("a,b", None),
            ("é", None),
        ] {
            assert_eq!(name(text), host, "{text}");
        }
        assert_eq!(name(&"a".repeat(256)), None);
    }
}
