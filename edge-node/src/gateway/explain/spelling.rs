//! How parts of routes are spelt for people and programs: as in the config.

use http::{HeaderName, HeaderValue};

use crate::config::{
    Action, HeaderMatch, HostPattern, Matcher, NamePattern, PathPattern, TemplateSegment,
};

/// `*` for every host.
pub fn host(pattern: Option<&HostPattern>) -> String {
    match pattern {
        None => "*".to_owned(),
        Some(HostPattern::Exact(name)) => name.to_string(),
        Some(HostPattern::Wildcard(suffix)) => format!("*{suffix}"),
    }
}

/// What kind of path, and the path.
pub fn path(pattern: &PathPattern) -> (&'static str, String) {
    match pattern {
        PathPattern::Exact(path) => ("exact", path.to_string()),
        PathPattern::Template(segments) => ("template", template(segments)),
        PathPattern::Prefix(prefix) if prefix.is_empty() => ("prefix", "/".to_owned()),
        PathPattern::Prefix(prefix) => ("prefix", prefix.to_string()),
    }
}

fn template(segments: &[TemplateSegment]) -> String {
    segments
        .iter()
        .map(|segment| match segment {
            TemplateSegment::Literal(text) => format!("/{text}"),
            TemplateSegment::Parameter(name) => format!("/{{{name}}}"),
            TemplateSegment::Rest(name) => format!("/{{{name}...}}"),
        })
        .collect()
}

/// `x-canary: 1`, or the name alone for any value.
pub fn header_match(header: &HeaderMatch) -> String {
    match &header.value {
        None => header.name.to_string(),
        Some(value) => header_line(&header.name, value),
    }
}

/// `name: value`. What is a secret by its name is not shown.
pub fn header_line(name: &HeaderName, value: &HeaderValue) -> String {
    const SECRETS: [&str; 6] = [
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "x-api-key",
        "x-auth-token",
    ];
    let is_secret = value.is_sensitive() || SECRETS.contains(&name.as_str());
    let value =
        if is_secret { "[redacted]".into() } else { String::from_utf8_lossy(value.as_bytes()) };
    format!("{name}: {value}")
}

/// The names of a route's methods; empty for every method.
pub fn methods(matcher: &Matcher) -> Vec<String> {
    matcher.methods.iter().map(ToString::to_string).collect()
}

/// A route's action in a few words.
pub fn action(action: &Action) -> String {
    match action {
        Action::Forward(forward) => format!("forward to {}", forward.pool),
        Action::Redirect(redirect) => format!("redirect {}", redirect.status.as_u16()),
        Action::Respond(response) => format!("respond {}", response.status.as_u16()),
        Action::Files(files) => format!("files of {}", files.root.display()),
    }
}

/// A name that a client's certificate may have, as in the config.
pub fn name(pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Dns(name) => format!("DNS {}", host(Some(name))),
        NamePattern::Uri { text, is_prefix } => {
            format!("URI {text}{}", if *is_prefix { "*" } else { "" })
        }
        NamePattern::Ip(network) => format!("IP {network}"),
    }
}
