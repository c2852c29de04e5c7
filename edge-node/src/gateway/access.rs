//! The access log: a line for each request, made on the worker's thread and written by another.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};

use crate::observe::logs::{Batch, Logs, key};

/// The access log of a worker.
pub struct AccessLog(Batch);

/// What is told of a request; nothing of it is a secret: of the target only the path.
pub struct Told<'a> {
    pub listener: &'a str,
    pub client: &'a str,
    /// The client that trusted proxies tell of, if they do.
    pub forwarded_for: Option<IpAddr>,
    pub method: &'a Method,
    pub host: Option<&'a HeaderValue>,
    pub path: &'a str,
    pub status: StatusCode,
    pub bytes: u64,
    /// What came from the client, where that is counted: in a tunnel.
    pub bytes_received: Option<u64>,
    pub duration: Duration,
    pub route: &'a str,
    pub pool: Option<&'a str>,
    pub upstream: Option<&'a str>,
    pub tries: u32,
    /// What went wrong at the upstream that was tried last, if something did.
    pub error: Option<&'a str>,
    pub request_id: Option<&'a HeaderValue>,
    pub protocol: &'static str,
}

impl AccessLog {
    /// A log of which nothing waits.
    pub fn new(logs: Logs) -> Self {
        Self(Batch::new(logs))
    }

    /// True if no line waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands over the lines that wait.
    pub fn flush(&self) {
        self.0.flush();
    }

    /// Adds the line of a request.
    pub fn tell(&self, told: &Told<'_>) {
        self.0.add("access", "request", |line| {
            line.text(key!("listener"), told.listener);
            line.text(key!("client"), told.client);
            if let Some(address) = told.forwarded_for {
                line.text(key!("forwarded-for"), &address.to_string());
            }
            line.text(key!("method"), told.method.as_str());
            line.text(
                key!("host"),
                told.host.and_then(|host| host.to_str().ok()).unwrap_or_default(),
            );
            line.text(key!("path"), told.path);
            line.text(key!("protocol"), told.protocol);
            line.number(key!("status"), told.status.as_u16());
            line.number(key!("bytes"), told.bytes);
            if let Some(bytes) = told.bytes_received {
                line.number(key!("bytes-received"), bytes);
            }
            line.seconds(key!("duration-seconds"), told.duration);
            line.text(key!("route"), told.route);
            if let (Some(pool), Some(upstream)) = (told.pool, told.upstream) {
                line.text(key!("pool"), pool);
                line.text(key!("upstream"), upstream);
                line.number(key!("tries"), told.tries);
            }
            if let Some(error) = told.error {
                line.text(key!("error"), error);
            }
            if let Some(id) = told.request_id.and_then(|id| id.to_str().ok()) {
                line.text(key!("request-id"), id);
            }
        });
    }
}
