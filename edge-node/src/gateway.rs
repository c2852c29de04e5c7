//! The gateway: what data listeners do with requests, and the threads that do it.
//!
//! In the order of a request: `workers` take a connection, `connection` finds out what it speaks,
//! `head` whether the request is sane, `table` which route takes it, `proxy` carries it to an
//! upstream over a connection of `client`, and `body` carries what comes back. `snapshot` is the
//! config at work, `exchange` the account of a request. Listeners are in `listener.rs`, the health
//! of upstreams in `upstream.rs`, counting in `observe/`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version, header};
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::runtime::Handle;

use self::answer::{Fault, present};
use self::body::Answer;
use self::connection::ConnectionContext;
use self::exchange::Exchange;
use self::head::Target;
use self::reply::Reply;
use self::snapshot::{Entry, Listening, Site, Snapshot};
use self::table::{Found, Miss};
use self::workers::{Handing, Workers};
use crate::config::Config;
use crate::listener;
use crate::observe::logs::{Level, Logs};
use crate::observe::metrics::{HttpMetrics, RouteMeters};
use crate::tls::Warning;
use crate::upstream::Pool;

mod access;
mod action;
pub mod answer;
mod body;
mod client;
mod connection;
#[doc(hidden)]
pub mod edges;
mod exchange;
pub mod explain;
pub mod files;
mod forwarded;
mod gather;
pub mod head;
mod limits;
mod material;
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

pub use material::{Material, look};
pub use snapshot::UNMATCHED;

/// The gateway at work.
pub struct Gateway {
    workers: Workers,
    snapshot: Snapshot,
    /// Every listener there ever was, by name: connections of a former one go on.
    listening: HashMap<Arc<str>, Arc<Listening>>,
    /// The files of certificates that metrics tell of, by listener.
    certificates: HashMap<Arc<str>, Vec<Arc<str>>>,
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
            certificates: HashMap::new(),
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
        self.warn_of_files(material);
        let snapshot = Snapshot::new(config, material, &self.snapshot, &self.metrics, &self.logs);
        for settings in &config.listeners.data {
            let site = snapshot.site(config, settings, material, &self.metrics);
            self.tell_certificates(&settings.name, material);
            match self.listening.get(&settings.name) {
                Some(listening) => listening.exchange(site),
                None => {
                    let is_paused = Arc::clone(&self.is_paused);
                    let new = Listening::new(&settings.name, site, is_paused, &self.metrics);
                    self.listening.insert(Arc::clone(&settings.name), new);
                }
            }
        }
        for (listener, files) in self.certificates.extract_if(|listener, _| {
            config.listeners.data.iter().all(|settings| settings.name != *listener)
        }) {
            for file in files {
                self.metrics.forget_certificate(&listener, &file);
            }
        }
        for (pool, upstream) in self.snapshot.upstreams().difference(&snapshot.upstreams()) {
            self.metrics.forget_upstream(pool, upstream);
        }
        self.snapshot = snapshot;
    }

    /// Says what is no mistake in a file, but makes clients fail.
    fn warn_of_files(&self, material: &Material) {
        for Warning { file, what } in material.warnings(Timestamp::now()) {
            self.logs
                .record(Level::Warn, "gateway", "clients will fail because of a file")
                .field("file", file.display())
                .field("why", what)
                .emit();
        }
    }

    /// Tells in metrics when the certificates of a listener expire, of each file the first that does.
    fn tell_certificates(&mut self, listener: &Arc<str>, material: &Material) {
        let certificates = material.listener(listener).map(|loaded| loaded.certificates.as_slice());
        let known: Vec<(Arc<str>, i64)> = certificates
            .unwrap_or_default()
            .iter()
            .map(|info| (info.file.display().to_string().into(), info.not_after.as_second()))
            .collect();
        let told = self.certificates.entry(Arc::clone(listener)).or_default();
        for file in std::mem::take(told) {
            self.metrics.forget_certificate(listener, &file);
        }
        self.metrics.set_certificates(listener, &known);
        *told = known.into_iter().map(|(file, _)| file).collect();
    }

    /// What answers the connections of a data listener of the config at work.
    #[must_use]
    pub fn answer(&self, listener: &Arc<str>) -> Option<Box<dyn listener::Answer>> {
        let listening = Arc::clone(self.listening.get(listener)?);
        Some(Box::new(Handing { workers: self.workers.clone(), listening }))
    }

    /// The pools at work, in the order of their names.
    #[must_use]
    pub fn pools(&self) -> Vec<Arc<Pool>> {
        let pools: BTreeMap<_, _> = self.snapshot.pools.iter().collect();
        pools.values().map(|pool| Arc::clone(&pool.pool)).collect()
    }

    /// What connections to the upstreams of a pool need, if that is TLS.
    #[must_use]
    pub fn client_tls(&self, pool: &str) -> Option<Arc<rustls::ClientConfig>> {
        self.snapshot.pools.get(pool)?.tls.clone()
    }

    /// Waits until the access log has the lines of all requests that have ended.
    pub async fn flush(&self) {
        self.workers.flush().await;
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
    let (reply, meters) = match decide(&mut exchange, &site, &parts) {
        Decision::Reply(reply, meters) => (Ok(*reply), meters),
        Decision::Refuse(fault, meters) => (Err(fault), meters),
        Decision::Act(found, path) => {
            let meters = &found.route.meters;
            (action::act(&mut exchange, &found, &path, parts, body).await, meters)
        }
    };
    let mut reply = reply.unwrap_or_else(|fault| Reply::fault(fault, is_grpc));
    if let Some(fault) = &reply.fault {
        exchange.context.listening.refused.count(fault.reason());
    }
    let closes = reply.closes || (exchange.context.is_leaving() && reply.tunnel.is_none());
    if closes && version < Version::HTTP_2 {
        reply.head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let status = reply.fault.as_ref().map_or(reply.head.status, Fault::status);
    exchange.answered(status, meters);
    match reply.tunnel {
        Some(tunnel) => Response::from_parts(reply.head, tunnel.open(exchange)),
        None => Response::from_parts(reply.head, Answer::new(reply.content, exchange)),
    }
}

/// What becomes of a request.
enum Decision<'a> {
    /// It is answered so, and counted there.
    Reply(Box<Reply>, &'a RouteMeters),
    /// It is refused, and counted there.
    Refuse(Fault, &'a RouteMeters),
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
    fn new(path: Cow<'_, str>) -> Self {
        match path {
            Cow::Borrowed(_sent) => Self::Sent,
            Cow::Owned(path) => Self::Normal(path),
        }
    }

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
        Err(fault) => return Decision::Refuse(fault.into(), &site.unmatched),
    };
    exchange.host = match parts.headers.get(header::HOST) {
        Some(host) => Some(host.clone()),
        None => HeaderValue::from_str(head.authority).ok().filter(|host| !host.is_empty()),
    };
    let client = proxy::client_address(exchange, &parts.headers);
    exchange.forwarded_for =
        (client != exchange.context.peer.ip().to_canonical()).then_some(client);
    if site.is_misdirected(&exchange.context, &head.host) {
        return Decision::Refuse(Fault::Misdirected, &site.unmatched);
    }
    let is_paused = exchange.context.listening.is_paused() && !exchange.context.is_own;
    let path = match head.target {
        Target::Path { path, query: _ } => path,
        Target::Server if is_paused => return Decision::Refuse(Fault::Paused, &site.unmatched),
        Target::Server => {
            return Decision::Reply(Box::new(Reply::whole(present())), &site.unmatched);
        }
    };
    let Some(table) = &site.table else {
        return without_routes(site, &path, &parts.method, is_paused);
    };
    match table.find(&head.host, &path, &parts.method, &parts.headers) {
        Ok(found) if is_paused => Decision::Refuse(Fault::Paused, &found.route.meters),
        Ok(found) => match limits::refuse(exchange, &found.route.route, parts) {
            Some(fault) => Decision::Refuse(fault, &found.route.meters),
            None => Decision::Act(found, Path::new(path)),
        },
        Err(_miss) if is_paused => Decision::Refuse(Fault::Paused, &site.unmatched),
        Err(Miss::NoRoute) => Decision::Refuse(Fault::NoRoute, &site.unmatched),
        Err(Miss::Method(methods)) => Decision::Refuse(Fault::Method(methods), &site.unmatched),
    }
}

/// What a service without routes does: it says who answers.
fn without_routes<'a>(
    site: &'a Site,
    path: &str,
    method: &Method,
    is_paused: bool,
) -> Decision<'a> {
    let meters = if path == "/" { &site.root } else { &site.unmatched };
    let is_read = *method == Method::GET || *method == Method::HEAD;
    match path {
        _ if is_paused => Decision::Refuse(Fault::Paused, meters),
        "/" if is_read => Decision::Reply(Box::new(Reply::identity()), meters),
        "/" => Decision::Refuse(Fault::Method(vec![Method::GET, Method::HEAD]), meters),
        _ => Decision::Refuse(Fault::NoRoute, meters),
    }
}

#[cfg(test)]
mod tests;
