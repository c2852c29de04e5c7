//! Bytes of connections as they come: frames of a WebSocket, the start of HTTP/2, and the answer to a probe.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

use edge_node::gateway::edges::{Frames, GOING_AWAY, Version, spoken, websocket};
use edge_node::upstream::probe::grpc_health_status as status;
use tokio::io::AsyncReadExt as _;

use super::{Pieces, at_once};

/// Passes frames on in pieces, and takes leave after as many of these as the first byte says.
pub fn frames(data: &[u8]) {
    let Some((told_after, data)) = data.split_first() else { return };
    let (Some(pieces), Some(again)) = (Pieces::new(data), Pieces::new(data)) else { return };
    let sent = pieces.rest;
    let ends = ends(sent);
    let (mut frames, mut at) = (Frames::default(), 0);
    for piece in pieces {
        let among = at + 1..=at + piece.len();
        let end = ends.iter().rfind(|end| among.contains(&end.at)).map(|end| end.at - at);
        assert_eq!(frames.pass(piece), end);
        at += piece.len();
        assert_eq!(frames.is_between(), ends.iter().any(|end| end.at == at));
        assert_eq!(frames.has_closed(), ends.iter().any(|end| end.at <= at && end.is_close));
    }
    left(again, *told_after, sent, &ends);
}

/// The end of a frame, and whether it is one after which there may be none.
struct End {
    at: usize,
    is_close: bool,
}

/// Where frames end, read from all bytes at once. Source: RFC 6455, section 5.2.
fn ends(bytes: &[u8]) -> Vec<End> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some([first, second, rest @ ..]) = bytes.get(at..) {
        let (long, length) = match (second & 127, rest) {
            (126, [a, b, ..]) => (2, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (8, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
            }
            (126 | 127, _) => break,
            (short, _) => (0, u64::from(short)),
        };
        let mask = if second & 128 == 0 { 0 } else { 4 };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let end = (at + 2 + long + mask).saturating_add(length);
        if end > bytes.len() {
            break;
        }
        ends.push(End { at: end, is_close: *first == 0x88 });
        at = end;
    }
    ends
}

/// Whether a client gets all, or whole frames and a word of farewell.
fn left(mut pieces: Pieces<'_>, told_after: u8, sent: &[u8], ends: &[End]) {
    let (mut received, polls, is_told) = (Vec::new(), Cell::new(told_after), Cell::new(false));
    let told = poll_fn(|_context| match polls.get().checked_sub(1) {
        Some(fewer) => {
            polls.set(fewer);
            Poll::Pending
        }
        None => {
            is_told.set(true);
            Poll::Ready(())
        }
    });
    at_once(websocket::carry(&mut pieces, &mut received, told)).expect("memory does not break");
    assert!(pieces.rest.is_empty(), "the upstream is heard to its end");
    let is_between = |at: usize| at == 0 || ends.iter().any(|end| end.at == at);
    if !is_told.get() || (received == sent && !is_between(sent.len())) {
        assert_eq!(received, sent);
        return;
    }
    let is_closed = |at: usize| ends.iter().any(|end| end.at <= at && end.is_close);
    let whole = match received.strip_suffix(&GOING_AWAY) {
        Some(whole) if is_between(whole.len()) && !is_closed(whole.len()) => whole,
        Some(_) | None => {
            assert!(is_closed(received.len()), "nobody took leave");
            &received
        }
    };
    assert!(sent.starts_with(whole) && is_between(whole.len()), "a frame is cut");
}

/// Finds out what a client speaks, in whatever pieces it says so, and loses nothing of it.
pub fn version(data: &[u8]) {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let Some(mut pieces) = Pieces::new(data) else { return };
    let sent = pieces.rest;
    let (mut heard, version) = at_once(spoken(&mut pieces)).expect("memory does not break");
    let is_http2 = sent.starts_with(PREFACE);
    assert_eq!(version, if is_http2 { Version::Http2 } else { Version::Http1 });
    assert!(heard.len() <= PREFACE.len() && heard.is_empty() == sent.is_empty());
    at_once(pieces.read_to_end(&mut heard)).expect("memory does not break");
    assert_eq!(heard, sent);
}

/// Reads the status in the answer to a probe: there is none in what is cut off, and the last one counts.
pub fn health(data: &[u8]) {
    let Some(found) = status(data) else { return };
    let [0, a, b, c, d, rest @ ..] = data else { panic!("a message has a prefix") };
    let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    let message = &rest[..length];
    assert_eq!(status(&data[..5 + length]), Some(found), "what follows the message is not in it");
    assert!((0..5 + length).all(|end| status(&data[..end]).is_none()));
    let with = |more: &[u8]| {
        let message = [message, more].concat();
        let length = u32::try_from(message.len()).expect("it is short").to_be_bytes();
        status(&[&[0], &length[..], &message].concat())
    };
    for (number, varint) in
        [(1, &[1][..]), (300, &[0xAC, 2]), (u64::MAX, &[[0xFF; 9].as_slice(), &[1]].concat())]
    {
        assert_eq!(with(&[&[8], varint].concat()), Some(number));
        assert_eq!(with(&[&[16], varint].concat()), Some(found), "another field says nothing");
    }
    assert_eq!(with(&[8, 0x80]), None, "a number has an end");
}
