//! What each kind of probe asks, and what it takes for a success.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use tokio::net::TcpListener;

use super::server::{Answer, Canned, http2, tls};
use super::*;
use crate::config::{ClientTls, Protocol, UpstreamAddress};

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

fn http_probe(body_contains: Option<&str>) -> ProbeKind {
    ProbeKind::Http {
        path: "/healthz?deep=1".into(),
        host: None,
        status: vec![(StatusCode::OK, StatusCode::IM_USED), (StatusCode::FOUND, StatusCode::FOUND)],
        body_contains: body_contains.map(Into::into),
    }
}

/// The outcome's word, and what was wrong.
async fn probe_of(
    settings: &config::Pool,
    tls: Option<Arc<ClientConfig>>,
) -> (&'static str, String) {
    match ask_in_time(&target(settings, tls)).await {
        Ok(()) => ("success", String::new()),
        Err(fault) => (fault.word(), fault.to_string()),
    }
}

async fn http_of(answer: &str, body_contains: Option<&str>) -> (&'static str, String) {
    let server = Canned::new(answer).await;
    let settings = settings(UpstreamAddress::Socket(server.address), http_probe(body_contains));
    probe_of(&settings, None).await
}

fn success() -> (&'static str, String) {
    ("success", String::new())
}

#[tokio::test]
async fn a_get_says_whom_it_asks_and_who_asks() {
    let server = Canned::new(GOOD).await;
    let address = UpstreamAddress::Socket(server.address);
    assert_eq!(probe_of(&settings(address.clone(), http_probe(None)), None).await, success());
    let mut kind = http_probe(None);
    if let ProbeKind::Http { host, .. } = &mut kind {
        *host = Some("app.test".into());
    }
    assert_eq!(probe_of(&settings(address, kind), None).await, success());
    let requests = server.requests.lock().unwrap().clone();
    let agent = format!("user-agent: edge-node/{} probe\r\n", build_info());
    let expected = |host: &str| {
        format!("GET /healthz?deep=1 HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{agent}\r\n")
    };
    assert_eq!(requests, [expected(&server.address.to_string()), expected("app.test")]);
}

fn build_info() -> &'static str {
    crate::build_info::VERSION
}

#[tokio::test]
async fn only_the_expected_status_is_a_success() {
    for (status, expected) in [
        ("200 OK", success()),
        ("226 IM Used", success()),
        ("302 Found", success()),
        ("301 Moved Permanently", ("unexpected-answer", "status 301".to_owned())),
        ("503 Service Unavailable", ("unexpected-answer", "status 503".to_owned())),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(http_of(&answer, None).await, expected, "{status}");
    }
}

#[tokio::test]
async fn the_expected_text_is_found_across_chunks_and_only_at_the_beginning_of_a_body() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n..r\r\n5\r\neady.\r\n0\r\n\r\n";
    assert_eq!(http_of(chunked, Some("ready")).await, success());
    let lacking = ("unexpected-answer", "body lacks the expected text".to_owned());
    assert_eq!(http_of(chunked, Some("steady")).await, lacking);
    assert_eq!(http_of(GOOD, Some("ready")).await, lacking);
    let late = format!("HTTP/1.1 200 OK\r\n\r\n{}ready", "x".repeat(64 * 1024 - 4));
    assert_eq!(http_of(&late, Some("ready")).await, lacking);
    let in_time = format!("HTTP/1.1 200 OK\r\n\r\n{}ready", "x".repeat(64 * 1024 - 5));
    assert_eq!(http_of(&in_time, Some("ready")).await, success());
}

#[tokio::test]
async fn what_is_no_http_breaks() {
    for answer in ["SSH-2.0-x\r\n", "HTTP/1.1 2"] {
        let (word, detail) = http_of(answer, None).await;
        assert_eq!(word, "broke", "{detail}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_no_longer_than_the_timeout() {
    let server = Canned::new("").await;
    let mut settings = settings(UpstreamAddress::Socket(server.address), http_probe(None));
    settings.probe.as_mut().unwrap().timeout = Duration::from_millis(30);
    let expected = ("timed-out", "no answer within 30ms".to_owned());
    assert_eq!(probe_of(&settings, None).await, expected);
}

#[tokio::test]
async fn a_closed_port_cannot_be_connected_to_and_an_open_one_is_enough_for_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let by_name = UpstreamAddress::Name("localhost".into(), address.port());
    for address in [UpstreamAddress::Socket(address), by_name] {
        assert_eq!(probe_of(&settings(address, ProbeKind::Tcp), None).await, success());
    }
    drop(listener);
    let settings = settings(UpstreamAddress::Socket(address), ProbeKind::Tcp);
    assert_eq!(probe_of(&settings, None).await.0, "connect-failed");
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_asked_as_localhost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let requests = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&requests);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = std::sync::Mutex::new(GOOD.as_bytes().to_vec());
        super::server::converse(stream, &answer, &noted).await
    });
    let settings = settings(UpstreamAddress::Unix(path), http_probe(Some("ok")));
    assert_eq!(probe_of(&settings, None).await, success());
    assert!(requests.lock().unwrap()[0].contains("host: localhost\r\n"));
}

fn answer(body: &'static [u8], trailers: Option<HeaderMap>) -> Answer {
    Answer { headers: HeaderMap::new(), body: Bytes::from_static(body), trailers }
}

fn grpc_status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))])
}

#[tokio::test]
async fn a_pool_that_speaks_http2_is_asked_by_http2() {
    let (address, asked) = http2(answer(b"ready", None), None).await;
    let mut settings = settings(UpstreamAddress::Socket(address), http_probe(Some("ready")));
    settings.protocol = Protocol::Http2;
    assert_eq!(probe_of(&settings, None).await, success());
    let uri = asked.lock().unwrap()[0].0.uri.to_string();
    assert_eq!(uri, format!("http://{address}/healthz?deep=1"));
}

#[tokio::test]
async fn a_grpc_service_is_asked_about_by_its_name() {
    let serving = answer(&[0, 0, 0, 0, 2, 8, 1], Some(grpc_status("0")));
    let (address, asked) = http2(serving, None).await;
    let kind = ProbeKind::Grpc { service: "app".into() };
    let settings = settings(UpstreamAddress::Socket(address), kind);
    assert_eq!(probe_of(&settings, None).await, success());
    let (head, body) = asked.lock().unwrap()[0].clone();
    assert_eq!(head.uri.path(), "/grpc.health.v1.Health/Check");
    assert_eq!(head.headers["content-type"], "application/grpc");
    assert_eq!(head.headers["te"], "trailers");
    assert_eq!(head.headers["grpc-timeout"], "30000m");
    assert_eq!(body[..], [0, 0, 0, 0, 5, 10, 3, b'a', b'p', b'p']);
}

#[tokio::test]
async fn a_grpc_service_that_does_not_serve_or_is_not_known_is_a_failure() {
    let not_serving = answer(&[0, 0, 0, 0, 2, 8, 2], Some(grpc_status("0")));
    let only_trailers = Answer { headers: grpc_status("5"), ..answer(b"", None) };
    for (answer, detail) in [(not_serving, "NOT_SERVING"), (only_trailers, "grpc-status 5")] {
        let (address, _asked) = http2(answer, None).await;
        let kind = ProbeKind::Grpc { service: "".into() };
        let settings = settings(UpstreamAddress::Socket(address), kind);
        let expected = ("unexpected-answer", detail.to_owned());
        assert_eq!(probe_of(&settings, None).await, expected);
    }
}

fn secured(mut settings: config::Pool, name: Option<&str>) -> config::Pool {
    let authorities = PathBuf::from("read by whoever made the client's config");
    let server_name = name.map(Into::into);
    settings.tls = Some(ClientTls { authorities, server_name, certificate: None });
    settings
}

fn socket(address: SocketAddr) -> UpstreamAddress {
    UpstreamAddress::Socket(address)
}

#[tokio::test]
async fn tls_is_spoken_where_the_pool_speaks_it_and_the_protocol_agreed_on() {
    let (acceptor, client) = tls(&["http/1.1"]);
    let server = Canned::with(GOOD, Some(acceptor)).await;
    let settings_of = |kind, name| secured(settings(socket(server.address), kind), name);
    for kind in [http_probe(None), ProbeKind::Tcp] {
        let settings = settings_of(kind, Some("site.test"));
        assert_eq!(probe_of(&settings, Some(Arc::clone(&client))).await, success());
    }
    let (acceptor, client) = tls(&["h2"]);
    let serving = answer(&[0, 0, 0, 0, 2, 8, 1], Some(grpc_status("0")));
    let (address, asked) = http2(serving, Some(acceptor)).await;
    let kind = ProbeKind::Grpc { service: "".into() };
    let settings = secured(settings(socket(address), kind), Some("site.test"));
    assert_eq!(probe_of(&settings, Some(client)).await, success());
    assert_eq!(asked.lock().unwrap()[0].0.uri.scheme_str(), Some("https"));
}

#[tokio::test]
async fn a_certificate_of_another_name_or_authority_is_a_failure_of_tls() {
    let (acceptor, client) = tls(&[]);
    let server = Canned::with(GOOD, Some(acceptor)).await;
    let (_, stranger) = tls(&[]);
    for (name, client) in [
        (Some("other.test"), Some(Arc::clone(&client))),
        (None, Some(client)),
        (Some("site.test"), Some(stranger)),
        (Some("site.test"), None),
    ] {
        let settings = secured(settings(socket(server.address), http_probe(None)), name);
        let (word, detail) = probe_of(&settings, client).await;
        assert_eq!(word, "tls-failed", "{detail}");
    }
    assert!(server.requests.lock().unwrap().is_empty());
}
