//! What is counted of reloads of the config; the start counts as the first that succeeded.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The families of reloads; cheap to clone.
#[derive(Clone)]
pub struct ReloadMetrics {
    last_successful: Gauge,
    last_success_seconds: Gauge<f64, AtomicU64>,
    reloads: Family<OutcomeLabels, Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

const SUCCESS: OutcomeLabels = OutcomeLabels { outcome: "success" };
const FAILURE: OutcomeLabels = OutcomeLabels { outcome: "failure" };

impl ReloadMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            last_successful: Gauge::default(),
            last_success_seconds: Gauge::default(),
            reloads: Family::default(),
        };
        registry.register(
            "edge_node_config_last_reload_successful",
            "1 if the config file was in order when it was last read, else 0",
            metrics.last_successful.clone(),
        );
        registry.register(
            "edge_node_config_last_reload_success_timestamp_seconds",
            "When the config in force was read, since 1970",
            metrics.last_success_seconds.clone(),
        );
        registry.register(
            "edge_node_config_reloads",
            "Reloads of the config that were asked for",
            metrics.reloads.clone(),
        );
        // A counter that is there from the start can be watched for its first increase.
        for labels in [SUCCESS, FAILURE] {
            drop(metrics.reloads.get_or_create(&labels));
        }
        metrics.note(true);
        metrics
    }

    /// Counts a reload.
    pub fn count(&self, succeeded: bool) {
        self.reloads.get_or_create(if succeeded { &SUCCESS } else { &FAILURE }).inc();
        self.note(succeeded);
    }

    fn note(&self, succeeded: bool) {
        self.last_successful.set(succeeded.into());
        if succeeded {
            self.last_success_seconds.set(Timestamp::now().as_millisecond() as f64 / 1000.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn a_failure_is_seen_and_keeps_the_time_of_the_last_success() {
        let mut registry = Registry::default();
        let metrics = ReloadMetrics::register(&mut registry);
        let time = metrics.last_success_seconds.get();
        assert!((time - Timestamp::now().as_second() as f64).abs() < 60.0, "{time}");
        assert!(text(&registry).contains("edge_node_config_last_reload_successful 1\n"));
        metrics.last_success_seconds.set(1.5);
        metrics.count(false);
        let failed = text(&registry);
        for line in [
            "edge_node_config_last_reload_successful 0\n",
            "edge_node_config_last_reload_success_timestamp_seconds 1.5\n",
            "edge_node_config_reloads_total{outcome=\"failure\"} 1\n",
            "edge_node_config_reloads_total{outcome=\"success\"} 0\n",
        ] {
            assert!(failed.contains(line), "{line:?} is not in:\n{failed}");
        }
        metrics.count(true);
        assert!(text(&registry).contains("edge_node_config_last_reload_successful 1\n"));
        assert!(metrics.last_success_seconds.get() >= time);
    }
}
