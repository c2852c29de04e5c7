//! Upgrades to other protocols.

use super::rig::*;
use super::*;

const UPGRADE: &str =
    "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
const AGREED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// The two ends of a tunnel.
async fn tunnel(rig: &Rig, upstreams: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(rig.address).await.unwrap();
    client.write_all(UPGRADE.as_bytes()).await.unwrap();
    let (mut upstream, _) = within(upstreams.accept()).await.unwrap();
    assert!(head(&mut upstream).await.starts_with("GET /ws "));
    upstream.write_all(AGREED.as_bytes()).await.unwrap();
    let agreed = head(&mut client).await;
    assert!(agreed.starts_with("HTTP/1.1 101 "), "{agreed}");
    assert!(agreed.contains("\r\nconnection: upgrade\r\n"), "{agreed}");
    (client, upstream)
}

/// What comes up to the end of a head, and no more.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
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
async fn a_tunnel_is_one_of_the_connections_to_its_upstream_as_long_as_it_lasts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pool = pool(&[address], "connections-max = 1\npending-max = 0");
    let rig = Rig::start(&format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}"));
    let (client, upstream) = tunnel(&rig, &listener).await;
    let open =
        |count| format!("upstream_connections{{pool=\"up\",upstream=\"{address}\"}} {count}");
    rig.check_metric(&open(1));
    assert!(rig.exchange(GET).await.starts_with("HTTP/1.1 503 "), "there may be but one");
    drop((client, upstream));
    within(rig.metric(&open(0))).await;
    let next = tokio::spawn(exchange(rig.address, GET));
    let (mut upstream, _) = within(listener.accept()).await.unwrap();
    head(&mut upstream).await;
    upstream.write_all(OK.as_bytes()).await.unwrap();
    assert!(within(next).await.unwrap().ends_with("yes"));
}

#[tokio::test]
async fn a_tunnel_is_told_of_at_its_end_with_what_passed_and_is_no_slow_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rig = Rig::forwarding(listener.local_addr().unwrap(), "");
    let (mut client, mut upstream) = tunnel(&rig, &listener).await;
    let open = std::time::Instant::now();
    let labels = r#"listener="data",route="all",method="GET""#;
    rig.check_metric(&format!(r#"http_requests_total{{{labels},code="101"}} 1"#));
    rig.check_metric(r#"http_requests_in_flight{listener="data"} 0"#);
    let mut some = [0; 9];
    client.write_all(b"hello").await.unwrap();
    within(upstream.read_exact(&mut some[..5])).await.unwrap();
    upstream.write_all(b"greetings").await.unwrap();
    within(client.read_exact(&mut some)).await.unwrap();
    // Longer than the answer took, and than a worker keeps lines.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let lasted = open.elapsed().as_secs_f64();
    drop((client, upstream));
    let line = rig.logged("request");
    assert_eq!(
        (&line["status"], &line["path"], &line["tries"]),
        (&101.into(), &"/ws".into(), &1.into())
    );
    assert_eq!((&line["bytes"], &line["bytes-received"]), (&9.into(), &5.into()), "{line}");
    assert!(line["duration-seconds"].as_f64().unwrap() >= lasted, "{line}");
    rig.check_metric(&format!(r#"http_request_duration_seconds_bucket{{le="0.25",{labels}}} 1"#));
    rig.check_metric(r#"http_requests_in_flight{listener="data"} 0"#);
    rig.exchange("GET /%2f HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let line = rig.logged("request");
    assert_eq!(
        (&line["path"], line.get("bytes-received")),
        (&"/%2f".into(), None),
        "once only: {line}"
    );
}

#[tokio::test]
async fn a_websocket_is_told_between_two_frames_that_its_listener_goes_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rig = Rig::forwarding(listener.local_addr().unwrap(), "");
    rig.serving.leave();
    let (mut client, mut upstream) = tunnel(&rig, &listener).await;
    let mut some = [0; 7];
    upstream.write_all(b"\x81\x05he").await.unwrap();
    within(client.read_exact(&mut some[..4])).await.unwrap();
    let drained = tokio::spawn(rig.serving.drain(Duration::ZERO, Duration::from_secs(2)));
    let early = tokio::time::timeout(Duration::from_millis(1300), client.read(&mut some)).await;
    assert!(early.is_err(), "nothing can be said within a frame: {some:?}");
    upstream.write_all(b"llo\x81\x05too").await.unwrap();
    within(client.read_exact(&mut some)).await.unwrap();
    assert_eq!(&some, b"llo\x88\x02\x03\xE9");
    // What the client says to that reaches the upstream, which ends it.
    client.write_all(b"\x88\x82....").await.unwrap();
    within(upstream.read_exact(&mut some[..6])).await.unwrap();
    assert_eq!(&some[..6], b"\x88\x82....");
    drop(upstream);
    assert_eq!(within(client.read(&mut some)).await.unwrap(), 0);
    drop(client);
    assert_eq!(within(drained).await.unwrap(), Ok(()), "nothing is cut");
}
