//! An upstream that says what it was asked: a program of its own, because it has to run in the network of a Windows.
//!
//! `upstream ADDRESS` answers each request with its first line and its headers as JSON, and `/switch` by switching to a
//! protocol that sends everything back. It ends with its standard input.

use std::io;
use std::net::SocketAddr;

use tests::message::Message;
use tests::recorder::{Answer, Recorder, Then};

fn main() {
    let address = std::env::args().nth(1).and_then(|text| text.parse::<SocketAddr>().ok());
    let _recorder = Recorder::start_at(address.expect("an address"), answer);
    let _ended = io::copy(&mut io::stdin(), &mut io::sink());
}

fn answer(request: &Message) -> Answer {
    if request.target() == "/switch" {
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        return Answer::raw(head).then(Then::Echo);
    }
    let headers: serde_json::Map<_, _> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let body = serde_json::json!({
        "request": request.start, "headers": headers, "body-bytes": request.body.len(),
    });
    Answer::ok(&body.to_string())
}
