//! The rules of `[routes.<name>]`, but for those of actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use strict_toml::{Diagnostic, Invalid, Spanned, suggest};

use super::listener::{BODY_BYTES, DataListeners};
use super::{Rules, header, host, listener, name, network, path};
use crate::config::model::{
    Action, ClientRules, FixedResponse, HeaderMatch, Matcher, NamePattern, PathPattern, RateLimit,
    RatePer, Route,
};
use crate::config::raw;
use crate::gateway::UNMATCHED;

/// Pools by name.
pub(super) type Pools = BTreeMap<Spanned<String>, raw::Pool>;

/// What routes may refer to.
#[derive(Clone, Copy)]
pub(super) struct Declared<'a> {
    pub(super) listeners: &'a DataListeners,
    pub(super) pools: &'a Pools,
}

/// A route's matcher, and the part of it that rewrites look at where that could be read.
struct Matched {
    matcher: Matcher,
    is_sound: bool,
}

impl Rules<'_> {
    pub(super) fn routes(
        &mut self,
        raw: &BTreeMap<Spanned<String>, raw::Route>,
        declared: Declared<'_>,
    ) -> Vec<Route> {
        let mut comparable = Vec::new();
        let mut routes = Vec::new();
        for (name, raw) in raw {
            let before = self.broken.len();
            let route = self.route(name, raw, declared);
            // One with a mistake may not be what it was meant to be.
            if self.broken.len() == before {
                comparable.push((name.span(), route.clone()));
            }
            routes.push(route);
        }
        self.unambiguous(&comparable);
        routes
    }

    fn route(&mut self, name: &Spanned<String>, raw: &raw::Route, declared: Declared<'_>) -> Route {
        let raw::Route {
            listeners,
            hosts,
            path,
            methods,
            headers,
            forward,
            redirect,
            respond,
            files,
            request_headers,
            response_headers,
            rate_limit,
            body_bytes_max,
            clients,
        } = raw;
        self.route_name(name);
        let at = format!("routes.{name}");
        let listeners = self.route_listeners(listeners.as_deref(), declared.listeners);
        let matched =
            self.matcher(&at, hosts.as_deref(), path.as_ref(), methods.as_deref(), headers);
        self.exactly_one(
            &format!("route `{name}`"),
            name.span(),
            [
                ("forward", forward.as_ref().map(Spanned::span)),
                ("redirect", redirect.as_ref().map(Spanned::span)),
                ("respond", respond.as_ref().map(Spanned::span)),
                ("files", files.as_ref().map(Spanned::span)),
            ],
        );
        let pattern = matched.is_sound.then_some(&matched.matcher.path);
        let forward = forward.as_ref().map(|raw| self.forward(&at, raw, pattern, declared.pools));
        let redirect = redirect.as_ref().map(|raw| self.redirect(&at, raw, pattern));
        if let (Some(redirect), Some(raw)) = (&redirect, &raw.redirect) {
            self.moves(raw.span(), redirect, &matched.matcher, &listeners, declared.listeners);
        }
        let respond = respond.as_ref().map(|raw| self.respond(&at, raw));
        let files = files.as_ref().map(|raw| self.files(&at, raw));
        if let Some(clients) = clients {
            self.clients_are_asked(name, clients, &listeners, declared.listeners);
        }
        Route {
            name: name.as_str().into(),
            listeners,
            matcher: matched.matcher,
            action: (forward.map(Action::Forward))
                .or(redirect.map(Action::Redirect))
                .or(respond.map(Action::Respond))
                .or(files.map(Action::Files))
                .unwrap_or_else(nothing),
            request_headers: self.header_edits(&format!("{at}.request-headers"), request_headers),
            response_headers: self
                .header_edits(&format!("{at}.response-headers"), response_headers),
            rate_limit: rate_limit.as_ref().map(self::rate_limit),
            body_bytes_max: body_bytes_max
                .as_ref()
                .map(|max| self.within(&format!("{at}.body-bytes-max"), max, &BODY_BYTES).as_u64()),
            clients: clients.as_ref().map(|clients| self.client_rules(&at, clients)),
        }
    }

    fn route_name(&mut self, name: &Spanned<String>) {
        self.name("route", name);
        if *name.get() == UNMATCHED {
            self.broken.push(
                Diagnostic::error(format!("`{UNMATCHED}` cannot be the name of a route"))
                    .at(name.span(), "in metrics it stands for requests that no route takes"),
            );
        }
    }

    fn route_listeners(
        &mut self,
        named: Option<&[Spanned<String>]>,
        declared: &DataListeners,
    ) -> Vec<Arc<str>> {
        let Some(named) = named else {
            return declared.keys().map(|name| name.as_str().into()).collect();
        };
        for listener in named {
            if declared.contains_key(listener) {
                continue;
            }
            let mistake = name::unknown("listener", listener, declared);
            self.broken.push(if *listener.get() == raw::Listeners::ADMIN {
                mistake.help("the admin listener has no routes")
            } else {
                mistake
            });
        }
        named.iter().map(|name| name.as_str().into()).collect()
    }

    fn matcher(
        &mut self,
        at: &str,
        hosts: Option<&[Spanned<String>]>,
        path: Option<&raw::PathPattern>,
        methods: Option<&[Spanned<String>]>,
        headers: &[raw::HeaderMatch],
    ) -> Matched {
        let key = |key: &str| format!("{at}.{key}");
        let hosts = hosts.unwrap_or_default();
        let hosts = self.each_parsed(&key("hosts[]"), hosts, "a host", host::taken);
        let path = match path {
            None => Some(PathPattern::Prefix("".into())),
            Some(path) => self.path_pattern(&key("path"), path),
        };
        let methods = methods.unwrap_or_default();
        let methods = self.each_parsed(&key("methods[]"), methods, "a method", method);
        let headers =
            headers.iter().filter_map(|raw| self.header_match(&key("headers[]"), raw)).collect();
        let is_sound = path.is_some();
        let path = path.unwrap_or_else(|| PathPattern::Prefix("".into()));
        Matched { matcher: Matcher { hosts, path, methods, headers }, is_sound }
    }

    fn path_pattern(&mut self, key: &str, raw: &raw::PathPattern) -> Option<PathPattern> {
        match raw {
            raw::PathPattern::Prefix(text) => self
                .parsed(&format!("{key}.prefix"), text, "the start of a path", path::prefix)
                .map(PathPattern::Prefix),
            raw::PathPattern::Exact(text) => {
                self.parsed(&format!("{key}.exact"), text, "a path", path::exact)
            }
            raw::PathPattern::Template(text) => {
                self.parsed(&format!("{key}.template"), text, "a path template", path::template)
            }
        }
    }

    fn header_match(&mut self, key: &str, raw: &raw::HeaderMatch) -> Option<HeaderMatch> {
        let raw::HeaderMatch { name, value } = raw;
        let name = self.parsed(&format!("{key}.name"), name, "a header's name", header::matched);
        let key = format!("{key}.value");
        let value =
            value.as_ref().map(|value| self.parsed(&key, value, "a header's value", header::value));
        Some(HeaderMatch { name: name?, value: value.flatten() })
    }

    /// A certificate is only known where the listener asks for it.
    fn clients_are_asked(
        &mut self,
        route: &Spanned<String>,
        clients: &Spanned<raw::ClientRules>,
        listeners: &[Arc<str>],
        declared: &DataListeners,
    ) {
        for name in listeners {
            let Some((place, listener)) = listener::named(declared, name) else { continue };
            if listener.tls.as_ref().is_some_and(|tls| tls.clients.is_some()) {
                continue;
            }
            let message =
                format!("route `{route}` has `clients`, and listener `{name}` asks for none");
            let mistake = Diagnostic::error(message)
                .at(clients.span(), "needs certificates of clients")
                .help(format!(
                    "set `[listeners.{name}.tls.clients]`, or name other `listeners` of the route"
                ));
            self.broken.push(if place.span().is_empty() {
                mistake
            } else {
                mistake.related(place.span(), "has no `tls.clients`")
            });
        }
    }

    fn client_rules(&mut self, at: &str, raw: &raw::ClientRules) -> ClientRules {
        let raw::ClientRules { demand, allow } = raw;
        let allow = allow
            .iter()
            .flatten()
            .filter_map(|pattern| self.name_pattern(&format!("{at}.clients.allow[]"), pattern));
        ClientRules { is_required: *demand == raw::Demand::Required, allow: allow.collect() }
    }

    fn name_pattern(&mut self, key: &str, raw: &raw::NamePattern) -> Option<NamePattern> {
        match raw {
            raw::NamePattern::Dns(text) => self
                .parsed(&format!("{key}.dns"), text, "a DNS name", host::pattern)
                .map(NamePattern::Dns),
            raw::NamePattern::Uri(text) => self.parsed(&format!("{key}.uri"), text, "a URI", uri),
            raw::NamePattern::Ip(text) => self
                .parsed(&format!("{key}.ip"), text, "an address or a network", network::network)
                .map(NamePattern::Ip),
        }
    }
}

/// In the place of an action that is missing, which was reported.
fn nothing() -> Action {
    Action::Respond(FixedResponse {
        status: http::StatusCode::NOT_FOUND,
        body: "".into(),
        content_type: http::HeaderValue::from_static("text/plain"),
    })
}

fn rate_limit(raw: &raw::RateLimit) -> RateLimit {
    let raw::RateLimit { requests_per_second, burst, per } = raw;
    RateLimit {
        requests_per_second: *requests_per_second,
        burst: burst.unwrap_or(*requests_per_second),
        per: match per {
            raw::RatePer::Client => RatePer::Client,
            raw::RatePer::Route => RatePer::Route,
        },
    }
}

/// Reads a method (RFC 9110 §9.1): a token, in the case it is sent in.
fn method(text: &str) -> Result<Method, Invalid> {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];
    let method = Method::from_bytes(text.as_bytes())
        .map_err(|_invalid| Invalid::new(format!("`{}` is not a method", text.escape_debug())))?;
    if method == Method::CONNECT {
        return Err(Invalid::new("`CONNECT` never comes to a route: the gateway refuses it"));
    }
    if KNOWN.contains(&text) {
        return Ok(method);
    }
    // Others are sent as they are registered, so a slip is likelier than a method that nobody knows.
    match suggest(text, KNOWN) {
        Some(meant) if text.eq_ignore_ascii_case(meant) => {
            Err(Invalid::new(format!("`{text}` is not `{meant}`: methods are told apart by case"))
                .help(format!("write \"{meant}\"")))
        }
        Some(_) | None => Ok(method),
    }
}

/// Reads a URI, or its start before a star.
fn uri(text: &str) -> Result<NamePattern, Invalid> {
    let (start, is_prefix) = match text.strip_suffix('*') {
        Some(start) => (start, true),
        None => (text, false),
    };
    let has_scheme = start.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
            && !rest.is_empty()
    });
    // RFC 3986 §2; a star is a character of URIs, but one more would be taken for a pattern.
    let is_kept = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}*".contains(c);
    if !has_scheme || !start.chars().all(is_kept) {
        return Err(Invalid::new(format!("`{}` is not a URI", text.escape_debug())).help(
            "for example \"spiffe://site/app\", or \"spiffe://site/*\" for all that start so",
        ));
    }
    Ok(NamePattern::Uri { text: start.into(), is_prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_tokens_in_their_case() {
        for text in ["GET", "PROPFIND", "M-SEARCH", "QUERY"] {
            assert_eq!(method(text).unwrap().as_str(), text);
        }
        for text in ["", "get", "Post", "A B", "CONNECT", "é"] {
            assert!(method(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_uri_may_end_with_a_star() {
        let pattern = |text: &str, is_prefix| NamePattern::Uri { text: text.into(), is_prefix };
        assert_eq!(uri("spiffe://site/*").unwrap(), pattern("spiffe://site/", true));
        assert_eq!(uri("urn:a").unwrap(), pattern("urn:a", false));
        for text in ["", "*", "a", "a:", ":a", "spiffe://*/a", "a: b", "1:a"] {
            assert!(uri(text).is_err(), "{text}");
        }
    }
}
