//! The account of a request: opened at its head, closed when its answer is complete or given up, or
//! the tunnel that came of it has ended; then counted and logged.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use super::access::Told;
use super::connection::{ConnectionContext, Streams};
use super::snapshot::Site;
use crate::observe::metrics::RouteMeters;

/// The account of a request.
pub struct Exchange {
    pub context: Rc<ConnectionContext>,
    pub site: Arc<Site>,
    pub start: Instant,
    /// Its number on its connection.
    pub number: u32,
    pub method: Method,
    uri: Uri,
    version: Version,
    pub host: Option<HeaderValue>,
    pub request_id: Option<HeaderValue>,
    /// The pool it went to.
    pub pool: Option<Arc<str>>,
    /// The upstream that was tried last, and how many were.
    pub upstream: Option<Arc<str>>,
    pub tries: u32,
    /// What went wrong there, if something did.
    pub error: Option<String>,
    /// The client that trusted proxies tell of, if they do.
    pub forwarded_for: Option<IpAddr>,
    status: Option<StatusCode>,
    route: Arc<str>,
    bytes: u64,
    /// What came through its tunnel, if one came of it.
    bytes_received: Option<u64>,
}

impl Exchange {
    /// Opens the account of a request. Boxed, as it moves along with the answer.
    pub fn open(request: &http::Request<Incoming>, context: Rc<ConnectionContext>) -> Box<Self> {
        let start = Instant::now();
        context.pulse.begin(start);
        let number = context.pulse.note_body(!request.body().is_end_stream());
        let site = context.listening.site();
        if !context.is_own {
            context.listening.in_flight.inc();
        }
        Box::new(Self {
            start,
            number,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host: None,
            request_id: None,
            pool: None,
            upstream: None,
            tries: 0,
            error: None,
            forwarded_for: None,
            status: None,
            route: Arc::clone(site.unmatched.route()),
            bytes: 0,
            bytes_received: None,
            site,
            context,
        })
    }

    /// The streams of its connection, if that is HTTP/2.
    pub fn streams(&self) -> Option<&Streams> {
        (self.version == Version::HTTP_2).then(|| &self.context.standing.control().streams)
    }

    /// Notes that the answer's head is on its way, and counts the request.
    pub fn answered(&mut self, status: StatusCode, meters: &RouteMeters) {
        self.status = Some(status);
        self.route = Arc::clone(meters.route());
        if !self.context.is_own {
            meters.count(&self.method, status, self.start.elapsed());
        }
    }

    /// Notes that bytes of the answer's body are on their way.
    pub fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Notes that a tunnel came of it, which is counted as such and no request in flight.
    pub fn became_tunnel(&mut self) {
        self.bytes_received = Some(0);
        if !self.context.is_own {
            self.context.listening.in_flight.dec();
        }
    }

    /// Notes what passed in its tunnel.
    pub fn carried(&mut self, sent: u64, received: u64) {
        self.bytes += sent;
        self.bytes_received = Some(received);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = Instant::now();
        let context = &self.context;
        context.pulse.end(now);
        if context.is_own {
            return;
        }
        if self.bytes_received.is_none() {
            context.listening.in_flight.dec();
        }
        // Of a client that went away before there was an answer, nothing is told.
        let (Some(status), true) = (self.status, self.site.is_access_logged) else { return };
        context.worker.access.tell(&Told {
            listener: context.listening.name(),
            client: &context.peer_text,
            forwarded_for: self.forwarded_for,
            method: &self.method,
            host: self.host.as_ref(),
            path: self.uri.path(),
            status,
            bytes: self.bytes,
            bytes_received: self.bytes_received,
            duration: now - self.start,
            route: &self.route,
            pool: self.pool.as_deref(),
            upstream: self.upstream.as_deref(),
            tries: self.tries,
            error: self.error.as_deref(),
            request_id: self.request_id.as_ref(),
            protocol: protocol(self.version),
        });
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _one => "HTTP/1.1",
    }
}
