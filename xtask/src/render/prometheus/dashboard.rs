//! The dashboard for Grafana: its view. Every product has the first panels, about the families that are declared for the
//! alerting rules; those that are declared one by one follow, three in a row.
//!
//! Source: the "Dashboard JSON model" page of Grafana 10.

use super::{Families, families, metrics_listener};
use crate::config::model::{Config, Panel, Show, Unit};
use serde::Serialize;

/// The template, below the templates folder.
pub(super) const TEMPLATE: &str = "grafana/dashboard.json.j2";

/// A panel takes a third of a row's 24 columns.
const COLUMNS: usize = 8;
const PANELS_IN_ROW: usize = 3;
/// Lines that a panel is high.
const HEIGHT: usize = 8;
/// The first panels are the template's own.
const PANELS_OF_ALL: usize = 6;

/// What `dashboard.json.j2` sees.
#[derive(Serialize)]
pub(super) struct DashboardView {
    name: String,
    display_name: String,
    description: String,
    job: String,
    family: Families,
    /// The listener whose requests are the scrapes themselves; empty if all requests go there.
    metrics_listener: String,
    interval_ms: u128,
    panels: Vec<PanelView>,
}

#[derive(Serialize)]
struct PanelView {
    id: usize,
    /// Columns from the left, and lines from the top.
    left: usize,
    top: usize,
    title: String,
    metric: String,
    labels: Vec<String>,
    /// What each line is called, with Grafana's own braces around labels.
    legend: String,
    /// The name by which Grafana knows the unit.
    unit: &'static str,
    is_rate: bool,
    is_increase: bool,
}

pub(super) fn view(config: &Config) -> DashboardView {
    DashboardView {
        name: config.product.name.clone(),
        display_name: config.product.display_name.clone(),
        description: config.product.description.clone(),
        job: config.scrape.job.clone(),
        family: families(&config.metrics),
        metrics_listener: metrics_listener(config),
        interval_ms: config.scrape.interval.as_millis(),
        panels: config.panels.iter().enumerate().map(panel).collect(),
    }
}

fn panel((index, panel): (usize, &Panel)) -> PanelView {
    let Panel { title, metric, show, labels, unit } = panel;
    let place = PANELS_OF_ALL + index;
    let parts = std::iter::once("instance").chain(labels.iter().map(String::as_str));
    let legend: Vec<String> = parts.map(|label| format!("{{{{{label}}}}}")).collect();
    PanelView {
        id: place + 1,
        left: place % PANELS_IN_ROW * COLUMNS,
        top: place / PANELS_IN_ROW * HEIGHT,
        title: title.clone(),
        metric: metric.clone(),
        labels: labels.clone(),
        legend: legend.join(" "),
        unit: unit_name(*unit),
        is_rate: *show == Show::Rate,
        is_increase: *show == Show::Increase,
    }
}

/// The names are those of Grafana's "Standard options".
fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "short",
        Unit::PerSecond => "cps",
        Unit::Bytes => "bytes",
        Unit::Seconds => "s",
        Unit::Share => "percentunit",
    }
}
