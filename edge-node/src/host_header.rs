//! The rule about the `Host` header that both listeners follow; how a fault is answered is theirs.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{Version, header};

/// What is wrong with the `Host` of a request that must be answered 400, if anything is.
///
/// Source: RFC 9112, section 3.2.
#[must_use]
pub fn fault(request: &Request) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() >= Version::HTTP_11 => Some("no Host header"),
        (None, _) => None,
        (Some(_), Some(_)) => Some("more than one Host header"),
        (Some(host), None) => {
            let is_valid = host.to_str().is_ok_and(is_host);
            (!is_valid).then_some("Host header is not a host with an optional port")
        }
    }
}

/// An empty one is right for a target without an authority.
fn is_host(text: &str) -> bool {
    text.is_empty() || (!text.contains('@') && text.parse::<Authority>().is_ok())
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
            (Version::HTTP_11, &[""], true),
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
}
