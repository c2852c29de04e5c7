//! A request's way to an upstream and back: what its head becomes on the way there, and what the
//! answer's head becomes on the way back. Who is asked and how often is in `retry.rs`.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;

use super::answer::Fault;
use super::body::{BodyLimits, Origin, Passed, Stall};
use super::client::Destination;
use super::exchange::Exchange;
use super::forwarded::{self, Way};
use super::reply::{Reply, is_grpc};
use super::retry::{Answered, Message, Sending, grpc_timeout};
use super::snapshot::{Entry, PoolAtWork};
use super::table::Found;
use super::{Path, head, rewrite, tunnel};
use crate::config::{Balance, Forward, HashKey, HostRewrite, Protocol};
use crate::upstream::{self, Upstream};

/// Tells upstreams who a client is by its certificate; never what a client says of itself.
const X_CLIENT_IDENTITY: HeaderName = HeaderName::from_static("x-client-identity");

/// Headers of one connection, which go no further. Sources: RFC 9110, section 7.6.1; RFC 9113,
/// section 8.2.2.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// Headers of a request that are not passed on as they were sent: hyper asks a client to go on as
/// soon as its body is wanted, and the others are set anew.
const REQUEST_ONLY: [HeaderName; 3] = [header::TE, header::EXPECT, X_CLIENT_IDENTITY];

/// Where a request goes.
pub struct Going<'a> {
    pub settings: &'a Forward,
    pub pool: &'a PoolAtWork,
    pub found: &'a Found<'a, Entry>,
}

/// Forwards a request to an upstream.
///
/// # Errors
/// What to answer in the place of one.
pub async fn forward(
    exchange: &mut Exchange,
    going: Going<'_>,
    path: &Path,
    mut parts: Parts,
    body: Incoming,
) -> Result<Reply, Fault> {
    let Going { settings, pool, found } = going;
    let upgrade = upgrade(&mut parts, &body, pool.connector.protocol());
    let wanted = if is_grpc(&parts.headers) { grpc_timeout(&parts.headers) } else { None };
    let timeout = wanted.unwrap_or(Duration::MAX).min(settings.timeout);
    let hash = hash(exchange, &pool.pool.settings().balance, &parts.headers);
    let target = target(&going_path(settings, found, path, &parts.uri), path, &parts.uri);
    let target = target.ok_or(Fault::Internal)?;
    let limits = body_limits(exchange, found, settings);
    prepare(exchange, &mut parts, upgrade.is_some());
    rewrite::headers(&found.route.route.settings.request_headers, &mut parts.headers);
    if pool.connector.protocol() == Protocol::Http1 {
        frame(&mut parts.headers, &body);
    }
    let mut head = Request::new(());
    *head.method_mut() = parts.method;
    *head.headers_mut() = parts.headers;
    let origin = Origin { pulse: Arc::clone(&exchange.context.pulse), number: exchange.number };
    let mut message = Message::new(head, body, limits, origin);
    exchange.pool = Some(Arc::clone(&settings.pool));
    let host = exchange.host.clone();
    let mut adapt = |head: &mut Request<()>, upstream: &Upstream, is_secure: bool| {
        let authority = match &settings.host {
            // Of an old client that names none, the upstream is asked under its own name, as servers refuse an empty one.
            HostRewrite::Keep => host.clone().or_else(|| upstream_host(upstream)),
            HostRewrite::Fixed(fixed) => Some(fixed.clone()),
            HostRewrite::Upstream => upstream_host(upstream),
        };
        address(head, authority, target.clone(), pool.connector.protocol(), is_secure);
    };
    let deadline = exchange.start + timeout;
    let worker = std::rc::Rc::clone(&exchange.context.worker);
    let failed = Cell::new(None);
    let mut note = |destination: &Arc<Destination>| {
        exchange.upstream = Some(Arc::clone(&destination.label));
        exchange.tries += 1;
    };
    let mut sending = Sending {
        connections: &worker.upstreams,
        pool,
        forward: settings,
        hash,
        deadline,
        is_hurried: timeout < settings.timeout,
        note: &mut note,
        fail: &mut |error| failed.set(Some(error)),
        adapt: &mut adapt,
    };
    let answered = sending.send(&mut message).await;
    exchange.error = failed.take();
    let answered = answered?;
    pass(answered, Stall::new(settings.stream_idle_timeout, message.traffic()), upgrade)
}

fn body_limits(exchange: &Exchange, found: &Found<'_, Entry>, settings: &Forward) -> BodyLimits {
    let listener = &exchange.site.settings;
    BodyLimits {
        bytes_max: found.route.route.settings.body_bytes_max.or(listener.body_bytes_max),
        rate_min: listener.body_rate_min,
        grace: listener.listener.header_read_timeout,
        stall: settings.stream_idle_timeout,
    }
}

/// Passes an answer on.
fn pass(answered: Answered, stall: Stall, upgrade: Option<Upgrade>) -> Result<Reply, Fault> {
    let Answered { response, lease, attempt } = answered;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked for it otherwise.
        let Upgrade { client } = upgrade.ok_or(Fault::BadAnswer)?;
        return Ok(tunnel::agreed(client, response, attempt, stall.limit));
    }
    let (mut head, incoming) = response.into_parts();
    strip(&mut head.headers);
    head.version = Version::HTTP_11;
    let passed = Passed::new(incoming, lease, attempt, stall);
    Ok(Reply::passed(head, passed))
}

/// The path that the upstream sees.
fn going_path<'a>(
    settings: &Forward,
    found: &Found<'_, Entry>,
    path: &'a Path,
    uri: &'a Uri,
) -> std::borrow::Cow<'a, str> {
    rewrite::path(&settings.path, found.path, path.text(uri), &found.parameters)
}

/// The target that the upstream sees; none where it would be too long.
fn target(going: &str, path: &Path, uri: &Uri) -> Option<PathAndQuery> {
    if let (Path::Sent, Some(sent)) = (path, uri.path_and_query())
        && sent.path() == going
    {
        return Some(sent.clone());
    }
    let target = match uri.query() {
        Some(query) => [going, "?", query].concat(),
        None => going.to_owned(),
    };
    PathAndQuery::try_from(target).ok()
}

/// Makes the headers of a request those that an upstream is to see.
fn prepare(exchange: &mut Exchange, parts: &mut Parts, is_upgrade: bool) {
    let headers = &mut parts.headers;
    strip_request(headers, is_upgrade);
    let context = &exchange.context;
    if let Some(identity) = &context.identity_header {
        headers.insert(X_CLIENT_IDENTITY, identity.clone());
    }
    let way = Way {
        peer: context.peer.ip(),
        is_secure: context.is_secure,
        host: exchange.host.as_ref(),
        listener: exchange.site.settings.listener.address,
        trusted: &exchange.site.settings.trusted_proxies,
    };
    context.via.borrow_mut().tell(way, headers);
    let made = || context.worker.random.request_id();
    exchange.request_id = Some(forwarded::request_id(headers, way.is_trusted(), made));
}

/// Says of a body whose length is not told that it comes in chunks: hyper would leave out that of a GET.
fn frame(headers: &mut HeaderMap, body: &Incoming) {
    if !body.is_end_stream() && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Takes away of a request what concerns one connection only and what no client may say. What is asked for anew is the
/// client's wish for trailers, and for another protocol if this `is_upgrade`.
pub fn strip_request(headers: &mut HeaderMap, is_upgrade: bool) {
    let wants_trailers = wants_trailers(headers);
    let protocol = if is_upgrade { headers.get(header::UPGRADE).cloned() } else { None };
    strip_named(headers);
    head::take_away(headers, |name| {
        is_hop_by_hop(name) || REQUEST_ONLY.contains(name) || head::is_scrubbed(name)
    });
    head::join_cookies(headers);
    if wants_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = protocol {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
}

/// Takes away what concerns one connection only.
pub fn strip(headers: &mut HeaderMap) {
    strip_named(headers);
    head::take_away(headers, is_hop_by_hop);
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

/// Takes away what `Connection` names.
fn strip_named(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|list| list.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            // Where a message ends and whom it is for is not one connection's business.
            .filter(|name| ![header::CONTENT_LENGTH, header::HOST].contains(name))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
}

/// Whether a list of tokens has one.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let lists = headers.get_all(name);
    let mut tokens = lists
        .iter()
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim);
    tokens.any(|one| one.eq_ignore_ascii_case(token))
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TE) && has_token(headers, header::TE, "trailers")
}

/// A client's wish to speak something else on its connection.
struct Upgrade {
    client: OnUpgrade,
}

/// The upgrade that a request asks for, where it can be had: not to HTTP/2, by which requests
/// could pass unseen, and not with a body. Source: RFC 9110, section 7.8.
fn upgrade(parts: &mut Parts, body: &Incoming, protocol: Protocol) -> Option<Upgrade> {
    let client = parts.extensions.remove::<OnUpgrade>()?;
    let wanted = parts.headers.get(header::UPGRADE)?.to_str().ok()?;
    let is_http2 = wanted.split(',').any(|one| one.trim().to_ascii_lowercase().starts_with("h2"));
    let is_fine = parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && body.is_end_stream()
        && protocol == Protocol::Http1
        && !is_http2
        && has_token(&parts.headers, header::CONNECTION, "upgrade");
    is_fine.then_some(Upgrade { client })
}

/// Addresses a request to an upstream as its protocol has it.
fn address(
    head: &mut Request<()>,
    authority: Option<HeaderValue>,
    target: PathAndQuery,
    protocol: Protocol,
    is_secure: bool,
) {
    match protocol {
        Protocol::Http1 => {
            *head.uri_mut() = Uri::from(target);
            let authority = authority.unwrap_or_else(|| HeaderValue::from_static("localhost"));
            head.headers_mut().insert(header::HOST, authority);
        }
        Protocol::Http2 => {
            head.headers_mut().remove(header::HOST);
            *head.version_mut() = Version::HTTP_2;
            let mut parts = http::uri::Parts::default();
            parts.scheme = Some(if is_secure { Scheme::HTTPS } else { Scheme::HTTP });
            let text = authority.as_ref().and_then(|authority| authority.to_str().ok());
            parts.authority =
                text.filter(|text| !text.is_empty()).unwrap_or("localhost").parse().ok();
            parts.path_and_query = Some(target);
            if let Ok(uri) = Uri::from_parts(parts) {
                *head.uri_mut() = uri;
            }
        }
    }
}

fn upstream_host(upstream: &Upstream) -> Option<HeaderValue> {
    use crate::config::UpstreamAddress::{Name, Socket, Unix};
    let text = match upstream.address() {
        address @ (Socket(_) | Name(..)) => address.to_string(),
        Unix(_) => "localhost".to_owned(),
    };
    HeaderValue::from_str(&text).ok()
}

/// Who a client is by address.
pub fn client_address(exchange: &Exchange, headers: &HeaderMap) -> IpAddr {
    let trusted = &exchange.site.settings.trusted_proxies;
    forwarded::client_address(exchange.context.peer.ip(), trusted, headers)
}

/// The hash by which a pool keeps together what belongs together.
fn hash(exchange: &Exchange, balance: &Balance, headers: &HeaderMap) -> u64 {
    let key = match balance {
        Balance::RoundRobin | Balance::LeastRequests => return 0,
        Balance::ConsistentHash(key) => key,
    };
    let header = match key {
        HashKey::Header(name) => headers.get(name),
        HashKey::ClientAddress => None,
    };
    match header {
        Some(value) => upstream::hash(value.as_bytes()),
        None => match client_address(exchange, headers) {
            IpAddr::V4(address) => upstream::hash(&address.octets()),
            IpAddr::V6(address) => upstream::hash(&address.octets()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connection_names_is_taken_away_beside_what_is_no_name() {
        let mut headers = HeaderMap::new();
        let list = HeaderValue::from_bytes(b"x-a, \xff, X-B ,,content-length").unwrap();
        headers.insert(header::CONNECTION, list);
        for name in ["x-a", "x-b", "x-c", "content-length"] {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "x-c"]);
    }
}
