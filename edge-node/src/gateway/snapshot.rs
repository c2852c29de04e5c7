//! The config at work: what each listener knows of routes and pools, exchanged whole by a reload.
//! A request runs on the one that was in force at its head.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::answer::Fixed;
use super::client::Connector;
use super::connection::ConnectionContext;
use super::limits::{Limiter, Share, Shares};
use super::material::Material;
use super::table::Table;
use crate::config::{self, Action, Config, DataListener};
use crate::observe::logs::Logs;
use crate::observe::metrics::{HttpMetrics, RouteMeters};
use crate::tls::Loaded;
use crate::upstream;

/// The route label of requests that match no route.
pub const UNMATCHED: &str = "unmatched";

/// A listener of the gateway, as its connections see it for as long as they live.
pub struct Listening {
    name: Arc<str>,
    site: ArcSwap<Site>,
    shares: Arc<Shares>,
    is_paused: Arc<AtomicBool>,
    pub refused: Refused,
    pub in_flight: Gauge,
    pub tunnels: Gauge,
}

/// What is refused, by reason.
pub struct Refused(Vec<(&'static str, Counter)>);

/// Why connections and requests are refused: what a client did, or does too often, or too slowly.
const REASONS: [&str; 19] = [
    ADDRESS_CONNECTIONS,
    HANDSHAKE,
    HEAD_SIZE,
    HEAD_TIME,
    MALFORMED,
    UNREAD,
    "host",
    "path",
    "target",
    "framing",
    "method-unknown",
    "misdirected",
    "no-certificate",
    "not-allowed",
    "rate-limit",
    "body-size",
    "body-rate",
    "pending",
    "paused",
];

/// The reason for a connection over the share of its address.
const ADDRESS_CONNECTIONS: &str = "address-connections";

/// The reason for a connection on which TLS could not be agreed on.
pub const HANDSHAKE: &str = "handshake";

/// The reason for a head of too many bytes or headers.
pub const HEAD_SIZE: &str = "head-size";

/// The reason for a handshake or a head that did not come in time.
pub const HEAD_TIME: &str = "head-time";

/// The reason for what is no HTTP.
pub const MALFORMED: &str = "malformed";

/// The reason for an answer that its client did not read.
pub const UNREAD: &str = "unread";

impl Refused {
    fn new(listener: &Arc<str>, metrics: &HttpMetrics) -> Self {
        Self(REASONS.map(|reason| (reason, metrics.refused(listener, reason))).into())
    }

    /// Counts one, if the reason is one of those.
    pub fn count(&self, reason: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == reason) {
            counter.inc();
        }
    }
}

/// What a listener does with requests, by the config in force.
pub struct Site {
    pub settings: DataListener,
    pub tls: Option<Arc<Loaded>>,
    /// None in a config without routes, in which `/` says who answers.
    pub table: Option<Table<Entry>>,
    pub root: RouteMeters,
    pub unmatched: RouteMeters,
    pub is_access_logged: bool,
}

impl Site {
    /// Whether a request for a host came on a TLS connection that was made for another one.
    ///
    /// Who sends no name (SNI) does not care which certificate it is shown: so do proxies that come by address. Only
    /// where clients show certificates of their own must they say for whom.
    pub fn is_misdirected(&self, context: &ConnectionContext, host: &str) -> bool {
        let (Some(tls), false) = (&self.tls, context.is_own) else { return false };
        if !context.is_secure {
            return false;
        }
        let asks_clients = || self.settings.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        let name = context.server_name.as_deref();
        (name.is_some() || asks_clients()) && tls.by_sni.is_misdirected(name, host)
    }
}

/// A route of a listener.
pub struct Entry {
    pub route: Arc<RouteAtWork>,
    pub meters: RouteMeters,
}

/// A route and what it needs.
pub struct RouteAtWork {
    pub settings: config::Route,
    /// The pool it forwards to, if it forwards.
    pub pool: Option<Arc<PoolAtWork>>,
    pub limiter: Option<Arc<Limiter>>,
    /// The answer that is always the same, if it has one.
    pub fixed: Option<Fixed>,
}

/// A pool and the way to its upstreams.
pub struct PoolAtWork {
    pub pool: Arc<upstream::Pool>,
    pub connector: Arc<Connector>,
    pub tls: Option<Arc<rustls::ClientConfig>>,
    pub retries: Retries,
}

/// What came of retries.
pub struct Retries {
    pub success: Counter,
    pub failure: Counter,
    pub over_budget: Counter,
}

/// All of a config at work, kept so that the next one finds what did not change.
#[derive(Default)]
pub struct Snapshot {
    pub pools: HashMap<Arc<str>, Arc<PoolAtWork>>,
    routes: HashMap<Arc<str>, Arc<RouteAtWork>>,
}

impl Snapshot {
    /// Puts a config to work; what it shares with `previous` goes on.
    pub fn new(
        config: &Config,
        material: &Material,
        previous: &Self,
        metrics: &HttpMetrics,
        logs: &Logs,
    ) -> Self {
        let pools: HashMap<_, _> = config
            .pools
            .iter()
            .map(|settings| {
                let previous = previous.pools.get(&settings.name);
                let tls = material.pool(&settings.name);
                let pool = PoolAtWork::new(settings, tls, previous, metrics, logs);
                (Arc::clone(&settings.name), Arc::new(pool))
            })
            .collect();
        let routes = config.routes.iter().map(|settings| {
            let previous = previous.routes.get(&settings.name);
            let route = RouteAtWork::new(settings, &pools, previous.map(AsRef::as_ref));
            (Arc::clone(&settings.name), Arc::new(route))
        });
        let routes = routes.collect();
        Self { pools, routes }
    }

    /// Pool and address of each upstream.
    pub fn upstreams(&self) -> HashSet<(Arc<str>, Arc<str>)> {
        let of_pool = |(name, pool): (&Arc<str>, &Arc<PoolAtWork>)| {
            let name = Arc::clone(name);
            let labels: Vec<_> = pool.connector.labels().cloned().collect();
            labels.into_iter().map(move |label| (Arc::clone(&name), label))
        };
        self.pools.iter().flat_map(of_pool).collect()
    }

    /// What a listener does with requests.
    pub fn site(
        &self,
        config: &Config,
        settings: &DataListener,
        material: &Material,
        metrics: &HttpMetrics,
    ) -> Site {
        let name = &settings.name;
        let entries = config.routes.iter().filter(|route| route.listeners.contains(name));
        let entries = entries.filter_map(|route| {
            let meters = metrics.meters(name, &route.name);
            let entry = Entry { route: Arc::clone(self.routes.get(&route.name)?), meters };
            Some((route.matcher.clone(), entry))
        });
        let has_routes = !config.routes.is_empty();
        // A config with ambiguous routes is not loaded.
        let table = has_routes.then(|| Table::new(entries.collect()).ok()).flatten();
        Site {
            settings: settings.clone(),
            tls: material.listener(name).cloned(),
            table,
            root: metrics.meters(name, &"/".into()),
            unmatched: metrics.meters(name, &UNMATCHED.into()),
            is_access_logged: config.log.access,
        }
    }
}

impl PoolAtWork {
    fn new(
        settings: &config::Pool,
        tls: Option<&Arc<rustls::ClientConfig>>,
        previous: Option<&Arc<Self>>,
        metrics: &HttpMetrics,
        logs: &Logs,
    ) -> Self {
        let unchanged = previous.filter(|previous| {
            let is_same_tls = match (&previous.tls, tls) {
                (Some(previous), Some(tls)) => Arc::ptr_eq(previous, tls),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            is_same_tls && previous.pool.settings() == settings
        });
        let pool = match unchanged {
            Some(unchanged) => Arc::clone(&unchanged.pool),
            None => {
                let previous = previous.map(|previous| previous.pool.as_ref());
                upstream::Pool::logged(settings, previous, logs)
            }
        };
        let connector = match unchanged {
            Some(unchanged) => Arc::clone(&unchanged.connector),
            None => Arc::new(Connector::new(&pool, tls.cloned(), metrics)),
        };
        let retries = |outcome| metrics.retries(&settings.name, outcome);
        let retries = Retries {
            success: retries("success"),
            failure: retries("failure"),
            over_budget: retries("over-budget"),
        };
        Self { pool, connector, tls: tls.cloned(), retries }
    }
}

impl RouteAtWork {
    fn new(
        settings: &config::Route,
        pools: &HashMap<Arc<str>, Arc<PoolAtWork>>,
        previous: Option<&Self>,
    ) -> Self {
        let (pool, fixed) = match &settings.action {
            Action::Forward(forward) => (pools.get(&forward.pool).cloned(), None),
            Action::Respond(respond) => (None, Some(Fixed::new(respond))),
            Action::Redirect(_) | Action::Files(_) => (None, None),
        };
        let same = previous.filter(|previous| previous.settings.rate_limit == settings.rate_limit);
        let limiter = match same {
            Some(same) => same.limiter.clone(),
            None => settings.rate_limit.as_ref().map(|limit| Arc::new(Limiter::new(limit))),
        };
        Self { settings: settings.clone(), pool, limiter, fixed }
    }
}

impl Listening {
    /// A listener with what it does at first.
    pub fn new(
        name: &Arc<str>,
        site: Site,
        is_paused: Arc<AtomicBool>,
        metrics: &HttpMetrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: Arc::clone(name),
            site: ArcSwap::from_pointee(site),
            shares: Arc::default(),
            is_paused,
            refused: Refused::new(name, metrics),
            in_flight: metrics.in_flight(name),
            tunnels: metrics.tunnels(name),
        })
    }

    /// Its name in the config.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// True while requests are refused for maintenance.
    pub fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    /// What it does now.
    pub fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// Sets what it does from the next request on.
    pub fn exchange(&self, site: Site) {
        self.site.store(Arc::new(site));
    }

    /// Takes one of an address's connections, where those are limited.
    ///
    /// # Errors
    /// When it has as many as it may.
    pub fn share(&self, address: IpAddr, is_own: bool) -> Result<Option<Share>, ()> {
        let Some(max) = self.site.load().settings.connections_per_address_max else {
            return Ok(None);
        };
        if is_own {
            return Ok(None);
        }
        match self.shares.take(address, max) {
            Some(share) => Ok(Some(share)),
            None => {
                self.refused.count(ADDRESS_CONNECTIONS);
                Err(())
            }
        }
    }
}
