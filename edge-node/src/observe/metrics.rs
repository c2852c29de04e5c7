//! The metric families of the service and their registry.
//!
//! Every label has few values: listeners and routes are those of the config, methods a closed
//! set, codes numbers of three digits. How the text is written is in `exposition.rs`, where
//! process figures come from in `process.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::exposition::Exposition;
use super::logs::LogCounters;
use super::process::ProcessCollector;
use crate::build_info;
use crate::probe::SelfProbe;
use crate::upstream::Pools;

mod durations;
mod meters;
mod reloads;
mod upstreams;

use self::durations::Durations;
use self::upstreams::UpstreamCollector;

pub use meters::RouteMeters;
pub use reloads::ReloadMetrics;

/// Everything that is scraped.
pub struct Metrics {
    registry: Registry,
    http: HttpMetrics,
    reloads: ReloadMetrics,
}

/// What is counted of requests; cheap to clone.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Durations>,
    in_flight: Family<ListenerLabels, Gauge>,
    connections: Family<ListenerLabels, Gauge>,
    connection_cap_reached: Family<ListenerLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    tunnels: Family<ListenerLabels, Gauge>,
    upstream_connections: Family<UpstreamLabels, Gauge>,
    retries: Family<RetryLabels, Counter>,
    certificates: Family<CertificateLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    pool: Arc<str>,
    upstream: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RetryLabels {
    pool: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    listener: Arc<str>,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    listener: Arc<str>,
    certificate: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    listener: Arc<str>,
    route: Arc<str>,
    method: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    listener: Arc<str>,
    route: Arc<str>,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    commit: &'static str,
    target: &'static str,
}

impl Metrics {
    /// All families, registered; `log_lines_dropped` is counted elsewhere.
    #[must_use]
    pub fn new(log_lines_dropped: Counter) -> Self {
        let mut registry = Registry::default();
        register_build_info(&mut registry);
        registry.register(
            "edge_node_log_lines_dropped",
            "Log lines dropped because the queue was full or the sink failed",
            log_lines_dropped,
        );
        let http = HttpMetrics::register(&mut registry);
        let reloads = ReloadMetrics::register(&mut registry);
        registry.register_collector(Box::new(ProcessCollector::new()));
        Self { registry, http, reloads }
    }

    /// Adds what is counted of logs beside the dropped lines.
    pub fn add_logs(&mut self, counters: &LogCounters) {
        self.registry.register(
            "edge_node_log_rotations_failed",
            "Attempts to rotate the log file that failed, at most one a second",
            counters.rotations_failed.clone(),
        );
        self.registry.register(
            "edge_node_events_suppressed",
            "Entries of the Windows Event Log left out because there were too many or it failed",
            counters.events_suppressed.clone(),
        );
    }

    /// Adds what is counted of the upstreams of the pools in force, whichever these are at a scrape.
    pub fn add_upstreams(&mut self, pools: &Pools) {
        self.registry.register_collector(Box::new(UpstreamCollector(pools.clone())));
    }

    /// What is counted of requests.
    #[must_use]
    pub fn http(&self) -> HttpMetrics {
        self.http.clone()
    }

    /// What is counted of reloads.
    #[must_use]
    pub fn reloads(&self) -> ReloadMetrics {
        self.reloads.clone()
    }

    /// The text a scraper is answered.
    #[must_use]
    pub fn expose(&self, form: Exposition) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        form.from_open_metrics(text)
    }
}

fn register_build_info(registry: &mut Registry) {
    let labels = BuildLabels {
        version: build_info::VERSION,
        commit: build_info::COMMIT,
        target: build_info::TARGET,
    };
    let family = Family::<BuildLabels, Gauge>::default();
    family.get_or_create(&labels).set(1);
    registry.register("edge_node_build_info", "Version, commit and target of the program", family);
}

impl HttpMetrics {
    fn register(registry: &mut Registry) -> Self {
        let http = Self {
            requests: Family::default(),
            durations: Family::default(),
            in_flight: Family::default(),
            connections: Family::default(),
            connection_cap_reached: Family::default(),
            refused: Family::default(),
            tunnels: Family::default(),
            upstream_connections: Family::default(),
            retries: Family::default(),
            certificates: Family::default(),
        };
        http.register_gateway(registry);
        registry.register("http_requests", "Requests answered", http.requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time from a request's headers to its response's headers",
            http.durations.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests being answered now",
            http.in_flight.clone(),
        );
        registry.register(
            "edge_node_connections",
            "Connections open now",
            http.connections.clone(),
        );
        registry.register(
            "edge_node_connection_cap_reached",
            "Times that every connection slot was taken",
            http.connection_cap_reached.clone(),
        );
        http
    }

    /// What only the gateway counts.
    fn register_gateway(&self, registry: &mut Registry) {
        registry.register(
            "edge_node_refused",
            "Connections and requests refused because of a limit",
            self.refused.clone(),
        );
        registry.register(
            "edge_node_tunnels",
            "Connections open now that were upgraded to another protocol",
            self.tunnels.clone(),
        );
        registry.register(
            "upstream_connections",
            "Connections to upstreams open now",
            self.upstream_connections.clone(),
        );
        registry.register(
            "upstream_retries",
            "Requests that failed at an upstream and could be tried again",
            self.retries.clone(),
        );
        registry.register(
            "tls_cert_not_after_timestamp_seconds",
            "When a certificate expires, since 1970",
            self.certificates.clone(),
        );
    }

    /// The counter of what a listener refused for a reason, which is one of a closed set.
    #[must_use]
    pub fn refused(&self, listener: &Arc<str>, reason: &'static str) -> Counter {
        let listener = Arc::clone(listener);
        self.refused.get_or_create_owned(&RefusedLabels { listener, reason })
    }

    /// The gauge of a listener's tunnels.
    #[must_use]
    pub fn tunnels(&self, listener: &Arc<str>) -> Gauge {
        self.tunnels.get_or_create_owned(&labels(listener))
    }

    /// The gauge of a listener's requests in flight.
    #[must_use]
    pub fn in_flight(&self, listener: &Arc<str>) -> Gauge {
        self.in_flight.get_or_create_owned(&labels(listener))
    }

    /// The gauge of the connections to an upstream.
    #[must_use]
    pub fn upstream_connections(&self, pool: &Arc<str>, upstream: &Arc<str>) -> Gauge {
        let (pool, upstream) = (Arc::clone(pool), Arc::clone(upstream));
        self.upstream_connections.get_or_create_owned(&UpstreamLabels { pool, upstream })
    }

    /// Forgets the series of an upstream that the config no longer has.
    pub fn forget_upstream(&self, pool: &Arc<str>, upstream: &Arc<str>) {
        let (pool, upstream) = (Arc::clone(pool), Arc::clone(upstream));
        self.upstream_connections.remove(&UpstreamLabels { pool, upstream });
    }

    /// The counter of a pool's retries that ended so.
    #[must_use]
    pub fn retries(&self, pool: &Arc<str>, outcome: &'static str) -> Counter {
        self.retries.get_or_create_owned(&RetryLabels { pool: Arc::clone(pool), outcome })
    }

    /// Sets when the certificates of a listener expire, by file, in the place of those there were.
    pub fn set_certificates(&self, listener: &Arc<str>, known: &[(Arc<str>, i64)]) {
        for (certificate, not_after) in known {
            let (listener, certificate) = (Arc::clone(listener), Arc::clone(certificate));
            let labels = CertificateLabels { listener, certificate };
            self.certificates.get_or_create(&labels).set(*not_after);
        }
    }

    /// Forgets when a certificate expires that a listener no longer shows.
    pub fn forget_certificate(&self, listener: &Arc<str>, certificate: &Arc<str>) {
        let (listener, certificate) = (Arc::clone(listener), Arc::clone(certificate));
        self.certificates.remove(&CertificateLabels { listener, certificate });
    }

    /// The meter of one route of a listener.
    #[must_use]
    pub fn route(&self, listener: &Arc<str>, route: &str) -> RouteMeter {
        RouteMeter {
            in_flight: self.in_flight.get_or_create_owned(&labels(listener)),
            metrics: self.clone(),
            listener: Arc::clone(listener),
            route: route.into(),
        }
    }

    /// The gauge of a listener's open connections.
    #[must_use]
    pub fn connections(&self, listener: &Arc<str>) -> Gauge {
        self.connections.get_or_create_owned(&labels(listener))
    }

    /// The counter of the times that all slots of a listener were taken.
    #[must_use]
    pub fn connection_cap_reached(&self, listener: &Arc<str>) -> Counter {
        self.connection_cap_reached.get_or_create_owned(&labels(listener))
    }
}

fn labels(listener: &Arc<str>) -> ListenerLabels {
    ListenerLabels { listener: Arc::clone(listener) }
}

/// Counts the requests of one route.
#[derive(Clone)]
pub struct RouteMeter {
    metrics: HttpMetrics,
    in_flight: Gauge,
    listener: Arc<str>,
    route: Arc<str>,
}

impl RouteMeter {
    fn count(&self, method: &'static str, code: StatusCode, duration: Duration) {
        let (listener, route) = (Arc::clone(&self.listener), Arc::clone(&self.route));
        let labels = RouteLabels { listener, route, method };
        self.metrics.durations.get_or_create(&labels).observe(duration);
        let RouteLabels { listener, route, method } = labels;
        let labels = RequestLabels { listener, route, method, code: code.as_u16() };
        self.metrics.requests.get_or_create(&labels).inc();
    }
}

/// Middleware of a route: counts a request and its duration.
///
/// A request whose client goes away is no longer in flight and is not counted as answered; one of
/// this process to itself is no traffic.
pub async fn measure(State(meter): State<RouteMeter>, request: Request, next: Next) -> Response {
    if request.extensions().get::<SelfProbe>().is_some() {
        return next.run(request).await;
    }
    let method = known_method(request.method());
    let _in_flight = Raised::new(meter.in_flight.clone());
    let start = Instant::now();
    let response = next.run(request).await;
    meter.count(method, response.status(), start.elapsed());
    response
}

/// A gauge that is one higher while this lives.
pub struct Raised(Gauge);

impl Raised {
    /// Raises the gauge.
    #[must_use]
    pub fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The values of the label `method`: a client may send any word, so the last stands for the rest.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "other"];

/// The place of a method in [`METHODS`].
fn method_index(method: &Method) -> usize {
    let known = METHODS.iter().position(|known| *known == method.as_str());
    known.unwrap_or(METHODS.len() - 1)
}

/// The method, or `other`.
fn known_method(method: &Method) -> &'static str {
    METHODS[method_index(method)]
}

#[cfg(test)]
mod tests;
