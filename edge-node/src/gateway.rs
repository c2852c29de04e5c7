//! The gateway: what data listeners do with requests, and the threads that do it.
//!
//! In the order of a request: `workers` take a connection, `connection` finds out what it speaks,
//! `head` whether the request is sane, `table` which route takes it, `proxy` carries it to an
//! upstream over a connection of `client`, and `body` carries what comes back. `snapshot` is the
//! config at work, `exchange` the account of a request. Listeners are in `listener.rs`, the health
//! of upstreams in `upstream.rs`, counting in `observe/`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use serde_json::json;
use tokio::runtime::Handle;

use self::body::Answer;
use self::connection::ConnectionContext;
use self::exchange::Exchange;
use self::head::Target;
use self::reply::Reply;
use self::snapshot::{Entry, Listening, RouteAtWork, Site, Snapshot};
use self::table::{Found, Miss};
use self::workers::{Handing, Workers};
use crate::build_info;
use crate::config::Config;
use crate::listener;
use crate::observe::logs::{Level, Logs};
use crate::observe::metrics::{HttpMetrics, RouteMeters};

mod access;
pub mod answer;
pub mod files;
mod body;
mod client;
mod connection;
mod exchange;
mod forwarded;
pub mod head;
mod limits;
pub mod path;
mod proxy;
mod random;
mod reply;
mod retry;
pub mod rewrite;
mod snapshot;
pub mod table;
mod tunnel;
mod workers;

pub use snapshot::{Material, UNMATCHED};

/// The gateway at work.
pub struct Gateway {
    workers: Workers,
    snapshot: Snapshot,
    /// Every listener there ever was, by name: connections of a former one go on.
    listening: HashMap<Arc<str>, Arc<Listening>>,
    is_paused: Arc<AtomicBool>,
    metrics: HttpMetrics,
    logs: Logs,
}

impl Gateway {
    /// Starts the workers and puts a config to work.
    ///
    /// # Errors
    /// When the system refuses a thread or an event loop.
    pub fn start(
        config: &Config,
        material: &Material,
        metrics: HttpMetrics,
        logs: &Logs,
    ) -> io::Result<Self> {
        let mut gateway = Self {
            workers: Workers::start(config.workers, logs)?,
            snapshot: Snapshot::default(),
            listening: HashMap::new(),
            is_paused: Arc::default(),
            metrics,
            logs: logs.clone(),
        };
        gateway.apply(config, material);
        Ok(gateway)
    }

    /// Puts another config to work, from the next request of each connection on. What did not
    /// change goes on: upstreams with what is known of them, connections, rate limits.
    pub fn apply(&mut self, config: &Config, material: &Material) {
        if config.workers.max(1) != self.workers.handles().len() {
            self.logs
                .record(Level::Warn, "gateway", "`workers` changes with the next start")
                .value("workers", self.workers.handles().len())
                .emit();
        }
        let snapshot = Snapshot::new(config, material, &self.snapshot, &self.logs);
        for settings in &config.listeners.data {
            let site = snapshot.site(config, settings, material, &self.metrics);
            match self.listening.get(&settings.name) {
                Some(listening) => listening.exchange(site),
                None => {
                    let is_paused = Arc::clone(&self.is_paused);
                    let new = Listening::new(&settings.name, site, is_paused, &self.metrics);
                    self.listening.insert(Arc::clone(&settings.name), new);
                }
            }
        }
        self.snapshot = snapshot;
    }

    /// What answers the connections of a data listener of the config at work.
    #[must_use]
    pub fn answer(&self, listener: &Arc<str>) -> Option<Box<dyn listener::Answer>> {
        let listening = Arc::clone(self.listening.get(listener)?);
        Some(Box::new(Handing { workers: self.workers.clone(), listening }))
    }

    /// Refuses requests from now on, or takes them again.
    pub fn pause(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    /// The event loops of the workers.
    #[must_use]
    pub fn event_loops(&self) -> &[Handle] {
        self.workers.handles()
    }
}

/// Answers a request.
async fn serve(request: Request<Incoming>, context: Rc<ConnectionContext>) -> Response<Answer> {
    let mut exchange = Exchange::open(&request, context);
    let site = Arc::clone(&exchange.site);
    let (parts, body) = request.into_parts();
    let (version, is_grpc) = (parts.version, reply::is_grpc(&parts.headers));
    let (mut reply, meters) = match decide(&mut exchange, &site, &parts) {
        Decision::Reply(reply, meters) => (reply, meters),
        Decision::Act(found, path) => {
            let meters = &found.route.meters;
            (proxy::act(&mut exchange, &found, path, parts, body).await, meters)
        }
    };
    if is_grpc && !reply.is_passed {
        reply.speak_grpc();
    }
    if (reply.closes || exchange.context.is_leaving()) && version < Version::HTTP_2 {
        reply.head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    exchange.answered(reply.head.status, meters);
    Response::from_parts(reply.head, Answer::new(reply.content, exchange))
}

/// What becomes of a request.
enum Decision<'a> {
    /// It is answered so, and counted there.
    Reply(Reply, &'a RouteMeters),
    /// It is what its route says.
    Act(Found<'a, Entry>, Path),
}

/// The normal path of a request.
enum Path {
    /// The one that was sent.
    Sent,
    /// This.
    Normal(String),
}

impl Path {
    /// Its text.
    fn text<'a>(&'a self, uri: &'a http::Uri) -> &'a str {
        match self {
            Self::Sent => uri.path(),
            Self::Normal(path) => path,
        }
    }
}

/// Finds the route of a request, and whether it may take it.
fn decide<'a>(exchange: &mut Exchange, site: &'a Site, parts: &Parts) -> Decision<'a> {
    let head = match head::check(parts) {
        Ok(head) => head,
        Err(fault) => {
            let mut reply = Reply::error(fault.status(), &fault.to_string());
            reply.closes = fault.is_framing();
            return Decision::Reply(reply, &site.unmatched);
        }
    };
    exchange.host = match parts.headers.get(header::HOST) {
        Some(host) => Some(host.clone()),
        None => HeaderValue::from_str(head.authority).ok().filter(|host| !host.is_empty()),
    };
    let is_paused = exchange.context.listening.is_paused() && !exchange.context.is_own;
    let path = match head.target {
        Target::Path { path, query: _ } => path,
        Target::Server => return Decision::Reply(Reply::empty(StatusCode::OK), &site.unmatched),
    };
    let Some(table) = &site.table else {
        let meters = if path == "/" { &site.root } else { &site.unmatched };
        let reply = if is_paused { Reply::paused() } else { identity(&path, &parts.method) };
        return Decision::Reply(reply, meters);
    };
    match table.find(&head.host, &path, &parts.method, &parts.headers) {
        Ok(found) if is_paused => Decision::Reply(Reply::paused(), &found.route.meters),
        Ok(found) => match refuse(exchange, &found.route.route, parts) {
            Some(refusal) => Decision::Reply(refusal, &found.route.meters),
            None => Decision::Act(
                found,
                match path {
                    Cow::Borrowed(_sent) => Path::Sent,
                    Cow::Owned(path) => Path::Normal(path),
                },
            ),
        },
        Err(_miss) if is_paused => Decision::Reply(Reply::paused(), &site.unmatched),
        Err(miss) => Decision::Reply(Reply::missed(miss), &site.unmatched),
    }
}

/// Refuses a request that its client may not make.
fn refuse(exchange: &Exchange, route: &RouteAtWork, parts: &Parts) -> Option<Reply> {
    let context = &exchange.context;
    let refused = &context.listening.refused;
    if let Some(rules) = &route.settings.clients {
        let is_let_in = match &context.identity {
            Some(identity) => identity.is_allowed(rules),
            None => !rules.is_required,
        };
        if !is_let_in {
            refused.clients.inc();
            return Some(Reply::error(StatusCode::FORBIDDEN, "client is not allowed here"));
        }
    }
    if let Some(limiter) = &route.limiter
        && let Err(wait) = limiter.take(proxy::client_address(exchange, &parts.headers))
    {
        refused.rate.inc();
        return Some(Reply::too_many(wait));
    }
    let bytes_max = route.settings.body_bytes_max.or(exchange.site.settings.body_bytes_max)?;
    let length = parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    if length > bytes_max {
        refused.body_bytes.inc();
        return Some(Reply::too_large());
    }
    None
}

/// What a service without routes answers.
fn identity(path: &str, method: &Method) -> Reply {
    if path != "/" {
        return Reply::error(StatusCode::NOT_FOUND, "no route matches the path");
    }
    if method != Method::GET && method != Method::HEAD {
        return Reply::missed(Miss::Method(vec![Method::GET, Method::HEAD]));
    }
    Reply::json(
        StatusCode::OK,
        &json!({ "service": build_info::NAME, "version": build_info::VERSION }),
    )
}

#[cfg(test)]
mod tests;
