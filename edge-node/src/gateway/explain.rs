//! `edge-node routes`: what becomes of a request, and why, without asking anybody. Pure.
//!
//! A request goes the way of real ones: `head` reads it, the table of its listener finds the route, `rewrite` and
//! `answer` say what comes out. What is told is data here; `text` words it for people.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use serde::Serialize;

use super::head::{self, Target};
use super::table::{Found, Miss, Row, Table, has_headers, has_method, takes_host, takes_path};
use crate::config::{Config, DataListener, Route};

mod effect;
mod listing;
mod misfit;
mod spelling;
mod text;
mod win;

pub use effect::{Edits, Effect, Limits};
pub use listing::{Listing, ListingRow, listings};
pub use misfit::Nearest;
pub use win::Win;

/// A request to explain.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its method.
    pub method: Method,
    /// Its target as it was typed: `https://host:port/path?query`, or a path where `headers` has the host.
    pub url: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// The listener it comes to; without, the one that the URL's port or scheme tells.
    pub listener: Option<String>,
}

/// Why a request cannot be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// There is no such listener.
    #[error("no data listener is named {name}: there are {}", known.join(", "))]
    UnknownListener {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Several listeners could be meant.
    #[error("the request could come to any of the listeners {}: name one by --listener", known.join(", "))]
    WhichListener {
        /// Those.
        known: Vec<String>,
    },
    /// The target is none.
    #[error("{0} is not a path or an http URL")]
    Url(String),
}

/// What becomes of a request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    /// The listener it came to.
    pub listener: String,
    /// The method.
    pub method: String,
    /// The host by which routes are looked for; empty where there is none.
    pub host: String,
    /// The path by which routes are looked for.
    pub path: String,
    /// Headers that were taken away, because programs behind could take them for others.
    pub headers_dropped: Vec<String>,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What becomes of a request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is refused before a route is looked for.
    Refused {
        /// The status of the answer.
        status: u16,
        /// Why.
        error: String,
    },
    /// It asks whether the server is there (`OPTIONS *`).
    Server,
    /// There are no routes: `/` says who answers.
    NoRoutes,
    /// A route takes it.
    Taken(Box<Taken>),
    /// No route takes it.
    Missed {
        /// The status of the answer.
        status: u16,
        /// The methods that are told where only the method is wrong.
        allow: Vec<String>,
        /// The route that comes nearest, if there is any.
        nearest: Option<Box<Nearest>>,
    },
}

/// The route that takes a request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Taken {
    /// Its name.
    pub route: String,
    /// What it takes.
    pub takes: ListingRow,
    /// What its parameters stand for.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// The routes that would take the request as well, the next one first.
    pub wins_over: Vec<Win>,
    /// What the route does.
    pub action: Effect,
    /// What becomes of the request's headers.
    pub request_headers: Edits,
    /// What becomes of the response's.
    pub response_headers: Edits,
    /// What the client must keep to.
    pub limits: Limits,
}

/// Explains a request.
///
/// # Errors
/// When it is no request, or could come to several listeners.
pub fn explain(config: &Config, question: &Question) -> Result<Explanation, ExplainError> {
    let url = url(&question.url)?;
    let listener = listener(config, question, &url)?;
    let mut parts = parts(question, &url)?;
    let before: Vec<_> = parts.headers.keys().cloned().collect();
    head::scrub(&mut parts.headers);
    let dropped = before.iter().filter(|name| !parts.headers.contains_key(*name));
    let mut explanation = Explanation {
        listener: listener.name.to_string(),
        method: question.method.to_string(),
        host: url.host().unwrap_or_default().to_owned(),
        path: url.path().to_owned(),
        headers_dropped: dropped.map(ToString::to_string).collect(),
        verdict: Verdict::Server,
    };
    let head = match head::check(&parts) {
        Ok(head) => head,
        Err(fault) => {
            let (status, error) = (fault.status().as_u16(), fault.to_string());
            explanation.verdict = Verdict::Refused { status, error };
            return Ok(explanation);
        }
    };
    explanation.host = head.host.clone().into_owned();
    let Target::Path { path, query } = &head.target else { return Ok(explanation) };
    explanation.path = path.clone().into_owned();
    let asked = Asked {
        listener,
        scheme: if listener.tls.is_some() { "https" } else { "http" },
        authority: head.authority,
        host: &head.host,
        path,
        query: *query,
        method: &parts.method,
        headers: &parts.headers,
    };
    explanation.verdict = verdict(config, &asked);
    Ok(explanation)
}

/// A request as routes see it.
struct Asked<'a> {
    listener: &'a DataListener,
    scheme: &'a str,
    authority: &'a str,
    host: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    method: &'a Method,
    headers: &'a HeaderMap,
}

fn verdict(config: &Config, asked: &Asked<'_>) -> Verdict {
    if config.routes.is_empty() {
        return Verdict::NoRoutes;
    }
    let table = table(config, asked.listener);
    let rows = table.rows();
    match table.find(asked.host, asked.path, asked.method, asked.headers) {
        Ok(found) => Verdict::Taken(Box::new(taken(config, asked, &found, &rows))),
        Err(miss) => {
            let (status, methods) = match miss {
                Miss::NoRoute => (404, Vec::new()),
                Miss::Method(methods) => (405, methods),
            };
            let allow = methods.iter().map(Method::to_string).collect();
            Verdict::Missed { status, allow, nearest: misfit::nearest(&rows, asked).map(Box::new) }
        }
    }
}

fn taken(
    config: &Config,
    asked: &Asked<'_>,
    found: &Found<'_, &Route>,
    rows: &[Row<'_, &Route>],
) -> Taken {
    let route = *found.route;
    let mut fitting = rows.iter().filter(|row| fits(row, asked));
    let row = fitting.next().expect("the table found a row that fits");
    let text = |value: &String| serde_json::Value::from(value.as_str());
    Taken {
        route: route.name.to_string(),
        takes: ListingRow::of(row),
        parameters: found
            .parameters
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        wins_over: win::over(row, fitting),
        action: Effect::of(config, asked, found),
        request_headers: Edits::of(&route.request_headers),
        response_headers: Edits::of(&route.response_headers),
        limits: Limits::of(route, asked.listener),
    }
}

fn fits(row: &Row<'_, &Route>, asked: &Asked<'_>) -> bool {
    takes_host(row.host, asked.host)
        && takes_path(&row.matcher.path, asked.path)
        && has_method(row.matcher, asked.method)
        && has_headers(row.matcher, asked.headers)
}

/// The routes of a listener.
fn table<'a>(config: &'a Config, listener: &DataListener) -> Table<&'a Route> {
    let is_here = |route: &&Route| route.listeners.contains(&listener.name);
    let routes = config.routes.iter().filter(is_here);
    Table::new(routes.map(|route| (route.matcher.clone(), route)).collect())
        .expect("a config with ambiguous routes is refused")
}

/// Reads a URL of HTTP, or the path of one.
fn url(typed: &str) -> Result<Uri, ExplainError> {
    let url = typed.parse::<Uri>().ok().filter(|url| match url.scheme_str() {
        Some(scheme) => matches!(scheme, "http" | "https"),
        None => url.authority().is_none(),
    });
    url.ok_or_else(|| ExplainError::Url(typed.to_owned()))
}

/// The request as one of HTTP/1.1, with its target in origin form.
fn parts(question: &Question, url: &Uri) -> Result<http::request::Parts, ExplainError> {
    let no_url = |_fault| ExplainError::Url(question.url.clone());
    let target = url.path_and_query().map_or("/", PathAndQuery::as_str);
    // Behind a host, a query may come without a path.
    let slash = if target.starts_with('?') { "/" } else { "" };
    let request = Request::builder().version(Version::HTTP_11).method(question.method.clone());
    let mut parts =
        request.uri(format!("{slash}{target}")).body(()).map_err(no_url)?.into_parts().0;
    parts.headers = question.headers.clone();
    if let Some(authority) = url.authority()
        && !parts.headers.contains_key(header::HOST)
    {
        let host = HeaderValue::from_str(authority.as_str());
        parts.headers.insert(header::HOST, host.map_err(|fault| no_url(fault.into()))?);
    }
    Ok(parts)
}

/// The listener that a request comes to.
fn listener<'a>(
    config: &'a Config,
    question: &Question,
    url: &Uri,
) -> Result<&'a DataListener, ExplainError> {
    let all = &config.listeners.data;
    let names = |listeners: &[&DataListener]| {
        listeners.iter().map(|listener| listener.name.to_string()).collect()
    };
    if let Some(name) = &question.listener {
        let found = all.iter().find(|listener| *listener.name == **name);
        let unknown = || ExplainError::UnknownListener {
            name: name.clone(),
            known: names(&all.iter().collect::<Vec<_>>()),
        };
        return found.ok_or_else(unknown);
    }
    let is_secure = url.scheme_str().map(|scheme| scheme == "https");
    let mut candidates: Vec<_> = all
        .iter()
        .filter(|listener| is_secure.is_none_or(|is_secure| listener.tls.is_some() == is_secure))
        .collect();
    if candidates.is_empty() {
        candidates = all.iter().collect();
    }
    let port = url.port_u16();
    let at_port = candidates.iter().find(|one| Some(one.listener.address.port()) == port);
    match (at_port, &candidates[..]) {
        (Some(listener), _) | (None, [listener]) => Ok(listener),
        (None, several) => Err(ExplainError::WhichListener { known: names(several) }),
    }
}

#[cfg(test)]
mod tests;
