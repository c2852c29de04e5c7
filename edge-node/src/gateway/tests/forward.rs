//! What reaches an upstream, and when it is tried again.

use super::rig::*;
use super::*;
use crate::upstream::Outcome;

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
    // It has one of its own making, which the log tells.
    let id = lines.pop().unwrap().strip_prefix("x-request-id: ").unwrap();
    assert!(id != "id-1" && rig.logged("request")["request-id"] == id, "{id}");
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
        ]
    );
}

#[tokio::test]
async fn a_body_of_untold_length_comes_whole_whatever_the_method() {
    let mut upstream = Upstream::start(&[OK]).await;
    let rig = Rig::forwarding(upstream.address, "");
    for method in ["GET", "POST", "DELETE", "HEAD"] {
        let head = format!("{method} / HTTP/1.1\r\nhost: x\r\n{CLOSE}transfer-encoding: chunked");
        rig.exchange(&format!("{head}\r\n\r\n5\r\nhello\r\n0\r\n\r\n")).await;
        let heard = upstream.next().await;
        assert!(heard.starts_with(method), "{heard}");
        assert!(heard.contains("\r\ntransfer-encoding: chunked\r\n"), "{heard}");
        assert!(heard.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{heard}");
    }
}

#[tokio::test]
async fn what_a_client_says_of_the_way_is_added_to_if_it_is_a_trusted_proxy_and_else_replaced() {
    let mut upstream = Upstream::start(&[OK]).await;
    let pool = pool(&[upstream.address], "");
    let get = "GET / HTTP/1.1\r\nhost: a.example\r\nx-forwarded-for: 1.1.1.1\r\nx-forwarded-proto: https\r\n\
               forwarded: for=1.1.1.1\r\nx-real-ip: 1.1.1.1\r\nx-request-id: mine\r\nconnection: close\r\n\r\n";
    for (trusted, expected) in [
        (
            "127.0.0.0/8",
            &[
                "forwarded: for=1.1.1.1, for=127.0.0.1;host=\"a.example\";proto=http",
                "x-forwarded-for: 1.1.1.1, 127.0.0.1",
                "x-forwarded-proto: https",
                "x-real-ip: 1.1.1.1",
            ][..],
        ),
        (
            "10.0.0.0/8",
            &[
                "forwarded: for=127.0.0.1;host=\"a.example\";proto=http",
                "x-forwarded-for: 127.0.0.1",
                "x-forwarded-proto: http",
            ],
        ),
    ] {
        let listener = format!("trusted-proxies = ['{trusted}']");
        let routes = format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}");
        let rig = Rig::with_listener(&listener, &routes);
        assert!(rig.exchange(get).await.ends_with("yes"));
        let heard = upstream.next().await;
        let is_believed = trusted == "127.0.0.0/8";
        assert_eq!(rig.logged("request")["forwarded-for"] == "1.1.1.1", is_believed);
        assert_eq!(heard.contains("\r\nx-request-id: mine\r\n"), is_believed, "{heard}");
        let of_the_way = ["forwarded: ", "x-forwarded-for: ", "x-forwarded-proto: ", "x-real-ip: "];
        let is_of_the_way = |line: &&str| of_the_way.iter().any(|name| line.starts_with(name));
        let mut lines: Vec<_> = heard.lines().filter(is_of_the_way).collect();
        lines.sort_unstable();
        assert_eq!(lines, expected, "{trusted}");
    }
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

/// A gateway to an upstream that takes connections and answers nothing.
async fn to_a_silent_one(pool_keys: &str, forward: &str) -> (Rig, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&[listener.local_addr().unwrap()], pool_keys);
    let rig = Rig::start(&format!("{pool}[routes.all]\nforward = {{ pool = 'up', {forward} }}"));
    (rig, listener)
}

/// Checks that one try ended so.
#[track_caller]
fn check_outcome(rig: &Rig, outcome: Outcome) {
    let tries = rig.gateway.pools()[0].upstreams()[0].counts().tries;
    assert_eq!(tries[outcome.index()], 1, "{:?} {tries:?}", Outcome::WORDS);
}

#[tokio::test]
async fn an_upstream_is_blamed_for_the_time_that_the_config_gives_and_no_client_takes() {
    let (rig, _listener) = to_a_silent_one("", "timeout = '100ms'").await;
    assert!(rig.exchange(GET).await.starts_with("HTTP/1.1 504 "));
    check_outcome(&rig, Outcome::TimedOut);

    // A deadline that nobody can keep.
    let (rig, _listener) = to_a_silent_one("", "timeout = '10s'").await;
    let hurried = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc\r\ngrpc-timeout: 1m\r\n\
                   connection: close\r\ncontent-length: 0\r\n\r\n";
    rig.exchange(hurried).await;
    check_outcome(&rig, Outcome::Abandoned);

    // A body that does not come.
    let (rig, _listener) = to_a_silent_one("", "timeout = '100ms'").await;
    let half = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\nhalf";
    assert!(rig.exchange(half).await.starts_with("HTTP/1.1 504 "));
    check_outcome(&rig, Outcome::Abandoned);
}

#[tokio::test]
async fn a_grpc_timeout_is_nothing_to_other_requests() {
    let upstream = Upstream::start(&[OK]).await;
    let rig = Rig::forwarding(upstream.address, "");
    let get = "GET / HTTP/1.1\r\nhost: x\r\ngrpc-timeout: 1n\r\nconnection: close\r\n\r\n";
    assert!(rig.exchange(get).await.ends_with("yes"));
}

#[tokio::test]
async fn a_request_that_waits_behind_others_in_vain_says_nothing_of_the_upstream() {
    let (rig, listener) = to_a_silent_one("connections-max = 1", "timeout = '500ms'").await;
    let first = tokio::spawn(exchange(rig.address, GET));
    let (mut upstream, _) = within(listener.accept()).await.unwrap();
    within(upstream.read(&mut [0; 4096])).await.unwrap();
    // An answer that goes on holds the connection.
    upstream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    assert!(rig.exchange(GET).await.starts_with("HTTP/1.1 504 "));
    check_outcome(&rig, Outcome::Abandoned);
    drop(upstream);
    assert!(within(first).await.unwrap().starts_with("HTTP/1.1 200 "));
}
