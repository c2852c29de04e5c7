//! `/v1/log-level`: GET tells the least level that is written, PUT changes it until the next reload
//! or restart, which go by the config file.

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{Admin, is_from_elsewhere, text};
use crate::observe::logs::Level;

/// The longest word with room for a newline and spaces.
const BODY_BYTES_MAX: usize = 64;

pub(super) async fn tell(State(admin): State<Admin>) -> impl IntoResponse {
    text(StatusCode::OK, word(admin.logs.level()))
}

pub(super) async fn change(State(admin): State<Admin>, headers: HeaderMap, body: Body) -> Response {
    if is_from_elsewhere(&headers) {
        let refusal = "forbidden: a page of another origin may not ask for this\n".to_owned();
        return text(StatusCode::FORBIDDEN, refusal).into_response();
    }
    let Some(level) = read(body).await else {
        let words = Level::ALL.map(|level| level.as_str().to_lowercase()).join(", ");
        let refusal = format!("bad request: the body must be one of {words}\n");
        return text(StatusCode::BAD_REQUEST, refusal).into_response();
    };
    let former = admin.logs.level();
    // Said at whichever of the two lets it through.
    admin.logs.set_level(former.min(level));
    admin
        .logs
        .record(Level::Info, "admin", "log level changed")
        .field("from", former.as_str())
        .field("to", level.as_str())
        .emit();
    admin.logs.set_level(level);
    text(StatusCode::OK, word(level)).into_response()
}

/// The level that a body names.
async fn read(body: Body) -> Option<Level> {
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.ok()?;
    Level::of_word(std::str::from_utf8(&bytes).ok()?.trim())
}

fn word(level: Level) -> String {
    level.as_str().to_lowercase() + "\n"
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, Request, header};
    use tower::ServiceExt as _;

    use super::super::tests::{read, routes_in};
    use super::super::{Guard, TEXT};
    use super::*;
    use crate::phase::Phase;

    async fn put(router: &axum::Router, body: &str, origin: Option<&str>) -> (u16, String) {
        let mut request = Request::builder()
            .method(Method::PUT)
            .uri("/v1/log-level")
            .header(header::HOST, "localhost");
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (code, kind, text) = read(router.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(kind, TEXT);
        (code, text)
    }

    #[tokio::test]
    async fn the_level_is_told_and_changed() {
        let (router, _metrics, _requests) = routes_in(Phase::Serving, Guard::LoopbackNames);
        for level in Level::ALL {
            let lower = word(level);
            assert_eq!(put(&router, &lower, None).await, (200, lower.clone()));
            let request = Request::builder().uri("/v1/log-level").header(header::HOST, "localhost");
            let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await;
            assert_eq!(read(answer.unwrap()).await, (200, TEXT.to_owned(), lower));
        }
    }

    #[tokio::test]
    async fn what_is_no_level_or_comes_from_a_web_page_changes_nothing() {
        let (router, _metrics, _requests) = routes_in(Phase::Serving, Guard::LoopbackNames);
        assert_eq!(put(&router, "warn", None).await.0, 200);
        let refusal =
            "bad request: the body must be one of trace, debug, info, warn, error, fatal\n";
        for body in ["", "loud", "debug info", &" ".repeat(100)] {
            assert_eq!(put(&router, body, None).await, (400, refusal.to_owned()), "{body:?}");
        }
        assert_eq!(put(&router, "trace", Some("http://evil.example")).await.0, 403);
        assert_eq!(put(&router, "WARN\n", None).await, (200, "warn\n".to_owned()));
    }
}
