//! HTTP/2 requests. Source: RFC 9113, section 8; what reaches the upstream is HTTP/1.1.

use tests::frames::{
    CONTINUATION, Connection, END_STREAM, HEADERS, RST_STREAM, Verdict, block, frame,
};

use super::Rig;

const PROTOCOL_ERROR: Verdict = Verdict::Reset(1);
/// What is wrong in a single field ends the whole connection.
const ENDED: Verdict = Verdict::GoAway(1);
const OK: Verdict = Verdict::Status(200);
const BAD: Verdict = Verdict::Status(400);
const A: &[&str] = &["GET /a HTTP/1.1 | host: edge"];
const NONE: &[&str] = &[];

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "edge");
const PATH: (&str, &str) = (":path", "/a");

type Fields<'a> = &'a [(&'a str, &'a str)];

/// Opens a stream with these fields, and data unless it is empty.
fn verdict(rig: &Rig, fields: Fields<'_>, data: &str) -> Verdict {
    let mut connection = Connection::open(rig.gateway.data());
    if data.is_empty() {
        connection.head(1, fields, END_STREAM);
    } else {
        connection.head(1, fields, 0);
        connection.data(1, data.as_bytes(), END_STREAM);
    }
    connection.verdict(1)
}

#[track_caller]
fn check(cases: &[(&str, Fields<'_>, &str, Verdict, &[&str])]) {
    let rig = Rig::start();
    let mut wrong = Vec::new();
    for (name, fields, data, expected, upstream) in cases {
        let found = verdict(&rig, fields, data);
        let seen = rig.seen();
        if !upstream.contains(&super::UNFINISHED) && *expected == OK {
            assert!(!seen.is_empty(), "{name}");
        }
        if found != *expected || seen != *upstream {
            wrong.push(format!("{name}: {found:?} for {expected:?}, {seen:#?} for {upstream:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The usual fields and more.
macro_rules! with {
    ($($more:expr),*) => { &[METHOD, SCHEME, AUTHORITY, PATH, $($more),*] };
}

macro_rules! path {
    ($path:expr) => {
        &[METHOD, SCHEME, AUTHORITY, (":path", $path)]
    };
}

#[test]
fn a_head_that_is_malformed_opens_no_request() {
    check(&[
        ("plain", with!(), "", OK, A),
        ("no path", &[METHOD, SCHEME, AUTHORITY], "", PROTOCOL_ERROR, NONE),
        ("an empty path", path!(""), "", PROTOCOL_ERROR, NONE),
        ("two paths", with!((":path", "/b")), "", PROTOCOL_ERROR, NONE),
        ("two methods", with!((":method", "POST")), "", PROTOCOL_ERROR, NONE),
        ("two authorities", with!((":authority", "evil")), "", PROTOCOL_ERROR, NONE),
        (
            "a path after a header",
            &[METHOD, SCHEME, AUTHORITY, ("x-a", "b"), PATH],
            "",
            PROTOCOL_ERROR,
            NONE,
        ),
        ("a field that nobody knows", with!((":a", "b")), "", ENDED, NONE),
        ("a status", with!((":status", "200")), "", PROTOCOL_ERROR, NONE),
        ("no method", &[SCHEME, AUTHORITY, PATH], "", PROTOCOL_ERROR, NONE),
        ("a name in capitals", with!(("X-A", "b")), "", ENDED, NONE),
        ("a name with a space", with!(("x a", "b")), "", ENDED, NONE),
        ("a name with a colon", with!(("x:a", "b")), "", ENDED, NONE),
        ("a name with a line end", with!(("x\r\na", "b")), "", ENDED, NONE),
        ("a value with a line end", with!(("x-a", "b\r\nx-c: d")), "", ENDED, NONE),
        ("a value with a line feed", with!(("x-a", "b\nx-c: d")), "", ENDED, NONE),
        ("a value with a null", with!(("x-a", "b\0c")), "", ENDED, NONE),
        ("connection", with!(("connection", "close")), "", PROTOCOL_ERROR, NONE),
        ("keep-alive", with!(("keep-alive", "timeout=5")), "", PROTOCOL_ERROR, NONE),
        ("proxy-connection", with!(("proxy-connection", "a")), "", PROTOCOL_ERROR, NONE),
        ("upgrade", with!(("upgrade", "h2c")), "", PROTOCOL_ERROR, NONE),
        ("transfer-encoding", with!(("transfer-encoding", "chunked")), "", PROTOCOL_ERROR, NONE),
        ("te other than trailers", with!(("te", "gzip")), "", PROTOCOL_ERROR, NONE),
        (
            "te trailers",
            with!(("te", "trailers")),
            "",
            OK,
            &["GET /a HTTP/1.1 | host: edge | te: trailers"],
        ),
    ]);
}

#[test]
fn a_request_line_cannot_be_made_up_of_fields() {
    check(&[
        (
            "a request line in the method",
            &[(":method", "GET /b HTTP/1.1\r\nhost: b\r\n\r\nGET"), SCHEME, AUTHORITY, PATH],
            "",
            ENDED,
            NONE,
        ),
        (
            "a space in the method",
            &[(":method", "GET /b"), SCHEME, AUTHORITY, PATH],
            "",
            ENDED,
            NONE,
        ),
        (
            "a request line in the path",
            path!("/a HTTP/1.1\r\nhost: b\r\n\r\n"),
            "",
            PROTOCOL_ERROR,
            NONE,
        ),
        ("a space in the path", path!("/a b"), "", PROTOCOL_ERROR, NONE),
        ("null in the path", path!("/a\0b"), "", PROTOCOL_ERROR, NONE),
        ("a path without a slash", path!("a"), "", PROTOCOL_ERROR, NONE),
        ("a URL as path", path!("http://evil/a"), "", PROTOCOL_ERROR, NONE),
        ("an asterisk", path!("*"), "", BAD, NONE),
        ("above the root", path!("/../a"), "", BAD, NONE),
        ("an encoded slash", path!("/a%2fb"), "", BAD, NONE),
        ("a backslash", path!("/a\\..\\b"), "", BAD, NONE),
        ("the gateway's own part", path!("/x/%2e%2e//admin"), "", Verdict::Status(403), NONE),
        ("another spelling", path!("//a/./%61"), "", OK, &["GET /a/a HTTP/1.1 | host: edge"]),
        ("another scheme", &[METHOD, (":scheme", "ftp"), AUTHORITY, PATH], "", BAD, NONE),
        (
            "CONNECT",
            &[(":method", "CONNECT"), (":authority", "edge:443")],
            "",
            Verdict::Status(501),
            NONE,
        ),
        (
            "CONNECT for WebSocket",
            &[(":method", "CONNECT"), (":protocol", "websocket"), SCHEME, AUTHORITY, PATH],
            "",
            PROTOCOL_ERROR,
            NONE,
        ),
        ("TRACE", &[(":method", "TRACE"), SCHEME, AUTHORITY, PATH], "", Verdict::Status(501), NONE),
    ]);
}

#[test]
fn there_is_one_host() {
    check(&[
        (
            "a user in the authority",
            &[METHOD, SCHEME, (":authority", "u@edge"), PATH],
            "",
            BAD,
            NONE,
        ),
        (
            "a path in the authority",
            &[METHOD, SCHEME, (":authority", "edge/b"), PATH],
            "",
            PROTOCOL_ERROR,
            NONE,
        ),
        (
            "a line end in the authority",
            &[METHOD, SCHEME, (":authority", "edge\r\nx-a: b"), PATH],
            "",
            PROTOCOL_ERROR,
            NONE,
        ),
        ("another host", with!(("host", "evil")), "", BAD, NONE),
        ("two hosts", with!(("host", "edge"), ("host", "edge")), "", BAD, NONE),
        ("the same host", with!(("host", "edge")), "", OK, A),
        ("a host without an authority", &[METHOD, SCHEME, PATH, ("host", "edge")], "", OK, A),
        ("no host at all", &[METHOD, SCHEME, PATH], "", BAD, NONE),
    ]);
}

#[test]
fn a_body_is_as_long_as_was_said() {
    const POST: (&str, &str) = (":method", "POST");
    check(&[
        (
            "of this length",
            &[POST, SCHEME, AUTHORITY, PATH, ("content-length", "5")],
            "hello",
            OK,
            &["POST /a HTTP/1.1 | content-length: 5 | host: edge | hello"],
        ),
        (
            "of no length",
            &[POST, SCHEME, AUTHORITY, PATH],
            "hello",
            OK,
            &["POST /a HTTP/1.1 | host: edge | transfer-encoding: chunked | hello"],
        ),
        (
            "too short",
            &[POST, SCHEME, AUTHORITY, PATH, ("content-length", "9")],
            "hello",
            PROTOCOL_ERROR,
            NONE,
        ),
        (
            "too long",
            &[POST, SCHEME, AUTHORITY, PATH, ("content-length", "4")],
            "hello",
            PROTOCOL_ERROR,
            NONE,
        ),
        (
            "a length without a body",
            &[POST, SCHEME, AUTHORITY, PATH, ("content-length", "5")],
            "",
            PROTOCOL_ERROR,
            NONE,
        ),
        (
            "two lengths",
            &[POST, SCHEME, AUTHORITY, PATH, ("content-length", "5"), ("content-length", "6")],
            "hello",
            PROTOCOL_ERROR,
            NONE,
        ),
        (
            "a list of lengths",
            &[POST, SCHEME, AUTHORITY, PATH, ("content-length", "5, 5")],
            "hello",
            PROTOCOL_ERROR,
            NONE,
        ),
        (
            "a length with plus",
            &[POST, SCHEME, AUTHORITY, PATH, ("content-length", "+5")],
            "hello",
            PROTOCOL_ERROR,
            NONE,
        ),
    ]);
}

#[test]
fn headers_are_what_they_are() {
    check(&[
        (
            "forged",
            with!(
                ("x-client-identity", "root"),
                ("x-forwarded-for", "1.1.1.1"),
                ("x_forwarded_for", "1.1.1.1"),
                ("proxy", "evil")
            ),
            "",
            OK,
            A,
        ),
        // HTTP/1.1 has one line of them. Source: RFC 9113, section 8.2.3.
        (
            "crumbs of a cookie",
            with!(("cookie", "a=1"), ("cookie", "b=2")),
            "",
            OK,
            &["GET /a HTTP/1.1 | cookie: a=1; b=2 | host: edge"],
        ),
    ]);
}

#[test]
fn trailers_pose_as_no_headers() {
    let rig = Rig::start();
    let mut connection = Connection::open(rig.gateway.data());
    connection.head(
        1,
        &[(":method", "POST"), SCHEME, AUTHORITY, PATH, ("trailer", "x-client-identity, x-a")],
        0,
    );
    connection.data(1, b"hello", 0);
    connection.head(1, &[("x-client-identity", "root"), ("x-a", "b")], END_STREAM);
    assert_eq!(connection.verdict(1), OK);
    rig.check_seen("trailers", &[
        "POST /a HTTP/1.1 | host: edge | trailer: x-client-identity, x-a | transfer-encoding: chunked | hello | trailer x-a: b",
    ]);
}

#[test]
fn floods_of_frames_end_the_connection() {
    let rig = Rig::start();
    // CVE-2023-44487: streams that are given up at once.
    let mut connection = Connection::open(rig.gateway.data());
    let head = block(with!());
    let mut flood = Vec::new();
    for stream in (1..40_000).step_by(2) {
        flood.extend(frame(HEADERS, 5, stream, &head));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    connection.send(&flood);
    let verdict = connection.verdict(50_001);
    assert!(matches!(verdict, Verdict::GoAway(11) | Verdict::Closed), "{verdict:?}");
    // CVE-2024-27316: a head that goes on and on.
    let mut connection = Connection::open(rig.gateway.data());
    connection.send(&frame(HEADERS, 0, 1, &head));
    let piece = frame(CONTINUATION, 0, 1, &block(&[("x-a", &"a".repeat(8000))]));
    let is_refused = (0..20_000).any(|_| !connection.send(&piece));
    assert!(is_refused, "160 MB of headers were taken");
    let mut connection = Connection::open(rig.gateway.data());
    connection.head(1, with!(("x-a", &"a".repeat(16_000)), ("x-b", &"b".repeat(300))), END_STREAM);
    assert_eq!(connection.verdict(1), Verdict::Status(431));
    let seen = rig.seen();
    assert!(seen.iter().all(|request| A.contains(&&**request)), "{seen:?}");
}
