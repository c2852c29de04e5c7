//! Limits on clients and on connections to upstreams.

use super::rig::*;
use super::*;

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
async fn a_rate_is_each_clients_own_or_that_of_all_who_ask_a_route() {
    let route = |per: &str| {
        let rate = "requests-per-second = 1, burst = 1";
        format!(
            "[routes.ping]\nrespond = {{ body = 'pong' }}\nrate-limit = {{ {rate}, per = '{per}' }}"
        )
    };
    for (per, second_client) in [("client", "200"), ("route", "429")] {
        let rig = Rig::with_listener("trusted-proxies = ['127.0.0.1']", &route(per));
        for (client, status) in [("10.0.0.1", "200"), ("10.0.0.2", second_client)] {
            let get =
                format!("GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {client}\r\n{CLOSE}\r\n");
            let answer = rig.exchange(&get).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{per} {client}: {answer}");
        }
    }
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
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="head-time"} 2"#);
}

#[tokio::test]
async fn a_head_that_is_too_large_or_none_is_counted() {
    let rig = Rig::start("");
    let counted = async |reason: &str, count: usize| {
        let line =
            format!(r#"edge_node_refused_total{{listener="data",reason="{reason}"}} {count}"#);
        within(rig.metric(&line)).await;
    };
    let method = format!("{} / HTTP/1.1\r\nhost: x\r\n\r\n", "A".repeat(32 << 10));
    let header = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(70 << 10));
    let headers = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(200));
    for (count, head) in [method, header, headers].iter().enumerate() {
        let answer = rig.exchange(head).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        counted("head-size", count + 1).await;
    }
    assert!(rig.exchange("GET / HTTP/1.1\r\nho st: x\r\n\r\n").await.contains(" 400 "));
    counted("malformed", 1).await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    rig.exchange(&format!("{preface}no frame at all")).await;
    counted("malformed", 2).await;
    // Who goes away was not refused.
    drop(TcpStream::connect(rig.address).await.unwrap());
    counted("malformed", 2).await;
}

#[tokio::test]
async fn a_head_that_began_behind_another_request_has_no_more_time_than_the_first() {
    let upstream = Upstream::start(&[OK]).await;
    let text =
        format!("{}[routes.all]\nforward = {{ pool = 'up' }}", pool(&[upstream.address], ""));
    let rig = Rig::with_listener("header-read-timeout = '1s'", &text);
    let chunked = "transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    for first in ["\r\n", "content-length: 4\r\n\r\nbody", chunked] {
        let two = format!("POST / HTTP/1.1\r\nhost: x\r\n{first}GET / HTTP/1.1\r\nho");
        let answer = rig.exchange(&two).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("yes"), "{answer}");
    }
}

#[tokio::test]
async fn a_head_that_began_behind_another_request_is_answered_once_it_is_whole() {
    let rig = Rig::start("");
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let mut some = [0; 4096];
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HT").await.unwrap();
    let length = within(stream.read(&mut some)).await.unwrap();
    assert!(some[..length].starts_with(b"HTTP/1.1 200 "));
    // Longer than the connection keeps its buffers.
    let more = tokio::time::timeout(Duration::from_millis(1500), stream.read(&mut some)).await;
    assert!(more.is_err(), "{more:?}");
    stream.write_all(b"TP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let length = within(stream.read(&mut some)).await.unwrap();
    assert!(some[..length].starts_with(b"HTTP/1.1 200 "));
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
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="pending"} 1"#);
    upstream.write_all(OK.as_bytes()).await.unwrap();
    assert!(within(upstream.read(&mut some)).await.unwrap() > 0, "the one that waits comes next");
    upstream.write_all(OK.as_bytes()).await.unwrap();
    assert!(within(first).await.unwrap().ends_with("yes"));
    assert!(within(waiting).await.unwrap().ends_with("yes"));
}

#[tokio::test]
async fn a_connection_that_gave_up_its_buffers_answers_the_next_request() {
    let rig = Rig::start("");
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let mut some = [0; 4096];
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let length = within(stream.read(&mut some)).await.unwrap();
        assert!(some[..length].starts_with(b"HTTP/1.1 200 "));
        // Longer than it keeps them; and it is not closed.
        let more = tokio::time::timeout(Duration::from_millis(1500), stream.read(&mut some)).await;
        assert!(more.is_err(), "{more:?}");
    }
}

#[tokio::test]
async fn a_worker_gives_up_an_idle_connection_that_another_one_needs() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pool = pool(&[address], "connections-max = 1");
    let rig = Rig::with_workers(2, &format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}"));
    let mut idle: Option<TcpStream> = None;
    // Of one worker and the other, in turn.
    for _ in 0..4 {
        let request = tokio::spawn(exchange(rig.address, GET));
        if let Some(mut idle) = idle.take() {
            assert_eq!(within(idle.read(&mut [0])).await.unwrap(), 0, "it is closed");
        }
        let (mut upstream, _) = within(listener.accept()).await.unwrap();
        within(upstream.read(&mut [0; 4096])).await.unwrap();
        upstream.write_all(OK.as_bytes()).await.unwrap();
        assert!(within(request).await.unwrap().ends_with("yes"));
        rig.check_metric(&format!("upstream_connections{{pool=\"up\",upstream=\"{address}\"}} 1"));
        idle = Some(upstream);
    }
}

#[tokio::test]
async fn a_drain_answers_who_waits_while_every_slot_is_taken() {
    let rig = Rig::with_listener("connections-max = 1", "");
    let mut first = TcpStream::connect(rig.address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(first.read_exact(&mut [0])).await.unwrap();
    let get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let second = tokio::spawn(exchange(rig.address, get));
    // Until the kernel has it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let drained = rig.serving.drain(Duration::from_millis(10), 2 * PATIENCE);
    assert_eq!(within(drained).await, Ok(()));
    let answer = within(second).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
}

#[tokio::test]
async fn who_is_taken_in_during_a_drain_may_still_ask() {
    // The second has a worker that had no connection before.
    let rig = Rig::of(&config_of(2, "connections-max = 1", ""));
    let mut first = TcpStream::connect(rig.address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    within(first.read_exact(&mut [0])).await.unwrap();
    let mut second = TcpStream::connect(rig.address).await.unwrap();
    let drained = tokio::spawn(rig.serving.drain(Duration::from_millis(10), 2 * PATIENCE));
    within(first.read_to_end(&mut Vec::new())).await.unwrap();
    // Ample time for the worker to take it in, and to end it if it were told to.
    tokio::time::sleep(Duration::from_millis(50)).await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within(second.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    assert_eq!(within(drained).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn who_asked_before_a_drain_is_answered_however_far_its_connection_had_come() {
    for _ in 0..40 {
        let rig = Rig::with_listener("", "");
        let asked: Vec<_> = (0..64)
            .map(|_| {
                use std::io::Write as _;
                let mut stream = std::net::TcpStream::connect(rig.address).unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
                stream
            })
            .collect();
        // Some are taken while the others still wait.
        tokio::task::yield_now().await;
        let drained = rig.serving.drain(Duration::ZERO, 2 * PATIENCE);
        assert_eq!(within(drained).await, Ok(()));
        for mut stream in asked {
            use std::io::Read as _;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        }
    }
}
