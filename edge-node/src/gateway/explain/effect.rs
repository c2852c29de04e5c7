//! What a route does to a request: the path and host that an upstream would see, edits, limits.

use std::time::Duration;

use http::header;
use serde::Serialize;

use super::super::table::Found;
use super::super::{answer, rewrite};
use super::{Asked, spelling};
use crate::config::{
    Action, Balance, Config, DataListener, Files, Forward, HashKey, HeaderEdits, HostRewrite,
    PathPattern, PathRewrite, Protocol, RatePer, Redirect, Route,
};

/// What a route does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It forwards.
    #[serde(rename_all = "kebab-case")]
    Forward {
        /// The pool.
        pool: String,
        /// How one of them is picked.
        balance: String,
        /// What they speak.
        protocol: &'static str,
        /// Where they are, each with its weight.
        upstreams: Vec<Upstream>,
        /// The path and query that the upstream sees.
        path: String,
        /// The host that it sees; none where that is its own address.
        host: Option<String>,
        /// For the whole request.
        timeout_seconds: f64,
        /// For one try.
        try_timeout_seconds: f64,
        /// Tries after the first.
        retries_max: u32,
        /// Between two reads or writes.
        stream_idle_timeout_seconds: f64,
    },
    /// It sends the client elsewhere.
    #[serde(rename_all = "kebab-case")]
    Redirect {
        /// The status.
        status: u16,
        /// Where to.
        location: String,
    },
    /// It answers.
    #[serde(rename_all = "kebab-case")]
    Respond {
        /// The status.
        status: u16,
        /// The body's type.
        content_type: String,
        /// The body's length.
        body_bytes: usize,
    },
    /// It sends files.
    #[serde(rename_all = "kebab-case")]
    Files {
        /// The folder.
        root: String,
        /// The path in it.
        path: String,
        /// The file for a folder.
        index: String,
    },
}

/// An upstream of a pool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Upstream {
    /// Where it is.
    pub address: String,
    /// Its share.
    pub weight: u32,
}

impl Effect {
    pub(super) fn of(config: &Config, asked: &Asked<'_>, found: &Found<'_, &Route>) -> Self {
        let rewritten = |how: &PathRewrite| {
            rewrite::path(how, found.path, asked.path, &found.parameters).into_owned()
        };
        match &found.route.action {
            Action::Forward(forward) => {
                let query = asked.query.map(|query| format!("?{query}")).unwrap_or_default();
                forwarded(config, asked, forward, rewritten(&forward.path) + &query)
            }
            Action::Redirect(settings) => redirected(asked, settings, &rewritten(&settings.path)),
            Action::Respond(response) => Self::Respond {
                status: response.status.as_u16(),
                content_type: String::from_utf8_lossy(response.content_type.as_bytes()).into(),
                body_bytes: response.body.len(),
            },
            Action::Files(Files { root, index }) => Self::Files {
                root: root.display().to_string(),
                path: match found.path {
                    PathPattern::Prefix(prefix) => asked.path.strip_prefix(&**prefix),
                    PathPattern::Exact(_) | PathPattern::Template(_) => None,
                }
                .unwrap_or(asked.path)
                .to_owned(),
                index: index.to_string(),
            },
        }
    }
}

fn forwarded(config: &Config, asked: &Asked<'_>, forward: &Forward, path: String) -> Effect {
    let pool = config.pools.iter().find(|pool| pool.name == forward.pool);
    let pool = pool.expect("a route to a pool that does not exist is refused");
    let upstreams = pool.upstreams.iter().map(|upstream| Upstream {
        address: upstream.address.to_string(),
        weight: upstream.weight,
    });
    Effect::Forward {
        pool: forward.pool.to_string(),
        balance: match &pool.balance {
            Balance::RoundRobin => "round robin".to_owned(),
            Balance::LeastRequests => "least requests".to_owned(),
            Balance::ConsistentHash(HashKey::ClientAddress) => "hash of client address".to_owned(),
            Balance::ConsistentHash(HashKey::Header(name)) => format!("hash of header {name}"),
        },
        protocol: match (pool.protocol, pool.tls.is_some()) {
            (Protocol::Http1, false) => "HTTP/1.1",
            (Protocol::Http1, true) => "HTTP/1.1 over TLS",
            (Protocol::Http2, false) => "HTTP/2",
            (Protocol::Http2, true) => "HTTP/2 over TLS",
        },
        upstreams: upstreams.collect(),
        path,
        host: match &forward.host {
            HostRewrite::Keep => Some(asked.authority.to_owned()),
            HostRewrite::Upstream => None,
            HostRewrite::Fixed(host) => Some(String::from_utf8_lossy(host.as_bytes()).into()),
        },
        timeout_seconds: forward.timeout.as_secs_f64(),
        try_timeout_seconds: forward.try_timeout.as_secs_f64(),
        retries_max: forward.retries_max,
        stream_idle_timeout_seconds: forward.stream_idle_timeout.as_secs_f64(),
    }
}

fn redirected(asked: &Asked<'_>, settings: &Redirect, path: &str) -> Effect {
    let Asked { scheme, authority, query, .. } = *asked;
    let answer = answer::redirect(settings, answer::Asked { scheme, authority, path, query });
    let location = answer.headers().get(header::LOCATION);
    Effect::Redirect {
        status: answer.status().as_u16(),
        location: location
            .map(|location| String::from_utf8_lossy(location.as_bytes()).into())
            .unwrap_or_default(),
    }
}

/// What becomes of headers, in this order.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Edits {
    /// Taken away.
    pub remove: Vec<String>,
    /// Set, as lines.
    pub set: Vec<String>,
    /// Added, as lines.
    pub add: Vec<String>,
}

impl Edits {
    pub(super) fn of(edits: &HeaderEdits) -> Self {
        let HeaderEdits { remove, set, add } = edits;
        let line = |(name, value): &_| spelling::header_line(name, value);
        Self {
            remove: remove.iter().map(ToString::to_string).collect(),
            set: set.iter().map(line).collect(),
            add: add.iter().map(line).collect(),
        }
    }
}

/// What a client must keep to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// Bytes of the body; none for no limit.
    pub body_bytes_max: Option<u64>,
    /// Bytes a second of the body; none for no minimum.
    pub body_rate_min: Option<u64>,
    /// Requests a second in words; none for no limit.
    pub rate: Option<String>,
    /// Who may use the route; none for anybody.
    pub clients: Option<Clients>,
}

/// Who may use a route.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Clients {
    /// Whether a certificate is needed.
    pub is_required: bool,
    /// Names of which a certificate must have one; empty for any certificate.
    pub allow: Vec<String>,
}

impl Limits {
    pub(super) fn of(route: &Route, listener: &DataListener) -> Self {
        let rate = route.rate_limit.as_ref().map(|limit| {
            let per = match limit.per {
                RatePer::Route => "for all clients together",
                RatePer::Client => "for each client",
            };
            format!(
                "{} requests a second, {} at once, {per}",
                limit.requests_per_second, limit.burst
            )
        });
        Self {
            body_bytes_max: route.body_bytes_max.or(listener.body_bytes_max),
            body_rate_min: listener.body_rate_min,
            rate,
            clients: route.clients.as_ref().map(|rules| Clients {
                is_required: rules.is_required,
                allow: rules.allow.iter().map(spelling::name).collect(),
            }),
        }
    }
}

/// Seconds in words.
pub(super) fn seconds(seconds: f64) -> String {
    format!("{:?}", Duration::from_secs_f64(seconds))
}
