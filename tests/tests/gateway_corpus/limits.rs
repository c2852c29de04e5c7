//! What is too much, or too slow: refused with its own status, and what was begun upstream is cut.

use std::fmt::Write as _;

use tests::gateway::{Gateway, forwarding};
use tests::raw::{Client, End};
use tests::recorder::{Answer, Recorder};
use tests::wait;

use super::{Rig, UNFINISHED};

/// Sends these bytes, and gives the status that comes before the connection is closed.
#[track_caller]
fn refused(rig: &Rig, bytes: &[u8]) -> Option<u16> {
    let mut client = rig.client();
    client.send(bytes);
    let status = client.answer().ok().map(|answer| answer.status());
    client.finish();
    assert!(client.rest().is_empty());
    status
}

fn get(headers: &str) -> Vec<u8> {
    format!("GET /a HTTP/1.1\r\nhost: edge\r\n{headers}\r\n").into()
}

#[test]
fn a_head_may_have_so_many_bytes_and_headers() {
    let rig = Rig::start();
    let many = |count: usize| {
        (0..count).fold(String::new(), |mut many, number| {
            write!(many, "x-{number}: a\r\n").unwrap();
            many
        })
    };
    assert_eq!(refused(&rig, &get(&format!("x-a: {}\r\n", "a".repeat(15 << 10)))), Some(200));
    assert_eq!(rig.seen().len(), 1);
    assert_eq!(refused(&rig, &get(&format!("x-a: {}\r\n", "a".repeat(32 << 10)))), Some(431));
    assert_eq!(refused(&rig, &get(&format!("{}: a\r\n", "a".repeat(70 << 10)))), Some(431));
    assert_eq!(refused(&rig, &get(&many(1000))), Some(431));
    let long = format!("GET /{} HTTP/1.1\r\nhost: edge\r\n\r\n", "a".repeat(9 << 10));
    assert_eq!(refused(&rig, long.as_bytes()), Some(414));
    let method = format!("{} / HTTP/1.1\r\nhost: edge\r\n\r\n", "A".repeat(32 << 10));
    assert_eq!(refused(&rig, method.as_bytes()), Some(431));
    rig.check_seen("heads", &[]);
}

#[test]
fn a_head_without_end_is_refused_while_it_comes() {
    let rig = Rig::start();
    for piece in ["x-a: b\r\n", "aaaaaaaa", "\r\n"] {
        let mut client = rig.client();
        if piece != "\r\n" {
            client.send(b"GET /a HTTP/1.1\r\nhost: edge\r\n");
        }
        // 64 MiB would be taken by nobody.
        let piece = piece.repeat(8 << 10);
        let is_refused = (0..1024).any(|_| !client.send(piece.as_bytes()));
        assert!(is_refused, "{:?}", &piece[..8]);
    }
    rig.check_seen("endless", &[]);
}

#[test]
fn a_body_may_have_so_many_bytes() {
    let rig = Rig::start();
    let announced = b"POST /a HTTP/1.1\r\nhost: edge\r\ncontent-length: 1048577\r\n\r\n";
    assert_eq!(refused(&rig, announced), Some(413));
    let huge = b"POST /a HTTP/1.1\r\nhost: edge\r\ncontent-length: 9223372036854775807\r\n\r\n";
    assert_eq!(refused(&rig, huge), Some(413));
    rig.check_seen("announced", &[]);
    let mut chunks =
        b"POST /a HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..17 {
        chunks.extend(b"10000\r\n");
        chunks.extend([b'a'; 0x10000]);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    assert_eq!(refused(&rig, &chunks), Some(413));
    rig.check_seen("chunks", &[UNFINISHED]);
}

#[test]
fn who_sends_a_head_slowly_or_nothing_at_all_is_let_go() {
    let rig = Rig::with("header-read-timeout = '1s'", "");
    let mut silent = rig.client();
    assert_eq!(silent.answer().err(), Some(End::Closed));
    // A byte now and then does not prolong it.
    let mut slow = rig.client();
    slow.send(b"GET /a HTTP/1.1\r\nx-a: ");
    let is_let_go =
        wait::within(std::time::Duration::from_secs(30), || (!slow.send(b"a")).then_some(()));
    assert!(is_let_go.is_some(), "a slow head is waited for");
    rig.check_seen("slow", &[]);
}

#[test]
fn who_sends_a_body_slowly_is_told_so_and_the_upstream_is_not_kept_waiting() {
    let rig = Rig::with("header-read-timeout = '1s'\nbody-rate-min = '1KiB'", "");
    let mut client = rig.client();
    client.send(b"POST /a HTTP/1.1\r\nhost: edge\r\ncontent-length: 100000\r\n\r\nhello");
    assert_eq!(client.answer().map(|answer| answer.status()), Ok(408));
    assert!(client.rest().is_empty());
    rig.check_seen("slow body", &[UNFINISHED]);
}

#[test]
fn who_breaks_off_a_body_cuts_the_request() {
    let rig = Rig::start();
    for request in [
        "POST /a HTTP/1.1\r\nhost: edge\r\ncontent-length: 9\r\n\r\nhello",
        "POST /a HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST /a HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let mut client = rig.client();
        client.send(request.as_bytes());
        client.finish();
        let answer = client.answer();
        assert!(!matches!(&answer, Ok(answer) if answer.status() < 400), "{request:?}: {answer:?}");
        assert!(client.rest().is_empty());
        rig.check_seen(request, &[UNFINISHED]);
    }
}

#[test]
fn a_client_cannot_make_an_upstream_look_ill() {
    let upstream = Recorder::start(|request| Answer::ok(request.target()));
    let pool = "[pools.up.ejection]\nconsecutive-errors = 2\ntime-base = '300s'\nshare-max = 1.0\n";
    let gateway =
        Gateway::with_listener("body-bytes-max = '1MiB'", &forwarding(upstream.address, pool));
    for request in [
        "POST /a HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        "POST /a HTTP/1.1\r\nhost: edge\r\ncontent-length: 9\r\n\r\nhello",
    ] {
        for _ in 0..5 {
            let mut client = Client::connect(gateway.data());
            client.send(request.as_bytes());
            client.finish();
            let _refused = client.answer();
            client.rest();
        }
        let metrics = gateway.metrics();
        let healthy =
            format!("upstream_healthy{{pool=\"up\",upstream=\"{}\"}} 1", upstream.address);
        assert!(metrics.contains(&healthy), "{request:?}\n{metrics}");
        let broke = metrics
            .lines()
            .filter(|line| line.starts_with("upstream_requests_total") && line.contains("broke"));
        let broke: Vec<_> = broke.filter(|line| !line.ends_with(" 0")).collect();
        assert!(broke.is_empty(), "{request:?}: {broke:?}");
    }
}
