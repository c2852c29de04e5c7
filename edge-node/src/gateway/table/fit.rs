//! Whether a request fits the parts of a matcher, and whether one could fit two matchers. Pure.

use http::{HeaderMap, Method};

use super::{HeaderMatch, HostPattern, Matcher, PathPattern, TemplateSegment};

/// Whether a pattern takes a host; no pattern takes every host.
pub(in crate::gateway) fn takes_host(pattern: Option<&HostPattern>, host: &str) -> bool {
    match pattern {
        None => true,
        Some(HostPattern::Exact(exact)) => **exact == *host,
        Some(HostPattern::Wildcard(suffix)) => host
            .strip_suffix(&**suffix)
            .is_some_and(|label| !label.is_empty() && !label.contains('.')),
    }
}

/// Whether a pattern takes a normalised path.
pub(in crate::gateway) fn takes_path(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Exact(exact) => **exact == *path,
        PathPattern::Prefix(prefix) => path
            .strip_prefix(&**prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        PathPattern::Template(segments) => takes_template(segments, path.strip_prefix('/')),
    }
}

/// `rest` is what follows the slash before the next segment, none where the path has ended. So `/a/{rest...}` takes
/// `/a/` and not `/a`, as Go's `ServeMux` reads the same pattern.
fn takes_template(segments: &[TemplateSegment], rest: Option<&str>) -> bool {
    let (Some(segment), Some(rest)) = (segments.first(), rest) else {
        return segments.is_empty() && rest.is_none();
    };
    let (first, behind) = split(rest);
    match segment {
        TemplateSegment::Rest(_) => true,
        TemplateSegment::Literal(literal) => {
            **literal == *first && takes_template(&segments[1..], behind)
        }
        TemplateSegment::Parameter(_) => {
            !first.is_empty() && takes_template(&segments[1..], behind)
        }
    }
}

/// The first segment, and what follows the slash after it.
pub(super) fn split(rest: &str) -> (&str, Option<&str>) {
    rest.split_once('/').map_or((rest, None), |(first, behind)| (first, Some(behind)))
}

/// Whether a matcher takes a method; HEAD where it takes GET. Source: RFC 9110, section 9.3.2.
pub(in crate::gateway) fn has_method(matcher: &Matcher, method: &Method) -> bool {
    let methods = &matcher.methods;
    methods.is_empty()
        || methods.contains(method)
        || (method == Method::HEAD && methods.contains(&Method::GET))
}

/// Whether a request has all headers that a matcher asks for.
pub(in crate::gateway) fn has_headers(matcher: &Matcher, headers: &HeaderMap) -> bool {
    matcher.headers.iter().all(|HeaderMatch { name, value }| match value {
        None => headers.contains_key(name),
        Some(value) => headers.get_all(name).iter().any(|there| there == value),
    })
}

/// What a path pattern is but for the names of its parameters: patterns of one form take the same paths.
pub(super) fn form(pattern: &PathPattern) -> Vec<&str> {
    match pattern {
        PathPattern::Exact(text) | PathPattern::Prefix(text) => vec![text],
        PathPattern::Template(segments) => segments
            .iter()
            .map(|segment| match segment {
                TemplateSegment::Literal(literal) => &**literal,
                TemplateSegment::Parameter(_) | TemplateSegment::Rest(_) => "",
            })
            .collect(),
    }
}

/// Whether some request fits two matchers of the same rank whose paths have the same form.
pub(super) fn share_requests(one: &Matcher, other: &Matcher) -> bool {
    share_host(one, other) && share_method(one, other) && !contradict(one, other)
}

/// Whether both take some host by the same pattern; between different ones, the more specific decides.
fn share_host(one: &Matcher, other: &Matcher) -> bool {
    (one.hosts.is_empty() && other.hosts.is_empty())
        || one.hosts.iter().any(|host| other.hosts.contains(host))
}

/// Of one rank, both name methods or neither does. HEAD that only one of them names is its own.
fn share_method(one: &Matcher, other: &Matcher) -> bool {
    one.methods.is_empty() || one.methods.iter().any(|method| other.methods.contains(method))
}

/// Whether they want different values of a header.
fn contradict(one: &Matcher, other: &Matcher) -> bool {
    one.headers.iter().any(|HeaderMatch { name, value }| {
        value.is_some()
            && other.headers.iter().any(|header| {
                header.name == *name && header.value.is_some() && header.value != *value
            })
    })
}
