//! WebSockets through the gateway, with a client and a server of a crate that others use.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use tests::gateway::{Gateway, forwarding};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_hdr_async, connect_async};

use super::{PATIENCE, noise};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens before the deadline")
}

/// A server that speaks the first protocol that it is offered, sends every message back, and leaves when told `bye`.
async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    address
}

async fn echo(stream: TcpStream) {
    #[expect(clippy::result_large_err, reason = "the crate's own type")]
    let choose = |request: &Request, mut response: Response| {
        if let Some(offered) = request.headers().get("sec-websocket-protocol") {
            response.headers_mut().insert("sec-websocket-protocol", offered.clone());
        }
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, choose).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        let is_bye = message.to_text().is_ok_and(|text| text == "bye");
        if is_bye {
            let leave = CloseFrame { code: CloseCode::Away, reason: "leaving".into() };
            let _gone = socket.close(Some(leave)).await;
        } else if message.is_text() || message.is_binary() {
            let _gone = socket.send(message).await;
        }
    }
}

async fn connect(gateway: &Gateway) -> Client {
    let mut request = format!("ws://{}/chat?room=1", gateway.data()).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat.v2".parse().unwrap());
    let (socket, response) = within(connect_async(request)).await.unwrap();
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v2");
    socket
}

async fn next(socket: &mut Client) -> Message {
    within(socket.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn messages_of_any_size_pass_both_ways_and_pings_are_answered_from_the_other_end() {
    let gateway = Gateway::to(serve().await);
    let mut socket = connect(&gateway).await;
    for message in [
        Message::text("hello"),
        Message::binary(noise(1 << 20)),
        Message::text(""),
        Message::binary(vec![0; 70_000]),
    ] {
        within(socket.send(message.clone())).await.unwrap();
        assert!(next(&mut socket).await == message, "another message came back");
    }
    within(socket.send(Message::Ping(b"1".as_slice().into()))).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong(b"1".as_slice().into()));
    // Many at once, in order.
    for number in 0..100 {
        within(socket.feed(Message::text(number.to_string()))).await.unwrap();
    }
    within(socket.flush()).await.unwrap();
    for number in 0..100 {
        assert_eq!(next(&mut socket).await, Message::text(number.to_string()));
    }
}

/// Waits until so many tunnels are counted; the other tasks here go on meanwhile.
async fn tunnels_are(gateway: &Gateway, count: u8) {
    let line = format!("edge_node_tunnels{{listener=\"data\"}} {count}");
    while !gateway.metrics().lines().any(|found| found == line) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn each_end_can_close_and_tells_the_other_why() {
    let gateway = Gateway::to(serve().await);
    let mut socket = connect(&gateway).await;
    within(tunnels_are(&gateway, 1)).await;
    let done = CloseFrame { code: CloseCode::Library(4000), reason: "done".into() };
    within(socket.close(Some(done.clone()))).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Close(Some(done)));
    assert!(within(socket.next()).await.is_none());
    drop(socket);

    let mut socket = connect(&gateway).await;
    within(socket.send(Message::text("bye"))).await.unwrap();
    let leaving = CloseFrame { code: CloseCode::Away, reason: "leaving".into() };
    assert_eq!(next(&mut socket).await, Message::Close(Some(leaving)));
    assert!(within(socket.next()).await.is_none());
    drop(socket);
    within(tunnels_are(&gateway, 0)).await;
}

#[tokio::test]
async fn a_handshake_that_the_upstream_refuses_is_an_answer_like_any_other() {
    let upstream = tests::recorder::Recorder::start(|_| {
        tests::recorder::Answer::raw("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
    });
    let gateway = Gateway::start(&forwarding(upstream.address, ""));
    let refused = within(connect_async(format!("ws://{}/", gateway.data()))).await.unwrap_err();
    let tokio_tungstenite::tungstenite::Error::Http(response) = refused else {
        panic!("{refused}")
    };
    assert_eq!((response.status().as_u16(), response.body().as_deref()), (403, Some(&b"no"[..])));
}

#[tokio::test]
async fn both_ends_part_in_good_order_when_the_gateway_stops() {
    let drain = "[shutdown]\nunready-wait = '0s'\ndrain-timeout = '4s'\n";
    let gateway = Gateway::start(&format!("{}{drain}", forwarding(serve().await, "")));
    let mut socket = connect(&gateway).await;
    within(socket.send(Message::text("hello"))).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("hello"));
    let start = std::time::Instant::now();
    let stopped = tokio::task::spawn_blocking(move || gateway.stop());
    within(socket.send(Message::text("still there"))).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("still there"));
    let away = CloseFrame { code: CloseCode::Away, reason: "".into() };
    assert_eq!(next(&mut socket).await, Message::Close(Some(away)));
    // The server was told by the client and closed the connection: it is reset by nobody.
    assert!(within(socket.next()).await.is_none());
    drop(socket);
    assert!(within(stopped).await.unwrap().success());
    assert!(start.elapsed() < std::time::Duration::from_secs(4), "{:?}", start.elapsed());
}
