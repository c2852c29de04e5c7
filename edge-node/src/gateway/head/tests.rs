//! Which heads are sane, and what each fault is answered with.

use http::{HeaderValue, Request};
use proptest::prelude::*;

use super::*;

fn parts(version: Version, line: &str, headers: &[(&str, &str)]) -> Parts {
    let (method, target) = line.split_once(' ').unwrap();
    let request = Request::builder().version(version).method(method).uri(target);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

#[track_caller]
fn check_http1(line: &str, headers: &[(&str, &str)], expected: Result<(&str, &str), HeadFault>) {
    check_version(Version::HTTP_11, line, headers, expected);
}

#[track_caller]
fn check_version(
    version: Version,
    line: &str,
    headers: &[(&str, &str)],
    expected: Result<(&str, &str), HeadFault>,
) {
    let parts = parts(version, line, headers);
    let head = check(&parts);
    let found = head.as_ref().map_err(|fault| *fault).map(|head| match &head.target {
        Target::Path { path, .. } => (&*head.host, &**path),
        Target::Server => (&*head.host, "*"),
    });
    assert_eq!(found, expected, "{version:?} {line} {headers:?}");
}

#[test]
fn the_host_is_lower_case_without_port_and_without_the_dot_of_the_root() {
    check_http1("GET /a", &[("host", "Edge.Example.:80")], Ok(("edge.example", "/a")));
    check_http1("GET /a", &[("host", "[::1]:80")], Ok(("[::1]", "/a")));
    let parts = parts(Version::HTTP_11, "GET /a?b=c", &[("host", "edge:80")]);
    let head = check(&parts).unwrap();
    assert!(matches!(head.host, Cow::Borrowed("edge")));
    assert_eq!(head.authority, "edge:80");
    let path = Cow::Borrowed("/a");
    assert_eq!(head.target, Target::Path { path, query: Some("b=c") });
}

#[test]
fn one_valid_host_is_demanded_but_of_http_1_0() {
    check_http1("GET /", &[], Err(HostFault::Missing.into()));
    check_http1("GET /", &[("host", "a"), ("host", "a")], Err(HostFault::Several.into()));
    check_http1("GET /", &[("host", "a b")], Err(HostFault::Invalid.into()));
    check_http1("GET /", &[("host", "")], Err(HostFault::Invalid.into()));
    check_http1("GET /", &[("host", ":80")], Err(HostFault::Invalid.into()));
    check_http1("OPTIONS *", &[("host", "")], Err(HostFault::Invalid.into()));
    check_http1("GET /", &[("host", "u@a")], Err(HostFault::Invalid.into()));
    check_version(Version::HTTP_10, "GET /", &[], Ok(("", "/")));
    check_version(Version::HTTP_10, "GET /", &[("host", "")], Err(HostFault::Invalid.into()));
    check_version(Version::HTTP_2, "GET /", &[], Err(HostFault::Missing.into()));
    check_version(Version::HTTP_2, "GET /", &[("host", "")], Err(HostFault::Invalid.into()));
    check_version(Version::HTTP_2, "GET /", &[("host", "a")], Ok(("a", "/")));
}

#[test]
fn a_target_with_an_authority_agrees_with_the_host() {
    let mismatch = Err(HostFault::Mismatch.into());
    check_http1("GET http://A:80/b", &[("host", "a:80")], Ok(("a", "/b")));
    check_http1("GET http://a", &[("host", "a")], Ok(("a", "/")));
    check_http1("GET http://a/", &[("host", "b")], mismatch);
    check_http1("GET http://a/", &[("host", "")], Err(HostFault::Invalid.into()));
    check_http1("GET http://a/", &[], Err(HostFault::Missing.into()));
    check_http1("GET http://u@a/", &[("host", "u@a")], Err(HostFault::Invalid.into()));
    check_version(Version::HTTP_2, "GET https://a/b", &[], Ok(("a", "/b")));
    check_version(Version::HTTP_2, "GET https://a/b", &[("host", "A")], Ok(("a", "/b")));
    check_version(Version::HTTP_2, "GET https://a/b", &[("host", "b")], mismatch);
    check_version(Version::HTTP_2, "GET https://u@a/b", &[], Err(HostFault::Invalid.into()));
    check_version(Version::HTTP_10, "GET http://a/b", &[], Ok(("a", "/b")));
}

#[test]
fn only_paths_and_http_urls_are_targets_and_the_asterisk_for_options() {
    let host = &[("host", "a")];
    check_http1("OPTIONS *", host, Ok(("a", "*")));
    check_http1("GET *", host, Err(HeadFault::Target));
    check_http1("GET ftp://a/", host, Err(HeadFault::Target));
    check_http1("GET a", host, Err(HeadFault::Target));
    check_http1("GET a:80", &[("host", "a:80")], Err(HeadFault::Target));
    check_http1("CONNECT a:80", &[("host", "a:80")], Err(HeadFault::Method));
    check_http1("TRACE /", host, Err(HeadFault::Method));
    check_http1("GET /../x", host, Err(PathFault::AboveRoot.into()));
}

#[test]
fn there_is_one_way_to_read_where_a_body_ends() {
    let check = |version, headers: &[(&str, &str)], expected| {
        let headers = [&[("host", "a")], headers].concat();
        check_version(version, "POST /", &headers, expected);
    };
    let (fine, te, cl) = (Ok(("a", "/")), "transfer-encoding", "content-length");
    check(Version::HTTP_11, &[(te, "Chunked")], fine);
    check(Version::HTTP_11, &[(cl, "0")], fine);
    check(Version::HTTP_10, &[(cl, "7")], fine);
    check(Version::HTTP_10, &[(te, "chunked")], Err(HeadFault::CodingVersion));
    check(Version::HTTP_2, &[(te, "chunked")], Err(HeadFault::CodingVersion));
    check(Version::HTTP_11, &[(te, "chunked"), (cl, "7")], Err(HeadFault::CodingAndLength));
    for coding in ["gzip, chunked", "identity", "xchunked", "", "chunked, chunked"] {
        check(Version::HTTP_11, &[(te, coding)], Err(HeadFault::Coding));
    }
    check(Version::HTTP_11, &[(te, "chunked"), (te, "chunked")], Err(HeadFault::Coding));
    for length in ["", "+7", "-1", "7, 7", "0x7", "7 7", "18446744073709551616"] {
        check(Version::HTTP_11, &[(cl, length)], Err(HeadFault::Length));
    }
    check(Version::HTTP_11, &[(cl, "7"), (cl, "7")], Err(HeadFault::Length));
}

#[test]
fn each_fault_has_its_status_and_framing_faults_end_the_connection() {
    for (fault, status, is_framing) in [
        (HostFault::Missing.into(), 400, false),
        (PathFault::AboveRoot.into(), 400, false),
        (PathFault::TooLong.into(), 414, false),
        (HeadFault::Method, 501, false),
        (HeadFault::Coding, 501, true),
        (HeadFault::CodingAndLength, 400, true),
        (HeadFault::Length, 400, true),
    ] {
        assert_eq!((fault.status().as_u16(), fault.is_framing()), (status, is_framing), "{fault}");
    }
}

#[test]
fn headers_that_pose_as_others_are_taken_away() {
    let mut headers = HeaderMap::new();
    let odd = ["x_forwarded_for", "x.real.ip", "x-a_b", "proxy", "x!", "x*"];
    for name in odd.into_iter().chain(["x-forwarded-for", "proxy-authorization", "x-1"]) {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
        headers.append(HeaderName::from_static(name), HeaderValue::from_static("2"));
    }
    scrub(&mut headers);
    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["proxy-authorization", "x-1", "x-forwarded-for"]);
    assert_eq!(headers.len(), 6);
}

#[test]
fn trailers_do_not_tell_what_only_the_gateway_may() {
    let mut trailers = HeaderMap::new();
    let way = ["x-forwarded-for", "x-forwarded-user", "x-real-ip", "forwarded"];
    let reserved = ["x-client-identity", "host", "content-length"];
    for name in way.into_iter().chain(reserved).chain(["proxy", "x_a", "grpc-status", "x-a"]) {
        trailers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
    }
    scrub_trailers(&mut trailers);
    assert_eq!(trailers.len(), 2);
    assert!(trailers.contains_key("grpc-status") && trailers.contains_key("x-a"));
}

#[test]
fn an_answer_is_framed_in_one_way() {
    for (lines, expected) in [
        (&[][..], true),
        (&[("content-length", "5")], true),
        (&[("content-length", "5"), ("content-length", "5")], true),
        (&[("content-length", "5"), ("content-length", "6")], false),
        (&[("content-length", "5, 5")], false),
        (&[("content-length", "+5")], false),
        (&[("content-length", "")], false),
        (&[("transfer-encoding", "Chunked")], true),
        (&[("transfer-encoding", "chunked"), ("content-length", "5")], false),
        (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
        (&[("transfer-encoding", "gzip, chunked")], false),
        (&[("transfer-encoding", "gzip")], false),
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(is_framed_once(&headers), expected, "{lines:?}");
    }
}

#[test]
fn crumbs_of_a_cookie_become_one_line() {
    let mut headers = HeaderMap::new();
    join_cookies(&mut headers);
    for crumb in ["a=1", "b=2", "c=3"] {
        headers.append(header::COOKIE, HeaderValue::from_static(crumb));
    }
    join_cookies(&mut headers);
    let lines: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
    assert_eq!(lines, ["a=1; b=2; c=3"]);
}

proptest! {
    #[test]
    fn what_is_sane_has_a_plain_host_and_a_normal_path(
        target in "(http://)?[a-zA-Z.:@\\[\\]*]{0,8}(/[a-z%.;]{0,4}){0,4}\\??",
        host in "[a-zA-Z.:0-9@]{0,8}",
    ) {
        let request = Request::builder().uri(target).header(header::HOST, host).body(());
        let Ok(parts) = request.map(|request| request.into_parts().0) else { return Ok(()) };
        let Ok(head) = check(&parts) else { return Ok(()) };
        prop_assert!(!head.host.contains(['@', '/']) && !head.host.ends_with('.'));
        prop_assert!(!head.host.bytes().any(|byte| byte.is_ascii_uppercase()));
        let Target::Path { path, .. } = head.target else { return Ok(()) };
        prop_assert_eq!(path::normalise(&path), Ok(path.clone()));
    }
}
