//! `[metrics]`, `[scrape]`, `[alerts]` and `[dashboard]`: how the service is watched. The serde mirror; its rules are in
//! `config/lower`.

use super::seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strict_toml::{Duration, Spanned};

/// Where the program shows its metrics.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Metrics {
    /// Name of the listener that serves them.
    pub listener: Spanned<String>,
    /// Path of the metrics page.
    #[serde(default = "metrics_path_default")]
    #[schemars(extend("format" = "url-path"))]
    pub path: Spanned<String>,
    /// Path that answers 200 when the program is ready. No release depends on it: `cargo xtask bench dist` waits for it.
    #[serde(default = "ready_path_default")]
    #[schemars(extend("format" = "url-path"))]
    pub ready_path: Spanned<String>,
    /// The families that the alerting rules and the dashboard read.
    #[serde(default)]
    pub families: Families,
}

/// The metric families that the alerting rules and the dashboard read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Families {
    /// Start time of the process, a gauge in seconds since the epoch.
    #[schemars(extend("format" = "metric-name"))]
    pub start_time: Spanned<String>,
    /// Requests answered, a counter with a label `code`.
    #[schemars(extend("format" = "metric-name"))]
    pub requests: Spanned<String>,
    /// Time to answer, a histogram in seconds; the name without `_bucket`.
    #[schemars(extend("format" = "metric-name"))]
    pub request_duration: Spanned<String>,
    /// End of a certificate's validity, a gauge in seconds since the epoch.
    #[schemars(extend("format" = "metric-name"))]
    pub certificate_not_after: Spanned<String>,
    /// 1 while a program behind this one is well and 0 while it is not, a gauge with labels `pool` and `upstream`. Without
    /// it there is no alert about such programs.
    #[schemars(extend("format" = "metric-name"))]
    pub upstream_healthy: Option<Spanned<String>>,
}

/// How Prometheus scrapes the program.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scrape {
    /// Job name. Default: `product.name`.
    #[schemars(length(min = 1, max = 100), extend("format" = "line"))]
    pub job: Option<Spanned<String>>,
    /// Hosts to scrape, without a port: the port is the metrics listener's.
    #[schemars(length(min = 1))]
    pub hosts: Vec<Spanned<String>>,
    /// Time between two scrapes.
    #[serde(default = "scrape_interval_default")]
    pub interval: Spanned<Duration>,
    /// Time a scrape may take; not longer than the interval.
    #[serde(default = "scrape_timeout_default")]
    pub timeout: Spanned<Duration>,
    /// Labels added to every target.
    #[serde(default)]
    pub labels: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// The thresholds of the alerting rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Alerts {
    /// A target that does not answer for this long is down.
    pub down_for: Spanned<Duration>,
    /// More restarts than this within `restarts-window` are too many.
    #[schemars(range(min = 1, max = 1000))]
    pub restarts_max: Spanned<u32>,
    /// The window in which restarts are counted.
    pub restarts_window: Spanned<Duration>,
    /// Share of requests answered with 5xx that is too many, between 0 and 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub error_ratio_max: Spanned<f64>,
    /// The 99th percentile of the time to answer may not be above this.
    pub latency_p99_max: Spanned<Duration>,
    /// How long the error ratio or the latency must be too high.
    pub degraded_for: Spanned<Duration>,
    /// A certificate that ends within this time is to be renewed.
    pub certificate_expires_within: Spanned<Duration>,
}

/// The dashboard for Grafana. Every program's shows its requests, errors, times to answer, restarts and certificates.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Dashboard {
    /// Panels about what this program measures beside that, in the order shown.
    #[schemars(length(max = 60))]
    pub panels: Vec<Panel>,
}

/// A panel that shows one metric over time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Panel {
    /// What stands above it.
    #[schemars(length(min = 1, max = 100), extend("format" = "line"))]
    pub title: Spanned<String>,
    /// The metric, with `_total` where it is a counter.
    #[schemars(extend("format" = "metric-name"))]
    pub metric: Spanned<String>,
    /// What is shown of it.
    #[serde(default)]
    pub show: Show,
    /// Labels by which its lines are kept apart, beside the instance. What differs in others only is added up.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub labels: Vec<Spanned<String>>,
    /// What is counted.
    #[serde(default)]
    pub unit: Unit,
}

/// What a panel shows of a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Show {
    /// Its value, of a gauge.
    #[default]
    Value,
    /// What it grows by in a second, of a counter.
    Rate,
    /// What it grew by since the point before, of a counter that rarely counts.
    Increase,
}

/// What a panel counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Things.
    #[default]
    Count,
    /// Things in a second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// A share of one.
    Share,
}

fn metrics_path_default() -> Spanned<String> {
    Spanned::from("/metrics".to_owned())
}

fn ready_path_default() -> Spanned<String> {
    Spanned::from("/readyz".to_owned())
}

fn scrape_interval_default() -> Spanned<Duration> {
    seconds(15)
}

fn scrape_timeout_default() -> Spanned<Duration> {
    seconds(10)
}

impl Default for Families {
    fn default() -> Self {
        Self {
            start_time: Spanned::from("process_start_time_seconds".to_owned()),
            requests: Spanned::from("http_requests_total".to_owned()),
            request_duration: Spanned::from("http_request_duration_seconds".to_owned()),
            certificate_not_after: Spanned::from("tls_cert_not_after_timestamp_seconds".to_owned()),
            upstream_healthy: None,
        }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            down_for: seconds(120),
            restarts_max: Spanned::from(3),
            restarts_window: seconds(15 * 60),
            error_ratio_max: Spanned::from(0.05),
            latency_p99_max: seconds(1),
            degraded_for: seconds(600),
            certificate_expires_within: seconds(14 * 24 * 3600),
        }
    }
}
