//! What passes: whom a client claims to be, what is for one connection only, and upgrades.

use super::{A, CHUNKED, POST, get, post};
use crate::{Rig, case, check};

#[test]
fn nobody_poses_as_somebody_else() {
    check(&[
        case(
            "forged way",
            get!(
                "x-forwarded-for: 1.1.1.1",
                "x-forwarded-for: 2.2.2.2",
                "x-forwarded-host: evil",
                "x-forwarded-proto: https",
                "x-forwarded-port: 1",
                "forwarded: for=1.1.1.1;by=evil",
                "x-request-id: a b"
            ),
            "200 open",
            A,
        ),
        case(
            "forged way in headers that the gateway does not set",
            get!(
                "x-real-ip: 1.1.1.1",
                "X-Real-IP: 2.2.2.2",
                "x-forwarded-prefix: /admin",
                "x-forwarded-user: root",
                "x-forwarded-ssl: on",
                "x-forwarded: for=1.1.1.1",
                "true-client-ip: 1.1.1.1"
            ),
            "200 open",
            A,
        ),
        case(
            "forged way with underscores",
            get!("x_forwarded_for: 1.1.1.1", "X_Real-IP: 1.1.1.1", "x-forwarded_proto: https"),
            "200 open",
            A,
        ),
        case(
            "forged identity",
            get!("x-client-identity: root", "X-Client-Identity: root", "x_client_identity: root"),
            "200 open",
            A,
        ),
        // CVE-2016-5385.
        case("Proxy", get!("proxy: http://evil"), "200 open", A),
        case("a request id", get!("x-request-id: abc-1"), "200 open", A),
    ]);
}

#[test]
fn what_is_for_one_connection_stays_there() {
    check(&[
        case(
            "named in Connection",
            get!("connection: x-a, X-B", "x-a: 1", "x-b: 2", "x-c: 3"),
            "200 open",
            &["GET /a HTTP/1.1 | host: edge | x-c: 3"],
        ),
        case(
            "in two lines",
            get!("connection: x-a", "connection: x-b", "x-a: 1", "x-b: 2"),
            "200 open",
            A,
        ),
        // What the gateway says is no header of the connection, whatever a client names.
        case(
            "the way in Connection",
            get!("connection: x-forwarded-for, forwarded, x-request-id, x-forwarded-host"),
            "200 open",
            A,
        ),
        case("the host in Connection", get!("connection: host"), "200 open", A),
        case(
            "the length in Connection",
            post!(["connection: content-length", "content-length: 5"], "hello"),
            "200 open",
            POST,
        ),
        case(
            "the coding in Connection",
            post!(
                ["connection: transfer-encoding", "transfer-encoding: chunked"],
                "5\r\nhello\r\n0\r\n\r\n"
            ),
            "200 open",
            CHUNKED,
        ),
        case("nonsense in Connection", get!("connection: , @, x a, é"), "200 open", A),
        case(
            "of one connection",
            get!("keep-alive: timeout=5", "proxy-connection: keep-alive", "te: gzip", "upgrade: a"),
            "200 open",
            A,
        ),
        case(
            "TE trailers",
            get!("te: trailers, gzip", "connection: te"),
            "200 open",
            &["GET /a HTTP/1.1 | host: edge | te: trailers"],
        ),
    ]);
}

#[test]
fn nothing_passes_unseen_by_an_upgrade() {
    const SWITCH: &str = "GET /switch HTTP/1.1 | connection: upgrade | host: edge | upgrade: echo";
    macro_rules! ask {
        ($target:literal, $upgrade:literal) => {
            concat!(
                "GET ",
                $target,
                " HTTP/1.1\r\nhost: edge\r\nconnection: upgrade\r\nupgrade: ",
                $upgrade,
                "\r\n\r\n"
            )
        };
    }
    check(&[
        // CVE-2026-2833: what follows is a request like any other as long as nobody agreed.
        case(
            "refused, with a request behind it",
            concat!(ask!("/no", "echo"), get!()),
            "200 200 open",
            &[
                "GET /no HTTP/1.1 | connection: upgrade | host: edge | upgrade: echo",
                "GET /a HTTP/1.1 | host: edge",
            ],
        ),
        case(
            "to HTTP/2",
            "GET /a HTTP/1.1\r\nhost: edge\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n",
            "200 open",
            A,
        ),
        case("to HTTP/2 among others", ask!("/a", "echo, H2C"), "200 open", A),
        case("without Connection", get!("upgrade: echo"), "200 open", A),
        case(
            "with a body",
            "POST /a HTTP/1.1\r\nhost: edge\r\nconnection: upgrade\r\nupgrade: echo\r\ncontent-length: 5\r\n\r\nhello",
            "200 open",
            POST,
        ),
        case(
            "in HTTP/1.0",
            "GET /a HTTP/1.0\r\nhost: edge\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
            "200 closed",
            A,
        ),
        // The upstream switches though it was not asked to.
        case(
            "switched without a wish",
            "GET /switch HTTP/1.1\r\nhost: edge\r\n\r\n",
            "502 open",
            &["GET /switch HTTP/1.1 | host: edge"],
        ),
    ]);
    let rig = Rig::start();
    let mut client = rig.client();
    client.send(concat!(ask!("/switch", "echo"), "early").as_bytes());
    assert_eq!(client.answer().map(|answer| answer.status()), Ok(101));
    assert!(client.hears(b"early"), "what came early is the tunnel's");
    client.send(b"GET /late HTTP/1.1\r\n\r\n");
    assert!(client.hears(b"GET /late HTTP/1.1\r\n\r\n"), "so is all that follows");
    client.finish();
    assert!(client.rest().is_empty());
    rig.check_seen("tunnel", &[SWITCH]);
}
