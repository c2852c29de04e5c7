//! The limits of a listener, on real sockets.

use std::path::Path;

use axum::Router;
use axum::routing::get;
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use tokio::sync::watch;

use super::routed::Routed;
use super::*;
use crate::config::Config;
use crate::observe::exposition::Exposition;
use crate::observe::logs::tests::silent;
use crate::observe::metrics::Metrics;

const PATIENCE: Duration = Duration::from_secs(10);

/// A listener with the given keys that answers `hello`; its address and metrics.
fn start(keys: &str) -> (SocketAddr, Metrics, Serving) {
    let text = format!(
        "[listeners.data]\naddress = '127.0.0.1'\nport = 0\n{keys}\n[listeners.admin]\nport = 0"
    );
    let source = strict_toml::Source::new("test.toml", text);
    let config = crate::config::parse(&source, Path::new("")).unwrap();
    let metrics = Metrics::new(Counter::default());
    let bound = bind("data", &config.listeners.data[0].listener).unwrap();
    let address = bound.address();
    let router = Router::new().route("/", get(async || "hello"));
    let serving = serve(bound, &config, router, &metrics);
    (address, metrics, serving)
}

fn serve(bound: Bound, config: &Config, router: Router, metrics: &Metrics) -> Serving {
    let limits = watch::Sender::new(config.listeners.data[0].listener.clone()).subscribe();
    let routed = Routed::new(bound.name(), router, limits, &silent());
    bound.serve(routed, &metrics.http(), &Own::default(), &silent())
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens before the deadline")
}

/// What comes back for these bytes until the service closes the connection.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

const HELLO: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_connection_over_the_cap_waits_until_another_ends() {
    let (address, metrics, _serving) = start("connections-max = 1");
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    within(first.read_exact(&mut byte)).await.unwrap();
    let second = tokio::spawn(exchange(address, HELLO));
    // Every task of the test gets the thread many times over, sockets included.
    for _turn in 0..10_000 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished(), "it was answered while the first held the only slot");
    let text = metrics.expose(Exposition::Classic);
    assert!(text.contains("edge_node_connections{listener=\"data\"} 1\n"), "{text}");
    drop(first);
    assert!(within(second).await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn with_every_slot_taken_a_drain_still_ends_idle_connections() {
    let (address, _metrics, serving) = start("connections-max = 1");
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(first.read_exact(&mut [0])).await.unwrap();
    assert_eq!(within(serving.drain(Duration::from_millis(10), 2 * PATIENCE)).await, Ok(()));
    within(first.read_to_end(&mut Vec::new())).await.unwrap();
}

#[tokio::test]
async fn with_every_slot_taken_a_listener_closes_at_once_and_answers_who_waits() {
    let (address, _metrics, mut serving) = start("connections-max = 1");
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(first.read_exact(&mut [0])).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    within(serving.close()).await;
    socket(address).unwrap().listen(1).expect("its address is free");
    let drained = tokio::spawn(serving.drain(Duration::from_millis(10), 2 * PATIENCE));
    within(first.read_to_end(&mut Vec::new())).await.unwrap();
    // Ample time to end the second as well, if that were told to.
    tokio::time::sleep(Duration::from_millis(50)).await;
    second.write_all(HELLO).await.unwrap();
    let mut answer = String::new();
    within(second.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(within(drained).await.unwrap(), Ok(()));
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_listener_lets_nobody_in_before_it_closes() {
    let (address, _metrics, mut serving) = start("");
    serving.stop();
    // The last handshakes have all the time there is: it stands still while nobody waits for it.
    for _turn in 0..1000 {
        tokio::task::yield_now().await;
    }
    let late = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
    assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    serving.close().await;
    let late = std::net::TcpStream::connect(address);
    assert_eq!(late.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_head_is_let_go() {
    let (address, _metrics, _serving) = start("header-read-timeout = '2s'");
    let start = tokio::time::Instant::now();
    for bytes in [&b""[..], b"GET / HTTP/1.1\r\nhost: x\r\n"] {
        exchange(address, bytes).await;
    }
    assert!((4..6).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_ended_after_the_header_read_timeout() {
    let (address, _metrics, _serving) = start("header-read-timeout = '2s'");
    let start = tokio::time::Instant::now();
    let answer = exchange(address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert!((2..4).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

/// Sends requests until the service takes no more of them, reading none of the answers.
async fn send_and_never_read(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let requests = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    // Two quiet moments in a row would be a race; the timeout of the service is much longer.
    while let Ok(Ok(_)) =
        tokio::time::timeout(Duration::from_millis(300), stream.write_all(&requests)).await
    {}
    stream
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_slot() {
    let (address, metrics, _serving) = start("connections-max = 1\nwrite-timeout = '1s'");
    let _deaf = within(send_and_never_read(address)).await;
    assert!(within(exchange(address, HELLO)).await.ends_with("hello"));
    let text = metrics.expose(Exposition::Classic);
    let count = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("edge_node_connection_cap_reached_total{listener=\"data\"} ")
        })
        .unwrap();
    assert!(count.parse::<u64>().unwrap() >= 1, "{text}");
}

#[tokio::test]
async fn the_ipv6_wildcard_takes_ipv4_as_well() {
    let text = "[listeners.data]\naddress = '::'\nport = 0";
    let source = strict_toml::Source::new("test.toml", text);
    let config = crate::config::parse(&source, Path::new("")).unwrap();
    let bound = match bind("data", &config.listeners.data[0].listener) {
        Ok(bound) => bound,
        // A kernel without IPv6 has nothing to show here.
        Err(error) => {
            assert!(!Path::new("/proc/net/if_inet6").exists(), "{error}");
            return;
        }
    };
    let port = bound.address().port();
    let metrics = Metrics::new(Counter::default());
    let router = Router::new().route("/", get(async || "hello"));
    let _serving = serve(bound, &config, router, &metrics);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    assert!(within(exchange(address, HELLO)).await.ends_with("hello"));
}

#[tokio::test]
async fn a_head_larger_than_allowed_is_refused() {
    let (address, _metrics, _serving) = start("header-bytes-max = '8KiB'");
    let head =
        |bytes| format!("GET / HTTP/1.1\r\nx: {}\r\nconnection: close\r\n\r\n", "y".repeat(bytes));
    let small = within(exchange(address, head(7 * 1024).as_bytes())).await;
    assert!(small.starts_with("HTTP/1.1 200 "), "{small}");
    let large = within(exchange(address, head(9 * 1024).as_bytes())).await;
    assert!(large.starts_with("HTTP/1.1 431 "), "{large}");
}

#[tokio::test]
async fn every_bind_error_has_a_help_that_names_the_table() {
    for kind in [
        io::ErrorKind::AddrInUse,
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::AddrNotAvailable,
        io::ErrorKind::OutOfMemory,
    ] {
        let address = "127.0.0.1:80".parse().unwrap();
        for is_held_by_us in [false, true] {
            let source = kind.into();
            let error = BindError { name: "data".into(), address, source, is_held_by_us };
            assert!(error.help().contains("[listeners.data]"), "{}", error.help());
        }
    }
}
