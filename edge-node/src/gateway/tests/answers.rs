//! What the gateway answers itself, counts and logs.

use super::rig::*;
use super::*;

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
