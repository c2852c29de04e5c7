//! The mirror of `[routes.<name>]`: what a route takes, and what becomes of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strict_toml::{ByteSize, Duration, Spanned};

use super::Demand;

/// A route, by a name of your choice: lower-case letters, digits and dashes, at most 40 of them. It
/// takes a request where all that it asks for fits; of several routes, the most specific. It has one
/// of `forward`, `redirect`, `respond` and `files`.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Route {
    /// The data listeners it is on; all of them without it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub listeners: Option<Vec<Spanned<String>>>,
    /// The hosts it takes, any of them: lower-case names without a port, `*.example.org` for exactly one
    /// more label, addresses. Every host without it.
    #[schemars(length(min = 1, max = 256), extend("uniqueItems" = true))]
    pub hosts: Option<Vec<Spanned<String>>>,
    /// The path it takes, in its normal form; every path without it.
    pub path: Option<PathPattern>,
    /// The methods it takes, any of them; every method without it.
    #[schemars(length(min = 1, max = 64), extend("uniqueItems" = true))]
    pub methods: Option<Vec<Spanned<String>>>,
    /// Headers that a request must have, all of them.
    #[schemars(length(max = 32))]
    pub headers: Vec<HeaderMatch>,
    /// Sends the request to an upstream.
    pub forward: Option<Spanned<Forward>>,
    /// Sends the client elsewhere.
    pub redirect: Option<Spanned<Redirect>>,
    /// Answers what is written here.
    pub respond: Option<Spanned<Respond>>,
    /// Answers from a folder.
    pub files: Option<Spanned<Files>>,
    /// Edits of the request's headers, after all that the gateway does itself.
    pub request_headers: HeaderEdits,
    /// Edits of the response's headers.
    pub response_headers: HeaderEdits,
    /// How many requests are taken; more are answered 429.
    pub rate_limit: Option<RateLimit>,
    /// Size of a request's body at most, instead of what its listener says; up to 1TiB.
    pub body_bytes_max: Option<Spanned<ByteSize>>,
    /// Who may use it, by a certificate; others are answered 403. Its listeners need `tls.clients`.
    pub clients: Option<Spanned<ClientRules>>,
}

/// A path, in its normal form: no query, no `.` and `..`, no doubled slashes, nothing encoded that need not be.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PathPattern {
    /// Whole segments from the start: `/a` takes `/a`, `/a/` and `/a/b`, not `/ab`.
    Prefix(Spanned<String>),
    /// The whole path.
    Exact(Spanned<String>),
    /// The whole path, with `{name}` for any one segment and, as the last, `{name...}` for all that is left.
    Template(Spanned<String>),
}

/// A header that a request must have.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeaderMatch {
    /// Its name, in upper or lower case.
    pub name: Spanned<String>,
    /// One of its values, to the letter; any without it.
    pub value: Option<Spanned<String>>,
}

/// How a request goes to an upstream.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Forward {
    /// The pool it goes to.
    pub pool: Spanned<String>,
    /// The path the upstream sees; the client's, in its normal form, without it. The query stays.
    pub path: Option<PathRewrite>,
    /// The `Host` the upstream sees: the client's with `keep`, the upstream's own address with
    /// `upstream`.
    #[serde(default)]
    pub host: HostRewrite,
    /// From the request's head to that of the response, all tries together; 1ms to 1h. After it the
    /// answer is 504. A shorter `grpc-timeout` of a gRPC request counts instead.
    #[serde(default = "Forward::timeout")]
    pub timeout: Spanned<Duration>,
    /// The same for one try, at most `timeout`; `timeout` without it.
    pub try_timeout: Option<Spanned<Duration>>,
    /// Tries after the first, on other upstreams if possible. Only where that is safe: nothing was sent
    /// yet, or the method is idempotent and the body empty.
    #[schemars(range(min = 0, max = 10))]
    #[serde(default = "Forward::retries_max")]
    pub retries_max: u32,
    /// How long a body, a stream or a tunnel may be without a byte in either direction; 10ms to 1d.
    #[serde(default = "Forward::stream_idle_timeout")]
    pub stream_idle_timeout: Spanned<Duration>,
}

impl Forward {
    fn timeout() -> Spanned<Duration> {
        Duration::from_secs(30).into()
    }

    fn retries_max() -> u32 {
        1
    }

    fn stream_idle_timeout() -> Spanned<Duration> {
        Duration::from_secs(300).into()
    }
}

/// What becomes of the path.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PathRewrite {
    /// What stands in the place of the prefix that the route takes; `/` takes it away.
    Prefix(Spanned<String>),
    /// A path made of the parameters of the template that the route takes.
    Template(Spanned<String>),
}

/// The `Host` an upstream sees.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HostRewrite {
    /// The client's.
    #[default]
    Keep,
    /// The upstream's own address.
    Upstream,
    /// This one, with a port if it needs one.
    Fixed(Spanned<String>),
}

/// Where a client is sent. What is not set is the request's own; the query stays.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308. With 308 and 307 a client keeps method and body.
    #[schemars(range(min = 301, max = 308))]
    pub status: Spanned<u16>,
    /// The scheme.
    pub scheme: Option<Scheme>,
    /// The host, with a port if it needs one.
    pub authority: Option<Spanned<String>>,
    /// The path.
    pub path: Option<PathRewrite>,
}

impl Default for Redirect {
    fn default() -> Self {
        Self { status: 308.into(), scheme: None, authority: None, path: None }
    }
}

/// The scheme of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS.
    Https,
}

/// An answer that is always the same.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Respond {
    /// Its status.
    #[schemars(range(min = 200, max = 599))]
    pub status: Spanned<u16>,
    /// Its body.
    #[schemars(length(max = 65_536))]
    pub body: Spanned<String>,
    /// The body's type.
    pub content_type: Spanned<String>,
}

impl Default for Respond {
    fn default() -> Self {
        Self {
            status: 200.into(),
            body: String::new().into(),
            content_type: "text/plain; charset=utf-8".to_owned().into(),
        }
    }
}

/// Files of a folder, for GET and HEAD. The prefix that the route takes is no part of a file's path.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Files {
    /// The folder, relative to that of the config file. Nothing outside is ever read.
    #[schemars(length(min = 1))]
    pub root: String,
    /// The file that is answered for a folder.
    #[serde(default = "Files::index")]
    pub index: Spanned<String>,
}

impl Files {
    fn index() -> Spanned<String> {
        "index.html".to_owned().into()
    }
}

/// Edits of headers, in this order. What belongs to a connection, `host` and `content-length` are not edited.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HeaderEdits {
    /// Names of headers that are taken away.
    pub remove: Vec<Spanned<String>>,
    /// Headers that are set, in the place of what was there.
    pub set: BTreeMap<Spanned<String>, Spanned<String>>,
    /// Headers that are added to what is there.
    pub add: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// How many requests are taken.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RateLimit {
    /// On average.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_second: u32,
    /// At once; `requests-per-second` without it.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<u32>,
    /// Whose requests are counted together: those of a client address (of IPv6, a /64) or all of the route.
    #[serde(default)]
    pub per: RatePer,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RatePer {
    /// Those of a client address.
    #[default]
    Client,
    /// All of the route.
    Route,
}

/// Who may use a route, by a verified certificate.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ClientRules {
    /// Whether there must be a certificate. One that is there must be allowed either way.
    pub demand: Demand,
    /// Names of which a certificate must have one; any verified certificate without it.
    #[schemars(length(min = 1, max = 256))]
    pub allow: Option<Vec<NamePattern>>,
}

/// A subject alternative name.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NamePattern {
    /// A DNS name, or `*.` and one for exactly one more label.
    Dns(Spanned<String>),
    /// A URI, or with a trailing `*` the start of one.
    Uri(Spanned<String>),
    /// An address, or a network that has it.
    Ip(Spanned<String>),
}
