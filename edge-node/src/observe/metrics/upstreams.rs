//! What is counted of upstreams. The numbers are kept by the upstreams themselves and read at a scrape, so those that
//! left the config leave the metrics too, and no request looks for a label.
//!
//! Their connections and retries are counted where they are made.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use tokio::time::Instant;

use crate::upstream::probe::OUTCOMES;
use crate::upstream::state::{Cause, State};
use crate::upstream::{Counts, Outcome, Pool, Pools, Upstream};

/// Reads the pools in force.
#[derive(Debug)]
pub(super) struct UpstreamCollector(pub(super) Pools);

/// Pool and upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    pool: Arc<str>,
    upstream: Arc<str>,
}

/// Pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: Arc<str>,
}

/// An upstream and its labels.
struct Labelled {
    labels: Labels,
    upstream: Arc<Upstream>,
    counts: Counts,
}

impl Collector for UpstreamCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let pools = self.0.current();
        if pools.is_empty() {
            // A family without a line is none.
            return Ok(());
        }
        let now = Instant::now();
        pools.iter().for_each(|pool| pool.settle(now));
        let upstreams: Vec<_> = pools.iter().flat_map(|pool| labelled(pool)).collect();
        let out = &mut encoder;
        panic_mode(out, &pools)?;
        gauge(
            out,
            (
                "upstream_healthy",
                "1 if requests may go to the upstream outside of panic mode, else 0",
            ),
            &upstreams,
            |upstream| u32::from(upstream.state().is_available()),
        )?;
        gauge(
            out,
            ("upstream_requests_in_flight", "Requests that the upstream has now"),
            &upstreams,
            |upstream| u32::try_from(upstream.in_flight()).unwrap_or(u32::MAX),
        )?;
        let tries = |counts: &Counts| Outcome::WORDS.into_iter().zip(counts.tries);
        let help = "Tries at the upstream, by what became of them";
        counter(out, ("upstream_requests", help), "outcome", &upstreams, tries)?;
        let ejections = |counts: &Counts| Cause::WORDS.into_iter().zip(counts.ejections);
        let help = "Times that traffic had the upstream ejected";
        counter(out, ("upstream_ejections", help), "reason", &upstreams, ejections)?;
        let changes = |counts: &Counts| State::WORDS.into_iter().zip(counts.changes);
        let help = "Changes of the upstream's state, by the new one";
        counter(out, ("upstream_state_changes", help), "state", &upstreams, changes)?;
        let probes = |counts: &Counts| OUTCOMES.into_iter().zip(counts.probes);
        let help = "Probes of the upstream, by what came of them";
        counter(out, ("upstream_probes", help), "outcome", &upstreams, probes)
    }
}

fn labelled(pool: &Pool) -> impl Iterator<Item = Labelled> {
    pool.upstreams().iter().map(|upstream| Labelled {
        labels: Labels {
            pool: Arc::clone(&pool.settings().name),
            upstream: upstream.address().to_string().into(),
        },
        upstream: Arc::clone(upstream),
        counts: upstream.counts(),
    })
}

fn panic_mode(out: &mut DescriptorEncoder, pools: &[Arc<Pool>]) -> fmt::Result {
    let help = "1 if all upstreams of the pool are picked from because too few are healthy, else 0";
    let mut family = out.encode_descriptor("upstream_panic_mode", help, None, MetricType::Gauge)?;
    for pool in pools {
        let labels = PoolLabels { pool: Arc::clone(&pool.settings().name) };
        family.encode_family(&labels)?.encode_gauge(&u32::from(pool.is_panicking()))?;
    }
    Ok(())
}

fn gauge(
    out: &mut DescriptorEncoder,
    (name, help): (&str, &str),
    upstreams: &[Labelled],
    value: impl Fn(&Upstream) -> u32,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    upstreams.iter().try_for_each(|Labelled { labels, upstream, .. }| {
        family.encode_family(labels)?.encode_gauge(&value(upstream))
    })
}

/// A counter with one label more, of a closed set.
fn counter<I: Iterator<Item = (&'static str, u64)>>(
    out: &mut DescriptorEncoder,
    (name, help): (&str, &str),
    label: &'static str,
    upstreams: &[Labelled],
    values: impl Fn(&Counts) -> I,
) -> fmt::Result {
    let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    for Labelled { labels, counts, .. } in upstreams {
        for (word, value) in values(counts) {
            let labels = [
                ("pool", labels.pool.as_ref()),
                ("upstream", labels.upstream.as_ref()),
                (label, word),
            ];
            let mut one: MetricEncoder = family.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::upstream::pool::tests::{probed, settings};

    fn text(pools: &Pools) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(UpstreamCollector(pools.clone())));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[track_caller]
    fn check(text: &str, line: &str) {
        assert!(text.lines().any(|candidate| candidate == line), "{line:?} is not in:\n{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn upstreams_are_counted_under_pool_address_and_closed_sets_of_words() {
        let pools = Pools::default();
        let pool = Pool::new(&settings(2), None);
        pools.set(vec![Arc::clone(&pool)]);
        let _try = pool.pick(0, &[]).unwrap();
        for _ in 0..5 {
            pool.note(1, Outcome::ConnectFailed);
        }
        let text = text(&pools);
        for line in [
            r#"upstream_panic_mode{pool="api"} 0"#,
            r#"upstream_healthy{pool="api",upstream="127.0.0.1:1"} 1"#,
            r#"upstream_healthy{pool="api",upstream="127.0.0.1:2"} 0"#,
            r#"upstream_requests_in_flight{pool="api",upstream="127.0.0.1:1"} 1"#,
            r#"upstream_requests_total{pool="api",upstream="127.0.0.1:2",outcome="connect-failed"} 5"#,
            r#"upstream_requests_total{pool="api",upstream="127.0.0.1:2",outcome="success"} 0"#,
            r#"upstream_ejections_total{pool="api",upstream="127.0.0.1:2",reason="consecutive-errors"} 1"#,
            r#"upstream_state_changes_total{pool="api",upstream="127.0.0.1:2",state="ejected"} 1"#,
            r#"upstream_probes_total{pool="api",upstream="127.0.0.1:1",outcome="success"} 0"#,
        ] {
            check(&text, line);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_leave_the_config_leave_the_metrics() {
        let pools = Pools::default();
        let pool = Pool::new(&probed(2), None);
        pools.set(vec![Arc::clone(&pool)]);
        assert!(text(&pools).contains("127.0.0.1:2"));
        pools.set(vec![Pool::new(&probed(1), Some(&pool))]);
        let fewer = text(&pools);
        assert!(!fewer.contains("127.0.0.1:2"), "{fewer}");
        check(&fewer, r#"upstream_healthy{pool="api",upstream="127.0.0.1:1"} 1"#);
    }
}
