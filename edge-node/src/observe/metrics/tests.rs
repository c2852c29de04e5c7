//! What is counted, under which names and labels.

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower::ServiceExt as _;

use super::*;

/// Handles are not counted under Wine, and elsewhere nothing is read of the process.
#[cfg(target_os = "linux")]
mod page;

/// The classic text after one request of `method` to a route `/known` that answers 204.
async fn text_after(methods: &[&str]) -> String {
    let metrics = Metrics::new(Counter::default());
    let meter = metrics.http().route(&"data".into(), "/known");
    let router = Router::new().route(
        "/known",
        get(|| async { StatusCode::NO_CONTENT }).layer(from_fn_with_state(meter, measure)),
    );
    for method in methods {
        let request = Request::builder().method(*method).uri("/known").body(Body::empty());
        router.clone().oneshot(request.unwrap()).await.unwrap();
    }
    metrics.expose(Exposition::Classic)
}

#[track_caller]
fn check(text: &str, line: &str) {
    assert!(text.lines().any(|candidate| candidate == line), "{line:?} is not in:\n{text}");
}

#[tokio::test]
async fn a_request_is_counted_under_listener_route_method_and_code() {
    let text = text_after(&["GET", "GET", "POST"]).await;
    for line in [
        r#"http_requests_total{listener="data",route="/known",method="GET",code="204"} 2"#,
        r#"http_requests_total{listener="data",route="/known",method="POST",code="405"} 1"#,
        r#"http_request_duration_seconds_count{listener="data",route="/known",method="GET"} 2"#,
        r#"http_requests_in_flight{listener="data"} 0"#,
    ] {
        check(&text, line);
    }
}

#[tokio::test]
async fn words_that_are_no_known_method_share_one_label() {
    let text = text_after(&["BREW", "PROPFIND", "get"]).await;
    check(
        &text,
        r#"http_requests_total{listener="data",route="/known",method="other",code="405"} 3"#,
    );
}

#[tokio::test]
async fn a_request_that_is_given_up_is_no_longer_in_flight() {
    let metrics = Metrics::new(Counter::default());
    let meter = metrics.http().route(&"data".into(), "/never");
    let in_flight = meter.in_flight.clone();
    let router = Router::new()
        .route("/never", get(std::future::pending::<()>).layer(from_fn_with_state(meter, measure)));
    let request = Request::builder().uri("/never").body(Body::empty()).unwrap();
    let mut answer = Box::pin(router.oneshot(request));
    assert!(futures_poll_once(answer.as_mut()).await.is_none());
    assert_eq!(in_flight.get(), 1);
    drop(answer);
    assert_eq!(in_flight.get(), 0);
}

/// The output of a future if one poll makes it.
async fn futures_poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn build_info_names_version_commit_and_target() {
    let text = Metrics::new(Counter::default()).expose(Exposition::Classic);
    check(
        &text,
        &format!(
            r#"edge_node_build_info{{version="{}",commit="{}",target="{}"}} 1"#,
            build_info::VERSION,
            build_info::COMMIT,
            build_info::TARGET
        ),
    );
}

#[test]
fn dropped_log_lines_are_exposed() {
    let dropped = Counter::default();
    dropped.inc_by(3);
    let text = Metrics::new(dropped).expose(Exposition::Classic);
    check(&text, "edge_node_log_lines_dropped_total 3");
}
