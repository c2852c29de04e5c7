//! An answer on its way to the client, whoever made it.

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Body as _;
use serde_json::{Value, json};

use super::answer::{Answer, Fault};
use super::body::{Content, Passed};
use super::files::FileBody;
use super::tunnel::Tunnel;
use crate::build_info;

/// An answer on its way.
pub struct Reply {
    /// Its head.
    pub head: Parts,
    /// Its body.
    pub content: Content,
    /// What it says, if it is a fault.
    pub fault: Option<Fault>,
    /// True if the connection ends with it.
    pub closes: bool,
    /// What opens once it was sent.
    pub tunnel: Option<Box<Tunnel>>,
}

impl Reply {
    fn new<B>(response: Response<B>, content: impl FnOnce(B) -> Content) -> Self {
        let (head, body) = response.into_parts();
        Self { head, content: content(body), fault: None, closes: false, tunnel: None }
    }

    /// An answer that is whole.
    pub fn whole(answer: Answer) -> Self {
        Self::new(answer, |body| Content::Full(bytes_of(body)))
    }

    /// An answer from a file.
    pub fn file(response: Response<FileBody>) -> Self {
        Self::new(response, Content::File)
    }

    /// An answer of an upstream.
    pub fn passed(head: Parts, passed: Passed) -> Self {
        let content = Content::Passed(passed);
        Self { head, content, fault: None, closes: false, tunnel: None }
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        let mut reply = Self::new(Response::new(()), |()| Content::Full(Bytes::new()));
        reply.head.status = status;
        reply
    }

    /// A fault, in the words of the caller.
    pub fn fault(fault: Fault, is_grpc: bool) -> Self {
        let answer = if is_grpc { fault.grpc_answer() } else { fault.answer() };
        let mut reply = Self::whole(answer);
        // The rest of a body that is refused is not read.
        reply.closes =
            matches!(fault, Fault::BodyTooLarge | Fault::BodyTooSlow | Fault::BodyBroken);
        reply.fault = Some(fault);
        reply
    }

    /// Who answers, where there are no routes.
    pub fn identity() -> Self {
        let identity: Value =
            json!({ "service": build_info::NAME, "version": build_info::VERSION });
        let mut reply = Self::empty(StatusCode::OK);
        let json = HeaderValue::from_static("application/json");
        reply.head.headers.insert(header::CONTENT_TYPE, json);
        reply.content = Content::Full(format!("{identity}\n").into());
        reply
    }
}

/// The bytes of a body that is there.
fn bytes_of(body: Full<Bytes>) -> Bytes {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    if body.is_end_stream() {
        return Bytes::new();
    }
    match pin!(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        Poll::Ready(Some(Err(never))) => match never {},
        Poll::Ready(None) | Poll::Pending => Bytes::new(),
    }
}

/// True for a request of a gRPC client.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.and_then(|kind| kind.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}
