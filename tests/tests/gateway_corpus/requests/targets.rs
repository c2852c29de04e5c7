//! Whom a request is for: its host and its path.

use super::{A, NONE, get};
use crate::{case, check};

#[test]
fn there_is_one_host() {
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
        case("an empty host", "GET /a HTTP/1.1\r\nhost:\r\n\r\n", "400 open", NONE),
        case("a port alone", "GET /a HTTP/1.1\r\nhost: :80\r\n\r\n", "400 open", NONE),
        case("an empty host in HTTP/1.0", "GET /a HTTP/1.0\r\nhost:\r\n\r\n", "400 closed", NONE),
        case(
            "an empty host for the server",
            "OPTIONS * HTTP/1.1\r\nhost:\r\n\r\n",
            "400 open",
            NONE,
        ),
        case("a host beyond ASCII", "GET /a HTTP/1.1\r\nhost: ädge\r\n\r\n", "400 open", NONE),
    ]);
}

#[test]
fn there_is_one_target_that_agrees_with_the_host() {
    check(&[
        case(
            "absolute with an empty host",
            "GET http://edge/a HTTP/1.1\r\nhost:\r\n\r\n",
            "400 open",
            NONE,
        ),
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
        case($path, path!($path), "200 open", &[concat!("GET ", $seen, " HTTP/1.1 | host: edge")])
    };
}

#[test]
fn the_upstream_sees_the_path_that_the_routes_saw() {
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
        // Spaces and bytes beyond ASCII have no place in a request line.
        case("a space", path!("/a b"), "400 closed", NONE),
        case("null", path!("/a\0b"), "400 closed", NONE),
        case("a byte beyond ASCII", path!("/ä"), "400 open", NONE),
    ]);
}

#[test]
fn a_route_is_not_passed_by_in_another_spelling() {
    check(&[
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
    ]);
}
