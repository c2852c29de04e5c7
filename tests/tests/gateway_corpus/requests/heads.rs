//! The lines of a head.

use super::{A, NONE, get};
use crate::{Case, case, check};

#[test]
fn a_head_that_is_not_as_the_standard_has_it_is_refused_or_brought_into_its_form() {
    check(LINES);
}

/// Lines of heads.
const LINES: &[Case] = &[
    case("plain", get!(), "200 open", A),
    case(
        "two at once",
        "GET /a HTTP/1.1\r\nhost: edge\r\n\r\nGET /a HTTP/1.1\r\nhost: edge\r\n\r\n",
        "200 200 open",
        &["GET /a HTTP/1.1 | host: edge", "GET /a HTTP/1.1 | host: edge"],
    ),
    case("obs-fold", get!("x-a: b\r\n c"), "400 closed", NONE),
    case("obs-fold with a tab", get!("x-a: b\r\n\tc"), "400 closed", NONE),
    case(
        "obs-fold of the first header",
        "GET /a HTTP/1.1\r\n x-a: b\r\nhost: edge\r\n\r\n",
        "400 closed",
        NONE,
    ),
    case("bare CR in a value", get!("x-a: b\rx-c: d"), "400 closed", NONE),
    case("bare CR as line end", "GET /a HTTP/1.1\rhost: edge\r\r", "400 closed", NONE),
    case("bare LF as line end", "GET /a HTTP/1.1\nhost: edge\n\n", "200 open", A),
    case("null in a value", get!("x-a: b\0c"), "400 closed", NONE),
    case("null in a name", get!("x\0a: b"), "400 closed", NONE),
    case("escape in a value", get!("x-a: \x1b[31m"), "400 closed", NONE),
    case("delete in a value", get!("x-a: \x7f"), "400 closed", NONE),
    case("space before the colon", "GET /a HTTP/1.1\r\nhost : edge\r\n\r\n", "400 closed", NONE),
    case("tab before the colon", get!("x-a\t: b"), "400 closed", NONE),
    case("no colon", get!("x-a"), "400 closed", NONE),
    case("no name", get!(": b"), "400 closed", NONE),
    case("space in a name", get!("x a: b"), "400 closed", NONE),
    case("parentheses in a name", get!("x(a): b"), "400 closed", NONE),
    case("a name beyond ASCII", get!("xä: b"), "400 closed", NONE),
    case(
        "a value beyond ASCII",
        get!("x-a: ä"),
        "200 open",
        &["GET /a HTTP/1.1 | host: edge | x-a: Ã¤"],
    ),
    case(
        "names with underscores",
        get!("x_forwarded_for: 1.1.1.1", "x-client_identity: root", "x_a: b"),
        "200 open",
        A,
    ),
    case("empty lines before", "\r\n\r\nGET /a HTTP/1.1\r\nhost: edge\r\n\r\n", "200 open", A),
    case("two spaces", "GET  /a HTTP/1.1\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case(
        "two spaces before the version",
        "GET /a  HTTP/1.1\r\nhost: edge\r\n\r\n",
        "400 closed",
        NONE,
    ),
    case("a tab in the line", "GET\t/a\tHTTP/1.1\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case("a space before the method", " GET /a HTTP/1.1\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case("parentheses in the method", "GE(T /a HTTP/1.1\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case(
        "another method",
        "BREW /a HTTP/1.1\r\nhost: edge\r\n\r\n",
        "200 open",
        &["BREW /a HTTP/1.1 | host: edge"],
    ),
    case(
        "a method in small letters",
        "get /a HTTP/1.1\r\nhost: edge\r\n\r\n",
        "200 open",
        &["get /a HTTP/1.1 | host: edge"],
    ),
    case("HTTP/0.9", "GET /a\r\n\r\n", "400 closed", NONE),
    case("HTTP/0.9 by name", "GET /a HTTP/0.9\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case("HTTP/1.2", "GET /a HTTP/1.2\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case("HTTP/1.10", "GET /a HTTP/1.10\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case("HTTP/2.0", "GET /a HTTP/2.0\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case("a version in small letters", "GET /a http/1.1\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case("no version", "GET /a HTTP/\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    case("half a preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "closed", NONE),
    case(
        "a preface behind a request",
        concat!("GET /a HTTP/1.1\r\nhost: edge\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        "200 closed",
        A,
    ),
    case("an answer", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "400 closed", NONE),
    case("TLS", "\x16\x03\x01\x02\0\x01\0\x01\x7c\x03\x03", "400 closed", NONE),
    case("HTTP/1.0", "GET /a HTTP/1.0\r\nhost: edge\r\n\r\n", "200 closed", A),
    case(
        "HTTP/1.0 that stays",
        "GET /a HTTP/1.0\r\nhost: edge\r\nconnection: keep-alive\r\n\r\n",
        "200 open",
        A,
    ),
    case(
        "HTTP/1.0 without a host",
        "GET /a HTTP/1.0\r\n\r\n",
        "200 closed",
        &["GET /a HTTP/1.1 | host: the upstream's"],
    ),
    case("an expectation that nobody knows", get!("expect: the-unexpected"), "200 open", A),
];
