//! Validated routes: which requests they take and what becomes of those.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name in the config, and its label in metrics.
    pub name: Arc<str>,
    /// The listeners it is on; all data listeners where it names none.
    pub listeners: Vec<Arc<str>>,
    /// What it takes.
    pub matcher: Matcher,
    /// What becomes of it.
    pub action: Action,
    /// Edits of the request's headers, after all that the gateway does itself.
    pub request_headers: HeaderEdits,
    /// Edits of the response's headers.
    pub response_headers: HeaderEdits,
    /// Requests a second.
    pub rate_limit: Option<RateLimit>,
    /// Bytes of a request's body; `None` leaves it to the listener.
    pub body_bytes_max: Option<u64>,
    /// Who may use it; anybody without.
    pub clients: Option<ClientRules>,
}

/// Which requests a route takes: all parts must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// Any of these; empty for every host.
    pub hosts: Vec<HostPattern>,
    /// The path.
    pub path: PathPattern,
    /// Any of these; empty for every method.
    pub methods: Vec<Method>,
    /// All of these.
    pub headers: Vec<HeaderMatch>,
}

/// A host name, lower case and without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// `example.org`.
    Exact(Box<str>),
    /// `*.example.org`, kept as `.example.org`: exactly one more label.
    Wildcard(Box<str>),
}

/// A normalised path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// The whole path.
    Exact(Box<str>),
    /// Whole segments from the start, without a trailing slash: `/a` takes `/a`, `/a/` and `/a/b`, not `/ab`.
    /// The empty one takes every path.
    Prefix(Box<str>),
    /// Segments, of which some stand for any one segment.
    Template(Vec<TemplateSegment>),
}

/// A segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TemplateSegment {
    /// Itself.
    Literal(Box<str>),
    /// `{name}`: any one segment that is not empty.
    Parameter(Box<str>),
    /// `{name...}`, last: all that is left, which may be empty.
    Rest(Box<str>),
}

/// A header that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderMatch {
    /// Its name.
    pub name: HeaderName,
    /// One of its values, to the byte; any without.
    pub value: Option<HeaderValue>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes to an upstream.
    Forward(Forward),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// It is answered here.
    Respond(FixedResponse),
    /// It is answered from a folder.
    Files(Files),
}

/// How a request goes to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The pool's name; it exists.
    pub pool: Arc<str>,
    /// What the upstream sees as path.
    pub path: PathRewrite,
    /// The `Host` the upstream sees.
    pub host: HostRewrite,
    /// From the request's head to the response's head, all tries together. Ends early at a
    /// `grpc-timeout` that is shorter.
    pub timeout: Duration,
    /// The same for one try.
    pub try_timeout: Duration,
    /// Tries after the first, where that is safe.
    pub retries_max: u32,
    /// Bytes between two reads or writes of a body or a tunnel may be this far apart.
    pub stream_idle_timeout: Duration,
}

/// What the upstream sees as path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// What the client sent, normalised.
    Keep,
    /// Without the prefix that matched, and with this in its place.
    Prefix(Box<str>),
    /// Built from the parameters of the path template that matched.
    Template(Vec<TemplateSegment>),
}

/// The `Host` the upstream sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRewrite {
    /// What the client sent.
    Keep,
    /// The upstream's own address.
    Upstream,
    /// This.
    Fixed(HeaderValue),
}

/// Where a client is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// The scheme; the request's without.
    pub scheme: Option<Box<str>>,
    /// The host and port; the request's without.
    pub authority: Option<Box<str>>,
    /// The path; the request's without. The query is kept.
    pub path: PathRewrite,
}

/// An answer that is always the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Box<str>,
    /// The body's type.
    pub content_type: HeaderValue,
}

/// Files of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The folder; nothing outside is ever read, links that lead out included.
    pub root: PathBuf,
    /// The file for a folder.
    pub index: Box<str>,
}

/// Edits of headers, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Taken away.
    pub remove: Vec<HeaderName>,
    /// Set, in the place of what was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Added to what is there.
    pub add: Vec<(HeaderName, HeaderValue)>,
}

/// Requests a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// On average.
    pub requests_per_second: u32,
    /// At once.
    pub burst: u32,
    /// Whose requests are counted together.
    pub per: RatePer,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatePer {
    /// All of the route.
    Route,
    /// Those of a client address; of IPv6, a /64.
    Client,
}

/// Who may use a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRules {
    /// Whether a verified certificate is needed.
    pub is_required: bool,
    /// A certificate must have a name that one of these fits; empty for any verified certificate.
    pub allow: Vec<NamePattern>,
}

/// A subject alternative name of a client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// A DNS name, or `*.` and one for exactly one more label.
    Dns(HostPattern),
    /// A URI, or with a trailing `*` the start of one.
    Uri {
        /// The text without the star.
        text: Box<str>,
        /// True where more may follow.
        is_prefix: bool,
    },
    /// An address of a network.
    Ip(IpNet),
}
