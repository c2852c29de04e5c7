//! A request on its way to an answer: upstreams are tried in turn as long as that is safe, within
//! the time and the budget there is. What a head becomes before it is sent is in `proxy.rs`.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use super::body::{BodyLimits, Origin, Original, Outbound, Refusal, Traffic};
use super::client::{ConnectFault, Connections, Destination, Lease};
use super::snapshot::PoolAtWork;
use super::{answer, head};
use crate::config::Forward;
use crate::upstream::dial::with_causes;
use crate::upstream::{Outcome, Try, Upstream};

/// What is to be sent, as often as needed.
pub struct Message {
    head: Request<()>,
    /// None once it is on its way.
    body: Option<Outbound>,
    /// The client's body, if there is one.
    original: Option<Original>,
    /// True if it may be sent again after it may have been seen.
    is_repeatable: bool,
}

/// An answer of an upstream.
pub struct Answered {
    pub response: http::Response<Incoming>,
    pub lease: Lease,
    pub attempt: Try,
}

impl Message {
    /// A request; `head` is as the upstream is to see it.
    pub fn new(head: Request<()>, body: Incoming, limits: BodyLimits, origin: Origin) -> Self {
        let is_empty = body.is_end_stream();
        let is_repeatable = is_empty && is_idempotent(head.method());
        let original = (!is_empty).then(|| Original::new(body, limits, origin));
        let body = original.as_ref().map_or_else(Outbound::empty, Original::outbound);
        Self { head, body: Some(body), original, is_repeatable }
    }

    /// What is sent now; its head is kept where it may have to be sent again, and the body of what
    /// is repeatable, which is empty.
    fn take(&mut self, is_kept: bool) -> Option<Request<Outbound>> {
        let body = self.body.take()?;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.head.method().clone();
        parts.uri = self.head.uri().clone();
        parts.version = self.head.version();
        parts.headers = if is_kept {
            self.body = self.is_repeatable.then(Outbound::empty);
            self.head.headers().clone()
        } else {
            std::mem::take(self.head.headers_mut())
        };
        Some(Request::from_parts(parts, body))
    }

    /// What passes of its body, while there is more to come.
    pub fn traffic(&self) -> Traffic {
        self.original.as_ref().map(Original::traffic).unwrap_or_default()
    }

    /// Takes back what was not sent.
    fn put_back(&mut self, request: Request<Outbound>) {
        let (parts, body) = request.into_parts();
        *self.head.headers_mut() = parts.headers;
        self.body = Some(body);
    }

    /// Takes back what an upstream did not look at, unless some of the body is gone.
    fn recall(&mut self) {
        let Some(original) = self.original.take() else {
            self.body = Some(Outbound::empty());
            return;
        };
        self.original = original.take_back();
        self.body = self.original.as_ref().map(Original::outbound);
    }
}

/// An upstream's word that it did nothing with a request. Source: RFC 9113, section 8.7.
struct Unseen {
    /// True if it takes no other one on the same connection.
    is_connection_over: bool,
}

/// Whether an error is such a word.
fn unseen(error: &hyper::Error) -> Option<Unseen> {
    let cause = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    // A GOAWAY is the end of those streams only that it does not cover.
    let is_connection_over = cause.is_go_away();
    let is_refused = cause.reason() == Some(h2::Reason::REFUSED_STREAM);
    (cause.is_remote() && (is_connection_over || is_refused))
        .then_some(Unseen { is_connection_over })
}

/// Safe to send again though the first one may have been acted on. Source: RFC 9110, section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

/// What is known of one try.
enum Tried {
    Answered(http::Response<Incoming>, Lease),
    /// It may be tried elsewhere, if the message is still there. With what went wrong, where the fault does not say it.
    Failed(Outcome, answer::Fault, Option<String>),
    /// It makes no sense elsewhere.
    Over(answer::Fault),
}

/// A message and where it may go.
pub struct Sending<'a> {
    pub connections: &'a Connections,
    pub pool: &'a PoolAtWork,
    pub forward: &'a Forward,
    pub hash: u64,
    /// When all tries must have ended.
    pub deadline: Instant,
    /// True if that is the client's wish: what comes of it says nothing of an upstream.
    pub is_hurried: bool,
    /// Told of each try.
    pub note: &'a mut dyn FnMut(&Arc<Destination>),
    /// Told what went wrong with it.
    pub fail: &'a mut dyn FnMut(String),
    /// Addresses the request to an upstream, which is reached by TLS or not.
    pub adapt: &'a mut dyn FnMut(&mut Request<()>, &Upstream, bool),
}

impl Sending<'_> {
    /// Sends it until there is an answer, or no try left that is safe.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn send(&mut self, message: &mut Message) -> Result<Answered, answer::Fault> {
        let mut tried: Vec<Arc<Upstream>> = Vec::new();
        let mut last = answer::Fault::NoUpstream;
        loop {
            let Some(attempt) = self.pool.pool.pick(self.hash, &tried) else { return Err(last) };
            let retries_left = self.forward.retries_max as usize > tried.len();
            let is_first = tried.is_empty();
            match self.try_once(message, &attempt, is_first, retries_left).await {
                Tried::Answered(response, lease) => {
                    attempt.report(Outcome::Answered(response.status()));
                    if !tried.is_empty() {
                        self.pool.retries.success.inc();
                    }
                    return Ok(Answered { response, lease, attempt });
                }
                Tried::Over(why) => {
                    attempt.report(Outcome::Abandoned);
                    return Err(why);
                }
                Tried::Failed(outcome, why, error) => {
                    attempt.report(outcome);
                    (self.fail)(error.unwrap_or_else(|| why.to_string()));
                    last = why;
                }
            }
            if !tried.is_empty() {
                self.pool.retries.failure.inc();
            }
            if message.body.is_none() || !retries_left || Instant::now() >= self.deadline {
                return Err(last);
            }
            if !self.pool.pool.may_retry() {
                self.pool.retries.over_budget.inc();
                return Err(last);
            }
            tried.push(Arc::clone(attempt.upstream()));
        }
    }

    async fn try_once(
        &mut self,
        message: &mut Message,
        attempt: &Try,
        is_first: bool,
        may_repeat: bool,
    ) -> Tried {
        let Some(destination) = self.pool.connector.destination(attempt.upstream()) else {
            return Tried::Failed(Outcome::Abandoned, answer::Fault::NoUpstream, None);
        };
        (self.note)(destination);
        (self.adapt)(&mut message.head, attempt.upstream(), destination.is_secure());
        let patience = Instant::now() + self.forward.try_timeout;
        let deadline = self.deadline.min(patience);
        let is_queued = Cell::new(false);
        let timed_out = {
            // Pinned here: it is large, and a timeout is moved about.
            let exchange = pin!(self.exchange(message, destination, may_repeat, &is_queued));
            match tokio::time::timeout_at(deadline, exchange).await {
                Ok(tried) => return tried,
                Err(_elapsed) => answer::Fault::TimedOut,
            }
        };
        let is_hurried = (self.is_hurried || !is_first) && deadline < patience;
        let is_held_up = message.original.as_ref().is_some_and(Original::is_waited_for);
        // Else a client could eject upstreams: by a deadline that nobody can keep, a body that does not come, or
        // requests that wait behind its others. And an upstream that took most of the time could eject the next one.
        let is_own_doing = is_hurried || is_held_up || is_queued.get();
        let outcome = if is_own_doing { Outcome::Abandoned } else { Outcome::TimedOut };
        Tried::Failed(outcome, timed_out, None)
    }

    /// Sends it over a connection that is kept, and over a new one where that had gone stale.
    async fn exchange(
        &self,
        message: &mut Message,
        destination: &Arc<Destination>,
        may_repeat: bool,
        is_queued: &Cell<bool>,
    ) -> Tried {
        let (mut is_fresh, mut is_second) = (false, false);
        loop {
            let leasing = self.connections.lease(self.pool, destination, is_fresh, is_queued);
            let lease = leasing.await;
            let mut lease = match lease {
                Ok(lease) => lease,
                Err(ConnectFault::Overloaded) => return Tried::Over(answer::Fault::TooManyPending),
                Err(fault) => {
                    // One failure of the upstream's, told by who met with it.
                    let is_shared = matches!(fault, ConnectFault::Shared);
                    let outcome =
                        if is_shared { Outcome::Abandoned } else { Outcome::ConnectFailed };
                    let error = Some(fault.to_string());
                    return Tried::Failed(outcome, answer::Fault::Unreachable, error);
                }
            };
            // Over HTTP/2 an upstream can say that it did not look at a request.
            let is_kept = (may_repeat || lease.is_reused)
                && (message.is_repeatable || lease.is_multiplexed());
            let Some(request) = message.take(is_kept) else {
                return Tried::Over(answer::Fault::BadAnswer);
            };
            let mut error = match lease.send(request).await {
                Ok(response) if head::is_framed_once(response.headers()) => {
                    return Tried::Answered(response, lease);
                }
                Ok(_ambiguous) => {
                    let error = Some("answer has an ambiguous length".to_owned());
                    return Tried::Failed(Outcome::Broke, answer::Fault::BadAnswer, error);
                }
                Err(error) => error,
            };
            if let Some(refusal) = message.original.as_ref().and_then(Original::refusal) {
                return Tried::Over(refused(refusal));
            }
            let mut is_over = true;
            let unsent = error.take_message();
            let error = error.into_error();
            if let Some(unsent) = unsent {
                message.put_back(unsent);
            } else if is_kept && let Some(unseen) = unseen(&error) {
                message.recall();
                is_over = unseen.is_connection_over;
            }
            if is_second || !lease.is_reused || message.body.is_none() {
                let error = Some(with_causes(&error));
                return Tried::Failed(Outcome::Broke, answer::Fault::BadAnswer, error);
            }
            // One that refused a stream may have room by now; a new one would be one more each time.
            is_fresh = is_over;
            is_second = true;
        }
    }
}

fn refused(refusal: Refusal) -> answer::Fault {
    match refusal {
        Refusal::TooLarge => answer::Fault::BodyTooLarge,
        Refusal::TooSlow => answer::Fault::BodyTooSlow,
        Refusal::Broken => answer::Fault::BodyBroken,
    }
}

/// The time that a gRPC client gives, if it does. Source: "gRPC over HTTP2", `grpc-timeout`.
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at(text.len().checked_sub(1)?);
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse::<u64>().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_timeout_is_up_to_eight_digits_and_a_unit() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("250u", Some(Duration::from_micros(250))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("123456789n", None),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("1s", None),
        ] {
            let headers =
                HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), text.parse().unwrap())]);
            assert_eq!(grpc_timeout(&headers), expected, "{text:?}");
        }
    }
}
