//! The admin listener's routes: `/livez`, `/readyz` and `/metrics` for supervisors and scrapers,
//! `/v1/reload`, `/v1/log-level` and `/v1/upstreams` for operators.
//!
//! Live means that the process answers, ready that it wants requests: two questions, two
//! answers; how the upstreams are is a third, which changes neither. A reload is asked for here and done elsewhere; beside the log level nothing else
//! changes the service.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use crate::host_header;
use crate::observe::exposition::Exposition;
use crate::observe::logs::Logs;
use crate::observe::metrics::{Metrics, measure};
use crate::phase::Phase;
use crate::reload::{self, Applied, Outcome};
use crate::report;
use crate::upstream::Pools;

mod log_level;
mod upstreams;

/// Plain text, to the letter.
const TEXT: &str = "text/plain; charset=utf-8";

/// What the routes answer from.
#[derive(Clone)]
pub struct Admin {
    /// What is scraped.
    pub metrics: Arc<Metrics>,
    /// What decides readiness.
    pub phases: watch::Receiver<Phase>,
    /// Where a reload is asked for.
    pub reloads: mpsc::Sender<reload::Request>,
    /// The config file, to name it.
    pub config: Arc<Path>,
    /// Whose level is told and changed.
    pub logs: Logs,
    /// Whose health is told.
    pub pools: Pools,
}

/// Whom the admin listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Bound to loopback: only requests whose `Host` is an address or `localhost`, so that a web
    /// page in a local browser cannot reach it through a name of its own (DNS rebinding).
    LoopbackNames,
    /// Bound to the network: whoever reaches it.
    Anybody,
}

impl Guard {
    /// The guard of a listener that is bound to this address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_loopback() { Self::LoopbackNames } else { Self::Anybody }
    }
}

/// The router of the admin listener.
pub fn routes(listener: &Arc<str>, guard: Guard, admin: Admin) -> Router {
    let http = admin.metrics.http();
    let meter = |route| from_fn_with_state(http.route(listener, route), measure);
    let admit = || from_fn_with_state(guard, admit);
    // The meter is the outermost layer: what is refused is counted as well.
    Router::new()
        .route("/livez", get(livez).layer(admit()).layer(meter("/livez")))
        .route("/readyz", get(readyz).layer(admit()).layer(meter("/readyz")))
        .route("/metrics", get(scrape).layer(admit()).layer(meter("/metrics")))
        .route("/v1/reload", post(reload_config).layer(admit()).layer(meter("/v1/reload")))
        .route(
            "/v1/log-level",
            get(log_level::tell)
                .put(log_level::change)
                .layer(admit())
                .layer(meter("/v1/log-level")),
        )
        .route("/v1/upstreams", get(upstreams::tell).layer(admit()).layer(meter("/v1/upstreams")))
        .fallback_service(any(not_found).layer(admit()).layer(meter("unmatched")))
        .with_state(admin)
}

async fn livez() -> impl IntoResponse {
    text(StatusCode::OK, "live\n".to_owned())
}

async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    let reason = admin.phases.borrow().unready_reason();
    match reason {
        None => text(StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn scrape(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let form = Exposition::accepted_by(accept);
    // Process figures are files and the text may be long: both stay off the thread that answers.
    match tokio::task::spawn_blocking(move || admin.metrics.expose(form)).await {
        Ok(body) => ([(header::CONTENT_TYPE, form.content_type())], body).into_response(),
        Err(_panicked) => {
            text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be made\n".to_owned())
                .into_response()
        }
    }
}

async fn not_found() -> impl IntoResponse {
    let hint = "not found: try /livez, /readyz, /metrics or /v1/upstreams\n";
    text(StatusCode::NOT_FOUND, hint.to_owned())
}

/// Reads the config again; 200 with what changed, or 422 with what `edge-node check` prints, both
/// as JSON to who accepts it.
async fn reload_config(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    if is_from_elsewhere(&headers) {
        let refusal = "forbidden: a page of another origin may not ask for this\n".to_owned();
        return text(StatusCode::FORBIDDEN, refusal).into_response();
    }
    let (answer, outcome) = oneshot::channel();
    let outcome = match admin.reloads.try_send(reload::Request { answer }) {
        // A service that drains drops the request.
        Ok(()) => outcome.await.ok(),
        Err(_full_or_closed) => None,
    };
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_json = accept.is_some_and(|accept| accept.contains("application/json"));
    match outcome {
        Some(outcome) if wants_json => tell_program(&admin.config, &outcome),
        Some(outcome) => tell_person(&outcome),
        None => {
            let refusal = "unavailable: too many reloads, or the service stops\n".to_owned();
            text(StatusCode::SERVICE_UNAVAILABLE, refusal).into_response()
        }
    }
}

fn tell_program(config: &Path, outcome: &Outcome) -> Response {
    let (code, verdict) = match outcome {
        Ok(Applied { changed }) => {
            let mut verdict = report::verdict(config, json!([]));
            verdict["changed"] = json!(changed);
            (StatusCode::OK, verdict)
        }
        Err(failure) => {
            let verdict = report::verdict(config, report::failure_json(failure));
            (StatusCode::UNPROCESSABLE_ENTITY, verdict)
        }
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (code, headers, format!("{verdict:#}\n")).into_response()
}

fn tell_person(outcome: &Outcome) -> Response {
    match outcome {
        Ok(applied) => text(StatusCode::OK, applied_text(applied)).into_response(),
        Err(failure) => {
            let report = report::failure_text(failure, false);
            text(StatusCode::UNPROCESSABLE_ENTITY, report).into_response()
        }
    }
}

fn applied_text(applied: &Applied) -> String {
    let Applied { changed } = applied;
    let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
    format!("reloaded, changed: {changed}\n")
}

/// True for a request that a web page of another origin makes a browser send: those carry
/// `Origin`, and what we serve is no page that could send one itself.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
}

fn text(code: StatusCode, body: String) -> impl IntoResponse + use<> {
    (code, [(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-store")], body)
}

/// Refuses requests whose `Host` is wrong, or not for us.
async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if let Some(fault) = host_header::fault(&request) {
        return text(StatusCode::BAD_REQUEST, format!("bad request: {fault}\n")).into_response();
    }
    let host = request.headers().get(header::HOST);
    // HTTP/1.0 has no Host, and no browser speaks it.
    let is_local = host.is_none_or(|host| host.to_str().is_ok_and(is_local_name));
    match guard {
        Guard::LoopbackNames if !is_local => text(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected: use an address or `localhost` as host\n".to_owned(),
        )
        .into_response(),
        Guard::LoopbackNames | Guard::Anybody => next.run(request).await,
    }
}

/// True for an IP address or `localhost`, with or without a port.
fn is_local_name(host: &str) -> bool {
    if host.parse::<std::net::SocketAddr>().is_ok() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok()
        || bare.is_some_and(|name| name.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests;
