//! The meters of a route for those who count a hundred thousand requests a second: what a counter
//! costs is looked up once for each method and code, and then found by index.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;

use super::durations::Durations;
use super::{HttpMetrics, METHODS, RequestLabels, RouteLabels, method_index};

/// Codes of a class, such as 200 to 299.
type Class = [OnceLock<Counter>; 100];

/// Counts the requests of one route of a listener.
pub struct RouteMeters {
    metrics: HttpMetrics,
    listener: Arc<str>,
    route: Arc<str>,
    methods: [OnceLock<MethodMeters>; METHODS.len()],
}

struct MethodMeters {
    durations: Durations,
    classes: [OnceLock<Box<Class>>; 9],
}

impl HttpMetrics {
    /// The meters of one route of a listener.
    #[must_use]
    pub fn meters(&self, listener: &Arc<str>, route: &Arc<str>) -> RouteMeters {
        RouteMeters {
            metrics: self.clone(),
            listener: Arc::clone(listener),
            route: Arc::clone(route),
            methods: Default::default(),
        }
    }
}

impl RouteMeters {
    /// The route's label.
    #[must_use]
    pub fn route(&self) -> &Arc<str> {
        &self.route
    }

    /// Counts a request that was answered.
    pub fn count(&self, method: &Method, code: StatusCode, duration: Duration) {
        let index = method_index(method);
        let meters = self.methods[index].get_or_init(|| MethodMeters {
            durations: self.metrics.durations.get_or_create_owned(&self.labels(index)),
            classes: Default::default(),
        });
        meters.durations.observe(duration);
        let code = code.as_u16();
        // A status code has three digits, the first of which is not 0.
        let class = &meters.classes[usize::from(code / 100 - 1)];
        let class = class.get_or_init(|| Box::new([const { OnceLock::new() }; 100]));
        class[usize::from(code % 100)].get_or_init(|| self.counter(index, code)).inc();
    }

    fn labels(&self, index: usize) -> RouteLabels {
        let (listener, route) = (Arc::clone(&self.listener), Arc::clone(&self.route));
        RouteLabels { listener, route, method: METHODS[index] }
    }

    fn counter(&self, index: usize, code: u16) -> Counter {
        let RouteLabels { listener, route, method } = self.labels(index);
        let labels = RequestLabels { listener, route, method, code };
        self.metrics.requests.get_or_create_owned(&labels)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;
    use crate::observe::exposition::Exposition;

    #[test]
    fn what_is_counted_by_index_has_its_labels() {
        let metrics = Metrics::new(Counter::default());
        let meters = metrics.http().meters(&"data".into(), &"api".into());
        let brew = Method::from_bytes(b"BREW").unwrap();
        for (method, code) in [(&Method::GET, 200), (&Method::GET, 999), (&brew, 100)] {
            let code = StatusCode::from_u16(code).unwrap();
            meters.count(method, code, Duration::from_millis(3));
            meters.count(method, code, Duration::from_millis(3));
        }
        let text = metrics.expose(Exposition::Classic);
        for line in [
            r#"http_requests_total{listener="data",route="api",method="GET",code="200"} 2"#,
            r#"http_requests_total{listener="data",route="api",method="GET",code="999"} 2"#,
            r#"http_requests_total{listener="data",route="api",method="other",code="100"} 2"#,
            r#"http_request_duration_seconds_count{listener="data",route="api",method="GET"} 4"#,
        ] {
            assert!(text.contains(line), "{line:?} is not in:\n{text}");
        }
    }
}
