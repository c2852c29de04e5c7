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
    let text =
        format!("listeners.data = {{ address = '127.0.0.1', port = 0 }}\nworkers = 1\n{text}");
    let source = strict_toml::Source::new("test.toml", text);
    match crate::config::parse(&source, FilePath::new("")) {
        Ok(config) => config,
        Err(mistakes) => panic!("{}", strict_toml::Report::new(source, mistakes).render(false)),
    }
}

impl Rig {
    fn start(text: &str) -> Self {
        let config = config(text);
        let metrics = Metrics::new(Counter::default());
        let (line, logs) = heard();
        let material = Material::read(&config).unwrap();
        let gateway = Gateway::start(&config, &material, metrics.http(), &line).unwrap();
        let data = &config.listeners.data[0];
        let bound = listener::bind(&data.name, &data.listener).unwrap();
        let address = bound.address();
        let answer = gateway.answer(&data.name).unwrap();
        let _serving = bound.serve(answer, &metrics.http(), &Own::default(), &line);
        Self { address, gateway, metrics, logs, _serving }
    }

    /// A gateway that forwards everything to `upstream`, with more keys for the route.
    fn forwarding(upstream: SocketAddr, route: &str, rest: &str) -> Self {
        Self::start(&format!(
            "{rest}\n[pools.up]\nupstreams = [{{ address = '{upstream}' }}]\n\
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
    let rig = Rig::forwarding(upstream.address, "", "");
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
    let rig = Rig::forwarding(listener.local_addr().unwrap(), "", "");
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
    let rig = Rig::forwarding(upstream.address, "", "");
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
