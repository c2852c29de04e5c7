//! What the tests of the gateway stand on: a gateway with a listener, and upstreams by script.

use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::*;
use crate::listener::Serving;
use crate::observe::exposition::Exposition;
use crate::observe::logs::tests::heard;
use crate::observe::metrics::Metrics;
use crate::probe::Own;

pub const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway with one data listener.
pub struct Rig {
    pub address: SocketAddr,
    pub gateway: Gateway,
    pub metrics: Metrics,
    pub logs: Receiver<Value>,
    pub serving: Serving,
}

pub fn config(text: &str) -> Config {
    config_with("", text)
}

/// A config with more keys for the listener.
pub fn config_with(listener: &str, text: &str) -> Config {
    config_of(1, listener, text)
}

pub fn config_of(workers: usize, listener: &str, text: &str) -> Config {
    let text = format!(
        "workers = {workers}\n{text}\n[listeners.data]\naddress = '127.0.0.1'\nport = 0\n{listener}\n\
         [listeners.admin]\nport = 0\n"
    );
    let source = strict_toml::Source::new("test.toml", text);
    match crate::config::parse(&source, FilePath::new("")) {
        Ok(config) => config,
        Err(mistakes) => panic!("{}", strict_toml::Report::new(source, mistakes).render(false)),
    }
}

impl Rig {
    pub fn start(text: &str) -> Self {
        Self::with_listener("", text)
    }

    /// A gateway with more keys for its listener.
    pub fn with_listener(listener: &str, text: &str) -> Self {
        Self::of(&config_with(listener, text))
    }

    /// A gateway with so many workers, which take connections in turn.
    pub fn with_workers(workers: usize, text: &str) -> Self {
        Self::of(&config_of(workers, "", text))
    }

    pub fn of(config: &Config) -> Self {
        let metrics = Metrics::new(Counter::default());
        let (line, logs) = heard();
        let material = Material::read(config, &Material::default()).unwrap();
        let gateway = Gateway::start(config, &material, metrics.http(), &line).unwrap();
        let data = &config.listeners.data[0];
        let bound = listener::bind(&data.name, &data.listener).unwrap();
        let address = bound.address();
        let answer = gateway.answer(&data.name).unwrap();
        let serving = bound.serve(answer, &metrics.http(), &Own::default(), &line);
        Self { address, gateway, metrics, logs, serving }
    }

    /// A gateway that forwards everything to `upstream`, with more keys for the route.
    pub fn forwarding(upstream: SocketAddr, route: &str) -> Self {
        Self::start(&format!(
            "[pools.up]\nupstreams = [{{ address = '{upstream}' }}]\n\
             [routes.all]\nforward = {{ pool = 'up' }}\n{route}"
        ))
    }

    pub fn reload(&mut self, text: &str) {
        self.gateway.apply(&config(text), &Material::default());
    }

    /// What comes back for these bytes until the service closes the connection.
    pub async fn exchange(&self, bytes: &str) -> String {
        exchange(self.address, bytes).await
    }

    #[track_caller]
    pub fn check_metric(&self, line: &str) {
        let text = self.metrics.expose(Exposition::Classic);
        assert!(text.lines().any(|candidate| candidate == line), "{line:?} is not in:\n{text}");
    }

    /// Waits until a metric has a value.
    pub async fn metric(&self, line: &str) {
        while !self.metrics.expose(Exposition::Classic).lines().any(|found| found == line) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub fn logged(&self, message: &str) -> Value {
        loop {
            let line = self.logs.recv_timeout(PATIENCE).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }
}

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens before the deadline")
}

pub async fn exchange(address: SocketAddr, bytes: impl AsRef<str>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_ref().as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;
    // HTTP/2 is no text.
    String::from_utf8_lossy(&answer).into_owned()
}

/// An upstream that records what it reads and answers by script.
pub struct Upstream {
    pub address: SocketAddr,
    pub heard: mpsc::UnboundedReceiver<String>,
}

impl Upstream {
    /// Answers each request with the next of `answers`, the last one again and again; closes the
    /// connection after an answer that ends in `!`.
    pub async fn start(answers: &[&str]) -> Self {
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

    pub async fn next(&mut self) -> String {
        within(self.heard.recv()).await.unwrap()
    }
}

/// Reads requests whole, by `Content-Length`, or to the last chunk, and answers them.
pub async fn converse(
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

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes";
pub const GET: &str = "GET /a?b HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";

pub const CLOSE: &str = "connection: close\r\n";

/// An upstream port that nobody listens at.
pub async fn deaf() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub fn pool(upstreams: &[SocketAddr], keys: &str) -> String {
    let upstreams: Vec<_> =
        upstreams.iter().map(|address| format!("{{ address = '{address}' }}")).collect();
    format!("[pools.up]\nupstreams = [{}]\n{keys}\n", upstreams.join(", "))
}
