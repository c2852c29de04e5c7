//! What the gateway answers itself: redirects, fixed responses, and its own errors as small JSON bodies. Pure.
//!
//! A caller of gRPC gets errors in its own form, as the head of a stream that has ended.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

use super::head::HeadFault;
use crate::config::{FixedResponse, Redirect};

/// An answer that is whole.
pub type Answer = Response<Full<Bytes>>;

/// When clients are told to come back to a paused service: an operator's work takes minutes, and who asks every ten
/// seconds costs nothing.
const PAUSE_RETRY_AFTER: Duration = Duration::from_secs(10);

/// Why the gateway answers instead of an upstream or a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The head.
    #[error(transparent)]
    Head(#[from] HeadFault),
    /// No route takes it.
    #[error("no route matches the request")]
    NoRoute,
    /// Only these methods are taken.
    #[error("method is not allowed here")]
    Method(Vec<Method>),
    /// An operator paused the service.
    #[error("paused for maintenance")]
    Paused,
    /// The host is not one that the client's TLS connection is for. Source: RFC 9110, section 15.5.20.
    #[error("misdirected request")]
    Misdirected,
    /// The route wants a certificate of the client.
    #[error("client certificate is required")]
    NoCertificate,
    /// The client's certificate has no name that the route allows.
    #[error("client is not allowed here")]
    NotAllowed,
    /// Too many requests; there is room again after this.
    #[error("too many requests")]
    RateLimited(Duration),
    /// The body is longer than allowed.
    #[error("body is too large")]
    BodyTooLarge,
    /// The body comes too slowly.
    #[error("body is too slow")]
    BodyTooSlow,
    /// The body broke off, or is not as its framing says.
    #[error("body is incomplete or malformed")]
    BodyBroken,
    /// No such file.
    #[error("no such file")]
    NoFile,
    /// A condition of the request does not hold.
    #[error("precondition failed")]
    Precondition,
    /// The range lies outside of a file of this many bytes.
    #[error("range cannot be satisfied")]
    Range(u64),
    /// No upstream of the pool may be used.
    #[error("no upstream is available")]
    NoUpstream,
    /// Too many requests wait for an upstream.
    #[error("too many requests wait for an upstream")]
    TooManyPending,
    /// No connection to an upstream was had.
    #[error("upstream cannot be reached")]
    Unreachable,
    /// An upstream's answer ended early or made no sense.
    #[error("upstream gave no usable answer")]
    BadAnswer,
    /// No answer in time.
    #[error("upstream did not answer in time")]
    TimedOut,
    /// A fault of our own.
    #[error("internal error")]
    Internal,
}

impl Fault {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Head(fault) => fault.status(),
            Self::NoRoute | Self::NoFile => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Paused | Self::NoUpstream | Self::TooManyPending => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::NoCertificate | Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::Precondition => StatusCode::PRECONDITION_FAILED,
            Self::Range(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Unreachable | Self::BadAnswer => StatusCode::BAD_GATEWAY,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Its label in metrics and logs, of a closed set.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Head(HeadFault::Host(_)) => "host",
            Self::Head(HeadFault::Path(_)) => "path",
            Self::Head(HeadFault::Target) => "target",
            Self::Head(HeadFault::Method) => "method-unknown",
            Self::Head(
                HeadFault::CodingVersion
                | HeadFault::CodingAndLength
                | HeadFault::Coding
                | HeadFault::Length,
            ) => "framing",
            Self::NoRoute => "no-route",
            Self::Method(_) => "method",
            Self::Paused => "paused",
            Self::Misdirected => "misdirected",
            Self::NoCertificate => "no-certificate",
            Self::NotAllowed => "not-allowed",
            Self::RateLimited(_) => "rate-limit",
            Self::BodyTooLarge => "body-size",
            Self::BodyTooSlow => "body-rate",
            Self::BodyBroken => "framing",
            Self::NoFile => "no-file",
            Self::Precondition => "precondition",
            Self::Range(_) => "range",
            Self::NoUpstream => "no-upstream",
            Self::TooManyPending => "pending",
            Self::Unreachable => "unreachable",
            Self::BadAnswer => "bad-answer",
            Self::TimedOut => "timeout",
            Self::Internal => "internal",
        }
    }

    /// The answer. Where the next request would begin is in doubt, it ends an HTTP/1.1 connection.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let body = format!("{}\n", json!({ "error": self.to_string() }));
        let mut answer = whole(self.status(), body.into());
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = self.header() {
            headers.insert(name, value);
        }
        if matches!(self, Self::Head(fault) if fault.is_framing()) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// The answer to a caller of gRPC: status 200, and the fault as the status of the call.
    ///
    /// Sources: "gRPC over HTTP2", Trailers-Only; "HTTP to gRPC Status Code Mapping".
    #[must_use]
    pub fn grpc_answer(&self) -> Answer {
        let mut answer = whole(StatusCode::OK, Bytes::new());
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from(self.grpc_status()));
        // The texts have no character that `grpc-message` would have to escape.
        if let Ok(message) = HeaderValue::try_from(self.to_string()) {
            headers.insert("grpc-message", message);
        }
        answer
    }

    fn grpc_status(&self) -> u16 {
        match self {
            Self::TimedOut => 4,
            Self::NoCertificate | Self::NotAllowed => 7,
            Self::BodyTooLarge => 8,
            Self::Precondition => 9,
            Self::Range(_) => 11,
            Self::NoRoute
            | Self::NoFile
            | Self::Method(_)
            | Self::Head(HeadFault::Method | HeadFault::Coding) => 12,
            Self::Head(_) | Self::BodyBroken | Self::Internal => 13,
            Self::Paused
            | Self::Misdirected
            | Self::RateLimited(_)
            | Self::BodyTooSlow
            | Self::NoUpstream
            | Self::TooManyPending
            | Self::Unreachable
            | Self::BadAnswer => 14,
        }
    }

    /// What the status demands beside it.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Method(methods) => {
                let names: Vec<_> = methods.iter().map(Method::as_str).collect();
                HeaderValue::try_from(names.join(", ")).ok().map(|list| (header::ALLOW, list))
            }
            Self::Paused => Some((header::RETRY_AFTER, seconds(PAUSE_RETRY_AFTER))),
            Self::RateLimited(wait) => Some((header::RETRY_AFTER, seconds(*wait))),
            Self::Range(length) => HeaderValue::try_from(format!("bytes */{length}"))
                .ok()
                .map(|range| (header::CONTENT_RANGE, range)),
            Self::Head(_)
            | Self::NoRoute
            | Self::Misdirected
            | Self::NoCertificate
            | Self::NotAllowed
            | Self::BodyTooLarge
            | Self::BodyTooSlow
            | Self::BodyBroken
            | Self::NoFile
            | Self::Precondition
            | Self::NoUpstream
            | Self::TooManyPending
            | Self::Unreachable
            | Self::BadAnswer
            | Self::TimedOut
            | Self::Internal => None,
        }
    }
}

/// Whole seconds, at least one, as `Retry-After` has them.
fn seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
}

fn whole(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer
}

/// What a client asked for, as far as a redirect repeats it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host and port, as sent; empty where there is none.
    pub authority: &'a str,
    /// The path, rewritten as the redirect wants it.
    pub path: &'a str,
    /// The query.
    pub query: Option<&'a str>,
}

/// Sends a client elsewhere.
///
/// To another scheme goes no port of the request: it is the port of this one.
#[must_use]
pub fn redirect(settings: &Redirect, asked: Asked<'_>) -> Answer {
    let scheme = settings.scheme.as_deref().unwrap_or(asked.scheme);
    let authority = match &settings.authority {
        Some(authority) => authority,
        None if scheme == asked.scheme => asked.authority,
        None => without_port(asked.authority),
    };
    // Without an authority there is only a path to name. It never starts with `//`, which would name one.
    let mut location = match authority {
        "" => asked.path.to_owned(),
        authority => format!("{scheme}://{authority}{}", asked.path),
    };
    if let Some(query) = asked.query {
        location.push('?');
        location.push_str(query);
    }
    let Ok(location) = HeaderValue::try_from(location) else { return Fault::Internal.answer() };
    let mut answer = whole(settings.status, Bytes::new());
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

fn without_port(authority: &str) -> &str {
    let is_port = |(_, port): &(&str, &str)| port.bytes().all(|byte| byte.is_ascii_digit());
    authority.rsplit_once(':').filter(is_port).map_or(authority, |(host, _port)| host)
}

/// A fixed response, ready to be given many times.
#[derive(Clone, Debug)]
pub struct Fixed {
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Bytes,
}

impl Fixed {
    /// Makes it ready.
    #[must_use]
    pub fn new(settings: &FixedResponse) -> Self {
        let FixedResponse { status, body, content_type } = settings;
        let is_bodiless = matches!(*status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Self {
            status: *status,
            content_type: (!is_bodiless && !body.is_empty()).then(|| content_type.clone()),
            body: if is_bodiless { Bytes::new() } else { Bytes::from(String::from(&**body)) },
        }
    }

    /// The response.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let mut answer = whole(self.status, self.body.clone());
        if let Some(content_type) = &self.content_type {
            answer.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
        }
        answer
    }
}

/// The answer to `OPTIONS *`: the server is here.
#[must_use]
pub fn present() -> Answer {
    whole(StatusCode::NO_CONTENT, Bytes::new())
}

#[cfg(test)]
mod tests;
