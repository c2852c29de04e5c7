//! Answers that the gateway makes itself: errors in JSON, or in gRPC's words for who speaks gRPC.

use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::body::Content;
use super::table::Miss;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// When clients are told to come back to a paused service, in seconds: an operator's work takes
/// minutes, and who asks every ten seconds costs nothing.
const PAUSE_SECONDS: u64 = 10;

/// An answer on its way.
pub struct Reply {
    pub head: Parts,
    pub content: Content,
    /// True if the connection ends with it.
    pub closes: bool,
    /// True if an upstream made it.
    pub is_passed: bool,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = status;
        Self { head, content: Content::Full(Bytes::new()), closes: false, is_passed: false }
    }

    /// An answer in JSON.
    pub fn json(status: StatusCode, value: &Value) -> Self {
        let mut reply = Self::empty(status);
        reply.head.headers.insert(header::CONTENT_TYPE, JSON);
        reply.content = Content::Full(format!("{value}\n").into());
        reply
    }

    /// An error, in a few words.
    pub fn error(status: StatusCode, error: &str) -> Self {
        Self::json(status, &json!({ "error": error }))
    }

    /// What a paused service answers.
    pub fn paused() -> Self {
        Self::error(StatusCode::SERVICE_UNAVAILABLE, "paused for maintenance")
            .after(Duration::from_secs(PAUSE_SECONDS))
    }

    /// What a client over its rate is answered.
    pub fn too_many(wait: Duration) -> Self {
        Self::error(StatusCode::TOO_MANY_REQUESTS, "too many requests").after(wait)
    }

    /// What a client is answered whose body is too large; the rest of it is not read.
    pub fn too_large() -> Self {
        let reply = Self::error(StatusCode::PAYLOAD_TOO_LARGE, "body is larger than allowed");
        Self { closes: true, ..reply }
    }

    /// What a request without a route is answered.
    pub fn missed(miss: Miss) -> Self {
        let methods = match miss {
            Miss::NoRoute => {
                return Self::error(StatusCode::NOT_FOUND, "no route matches the path");
            }
            Miss::Method(methods) => methods,
        };
        let mut reply =
            Self::error(StatusCode::METHOD_NOT_ALLOWED, "no route takes the method here");
        let methods: Vec<_> = methods.iter().map(http::Method::as_str).collect();
        if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
            reply.head.headers.insert(header::ALLOW, allow);
        }
        reply
    }

    /// Tells when to come back, in whole seconds and not before.
    fn after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.head.headers.insert(header::RETRY_AFTER, seconds.into());
        self
    }

    /// Says the same in gRPC: a success of HTTP whose trailers, of which the head is the only part,
    /// have the error. Source: "gRPC over HTTP2", Trailers-Only, and its mapping of HTTP codes.
    pub fn speak_grpc(&mut self) {
        let status = self.head.status;
        let code = match status.as_u16() {
            200..=299 => return,
            401 => 16,
            403 => 7,
            404 | 405 | 501 => 12,
            413 | 429 => 8,
            408 | 504 => 4,
            502 | 503 => 14,
            400..=499 => 13,
            _ => 2,
        };
        let message = status.canonical_reason().unwrap_or_default();
        let headers = &mut self.head.headers;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(GRPC_STATUS, HeaderValue::from(code));
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
        self.head.status = StatusCode::OK;
        self.content = Content::Full(Bytes::new());
    }
}

/// True for a request of a gRPC client.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.and_then(|kind| kind.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}
