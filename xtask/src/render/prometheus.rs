//! What Prometheus reads: scrape configs, targets, alerting rules and their tests; their views.
//!
//! Source: the Prometheus 2.42 configuration, recording rules and "Unit testing for rules" pages. Escaping is in
//! [`escape`], the figures of the rule tests in [`rule_tests`], the dashboard, which Grafana reads, in [`dashboard`].

mod dashboard;
mod escape;
mod rule_tests;

pub(super) use escape::{DASHBOARD_FILTERS, JSON_FILTERS, YAML_FILTERS};

use super::engine::Language;
use super::{Group, Job, view};
use crate::config::model::{Config, Metrics, Text};
use rule_tests::RuleTests;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The templates of this group, below the templates folder.
pub(super) const TEMPLATES: &[&str] =
    &[SCRAPE_CONFIG, PROMETHEUS, TARGETS, RULES, RULE_TESTS, dashboard::TEMPLATE];

const SCRAPE_CONFIG: &str = "prometheus/scrape_config.yml.j2";
const PROMETHEUS: &str = "prometheus/prometheus.yml.j2";
const TARGETS: &str = "prometheus/targets.json.j2";
const RULES: &str = "prometheus/rules.yml.j2";
const RULE_TESTS: &str = "prometheus/rules.test.yml.j2";

/// Rates are taken over at least this long.
const RATE_WINDOW_MIN: Duration = Duration::from_secs(300);

/// What `scrape_config.yml.j2`, `prometheus.yml.j2` and `targets.json.j2` see.
#[derive(Serialize)]
struct ScrapeView {
    name: String,
    display_name: String,
    job: String,
    metrics_path: String,
    interval_ms: u128,
    timeout_ms: u128,
    /// `host:port` each.
    targets: Vec<String>,
    labels: Vec<LabelView>,
    /// The same as an object.
    label_map: BTreeMap<String, String>,
    /// Relative to `prometheus.yml`.
    targets_file: String,
    rules_file: String,
}

#[derive(Serialize)]
struct LabelView {
    name: String,
    value: String,
}

/// What `rules.yml.j2` and `rules.test.yml.j2` see.
#[derive(Serialize)]
struct RulesView {
    display_name: String,
    job: String,
    alert: AlertNames,
    family: Families,
    /// The listener whose requests are the scrapes themselves; empty if all requests go there.
    metrics_listener: String,
    down_for_ms: u128,
    restarts_max: u32,
    restarts_window_ms: u128,
    error_ratio_max: f64,
    latency_p99_max_seconds: f64,
    degraded_for_ms: u128,
    certificate_days: f64,
    /// Long enough for four samples.
    rate_window_ms: u128,
    /// Relative to the test file.
    rules_file: String,
    test: RuleTests,
}

#[derive(Serialize)]
struct AlertNames {
    down: String,
    restarts: String,
    errors: String,
    latency: String,
    certificate: String,
    upstream: String,
}

#[derive(Serialize)]
struct Families {
    start_time: String,
    requests: String,
    request_duration: String,
    certificate_not_after: String,
    /// Empty where there are no upstreams.
    upstream_healthy: String,
}

/// The documents for Prometheus; the same for every target.
pub(super) fn jobs(config: &Config) -> Vec<Job> {
    let name = &config.product.name;
    let scrape = view(&scrape_view(config));
    let rules = view(&rules_view(config));
    let dashboard = view(&dashboard::view(config));
    let job =
        |template: &str, language, text, path: String, name: String, view: &serde_json::Value| {
            Job {
                template: format!("{}/{template}", config.templates),
                language,
                view: view.clone(),
                group: Group::Prometheus,
                text,
                target: None,
                path: format!("prometheus/{path}"),
                name,
                executable: false,
            }
        };
    let yaml = |template, path: String, view| {
        let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
        job(template, Language::Yaml, None, path, name, view)
    };
    vec![
        job(
            SCRAPE_CONFIG,
            Language::Yaml,
            Some(Text::ScrapeConfig),
            format!("scrape_configs/{name}.yml"),
            format!("{name}.scrape.yml"),
            &scrape,
        ),
        yaml(PROMETHEUS, "prometheus.yml".to_owned(), &scrape),
        job(TARGETS, Language::Json, None, targets_file(config), format!("{name}.json"), &scrape),
        yaml(RULES, rules_file(config), &rules),
        yaml(RULE_TESTS, format!("tests/{name}.rules.test.yml"), &rules),
        job(
            dashboard::TEMPLATE,
            Language::Dashboard,
            None,
            format!("dashboards/{name}.json"),
            format!("{name}.dashboard.json"),
            &dashboard,
        ),
    ]
}

fn targets_file(config: &Config) -> String {
    format!("targets/{}.json", config.product.name)
}

fn rules_file(config: &Config) -> String {
    format!("rules/{}.rules.yml", config.product.name)
}

fn scrape_view(config: &Config) -> ScrapeView {
    let scrape = &config.scrape;
    let label =
        |(name, value): (&String, &String)| LabelView { name: name.clone(), value: value.clone() };
    ScrapeView {
        name: config.product.name.clone(),
        display_name: config.product.display_name.clone(),
        job: scrape.job.clone(),
        metrics_path: config.metrics.path.clone(),
        interval_ms: scrape.interval.as_millis(),
        timeout_ms: scrape.timeout.as_millis(),
        targets: scrape.targets.clone(),
        labels: scrape.labels.iter().map(label).collect(),
        label_map: scrape.labels.clone(),
        targets_file: targets_file(config),
        rules_file: rules_file(config),
    }
}

fn rules_view(config: &Config) -> RulesView {
    let (alerts, metrics) = (&config.alerts, &config.metrics);
    let rate_window = RATE_WINDOW_MIN.max(config.scrape.interval * 4);
    RulesView {
        display_name: config.product.display_name.clone(),
        job: config.scrape.job.clone(),
        alert: alert_names(&config.product.name),
        family: families(metrics),
        metrics_listener: metrics_listener(config),
        down_for_ms: alerts.down_for.as_millis(),
        restarts_max: alerts.restarts_max,
        restarts_window_ms: alerts.restarts_window.as_millis(),
        error_ratio_max: alerts.error_ratio_max,
        latency_p99_max_seconds: alerts.latency_p99_max.as_secs_f64(),
        degraded_for_ms: alerts.degraded_for.as_millis(),
        certificate_days: alerts.certificate_expires_within.as_secs_f64() / 86_400.0,
        rate_window_ms: rate_window.as_millis(),
        rules_file: format!("../{}", rules_file(config)),
        test: RuleTests::of(alerts, rate_window),
    }
}

fn families(metrics: &Metrics) -> Families {
    Families {
        start_time: metrics.start_time.clone(),
        requests: metrics.requests.clone(),
        request_duration: metrics.request_duration.clone(),
        certificate_not_after: metrics.certificate_not_after.clone(),
        upstream_healthy: metrics.upstream_healthy.clone().unwrap_or_default(),
    }
}

/// The name of the metrics listener, unless it is the only one: then the requests that count go there as well.
fn metrics_listener(config: &Config) -> String {
    let mut names = config.listeners.iter().filter(|(_, other)| **other == config.metrics.listener);
    let only = config.listeners.len() < 2;
    names.next().filter(|_| !only).map(|(name, _)| name.clone()).unwrap_or_default()
}

/// `edge-node` becomes `EdgeNodeDown` and so on (the field's way to name alerts).
fn alert_names(product: &str) -> AlertNames {
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    };
    let prefix: String =
        product.split(|c: char| !c.is_alphanumeric()).filter_map(capitalised).collect();
    let named = |suffix: &str| format!("{prefix}{suffix}");
    AlertNames {
        down: named("Down"),
        restarts: named("Restarting"),
        errors: named("ErrorRatioHigh"),
        latency: named("LatencyHigh"),
        certificate: named("CertificateExpiring"),
        upstream: named("UpstreamDown"),
    }
}
