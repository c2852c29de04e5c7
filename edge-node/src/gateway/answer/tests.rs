//! What answers look like to the byte.

use http_body_util::BodyExt as _;

use super::*;
use crate::config::PathRewrite;

async fn text(answer: Answer) -> String {
    let mut text = format!("{}\n", answer.status().as_u16());
    for (name, value) in answer.headers() {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    text + "\n" + std::str::from_utf8(&body).unwrap()
}

#[tokio::test]
async fn a_fault_is_told_as_json_with_what_its_status_demands() {
    let json = "content-type: application/json\n";
    for (fault, expected) in [
        (Fault::NoRoute, format!("404\n{json}\n{{\"error\":\"no route matches the request\"}}\n")),
        (
            Fault::Method(vec![Method::GET, Method::HEAD]),
            format!(
                "405\n{json}allow: GET, HEAD\n\n{{\"error\":\"method is not allowed here\"}}\n"
            ),
        ),
        (
            Fault::RateLimited(Duration::from_millis(1001)),
            format!("429\n{json}retry-after: 2\n\n{{\"error\":\"too many requests\"}}\n"),
        ),
        (
            Fault::Range(7),
            format!(
                "416\n{json}content-range: bytes */7\n\n{{\"error\":\"range cannot be satisfied\"}}\n"
            ),
        ),
        (
            HeadFault::CodingAndLength.into(),
            format!(
                "400\n{json}connection: close\n\n{{\"error\":\"both Transfer-Encoding and Content-Length\"}}\n"
            ),
        ),
        (
            Fault::Paused,
            format!("503\n{json}retry-after: 10\n\n{{\"error\":\"paused for maintenance\"}}\n"),
        ),
    ] {
        assert_eq!(text(fault.answer()).await, expected);
    }
}

#[tokio::test]
async fn a_caller_of_grpc_gets_the_status_of_the_call() {
    let expected = "200\ncontent-type: application/grpc\ngrpc-status: 4\n\
                    grpc-message: upstream did not answer in time\n\n";
    assert_eq!(text(Fault::TimedOut.grpc_answer()).await, expected);
}

#[track_caller]
fn check_redirect(
    (scheme, authority): (Option<&str>, Option<&str>),
    asked: (&str, &str, &str, Option<&str>),
    expected: &str,
) {
    let settings = Redirect {
        status: StatusCode::PERMANENT_REDIRECT,
        scheme: scheme.map(Into::into),
        authority: authority.map(Into::into),
        path: PathRewrite::Keep,
    };
    let (scheme, authority, path, query) = asked;
    let answer = redirect(&settings, Asked { scheme, authority, path, query });
    assert_eq!(answer.status(), 308);
    assert_eq!(answer.headers()[header::LOCATION], expected);
}

#[test]
fn a_redirect_repeats_what_it_does_not_change() {
    let asked = ("http", "a:8080", "/b%20c", Some("d=e"));
    check_redirect((None, Some("w.x:1")), asked, "http://w.x:1/b%20c?d=e");
    check_redirect((None, None), asked, "http://a:8080/b%20c?d=e");
    check_redirect((Some("http"), None), asked, "http://a:8080/b%20c?d=e");
    check_redirect((None, None), ("http", "", "/b", None), "/b");
}

#[test]
fn to_another_scheme_goes_no_port_of_this_one() {
    let to = (Some("https"), None);
    check_redirect(to, ("http", "a:8080", "/", None), "https://a/");
    check_redirect(to, ("http", "[::1]:8080", "/", None), "https://[::1]/");
    check_redirect(to, ("http", "[::1]", "/", None), "https://[::1]/");
    check_redirect(to, ("http", "a:", "/", None), "https://a/");
}

#[tokio::test]
async fn a_fixed_response_is_as_configured() {
    let fixed = |status, body: &str| {
        Fixed::new(&FixedResponse {
            status,
            body: body.into(),
            content_type: HeaderValue::from_static("text/plain"),
        })
    };
    let pong = fixed(StatusCode::OK, "pong\n");
    for _ in 0..2 {
        assert_eq!(text(pong.answer()).await, "200\ncontent-type: text/plain\n\npong\n");
    }
    assert_eq!(text(fixed(StatusCode::NO_CONTENT, "x").answer()).await, "204\n\n");
    assert_eq!(text(fixed(StatusCode::GONE, "").answer()).await, "410\n\n");
    assert_eq!(text(present()).await, "204\n\n");
}
