//! The data listener's routes: for now the gateway only says who it is, upstreams come behind
//! the same router. Listeners and their limits are in `listener.rs`, counting in `observe/`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::json;
use tokio::sync::watch;

use crate::build_info;
use crate::host_header;
use crate::observe::metrics::{HttpMetrics, measure};
use crate::phase::Phase;

pub mod answer;
pub mod explain;
pub mod files;
pub mod head;
pub mod path;
pub mod rewrite;
pub mod table;

/// The route label of requests that match no route.
pub(crate) const UNMATCHED: &str = "unmatched";

/// When clients are told to come back to a paused service, in seconds: an operator's work takes
/// minutes, and who asks every ten seconds costs nothing.
const RETRY_AFTER_SECONDS: &str = "10";

/// The router of the data listener.
pub fn routes(
    listener: &Arc<str>,
    metrics: &HttpMetrics,
    phases: watch::Receiver<Phase>,
) -> Router {
    let meter = |route| from_fn_with_state(metrics.route(listener, route), measure);
    let admit = || from_fn_with_state(phases.clone(), admit);
    // The meter is the outermost layer: what is refused is counted as well.
    Router::new()
        .route("/", get(identity).layer(admit()).layer(meter("/")))
        .fallback_service(any(not_found).layer(admit()).layer(meter(UNMATCHED)))
}

/// Refuses requests whose `Host` is wrong, and all of them while the service is paused.
async fn admit(
    State(phases): State<watch::Receiver<Phase>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(fault) = host_header::fault(&request) {
        return answer(StatusCode::BAD_REQUEST, &json!({ "error": fault.to_string() }))
            .into_response();
    }
    let is_paused = *phases.borrow() == Phase::Paused;
    if is_paused {
        let error = json!({ "error": "paused for maintenance" });
        let retry = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)];
        return (retry, answer(StatusCode::SERVICE_UNAVAILABLE, &error)).into_response();
    }
    next.run(request).await
}

async fn identity() -> impl IntoResponse {
    answer(StatusCode::OK, &json!({ "service": build_info::NAME, "version": build_info::VERSION }))
}

async fn not_found() -> impl IntoResponse {
    answer(StatusCode::NOT_FOUND, &json!({ "error": "no route matches the path" }))
}

fn answer(code: StatusCode, body: &serde_json::Value) -> impl IntoResponse + use<> {
    (code, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n"))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use prometheus_client::metrics::counter::Counter;
    use tower::ServiceExt as _;

    use super::*;
    use crate::observe::exposition::Exposition;
    use crate::observe::metrics::Metrics;

    fn routes_in(phase: Phase, metrics: &Metrics) -> Router {
        routes(&"data".into(), &metrics.http(), watch::Sender::new(phase).subscribe())
    }

    async fn ask(router: Router, method: &str, path: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "x")
            .body(Body::empty())
            .unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let code = answer.status();
        let body = to_bytes(answer.into_body(), 1024).await.unwrap();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_root_says_who_answers() {
        let router = routes_in(Phase::Serving, &Metrics::new(Counter::default()));
        let expected =
            format!("{{\"service\":\"edge-node\",\"version\":\"{}\"}}\n", build_info::VERSION);
        assert_eq!(ask(router, "GET", "/").await, (StatusCode::OK, expected));
    }

    #[tokio::test]
    async fn paths_without_a_route_are_not_found_and_share_one_label() {
        let metrics = Metrics::new(Counter::default());
        let router = routes_in(Phase::Serving, &metrics);
        for path in ["/a", "/b/c"] {
            let (code, body) = ask(router.clone(), "POST", path).await;
            assert_eq!(code, StatusCode::NOT_FOUND);
            assert_eq!(body, "{\"error\":\"no route matches the path\"}\n");
        }
        let line =
            r#"http_requests_total{listener="data",route="unmatched",method="POST",code="404"} 2"#;
        let text = metrics.expose(Exposition::Classic);
        assert!(text.contains(line), "{text}");
    }

    #[tokio::test]
    async fn a_request_without_a_host_is_refused() {
        let router = routes_in(Phase::Serving, &Metrics::new(Counter::default()));
        for path in ["/", "/nowhere"] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        }
    }

    #[tokio::test]
    async fn while_paused_every_request_is_refused_with_a_time_to_come_back() {
        let metrics = Metrics::new(Counter::default());
        let router = routes_in(Phase::Paused, &metrics);
        for path in ["/", "/nowhere"] {
            let request = Request::builder().uri(path).header("host", "x").body(Body::empty());
            let answer = router.clone().oneshot(request.unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(answer.headers()[header::RETRY_AFTER], "10", "{path}");
        }
        let line = r#"http_requests_total{listener="data",route="/",method="GET",code="503"} 1"#;
        let text = metrics.expose(Exposition::Classic);
        assert!(text.contains(line), "{text}");
    }

    #[tokio::test]
    async fn only_a_paused_service_refuses() {
        for phase in [Phase::Starting, Phase::Serving, Phase::Draining] {
            let router = routes_in(phase, &Metrics::new(Counter::default()));
            assert_eq!(ask(router, "GET", "/").await.0, StatusCode::OK, "{phase:?}");
        }
    }
}
