//! Clients that take and do not read, and more of them than are let in: what they cost is bounded, and others are served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tests::gateway::Gateway;
use tests::keep_alive::Client;
use tests::traffic::{Plan, Traffic};
use tests::upstream::Upstream;
use tests::wait;

use crate::LIMIT;

fn forwarding(upstream: &Upstream) -> String {
    format!(
        "workers = 2\n[pools.up]\nconnections-max = 1000\nupstreams = [{{ address = '{}' }}]\n\
         [routes.all]\nforward = {{ pool = 'up' }}\n",
        upstream.address()
    )
}

/// A GET on a connection of its own, of which nothing is read.
fn send(gateway: &Gateway, path: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&gateway.data(), LIMIT)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes())?;
    Ok(stream)
}

#[test]
fn answers_that_nobody_reads_do_not_pile_up() {
    const READERS: usize = 100;
    const BYTES: u64 = 16 << 20;
    let upstream = Upstream::start();
    let gateway = Gateway::start(&forwarding(&upstream));
    assert_eq!(Client::new(gateway.data()).get("/").unwrap().status, 200);
    let before = gateway.figures();
    let path = format!("/bytes/{BYTES}");
    let readers: Vec<_> = (0..READERS).map(|_| send(&gateway, &path).unwrap()).collect();
    wait::until("all to be answered", LIMIT, || {
        (upstream.requests() > READERS as u64).then_some(())
    });
    // All buffers on the way are full when nothing moves any more.
    let mut still = 0;
    let mut last = 0;
    wait::until("the upstream to be held up", LIMIT, || {
        let sent = upstream.body_bytes();
        still = if sent == last { still + 1 } else { 0 };
        last = sent;
        (still > 50).then_some(())
    });
    let held = gateway.figures();
    let grown = held.resident_kib.saturating_sub(before.resident_kib);
    println!(
        "{READERS} answers of {} MiB that nobody reads: {grown} KiB more, {} each; {} MiB left the upstream",
        BYTES >> 20,
        grown / READERS as u64,
        last >> 20
    );
    // Two buffers of 128 KiB and what an allocator keeps; a body is sixteen times as large.
    assert!(grown / (READERS as u64) < 1024, "{before:?}, then {held:?}");
    // They hold up nobody else, and whoever begins to read gets all of it.
    assert_eq!(Client::new(gateway.data()).get("/").unwrap().status, 200);
    let mut reader = &readers[0];
    reader.set_read_timeout(Some(LIMIT)).unwrap();
    let mut body = vec![0; usize::try_from(BYTES).unwrap()];
    reader.read_exact(&mut body).unwrap();
    assert!(body.ends_with(b"xxxx"));
}

#[test]
fn a_flood_of_connections_costs_no_more_than_those_that_are_let_in() {
    const LET_IN: usize = 200;
    const FLOOD: usize = 2000;
    let upstream = Upstream::start();
    let listener =
        format!("connections-max = {LET_IN}\nheader-read-timeout = '60s'\nidle-timeout = '60s'");
    let gateway = Gateway::with_listener(&listener, &forwarding(&upstream));
    let traffic = Traffic::start(gateway.data(), &Plan::busy(4));
    traffic.wait_for(100);
    let before = gateway.figures();
    // Half a head each: they will not be done.
    let flood: Vec<_> = (0..FLOOD)
        .filter_map(|_| {
            let mut stream =
                TcpStream::connect_timeout(&gateway.data(), Duration::from_secs(1)).ok()?;
            stream.write_all(b"GET / HTTP/1.1\r\nx: ").ok()?;
            Some(stream)
        })
        .take_while(|_| {
            gateway.sum("edge_node_connection_cap_reached_total", &[("listener", "data")]) < 1.0
        })
        .collect();
    let over: Vec<_> = (0..FLOOD)
        .filter_map(|_| {
            let stream = TcpStream::connect_timeout(&gateway.data(), Duration::from_millis(2));
            stream.ok()
        })
        .collect();
    let open = gateway.sum("edge_node_connections", &[("listener", "data")]);
    let during = gateway.figures();
    traffic.wait_for(100);
    let counts = traffic.end();
    println!(
        "{} half requests and {} more connections: {open} let in; {before:?}, then {during:?}; {} requests beside, {} failed",
        flood.len(),
        over.len(),
        counts.answered,
        counts.failed
    );
    assert!(open <= LET_IN as f64, "{open}");
    assert!(flood.len() + over.len() > LET_IN, "{}", flood.len());
    assert_eq!(counts.failed, 0, "{:?}", counts.reasons);
    assert!(during.descriptors < before.descriptors + LET_IN + 50, "{during:?}");
    // Buffers of those that were let in, in pages of 2 MiB.
    assert!(during.resident_kib < before.resident_kib + 32 * 1024, "{before:?}, then {during:?}");
    drop((flood, over));
    assert_eq!(Client::new(gateway.data()).get("/").unwrap().status, 200);
}

#[test]
fn an_address_gets_no_more_connections_than_its_share_and_is_told_so() {
    const SHARE: usize = 20;
    let upstream = Upstream::start();
    let listener = format!("connections-per-address-max = {SHARE}");
    let gateway = Gateway::with_listener(&listener, &forwarding(&upstream));
    let mut clients: Vec<_> = (0..SHARE).map(|_| Client::new(gateway.data())).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    let before = gateway.figures();
    for _ in 0..500 {
        let answer = Client::new(gateway.data()).get("/");
        assert!(answer.is_err(), "{answer:?}");
    }
    let refused = [("listener", "data"), ("reason", "address-connections")];
    assert_eq!(gateway.sum("edge_node_refused_total", &refused), 500.0);
    let after = gateway.figures();
    assert!(after.descriptors <= before.descriptors + 5, "{before:?}, then {after:?}");
    for client in &mut clients {
        assert_eq!(client.get("/").unwrap().status, 200, "those that are in stay in");
    }
    drop(clients);
    wait::until("a place", LIMIT, || Client::new(gateway.data()).get("/").ok());
}
