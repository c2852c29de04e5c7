//! Headers and trailers on their way.

use std::net::IpAddr;
use std::time::Duration;

use edge_node::gateway::edges::{
    self, Via, Way, client_address, request_id, strip, strip_request, tells_of_the_way,
};
use edge_node::gateway::head;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use ipnet::IpNet;

use super::super::{cut, headers, lines};

const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// What `Connection` may name without effect: where a message ends and whom it is for.
const KEPT: [&str; 2] = ["content-length", "host"];

/// Takes away what concerns one connection, of an answer and of a request.
pub fn hops(data: &[u8]) {
    let before = headers(lines(data));
    let mut answer = before.clone();
    strip(&mut answer);
    assert_stripped(&before, &answer, |_name| false);
    for is_upgrade in [false, true] {
        let mut request = before.clone();
        strip_request(&mut request, is_upgrade);
        let te: Vec<_> = request.get_all("te").iter().collect();
        assert!(te.is_empty() || (te == ["trailers"] && before.contains_key("te")), "{te:?}");
        let connection: Vec<_> = request.get_all("connection").iter().collect();
        let is_asked = is_upgrade && before.contains_key("upgrade");
        assert_eq!(connection, ["upgrade"][..usize::from(is_asked)], "{before:?}");
        assert_eq!(request.get("upgrade"), before.get("upgrade").filter(|_| is_upgrade));
        for name in ["te", "connection", "upgrade"] {
            request.remove(name);
        }
        assert!(request.get_all("cookie").iter().count() <= 1);
        let taken = ["te", "expect", "x-client-identity"];
        assert_stripped(&before, &request, |name| {
            taken.contains(&name.as_str()) || head::is_scrubbed(name)
        });
    }
}

/// Whether only the right ones are gone; cookies may have been joined.
#[track_caller]
fn assert_stripped(before: &HeaderMap, after: &HeaderMap, is_taken: impl Fn(&HeaderName) -> bool) {
    let named = before
        .get_all("connection")
        .iter()
        .flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    let named: Vec<_> = named.map(|name| name.trim_ascii().to_ascii_lowercase()).collect();
    assert!(after.keys().all(|name| before.contains_key(name)));
    for name in before.keys() {
        let text = name.as_str();
        let is_named = named.iter().any(|one| one == text.as_bytes()) && !KEPT.contains(&text);
        let is_gone = is_named || HOP_BY_HOP.contains(&text) || is_taken(name);
        assert_eq!(after.contains_key(name), !is_gone, "{name} of {before:?}");
        if !is_gone && text != "cookie" {
            assert!(before.get_all(name).iter().eq(after.get_all(name)), "{name}");
        }
    }
}

/// Tells upstreams of a request's way: `peer trusted,trusted s host`, then a header a line. What proxies that are not
/// trusted say of it changes nothing.
pub fn way(data: &[u8]) {
    let (line, rest) = cut(data, b"\n").unwrap_or((data, b""));
    let Ok(line) = std::str::from_utf8(line) else { return };
    let mut words = line.split(' ');
    let Some(peer) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { return };
    let trusted = words.next().unwrap_or_default().split(',');
    let trusted: Vec<IpNet> = trusted.filter_map(|word| word.parse().ok()).collect();
    let is_secure = words.next() == Some("s");
    let host = words.next().and_then(host);
    let listener = ([0, 0, 0, 0], 80).into();
    let way = Way { peer, is_secure, host: host.as_ref(), listener, trusted: &trusted };
    let before = headers(lines(rest));
    let after = told(&mut Via::default(), way, &before);
    let mut used = Via::default();
    told(&mut used, Way { host: None, ..way }, &before);
    assert_eq!(told(&mut used, way, &before), after, "a connection tells the same each time");

    let others = |headers: &HeaderMap| part(headers, |name| !tells_of_the_way(name));
    assert_eq!(others(&after), others(&before));
    let peer = peer.to_canonical();
    if trusted.iter().any(|network| network.contains(&peer)) {
        assert_added(&before, &after, peer);
    } else {
        let ours = told(&mut Via::default(), way, &HeaderMap::new());
        assert_eq!(part(&after, tells_of_the_way), ours, "{before:?}");
    }
    let client = client_address(peer, &trusted, &before);
    assert_eq!(client_address(peer, &trusted, &after), client, "{before:?} became {after:?}");
    let us: IpAddr = [192, 0, 2, 1].into();
    let next = client_address(us, &[us.into()], &after);
    assert!(next == peer || peer == us, "the next one takes {next} for the client");
    assert_request_id(&before);
}

fn host(text: &str) -> Option<HeaderValue> {
    let parts = Request::get("/").header("host", text).body(()).ok()?.into_parts().0;
    head::check(&parts).ok()?;
    parts.headers.get("host").cloned()
}

fn told(via: &mut Via, way: Way<'_>, headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    via.tell(way, &mut headers);
    headers
}

fn part(headers: &HeaderMap, is_in: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let mut headers = headers.clone();
    head::take_away(&mut headers, |name| !is_in(name));
    headers
}

/// Whether a trusted proxy's word is kept, with the proxy itself behind it.
fn assert_added(before: &HeaderMap, after: &HeaderMap, peer: IpAddr) {
    for name in before.keys().filter(|name| tells_of_the_way(name)) {
        let said: Vec<_> = before.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let passed: Vec<_> = after.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        if ["forwarded", "x-forwarded-for"].contains(&name.as_str()) {
            let said = said.join(&b", "[..]);
            assert!(passed.len() == 1 && passed[0].starts_with(&[&said, &b", "[..]].concat()));
        } else {
            assert_eq!(passed, said, "{name}");
        }
    }
    let ends_with = |name: &str, text: &str| after[name].as_bytes().ends_with(text.as_bytes());
    assert!(ends_with("x-forwarded-for", &peer.to_string()));
    assert!(ends_with("forwarded", ";proto=https") || ends_with("forwarded", ";proto=http"));
}

/// Whether a request has one plain id in the end: its own if that is plain and comes from a trusted proxy.
fn assert_request_id(before: &HeaderMap) {
    for is_trusted in [true, false] {
        let mut after = before.clone();
        let id = request_id(&mut after, is_trusted, || HeaderValue::from_static("made"));
        assert!(after.get_all("x-request-id").iter().eq([&id]));
        assert!((1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic));
        let is_own = before.get_all("x-request-id").iter().eq([&id]);
        assert!(id == "made" || (is_trusted && is_own));
    }
}

/// Looks at the framing of an answer with these headers, and takes from them what no trailer may say.
pub fn answer(data: &[u8]) {
    let before = headers(lines(data));
    if head::is_framed_once(&before) {
        let lengths: Vec<_> = before.get_all("content-length").iter().collect();
        let is_number = |length: &&HeaderValue| {
            length.as_bytes().iter().all(u8::is_ascii_digit) && !length.is_empty()
        };
        assert!(lengths.iter().all(|length| is_number(length) && **length == lengths[0]));
        let codings: Vec<_> = before.get_all("transfer-encoding").iter().collect();
        let is_chunked = |coding: &&HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        assert!(codings.iter().all(is_chunked) && codings.len() <= 1);
        assert!(codings.is_empty() || lengths.is_empty(), "{before:?}");
    }
    let mut trailers = before.clone();
    head::scrub_trailers(&mut trailers);
    let reserved = ["content-length", "host", "te", "x-client-identity", "x-request-id"];
    let is_taken = |name: &HeaderName| {
        let text = name.as_str();
        let is_reserved = reserved.contains(&text) || HOP_BY_HOP.contains(&text);
        (is_reserved && text != "http2-settings")
            || tells_of_the_way(name)
            || head::is_scrubbed(name)
    };
    assert_eq!(trailers, part(&before, |name| !is_taken(name)));
}

/// Reads the time that a caller of gRPC gives.
pub fn grpc_timeout(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let headers = HeaderMap::from_iter([(HeaderName::from_static("grpc-timeout"), value)]);
    let time = timeout(data);
    assert_eq!(edges::grpc_timeout(&headers), time, "{}", data.escape_ascii());
}

fn timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    let nanoseconds = [
        (b'H', 3_600_000_000_000),
        (b'M', 60_000_000_000),
        (b'S', 1_000_000_000),
        (b'm', 1_000_000),
        (b'u', 1000),
        (b'n', 1),
    ];
    let (_, unit) = nanoseconds.iter().find(|(letter, _)| letter == unit)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let number = || digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    is_number.then(|| Duration::from_nanos(*unit) * number())
}
