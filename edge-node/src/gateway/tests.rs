//! The gateway on real sockets: what reaches an upstream, and what comes back.

use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::build_info;
use crate::listener::Serving;
use crate::observe::exposition::Exposition;
use crate::observe::logs::tests::heard;
use crate::observe::metrics::Metrics;
use crate::probe::Own;

const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway with one data listener.
struct Rig {
    address: SocketAddr,
    gateway: Gateway,
    metrics: Metrics,
    logs: Receiver<Value>,
    _serving: Serving,
}

fn config(text: &str) -> Config {
    config_with("", text)
}

/// A config with more keys for the listener.
fn config_with(listener: &str, text: &str) -> Config {
    let text = format!(
        "workers = 1\n{text}\n[listeners.data]\naddress = '127.0.0.1'\nport = 0\n{listener}\n\
         [listeners.admin]\nport = 0\n"
    );
    let source = strict_toml::Source::new("test.toml", text);
    match crate::config::parse(&source, FilePath::new("")) {
        Ok(config) => config,
        Err(mistakes) => panic!("{}", strict_toml::Report::new(source, mistakes).render(false)),
    }
}

impl Rig {
    fn start(text: &str) -> Self {
        Self::with_listener("", text)
    }

    /// A gateway with more keys for its listener.
    fn with_listener(listener: &str, text: &str) -> Self {
        let config = config_with(listener, text);
        let metrics = Metrics::new(Counter::default());
        let (line, logs) = heard();
        let material = Material::read(&config, &Material::default()).unwrap();
        let gateway = Gateway::start(&config, &material, metrics.http(), &line).unwrap();
        let data = &config.listeners.data[0];
        let bound = listener::bind(&data.name, &data.listener).unwrap();
        let address = bound.address();
        let answer = gateway.answer(&data.name).unwrap();
        let _serving = bound.serve(answer, &metrics.http(), &Own::default(), &line);
        Self { address, gateway, metrics, logs, _serving }
    }

    /// A gateway that forwards everything to `upstream`, with more keys for the route.
    fn forwarding(upstream: SocketAddr, route: &str) -> Self {
        Self::start(&format!(
            "[pools.up]\nupstreams = [{{ address = '{upstream}' }}]\n\
             [routes.all]\nforward = {{ pool = 'up' }}\n{route}"
        ))
    }

    fn reload(&mut self, text: &str) {
        self.gateway.apply(&config(text), &Material::default());
    }

    /// What comes back for these bytes until the service closes the connection.
    async fn exchange(&self, bytes: &str) -> String {
        exchange(self.address, bytes).await
    }

    #[track_caller]
    fn check_metric(&self, line: &str) {
        let text = self.metrics.expose(Exposition::Classic);
        assert!(text.lines().any(|candidate| candidate == line), "{line:?} is not in:\n{text}");
    }

    fn logged(&self, message: &str) -> Value {
        loop {
            let line = self.logs.recv_timeout(PATIENCE).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens before the deadline")
}

async fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

/// An upstream that records what it reads and answers by script.
struct Upstream {
    address: SocketAddr,
    heard: mpsc::UnboundedReceiver<String>,
}

impl Upstream {
    /// Answers each request with the next of `answers`, the last one again and again; closes the
    /// connection after an answer that ends in `!`.
    async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let answers: Vec<_> = answers.iter().map(ToString::to_string).collect();
        let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, tell.clone(), answers.clone(), Arc::clone(&next)));
            }
        });
        Self { address, heard }
    }

    async fn next(&mut self) -> String {
        within(self.heard.recv()).await.unwrap()
    }
}

/// Reads requests whole, by `Content-Length`, or to the last chunk, and answers them.
async fn converse(
    mut stream: TcpStream,
    tell: mpsc::UnboundedSender<String>,
    answers: Vec<String>,
    next: Arc<std::sync::atomic::AtomicUsize>,
) {
    let mut bytes = Vec::new();
    loop {
        let mut some = [0; 4096];
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&some[..length]),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        let is_chunked = head.contains("transfer-encoding: chunked");
        if body.len() < length
            || (is_chunked && !body.contains("0\r\n\r\n") && !body.ends_with("\r\n\r\n"))
        {
            continue;
        }
        let _ = tell.send(text);
        bytes.clear();
        let place = next.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
        let answer = &answers[place];
        let (answer, closes) = match answer.strip_suffix('!') {
            Some(answer) => (answer, true),
            None => (&**answer, false),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || closes {
            return;
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes";
const GET: &str = "GET /a?b HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_service_without_routes_says_who_answers() {
    let rig = Rig::start("");
    let body = format!("{{\"service\":\"edge-node\",\"version\":\"{}\"}}\n", build_info::VERSION);
    let root = rig.exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(root.starts_with("HTTP/1.1 200 OK\r\n") && root.ends_with(&body), "{root}");
    for path in ["/a", "/b/c"] {
        let get = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = rig.exchange(&get).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert!(answer.ends_with("{\"error\":\"no route matches the request\"}\n"), "{answer}");
    }
    rig.check_metric(
        r#"http_requests_total{listener="data",route="unmatched",method="POST",code="404"} 2"#,
    );
    rig.check_metric(r#"http_requests_total{listener="data",route="/",method="GET",code="200"} 1"#);
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let rig = Rig::start("");
    for path in ["/", "/nowhere"] {
        let get = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n\r\n");
        let answer = rig.exchange(&get).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn while_paused_every_request_is_refused_with_a_time_to_come_back() {
    let rig = Rig::start("");
    rig.gateway.pause(true);
    for path in ["/", "/nowhere"] {
        let get = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = rig.exchange(&get).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{path}: {answer}");
        assert!(answer.contains("\r\nretry-after: 10\r\n"), "{path}: {answer}");
    }
    rig.check_metric(r#"http_requests_total{listener="data",route="/",method="GET",code="503"} 1"#);
    rig.gateway.pause(false);
    let get = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(rig.exchange(get).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_upstream_hears_the_request_and_the_way_it_came() {
    let mut upstream = Upstream::start(&[OK]).await;
    let rig = Rig::forwarding(upstream.address, "");
    let request = "GET /a?b HTTP/1.1\r\nhost: a.example\r\nconnection: close, x-mine\r\n\
                   x-mine: 1\r\nx-client-identity: root\r\nx-request-id: id-1\r\nte: trailers, gzip\r\n\
                   x-forwarded-for: 1.1.1.1\r\nproxy: evil\r\ntraceparent: 00-1-2-3\r\n\r\n";
    let answer = rig.exchange(request).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nyes"),
        "{answer}"
    );
    let heard = upstream.next().await;
    let mut lines: Vec<_> = heard.trim_end().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "GET /a?b HTTP/1.1",
            "forwarded: for=127.0.0.1;host=\"a.example\";proto=http",
            "host: a.example",
            "te: trailers",
            "traceparent: 00-1-2-3",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: a.example",
            "x-forwarded-port: 0",
            "x-forwarded-proto: http",
            "x-request-id: id-1",
        ]
    );
}

#[tokio::test]
async fn a_connection_to_an_upstream_is_kept_for_the_next_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rig = Rig::forwarding(listener.local_addr().unwrap(), "");
    let (tell, mut heard) = mpsc::unbounded_channel();
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // No other connection is ever taken.
        converse(stream, tell, vec![OK.to_owned()], next).await;
        drop(listener);
    });
    for _ in 0..3 {
        assert!(rig.exchange(GET).await.ends_with("yes"));
        assert!(within(heard.recv()).await.is_some());
    }
}

#[tokio::test]
async fn an_answer_is_counted_and_logged() {
    let upstream = Upstream::start(&[OK]).await;
    let rig = Rig::forwarding(upstream.address, "");
    rig.exchange(GET).await;
    rig.check_metric(
        r#"http_requests_total{listener="data",route="all",method="GET",code="200"} 1"#,
    );
    rig.check_metric(r#"http_requests_in_flight{listener="data"} 0"#);
    let line = rig.logged("request");
    for (key, value) in [
        ("listener", "data"),
        ("method", "GET"),
        ("host", "a.example"),
        ("path", "/a"),
        ("route", "all"),
        ("pool", "up"),
        ("protocol", "HTTP/1.1"),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert_eq!(
        (&line["status"], &line["bytes"], &line["tries"]),
        (&200.into(), &3.into(), &1.into())
    );
    assert_eq!(line["upstream"], upstream.address.to_string());
    assert_eq!(line["request-id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn a_reload_takes_effect_with_the_next_request_of_a_connection() {
    let upstream = Upstream::start(&[OK]).await;
    let mut rig = Rig::start("");
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let get = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = [0; 12];
    stream.write_all(get).await.unwrap();
    within(stream.read_exact(&mut answer)).await.unwrap();
    let mut rest = [0; 4096];
    within(stream.read(&mut rest)).await.unwrap();
    rig.reload(&format!(
        "[pools.up]\nupstreams = [{{ address = '{}' }}]\n[routes.all]\nforward = {{ pool = 'up' }}",
        upstream.address
    ));
    stream.write_all(get).await.unwrap();
    let length = within(stream.read(&mut rest)).await.unwrap();
    let answer = String::from_utf8_lossy(&rest[..length]);
    assert!(answer.ends_with("yes"), "{answer}");
}

const CLOSE: &str = "connection: close\r\n";

/// An upstream port that nobody listens at.
async fn deaf() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn pool(upstreams: &[SocketAddr], keys: &str) -> String {
    let upstreams: Vec<_> =
        upstreams.iter().map(|address| format!("{{ address = '{address}' }}")).collect();
    format!("[pools.up]\nupstreams = [{}]\n{keys}\n", upstreams.join(", "))
}

#[tokio::test]
async fn a_request_that_no_upstream_saw_is_tried_elsewhere_whatever_it_is() {
    let (deaf, mut upstream) = (deaf().await, Upstream::start(&[OK]).await);
    let pool = pool(&[deaf, upstream.address], "");
    let rig = Rig::start(&format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}"));
    for _ in 0..2 {
        let post = format!("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n{CLOSE}\r\nbody");
        let answer = rig.exchange(&post).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(upstream.next().await.ends_with("\r\n\r\nbody"));
    }
    rig.check_metric(r#"upstream_retries_total{pool="up",outcome="failure"} 0"#);
}

#[tokio::test]
async fn a_request_that_may_have_been_acted_on_is_not_tried_again() {
    let mut upstream = Upstream::start(&["!", OK]).await;
    let rig = Rig::forwarding(upstream.address, "");
    let post = format!("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n{CLOSE}\r\nbody");
    let answer = rig.exchange(&post).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    upstream.next().await;
    assert!(upstream.heard.try_recv().is_err());
}

#[tokio::test]
async fn an_idempotent_request_without_a_body_is_tried_again_after_its_connection_broke() {
    let upstream = Upstream::start(&["!", OK]).await;
    let rig = Rig::forwarding(upstream.address, "");
    assert!(rig.exchange(GET).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_kept_connection_that_its_upstream_closed_costs_no_request() {
    let kept = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes!";
    let upstream = Upstream::start(&[kept]).await;
    let rig = Rig::forwarding(upstream.address, "");
    for _ in 0..20 {
        let answer = rig.exchange(GET).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_told_of_in_the_callers_words() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let forward = "forward = { pool = 'up', timeout = '100ms', retries-max = 0 }";
    let rig = Rig::start(&format!("{}[routes.all]\n{forward}", pool(&[address], "")));
    let answer = rig.exchange(GET).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.ends_with("{\"error\":\"upstream did not answer in time\"}\n"), "{answer}");
    let call =
        format!("POST /s/m HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc\r\n{CLOSE}\r\n");
    let answer = rig.exchange(&call).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\ngrpc-status: 4\r\n"), "{answer}");
    rig.check_metric(
        r#"http_requests_total{listener="data",route="all",method="POST",code="504"} 1"#,
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not() {
    let upstream = Upstream::start(&[OK]).await;
    let rig = Rig::forwarding(upstream.address, "body-bytes-max = '1KiB'");
    let told =
        format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2000\r\n\r\n{}", "y".repeat(2000));
    let chunk = format!("7d0\r\n{}\r\n0\r\n\r\n", "y".repeat(2000));
    let untold = format!("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    for request in [told, untold] {
        let answer = rig.exchange(&request).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="body-size"} 2"#);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_refused() {
    let upstream = Upstream::start(&[OK]).await;
    let text =
        format!("{}[routes.all]\nforward = {{ pool = 'up' }}", pool(&[upstream.address], ""));
    let rig = Rig::with_listener("body-rate-min = '1KiB'\nheader-read-timeout = '1s'", &text);
    let post = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2000\r\n\r\nslow";
    let answer = rig.exchange(post).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="body-rate"} 1"#);
}

#[tokio::test]
async fn a_client_over_its_rate_is_told_when_to_come_back() {
    let rig = Rig::start(
        "[routes.ping]\nrespond = { body = 'pong' }\n\
         rate-limit = { requests-per-second = 1, burst = 2 }",
    );
    assert!(rig.exchange(GET).await.ends_with("pong"));
    assert!(rig.exchange(GET).await.ends_with("pong"));
    let answer = rig.exchange(GET).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="rate-limit"} 1"#);
}

#[tokio::test]
async fn an_address_has_no_more_connections_than_its_share() {
    let rig = Rig::with_listener("connections-per-address-max = 1", "");
    let mut first = TcpStream::connect(rig.address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    within(first.read_exact(&mut byte)).await.unwrap();
    assert_eq!(rig.exchange(GET).await, "");
    drop(first);
    within(async { while rig.exchange(GET).await.is_empty() {} }).await;
}

#[tokio::test]
async fn what_a_websocket_says_passes_both_ways_once_the_upstream_agreed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rig = Rig::forwarding(listener.local_addr().unwrap(), "");
    let mut client = TcpStream::connect(rig.address).await.unwrap();
    let early = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n\
                 GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    client.write_all(early.as_bytes()).await.unwrap();
    let (mut upstream, _) = within(listener.accept()).await.unwrap();
    let mut some = [0; 4096];
    let length = within(upstream.read(&mut some)).await.unwrap();
    let head = String::from_utf8_lossy(&some[..length]).into_owned();
    assert!(
        head.contains("\r\nconnection: upgrade\r\n") && head.contains("\r\nupgrade: websocket\r\n"),
        "{head}"
    );
    assert!(head.ends_with("\r\n\r\n") && !head.contains("smuggled"), "{head}");
    let agreed =
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi";
    upstream.write_all(agreed).await.unwrap();
    let length = within(upstream.read(&mut some)).await.unwrap();
    assert!(some[..length].starts_with(b"GET /smuggled"), "it belongs to the tunnel now");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nhi") {
        let length = within(client.read(&mut some)).await.unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&some[..length]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    rig.check_metric(r#"edge_node_tunnels{listener="data"} 1"#);
    drop(client);
    assert_eq!(within(upstream.read(&mut some)).await.unwrap(), 0);
}

#[tokio::test]
async fn an_upgrade_that_is_refused_leaves_the_connection_in_http() {
    let mut upstream = Upstream::start(&[OK]).await;
    let rig = Rig::forwarding(upstream.address, "");
    let two = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\
               GET /next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = rig.exchange(two).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert!(upstream.next().await.starts_with("GET /ws "));
    assert!(upstream.next().await.starts_with("GET /next "));
}

#[tokio::test]
async fn an_upgrade_to_http_2_is_no_upgrade() {
    let mut upstream = Upstream::start(&[OK]).await;
    let rig = Rig::forwarding(upstream.address, "");
    let get = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings, close\r\n\
               upgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n";
    assert!(rig.exchange(get).await.starts_with("HTTP/1.1 200 "));
    let heard = upstream.next().await;
    assert!(!heard.contains("upgrade") && !heard.contains("http2-settings"), "{heard}");
}

#[tokio::test]
async fn a_connection_without_a_request_is_ended_after_the_idle_timeout() {
    let rig = Rig::with_listener("idle-timeout = '1s'", "");
    let start = std::time::Instant::now();
    let answer = rig.exchange("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_ends_the_connection() {
    let rig = Rig::with_listener("header-read-timeout = '1s'", "");
    for begin in ["", "GET / HTTP/1.1\r\nhost"] {
        let start = std::time::Instant::now();
        rig.exchange(begin).await;
        assert!(start.elapsed() >= Duration::from_secs(1), "{begin:?} {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn requests_wait_for_a_connection_and_too_many_of_them_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&[listener.local_addr().unwrap()], "connections-max = 1\npending-max = 1");
    let rig = Rig::start(&format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}"));
    let first = tokio::spawn(exchange(rig.address, GET));
    let (mut upstream, _) = within(listener.accept()).await.unwrap();
    let mut some = [0; 4096];
    within(upstream.read(&mut some)).await.unwrap();
    let others = [(); 2].map(|()| tokio::spawn(exchange(rig.address, GET)));
    // One of the two waits, the other is refused at once.
    let [one, other] = others;
    let (refused, waiting) = within(async move {
        let (mut one, mut other) = (one, other);
        tokio::select! {
            answer = &mut one => (answer.unwrap(), other),
            answer = &mut other => (answer.unwrap(), one),
        }
    })
    .await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    upstream.write_all(OK.as_bytes()).await.unwrap();
    assert!(within(upstream.read(&mut some)).await.unwrap() > 0, "the one that waits comes next");
    upstream.write_all(OK.as_bytes()).await.unwrap();
    assert!(within(first).await.unwrap().ends_with("yes"));
    assert!(within(waiting).await.unwrap().ends_with("yes"));
}
