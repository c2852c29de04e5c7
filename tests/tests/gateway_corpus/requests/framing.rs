//! Where a body ends: `Content-Length`, `Transfer-Encoding` and chunks.

use super::{CHUNKED, NONE, POST, post};
use crate::{Case, UNFINISHED, case, check};

const EMPTY: &[&str] = &["POST /a HTTP/1.1 | host: edge | transfer-encoding: chunked"];

/// A request whose body is as the standard has it but for how its length is told; behind it lies what a front that reads
/// the length in another way would take for a part of the body.
macro_rules! smuggle {
    ($($headers:literal),*) => {
        post!([$($headers),*], "5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: edge\r\n\r\n")
    };
}

#[test]
fn where_a_body_ends_is_read_in_one_way_or_not_at_all() {
    check(LENGTHS);
}

/// How the length of a body is told.
const LENGTHS: &[Case] = &[
    // The coding counts, no length goes on and the connection ends: what follows is no request. hyper drops the length
    // before anybody sees it, so the gateway cannot refuse these; RFC 9112, section 6.1 allows either.
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
        "CL.TE that wants to stay",
        smuggle!("content-length: 5", "transfer-encoding: chunked", "connection: keep-alive"),
        "200 closed",
        CHUNKED,
    ),
    case(
        "CL.TE where all of it is one body by the length",
        smuggle!("content-length: 54", "transfer-encoding: chunked"),
        "200 closed",
        CHUNKED,
    ),
    case(
        "TE.CL where there is no body by the length",
        smuggle!("transfer-encoding: chunked", "content-length: 0"),
        "200 closed",
        CHUNKED,
    ),
    case(
        "TE.CL.CL, differing",
        smuggle!("transfer-encoding: chunked", "content-length: 5", "content-length: 6"),
        "200 closed",
        CHUNKED,
    ),
    case(
        "CL.TE.CL, differing",
        smuggle!("content-length: 5", "transfer-encoding: chunked", "content-length: 6"),
        "200 closed",
        CHUNKED,
    ),
    case(
        "CL.CL.TE, differing",
        smuggle!("content-length: 5", "content-length: 6", "transfer-encoding: chunked"),
        "400 closed",
        NONE,
    ),
    // Answered without a look at the body.
    case(
        "CL.TE for the gateway itself",
        "POST /admin HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: edge\r\n\r\n",
        "403 closed",
        NONE,
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
    case("CL with spaces around", post!(["content-length: \t 5 \t"], "hello"), "200 open", POST),
    case("TE of another kind", smuggle!("transfer-encoding: xchunked"), "400 closed", NONE),
    case("TE identity", smuggle!("transfer-encoding: identity"), "400 closed", NONE),
    case(
        "TE chunked, identity",
        smuggle!("transfer-encoding: chunked, identity"),
        "400 closed",
        NONE,
    ),
    case("TE gzip, chunked", smuggle!("transfer-encoding: gzip, chunked"), "501 closed", NONE),
    case("TE chunked twice", smuggle!("transfer-encoding: chunked, chunked"), "501 closed", NONE),
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
    case("TE with a vertical tab", smuggle!("transfer-encoding: \x0bchunked"), "400 closed", NONE),
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
];

macro_rules! chunks {
    ($body:literal) => {
        post!(["transfer-encoding: chunked"], $body)
    };
}

const CUT: &[&str] = &[UNFINISHED];

#[test]
fn bad_chunks_end_the_request_and_the_connection() {
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
    ]);
}

#[test]
fn trailers_pass_and_pose_as_no_headers() {
    check(&[
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
