//! Whether the head of a request is sane, before a route is looked for: one host, one target, one way to read where the
//! body ends. Pure.
//!
//! hyper refuses or repairs much of this before anybody can see it: of a request with `Transfer-Encoding` it drops
//! `Content-Length`. What it lets through is checked here all the same, so that nothing rests on how it parses.

use std::borrow::Cow;

use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};

use super::forwarded::tells_of_the_way;
use super::path::{self, PathFault};
use crate::host_header::{self, HostFault};

/// What a sane head asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The host and port as sent; empty where an old client names none.
    pub authority: &'a str,
    /// The host in lower case, without a port or the root's dot; an IPv6 address in brackets.
    pub host: Cow<'a, str>,
    /// What is asked for.
    pub target: Target<'a>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A path.
    Path {
        /// Normalised.
        path: Cow<'a, str>,
        /// What follows the question mark, if there is one.
        query: Option<&'a str>,
    },
    /// The server as a whole (`OPTIONS *`): not for a route.
    Server,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// The host.
    #[error(transparent)]
    Host(#[from] HostFault),
    /// The path.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// CONNECT would make this an open proxy; TRACE would show headers that are added on the way.
    #[error("method is not implemented")]
    Method,
    /// A target that fits no method of ours, such as `ftp://…`.
    #[error("request target is not a path or an http URL")]
    Target,
    /// HTTP/1.0 and HTTP/2 have no transfer codings.
    #[error("Transfer-Encoding in a version of HTTP that has none")]
    CodingVersion,
    /// Two ways to read where the body ends.
    #[error("both Transfer-Encoding and Content-Length")]
    CodingAndLength,
    /// A coding other than `chunked`.
    #[error("transfer coding is not implemented")]
    Coding,
    /// Not one number.
    #[error("Content-Length is not one number")]
    Length,
}

impl HeadFault {
    /// The answer it deserves.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Path(PathFault::TooLong) => StatusCode::URI_TOO_LONG,
            Self::Method | Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Host(_)
            | Self::Path(_)
            | Self::Target
            | Self::CodingVersion
            | Self::CodingAndLength
            | Self::Length => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether the connection must end: where the next request would begin is in doubt.
    #[must_use]
    pub fn is_framing(self) -> bool {
        match self {
            Self::CodingVersion | Self::CodingAndLength | Self::Coding | Self::Length => true,
            Self::Host(_) | Self::Path(_) | Self::Method | Self::Target => false,
        }
    }
}

/// Reads a head.
///
/// Sources: RFC 9110, sections 7 and 9.3; RFC 9112, sections 3.2 and 6; RFC 9113, section 8.3.1.
///
/// # Errors
/// When it is not sane.
pub fn check(head: &Parts) -> Result<Head<'_>, HeadFault> {
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(HeadFault::Method);
    }
    framing(&head.headers, head.version)?;
    let authority = authority(head)?;
    let host = match authority {
        "" => "",
        named => host_header::name(named).ok_or(HostFault::Invalid)?,
    };
    let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    };
    Ok(Head { authority, host, target: target(head)? })
}

/// Whether there is one way to read where the body ends.
fn framing(headers: &HeaderMap, version: Version) -> Result<(), HeadFault> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    if let Some(coding) = codings.next() {
        if version != Version::HTTP_11 {
            return Err(HeadFault::CodingVersion);
        }
        if length.is_some() {
            return Err(HeadFault::CodingAndLength);
        }
        let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !is_chunked || codings.next().is_some() {
            return Err(HeadFault::Coding);
        }
    }
    let is_one_number = length.is_none_or(|length| is_number(length) && lengths.next().is_none());
    if is_one_number { Ok(()) } else { Err(HeadFault::Length) }
}

fn is_number(length: &HeaderValue) -> bool {
    let is_digits = length.as_bytes().iter().all(u8::is_ascii_digit);
    is_digits && length.to_str().is_ok_and(|digits| digits.parse::<u64>().is_ok())
}

/// The authority that all places agree on which may name one: the target and `Host`.
fn authority(head: &Parts) -> Result<&str, HostFault> {
    let header = host_header::of(&head.headers)?;
    let target = head.uri.authority().map(http::uri::Authority::as_str);
    match (target, header) {
        (Some(target), Some(header)) if target.eq_ignore_ascii_case(header) => Ok(target),
        // A server should go by the target; one behind us could go by the header.
        (Some(_), Some(_)) => Err(HostFault::Mismatch),
        (Some(target), None) if head.version != Version::HTTP_11 => Ok(target),
        (None, Some(header)) => Ok(header),
        (None, None) if head.version < Version::HTTP_11 => Ok(""),
        (_, None) => Err(HostFault::Missing),
    }
}

fn target(head: &Parts) -> Result<Target<'_>, HeadFault> {
    let uri = &head.uri;
    let is_http =
        uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    // `example.org:80`, which is for CONNECT only.
    let is_authority = uri.authority().is_some() && uri.scheme().is_none();
    if !is_http || is_authority {
        return Err(HeadFault::Target);
    }
    match uri.path() {
        "*" if head.method == Method::OPTIONS => Ok(Target::Server),
        "*" => Err(HeadFault::Target),
        path => Ok(Target::Path { path: path::normalise(path)?, query: uri.query() }),
    }
}

/// Takes away headers by which a client could pose as somebody else to programs that turn header names into variables:
/// those with anything but letters, digits and `-` in their name (`X_Forwarded_For` and `X-Forwarded-For` are one
/// there; nginx ignores them as well), and `Proxy`, which would become `HTTP_PROXY`.
///
/// Sources: RFC 3875, section 4.1.18; CVE-2016-5385.
pub fn scrub(headers: &mut HeaderMap) {
    take_away(headers, is_scrubbed);
}

/// Whether [`scrub`] takes away headers of this name.
pub fn is_scrubbed(name: &HeaderName) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let name = name.as_str();
    name == "proxy" || !name.bytes().all(is_plain)
}

/// Takes away all headers of these names; most requests have none of them, and then nothing is allocated.
pub fn take_away(headers: &mut HeaderMap, is_taken: impl Fn(&HeaderName) -> bool) {
    if headers.keys().any(&is_taken) {
        let taken: Vec<_> = headers.keys().filter(|name| is_taken(name)).cloned().collect();
        for name in taken {
            headers.remove(name);
        }
    }
}

/// Takes away trailers that a program behind us could take for headers: what it may know from us only, what says whom
/// a message is for or where it ends, and what [`scrub`] takes away from headers.
///
/// Source: RFC 9110, section 6.5.1.
pub fn scrub_trailers(trailers: &mut HeaderMap) {
    const RESERVED: [&str; 10] = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-client-identity",
        "x-request-id",
    ];
    scrub(trailers);
    take_away(trailers, |name| RESERVED.contains(&name.as_str()) || tells_of_the_way(name));
}

/// Whether there is one way to read where an answer ends, and nothing in its coding that would be lost on the way: hyper
/// reads to the end of the connection what comes in another coding than `chunked`. A length may be said twice; a list of
/// one (`5, 5`), which hyper takes, must not be passed on.
///
/// Source: RFC 9110, section 8.6.
#[must_use]
pub fn is_framed_once(answer: &HeaderMap) -> bool {
    let mut codings = answer.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = answer.get_all(header::CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => true,
        (None, Some(length)) => is_number(length) && lengths.all(|other| other == length),
        (Some(coding), None) => {
            coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none()
        }
        (Some(_), Some(_)) => false,
    }
}

/// Makes one line of the crumbs of a cookie, which HTTP/2 has and HTTP/1.1 has not.
///
/// Source: RFC 9113, section 8.2.3.
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) {
        let all: Vec<_> =
            [first, second].into_iter().chain(crumbs).map(HeaderValue::as_bytes).collect();
        if let Ok(cookie) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
            headers.insert(header::COOKIE, cookie);
        }
    }
}

#[cfg(test)]
mod tests;
