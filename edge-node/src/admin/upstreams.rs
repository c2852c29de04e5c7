//! `/v1/upstreams`: GET tells what is known of each upstream, and why.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Admin, text};
use crate::upstream::report::{Clocks, report};

pub(super) async fn tell(State(admin): State<Admin>) -> Response {
    let clocks = Clocks { now: Instant::now(), wall: Timestamp::now() };
    let report = report(&admin.pools.current(), clocks);
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    match serde_json::to_string_pretty(&report) {
        Ok(body) => (headers, body + "\n").into_response(),
        Err(error) => {
            let fault = format!("report cannot be made: {error}\n");
            text(StatusCode::INTERNAL_SERVER_ERROR, fault).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::super::Guard;
    use super::super::tests::{read, routes_with};
    use crate::phase::Phase;
    use crate::upstream::pool::tests::probed;
    use crate::upstream::{Pool, Pools};

    fn get(path: &str, host: &str) -> Request<Body> {
        Request::builder().uri(path).header("host", host).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn upstreams_are_told_as_json_and_do_not_change_readiness() {
        let pools = Pools::default();
        let (router, ..) = routes_with(Phase::Serving, Guard::LoopbackNames, pools.clone());
        let ask = |path| router.clone().oneshot(get(path, "localhost"));
        let (code, kind, body) = read(ask("/v1/upstreams").await.unwrap()).await;
        assert_eq!((code, kind.as_str()), (200, "application/json"));
        assert_eq!(body, "{\n  \"pools\": []\n}\n");
        let pool = Pool::new(&probed(2), None);
        for upstream in pool.upstreams() {
            pool.probed(upstream, false, None);
        }
        pools.set(vec![pool]);
        let (_, _, body) = read(ask("/v1/upstreams").await.unwrap()).await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["pools"][0]["panic-mode"], true);
        assert_eq!(body["pools"][0]["upstreams"][1]["state"], "unhealthy");
        assert_eq!(read(ask("/readyz").await.unwrap()).await.0, 200);
        assert_eq!(read(ask("/livez").await.unwrap()).await.0, 200);
    }

    #[tokio::test]
    async fn a_page_from_elsewhere_does_not_see_them() {
        let (router, ..) = routes_with(Phase::Serving, Guard::LoopbackNames, Pools::default());
        let answer = router.oneshot(get("/v1/upstreams", "evil.example")).await.unwrap();
        assert_eq!(read(answer).await.0, 421);
    }
}
