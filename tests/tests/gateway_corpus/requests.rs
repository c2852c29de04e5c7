//! HTTP/1.1 requests. Sources: RFC 9110, RFC 9112, RFC 3986, and the CVEs that are named.

use super::{Case, UNFINISHED, case, check};

const A: &[&str] = &["GET /a HTTP/1.1 | host: edge"];
const POST: &[&str] = &["POST /a HTTP/1.1 | content-length: 5 | host: edge | hello"];
const CHUNKED: &[&str] = &["POST /a HTTP/1.1 | host: edge | transfer-encoding: chunked | hello"];
const EMPTY: &[&str] = &["POST /a HTTP/1.1 | host: edge | transfer-encoding: chunked"];
const NONE: &[&str] = &[];

macro_rules! get {
    ($($headers:literal),*) => { concat!("GET /a HTTP/1.1\r\nhost: edge\r\n", $($headers, "\r\n",)* "\r\n") };
}

macro_rules! post {
    ([$($headers:literal),*], $body:literal) => {
        concat!("POST /a HTTP/1.1\r\nhost: edge\r\n", $($headers, "\r\n",)* "\r\n", $body)
    };
}

/// A request whose body is as the standard has it but for how its length is told; behind it lies what a front that reads
/// the length in another way would take for a part of the body.
macro_rules! smuggle {
    ($($headers:literal),*) => {
        post!([$($headers),*], "5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: edge\r\n\r\n")
    };
}

#[test]
fn where_a_body_ends_is_read_in_one_way_or_not_at_all() {
    check(&[
        // The coding counts and the connection ends: what follows is no request.
        case(
            "CL.TE",
            smuggle!("content-length: 5", "transfer-encoding: chunked"),
            "200 closed",
            CHUNKED,
        ),
        case(
            "TE.CL",
            smuggle!("transfer-encoding: chunked", "content-length: 5"),
            "200 closed",
            CHUNKED,
        ),
        case(
            "TE.bad CL",
            smuggle!("transfer-encoding: chunked", "content-length: x"),
            "200 closed",
            CHUNKED,
        ),
        case(
            "CL twice, the same",
            post!(["content-length: 5", "content-length: 5"], "hello"),
            "200 open",
            POST,
        ),
        case(
            "CL twice, differing",
            post!(["content-length: 5", "content-length: 6"], "hello"),
            "400 closed",
            NONE,
        ),
        case("CL list", post!(["content-length: 5, 5"], "hello"), "400 closed", NONE),
        case("CL list without space", post!(["content-length: 5,5"], "hello"), "400 closed", NONE),
        case("CL with plus", post!(["content-length: +5"], "hello"), "400 closed", NONE),
        case("CL negative", post!(["content-length: -5"], "hello"), "400 closed", NONE),
        case("CL hexadecimal", post!(["content-length: 0x5"], "hello"), "400 closed", NONE),
        case("CL with a space within", post!(["content-length: 5 5"], "hello"), "400 closed", NONE),
        case("CL with a fraction", post!(["content-length: 5.0"], "hello"), "400 closed", NONE),
        case("CL empty", post!(["content-length:"], "hello"), "400 closed", NONE),
        case(
            "CL beyond 64 bits",
            post!(["content-length: 18446744073709551621"], "hello"),
            "400 closed",
            NONE,
        ),
        case(
            "CL of 64 bits",
            post!(["content-length: 18446744073709551615"], "hello"),
            "431 closed",
            NONE,
        ),
        case(
            "CL with zeros",
            post!(["content-length: 0000000005"], "hello"),
            "200 open",
            &["POST /a HTTP/1.1 | content-length: 0000000005 | host: edge | hello"],
        ),
        case(
            "CL with spaces around",
            post!(["content-length: \t 5 \t"], "hello"),
            "200 open",
            POST,
        ),
        case("TE of another kind", smuggle!("transfer-encoding: xchunked"), "400 closed", NONE),
        case("TE identity", smuggle!("transfer-encoding: identity"), "400 closed", NONE),
        case(
            "TE chunked, identity",
            smuggle!("transfer-encoding: chunked, identity"),
            "400 closed",
            NONE,
        ),
        case("TE gzip, chunked", smuggle!("transfer-encoding: gzip, chunked"), "501 closed", NONE),
        case(
            "TE chunked twice",
            smuggle!("transfer-encoding: chunked, chunked"),
            "501 closed",
            NONE,
        ),
        case(
            "TE lines",
            smuggle!("transfer-encoding: chunked", "transfer-encoding: chunked"),
            "501 closed",
            NONE,
        ),
        case(
            "TE identity line",
            smuggle!("transfer-encoding: chunked", "transfer-encoding: identity"),
            "400 closed",
            NONE,
        ),
        case(
            "TE after identity",
            smuggle!("transfer-encoding: identity", "transfer-encoding: chunked"),
            "501 closed",
            NONE,
        ),
        case("TE empty", smuggle!("transfer-encoding:"), "400 closed", NONE),
        case("TE with a comma", smuggle!("transfer-encoding: chunked,"), "400 closed", NONE),
        case("TE quoted", smuggle!("transfer-encoding: \"chunked\""), "400 closed", NONE),
        case("TE with a parameter", smuggle!("transfer-encoding: chunked;q=1"), "400 closed", NONE),
        case(
            "TE with a vertical tab",
            smuggle!("transfer-encoding: \x0bchunked"),
            "400 closed",
            NONE,
        ),
        case("TE before a space", smuggle!("transfer-encoding : chunked"), "400 closed", NONE),
        case("TE behind a space", smuggle!(" transfer-encoding: chunked"), "400 closed", NONE),
        case("TE folded", smuggle!("transfer-encoding:\r\n chunked"), "400 closed", NONE),
        case(
            "TE in another header",
            smuggle!("x-a: b\rtransfer-encoding: chunked"),
            "400 closed",
            NONE,
        ),
        case(
            "TE in capitals",
            post!(["TRANSFER-ENCODING: CHUNKED"], "5\r\nhello\r\n0\r\n\r\n"),
            "200 open",
            CHUNKED,
        ),
        case(
            "TE behind a tab",
            post!(["transfer-encoding:\tchunked"], "5\r\nhello\r\n0\r\n\r\n"),
            "200 open",
            CHUNKED,
        ),
        case(
            "TE with an underscore",
            post!(["transfer_encoding: chunked", "content-length: 5"], "hello"),
            "200 open",
            POST,
        ),
        case(
            "CL with an underscore",
            post!(["content_length: 50", "content-length: 5"], "hello"),
            "200 open",
            POST,
        ),
        // CVE-2026-2835.
        case(
            "TE in HTTP/1.0",
            "POST /a HTTP/1.0\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "400 closed",
            NONE,
        ),
        case(
            "TE and CL in HTTP/1.0",
            "POST /a HTTP/1.0\r\nhost: edge\r\nconnection: keep-alive\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "400 closed",
            NONE,
        ),
        case(
            "no length",
            "POST /a HTTP/1.1\r\nhost: edge\r\n\r\n",
            "200 open",
            &["POST /a HTTP/1.1 | host: edge"],
        ),
        case(
            "GET with a body",
            "GET /a HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\nhello",
            "200 open",
            &["GET /a HTTP/1.1 | content-length: 5 | host: edge | hello"],
        ),
        case(
            "GET in the body of a GET",
            "GET /a HTTP/1.1\r\nhost: edge\r\ncontent-length: 28\r\n\r\nGET /b HTTP/1.1\r\nhost: b\r\n\r\n",
            "200 open",
            &[
                "GET /a HTTP/1.1 | content-length: 28 | host: edge | GET /b HTTP/1.1\\r\\nhost: b\\r\\n\\r\\n",
            ],
        ),
    ]);
}

macro_rules! chunks {
    ($body:literal) => {
        post!(["transfer-encoding: chunked"], $body)
    };
}

#[test]
fn bad_chunks_end_the_request_and_the_connection() {
    const CUT: &[&str] = &[UNFINISHED];
    check(&[
        case("no size", chunks!("\r\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("letters", chunks!("zz\r\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("negative", chunks!("-5\r\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("plus", chunks!("+5\r\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("0x", chunks!("0x5\r\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("space before", chunks!(" 5\r\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("two numbers", chunks!("5 5\r\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case(
            "beyond 64 bits",
            chunks!("10000000000000005\r\nhello\r\n0\r\n\r\n"),
            "400 closed",
            CUT,
        ),
        case("bare LF", chunks!("5\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("bare CR", chunks!("5\rxhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("LF in an extension", chunks!("5;a\nb\r\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("size too small", chunks!("4\r\nhello\r\n0\r\n\r\n"), "400 closed", CUT),
        case("no end of a chunk", chunks!("5\r\nhello0\r\n\r\n"), "400 closed", CUT),
        case("LF as the end of a chunk", chunks!("5\r\nhello\n0\r\n\r\n"), "400 closed", CUT),
        case("bad size after a good one", chunks!("5\r\nhello\r\nzz\r\n\r\n"), "400 closed", CUT),
        case(
            "request behind a bad size",
            chunks!("zz\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: edge\r\n\r\n"),
            "400 closed",
            CUT,
        ),
        case("extension", chunks!("5;name=\"value\"\r\nhello\r\n0\r\n\r\n"), "200 open", CHUNKED),
        case("space behind", chunks!("5 \r\nhello\r\n0\r\n\r\n"), "200 open", CHUNKED),
        case("zeros", chunks!("0000000000005\r\nhello\r\n00\r\n\r\n"), "200 open", CHUNKED),
        case("many", chunks!("1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n"), "200 open", CHUNKED),
        case("none", chunks!("0\r\n\r\n"), "200 open", EMPTY),
        case(
            "a trailer that was not announced",
            chunks!("5\r\nhello\r\n0\r\nx-a: b\r\n\r\n"),
            "200 open",
            CHUNKED,
        ),
        case(
            "a trailer that is none",
            chunks!("5\r\nhello\r\n0\r\nx a\r\n\r\n"),
            "400 closed",
            CUT,
        ),
        case(
            "a trailer that was announced",
            post!(
                ["transfer-encoding: chunked", "trailer: x-a"],
                "5\r\nhello\r\n0\r\nx-a: b\r\n\r\n"
            ),
            "200 open",
            &[
                "POST /a HTTP/1.1 | host: edge | trailer: x-a | transfer-encoding: chunked | hello | trailer x-a: b",
            ],
        ),
        case(
            "trailers that pose as headers",
            post!(
                [
                    "transfer-encoding: chunked",
                    "trailer: x-client-identity, x-forwarded-for, x_a, content-length, host, proxy"
                ],
                "5\r\nhello\r\n0\r\nx-client-identity: root\r\nx-forwarded-for: 1.1.1.1\r\nx_a: 1\r\ncontent-length: 9\r\nhost: evil\r\nproxy: evil\r\n\r\n"
            ),
            "200 open",
            &[
                "POST /a HTTP/1.1 | host: edge | trailer: x-client-identity, x-forwarded-for, x_a, content-length, host, proxy | transfer-encoding: chunked | hello",
            ],
        ),
    ]);
}

#[test]
fn a_head_that_is_not_as_the_standard_has_it_is_refused_or_brought_into_its_form() {
    check(&[
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
        case(
            "space before the colon",
            "GET /a HTTP/1.1\r\nhost : edge\r\n\r\n",
            "400 closed",
            NONE,
        ),
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
        case(
            "a space before the method",
            " GET /a HTTP/1.1\r\nhost: edge\r\n\r\n",
            "400 closed",
            NONE,
        ),
        case(
            "parentheses in the method",
            "GE(T /a HTTP/1.1\r\nhost: edge\r\n\r\n",
            "400 closed",
            NONE,
        ),
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
        case(
            "a version in small letters",
            "GET /a http/1.1\r\nhost: edge\r\n\r\n",
            "400 closed",
            NONE,
        ),
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
            &["GET /a HTTP/1.1 | host: "],
        ),
        case("an expectation that nobody knows", get!("expect: the-unexpected"), "200 open", A),
    ]);
}

#[test]
fn there_is_one_host_and_one_target_that_agrees_with_it() {
    check(&[
        case("no host", "GET /a HTTP/1.1\r\n\r\n", "400 open", NONE),
        case("two hosts", get!("host: evil"), "400 open", NONE),
        case("the same host twice", get!("host: edge"), "400 open", NONE),
        case("a list of hosts", "GET /a HTTP/1.1\r\nhost: edge, evil\r\n\r\n", "400 open", NONE),
        case("a host with a path", "GET /a HTTP/1.1\r\nhost: edge/evil\r\n\r\n", "400 open", NONE),
        case("a host with a user", "GET /a HTTP/1.1\r\nhost: edge@evil\r\n\r\n", "400 open", NONE),
        case("a host with a space", "GET /a HTTP/1.1\r\nhost: edge evil\r\n\r\n", "400 open", NONE),
        case("a host with a query", "GET /a HTTP/1.1\r\nhost: edge?evil\r\n\r\n", "400 open", NONE),
        case(
            "a host with a quote",
            "GET /a HTTP/1.1\r\nhost: edge\"evil\r\n\r\n",
            "400 open",
            NONE,
        ),
        case(
            "a host with a large port",
            "GET /a HTTP/1.1\r\nhost: edge:99999\r\n\r\n",
            "400 open",
            NONE,
        ),
        case(
            "a host with a port",
            "GET /a HTTP/1.1\r\nhost: edge:81\r\n\r\n",
            "200 open",
            &["GET /a HTTP/1.1 | host: edge:81"],
        ),
        case(
            "an empty host",
            "GET /a HTTP/1.1\r\nhost:\r\n\r\n",
            "200 open",
            &["GET /a HTTP/1.1 | host: "],
        ),
        case("a host beyond ASCII", "GET /a HTTP/1.1\r\nhost: ädge\r\n\r\n", "400 open", NONE),
        case("absolute", "GET http://edge/a HTTP/1.1\r\nhost: edge\r\n\r\n", "200 open", A),
        case(
            "absolute with another host",
            "GET http://evil/a HTTP/1.1\r\nhost: edge\r\n\r\n",
            "400 open",
            NONE,
        ),
        case("absolute without a host", "GET http://edge/a HTTP/1.1\r\n\r\n", "400 open", NONE),
        case(
            "absolute with a user",
            "GET http://user@edge/a HTTP/1.1\r\nhost: edge\r\n\r\n",
            "400 open",
            NONE,
        ),
        case(
            "absolute for FTP",
            "GET ftp://edge/a HTTP/1.1\r\nhost: edge\r\n\r\n",
            "400 open",
            NONE,
        ),
        case("an authority", "GET edge:80 HTTP/1.1\r\nhost: edge:80\r\n\r\n", "400 open", NONE),
        case("CONNECT", "CONNECT edge:443 HTTP/1.1\r\nhost: edge:443\r\n\r\n", "501 open", NONE),
        case("CONNECT with a path", "CONNECT /a HTTP/1.1\r\nhost: edge\r\n\r\n", "501 open", NONE),
        case("TRACE", "TRACE /a HTTP/1.1\r\nhost: edge\r\n\r\n", "501 open", NONE),
        case("OPTIONS *", "OPTIONS * HTTP/1.1\r\nhost: edge\r\n\r\n", "204 open", NONE),
        case("GET *", "GET * HTTP/1.1\r\nhost: edge\r\n\r\n", "400 open", NONE),
        case("a word", "GET a HTTP/1.1\r\nhost: edge\r\n\r\n", "400 open", NONE),
        case("a query alone", "GET ?a HTTP/1.1\r\nhost: edge\r\n\r\n", "400 closed", NONE),
        case("an at sign", "GET @evil/a HTTP/1.1\r\nhost: edge\r\n\r\n", "400 closed", NONE),
    ]);
}

#[test]
fn the_upstream_sees_the_path_that_the_routes_saw() {
    macro_rules! path {
        ($path:literal) => {
            concat!("GET ", $path, " HTTP/1.1\r\nhost: edge\r\n\r\n")
        };
        ($path:literal, refused) => {
            case($path, path!($path), "400 open", NONE)
        };
        // The route of `/admin` answers.
        ($path:literal, kept) => {
            case($path, path!($path), "403 open", NONE)
        };
        ($path:literal, $seen:literal) => {
            case(
                $path,
                path!($path),
                "200 open",
                &[concat!("GET ", $seen, " HTTP/1.1 | host: edge")],
            )
        };
    }
    check(&[
        path!("/a/../b", "/b"),
        path!("/a/%2e%2e/b", "/b"),
        path!("/a/%2E./b", "/b"),
        path!("/a/./b/.", "/a/b/"),
        path!("//a///b", "/a/b"),
        path!("/..", refused),
        path!("/a/../../b", refused),
        path!("/%2e%2e/b", refused),
        path!("/..;/b", refused),
        path!("/a/..;x=y/b", refused),
        path!("/a;/../b", "/b"),
        path!("/a\\..\\b", refused),
        path!("/a%5c..%5cb", refused),
        path!("/a%2fb", refused),
        path!("/a/%2e%2e%2fb", refused),
        path!("/a%00b", refused),
        path!("/a%0d%0ax-a:%20b", refused),
        path!("/a%7f", refused),
        path!("/a%", refused),
        path!("/a%2", refused),
        path!("/a%zz", refused),
        path!("/a%u0041", refused),
        path!("/%c0%ae%c0%ae/b", refused),
        path!("/%e0%80%ae/b", refused),
        path!("/%61%7e", "/a~"),
        path!("/a%20b%c3%a4", "/a%20b%C3%A4"),
        path!("/a%252e%252e", "/a%252e%252e"),
        path!("/[a]|{b}", "/%5Ba%5D%7C%7Bb%7D"),
        path!("/a#b/../../c", "/a"),
        path!("/a?b=/../%2e%2e//c", "/a?b=/../%2e%2e//c"),
        path!("/a?", "/a?"),
        path!("/admin", kept),
        path!("//admin", kept),
        path!("/x/../admin", kept),
        path!("/./admin", kept),
        path!("/%61dmin", kept),
        path!("/%61%64%6d%69%6e/", kept),
        path!("/a/%2e%2e/admin", kept),
        path!("/admin?a", kept),
        path!("/admin#a", kept),
        path!("http://edge/admin", kept),
        path!("http://edge//admin", kept),
        path!("/admin/../a", "/a"),
        path!("/adminx", "/adminx"),
        path!("/ADMIN", "/ADMIN"),
        // Spaces and bytes beyond ASCII have no place in a request line.
        case("a space", path!("/a b"), "400 closed", NONE),
        case("null", path!("/a\0b"), "400 closed", NONE),
        case("a byte beyond ASCII", path!("/ä"), "400 open", NONE),
    ]);
}

#[test]
fn nobody_poses_as_somebody_else_and_what_is_for_one_connection_stays_there() {
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
            "forged identity",
            get!("x-client-identity: root", "X-Client-Identity: root", "x_client_identity: root"),
            "200 open",
            A,
        ),
        // CVE-2016-5385.
        case("Proxy", get!("proxy: http://evil"), "200 open", A),
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
        case("a request id", get!("x-request-id: abc-1"), "200 open", A),
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
    let rig = super::Rig::start();
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
