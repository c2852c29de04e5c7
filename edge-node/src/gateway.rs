//! The data listener's routes: for now the gateway only says who it is, upstreams come behind
//! the same router. Listeners and their limits are in `listener.rs`, counting in `observe/`.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::json;

use crate::build_info;
use crate::host_header;
use crate::observe::metrics::{HttpMetrics, measure};

/// The route label of requests that match no route.
const UNMATCHED: &str = "unmatched";

/// The router of the data listener.
pub fn routes(listener: &Arc<str>, metrics: &HttpMetrics) -> Router {
    let meter = |route| from_fn_with_state(metrics.route(listener, route), measure);
    Router::new()
        .route("/", get(identity).layer(from_fn(demand_host)).layer(meter("/")))
        .fallback_service(any(not_found).layer(from_fn(demand_host)).layer(meter(UNMATCHED)))
}

async fn demand_host(request: Request, next: Next) -> Response {
    match host_header::fault(&request) {
        None => next.run(request).await,
        Some(fault) => answer(StatusCode::BAD_REQUEST, &json!({ "error": fault })).into_response(),
    }
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
        let router = routes(&"data".into(), &Metrics::new(Counter::default()).http());
        let expected =
            format!("{{\"service\":\"edge-node\",\"version\":\"{}\"}}\n", build_info::VERSION);
        assert_eq!(ask(router, "GET", "/").await, (StatusCode::OK, expected));
    }

    #[tokio::test]
    async fn paths_without_a_route_are_not_found_and_share_one_label() {
        let metrics = Metrics::new(Counter::default());
        let router = routes(&"data".into(), &metrics.http());
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
        let router = routes(&"data".into(), &Metrics::new(Counter::default()).http());
        for path in ["/", "/nowhere"] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        }
    }
}
