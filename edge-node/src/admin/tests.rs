//! The admin routes, asked without a socket.

use axum::body::{Body, to_bytes};
use axum::http::Method;
use prometheus_client::metrics::counter::Counter;
use tower::ServiceExt as _;

use super::*;
use crate::exit::Exit;
use crate::observe::logs::tests::silent;

/// Status, content type and body.
type Answer = (u16, String, String);

/// The routes in a phase, and where requests to reload arrive.
pub(super) fn routes_in(
    phase: Phase,
    guard: Guard,
) -> (Router, Arc<Metrics>, mpsc::Receiver<reload::Request>) {
    routes_with(phase, guard, Pools::default())
}

/// [`routes_in`] with upstreams.
pub(super) fn routes_with(
    phase: Phase,
    guard: Guard,
    pools: Pools,
) -> (Router, Arc<Metrics>, mpsc::Receiver<reload::Request>) {
    let metrics = Arc::new(Metrics::new(Counter::default()));
    let (reloads, requests) = mpsc::channel(1);
    let admin = Admin {
        metrics: Arc::clone(&metrics),
        phases: watch::Sender::new(phase).subscribe(),
        reloads,
        config: Path::new("edge-node.toml").into(),
        logs: silent(),
        pools,
    };
    (routes(&"admin".into(), guard, admin), metrics, requests)
}

async fn ask_with(phase: Phase, guard: Guard, request: Request) -> Answer {
    let (router, _metrics, _requests) = routes_in(phase, guard);
    read(router.oneshot(request).await.unwrap()).await
}

pub(super) async fn read(answer: Response) -> Answer {
    let kind = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .map_or(String::new(), |kind| kind.to_str().unwrap().to_owned());
    let code = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1024 * 1024).await.unwrap();
    (code, kind, String::from_utf8(body.to_vec()).unwrap())
}

fn get(path: &str) -> Request {
    Request::builder().uri(path).header(header::HOST, "localhost").body(Body::empty()).unwrap()
}

async fn ask(phase: Phase, path: &str) -> Answer {
    ask_with(phase, Guard::LoopbackNames, get(path)).await
}

#[tokio::test]
async fn readyz_says_why_it_is_not_ready() {
    for (phase, code, body) in [
        (Phase::Starting, 503, "not ready: starting\n"),
        (Phase::Serving, 200, "ready\n"),
        (Phase::Paused, 503, "not ready: paused\n"),
        (Phase::Draining, 503, "not ready: draining\n"),
        (Phase::Stopped(Exit::Clean), 503, "not ready: stopped\n"),
    ] {
        let expected = (code, TEXT.to_owned(), body.to_owned());
        assert_eq!(ask(phase, "/readyz").await, expected, "{phase:?}");
    }
}

#[tokio::test]
async fn livez_answers_in_every_phase() {
    for phase in [Phase::Starting, Phase::Serving, Phase::Paused, Phase::Draining] {
        assert_eq!(ask(phase, "/livez").await, (200, TEXT.to_owned(), "live\n".to_owned()));
    }
}

#[tokio::test]
async fn metrics_come_in_the_form_asked_for() {
    let (code, kind, body) = ask(Phase::Serving, "/metrics").await;
    assert_eq!((code, kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    assert!(body.contains("# TYPE process_cpu_seconds_total counter\n"), "{body}");

    let mut request = get("/metrics");
    let accept = "application/openmetrics-text;version=1.0.0".parse().unwrap();
    request.headers_mut().insert(header::ACCEPT, accept);
    let (code, kind, body) = ask_with(Phase::Serving, Guard::Anybody, request).await;
    assert_eq!(
        (code, kind.as_str()),
        (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn other_paths_are_not_found_and_other_methods_not_allowed() {
    let (code, _, body) = ask(Phase::Serving, "/").await;
    let hint = "not found: try /livez, /readyz, /metrics or /v1/upstreams\n";
    assert_eq!((code, body.as_str()), (404, hint));
    let mut request = get("/metrics");
    *request.method_mut() = Method::POST;
    assert_eq!(ask_with(Phase::Serving, Guard::Anybody, request).await.0, 405);
}

#[tokio::test]
async fn a_name_of_somebody_elses_is_misdirected_on_loopback_only() {
    let named = |host: &str| {
        let mut request = get("/livez");
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        request
    };
    for (host, code) in [
        ("127.0.0.1:9464", 200),
        ("127.0.0.1", 200),
        ("[::1]:9464", 200),
        ("[::1]", 200),
        ("localhost", 200),
        ("LocalHost:9464", 200),
        ("evil.example:9464", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
    ] {
        let answer = ask_with(Phase::Serving, Guard::LoopbackNames, named(host)).await;
        assert_eq!(answer.0, code, "{host}");
        assert_eq!(ask_with(Phase::Serving, Guard::Anybody, named(host)).await.0, 200, "{host}");
    }
    // What is no port is no host either.
    for guard in [Guard::LoopbackNames, Guard::Anybody] {
        let answer = ask_with(Phase::Serving, guard, named("localhost:evil.example")).await;
        assert_eq!(answer.0, 400, "{guard:?}");
    }
}

#[test]
fn loopback_in_either_form_is_guarded() {
    for (address, guard) in [
        ("127.0.0.1", Guard::LoopbackNames),
        ("::1", Guard::LoopbackNames),
        ("::ffff:127.0.0.1", Guard::LoopbackNames),
        ("0.0.0.0", Guard::Anybody),
        ("::", Guard::Anybody),
        ("10.0.0.1", Guard::Anybody),
    ] {
        assert_eq!(Guard::of(address.parse().unwrap()), guard, "{address}");
    }
}

#[tokio::test]
async fn what_is_refused_is_counted() {
    let (router, metrics, _requests) = routes_in(Phase::Serving, Guard::LoopbackNames);
    for (hosts, code) in [(&["evil.example"][..], 421), (&[], 400), (&["a", "b"], 400)] {
        let request = hosts.iter().fold(Request::builder().uri("/livez"), |request, host| {
            request.header(header::HOST, *host)
        });
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), code, "{hosts:?}");
    }
    let text = metrics.expose(Exposition::Classic);
    for count in [r#"code="421"} 1"#, r#"code="400"} 2"#] {
        let labels = r#"http_requests_total{listener="admin",route="/livez",method="GET","#;
        assert!(text.contains(&format!("{labels}{count}")), "{count} is not in:\n{text}");
    }
}

fn post(path: &str) -> Request {
    let mut request = get(path);
    *request.method_mut() = Method::POST;
    request
}

/// Asks for a reload that ends like this.
async fn reload_with(mut request: Request, accept: &str, outcome: Outcome) -> Answer {
    request.headers_mut().insert(header::ACCEPT, accept.parse().unwrap());
    let (router, _metrics, mut requests) = routes_in(Phase::Serving, Guard::LoopbackNames);
    let asked = tokio::spawn(router.oneshot(request));
    let reload::Request { answer } = requests.recv().await.unwrap();
    answer.send(outcome).unwrap();
    read(asked.await.unwrap().unwrap()).await
}

fn refused() -> Outcome {
    let source = strict_toml::Source::new("edge-node.toml", "[listeners.admn]\n");
    let mistakes = crate::config::parse(&source, Path::new("")).unwrap_err();
    let report = strict_toml::Report::new(source, mistakes);
    Err(crate::config::LoadError::Mistakes(report).into())
}

#[tokio::test]
async fn a_reload_says_what_changed() {
    let applied = |changed: &[&str]| {
        Ok(Applied { changed: changed.iter().map(ToString::to_string).collect() })
    };
    let answer = reload_with(post("/v1/reload"), "*/*", applied(&["shutdown", "log"])).await;
    assert_eq!((answer.0, answer.2.as_str()), (200, "reloaded, changed: shutdown, log\n"));
    let answer = reload_with(post("/v1/reload"), "*/*", applied(&[])).await;
    assert_eq!(answer.2, "reloaded, changed: nothing\n");
    let json = "application/json";
    let answer = reload_with(post("/v1/reload"), json, applied(&["shutdown", "log"])).await;
    let verdict: serde_json::Value = serde_json::from_str(&answer.2).unwrap();
    assert_eq!((answer.0, answer.1.as_str()), (200, json));
    assert_eq!((&verdict["ok"], &verdict["changed"][1]), (&true.into(), &"log".into()));
}

#[tokio::test]
async fn a_refused_config_is_answered_with_its_diagnostics() {
    let answer = reload_with(post("/v1/reload"), "*/*", refused()).await;
    assert_eq!((answer.0, answer.1.as_str()), (422, TEXT));
    assert!(answer.2.contains("edge-node.toml:1:12"), "{}", answer.2);
    assert!(answer.2.contains("did you mean `admin`?"), "{}", answer.2);
    let answer = reload_with(post("/v1/reload"), "application/json", refused()).await;
    let verdict: serde_json::Value = serde_json::from_str(&answer.2).unwrap();
    assert_eq!((answer.0, &verdict["ok"]), (422, &false.into()));
    assert_eq!(verdict["diagnostics"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reload_that_nobody_takes_up_is_unavailable() {
    let (router, _metrics, requests) = routes_in(Phase::Draining, Guard::LoopbackNames);
    drop(requests);
    let answer = router.oneshot(post("/v1/reload")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_reload_is_a_post_and_not_of_a_web_page() {
    assert_eq!(ask(Phase::Serving, "/v1/reload").await.0, 405);
    let mut request = post("/v1/reload");
    request.headers_mut().insert(header::ORIGIN, "http://evil.example".parse().unwrap());
    let answer = ask_with(Phase::Serving, Guard::LoopbackNames, request).await;
    assert_eq!(answer.0, 403);
}
