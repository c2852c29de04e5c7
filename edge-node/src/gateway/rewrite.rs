//! What becomes of a request's path and of headers on their way. Pure.

use std::borrow::Cow;

use http::HeaderMap;

use super::table::Parameters;
use crate::config::{HeaderEdits, PathPattern, PathRewrite, TemplateSegment};

/// The path after a rewrite; `path` is normalised and fits `pattern`. Percent escapes stay as they are.
///
/// A prefix goes in the place of what matched: of a prefix pattern that prefix, of any other the whole path. What comes
/// out is normalised if the rewrite's own text is.
#[must_use]
pub fn path<'a>(
    rewrite: &PathRewrite,
    pattern: &PathPattern,
    path: &'a str,
    parameters: &Parameters,
) -> Cow<'a, str> {
    match rewrite {
        PathRewrite::Keep => Cow::Borrowed(path),
        PathRewrite::Prefix(new) => {
            let rest = match pattern {
                PathPattern::Prefix(old) => path.strip_prefix(&**old).unwrap_or_default(),
                PathPattern::Exact(_) | PathPattern::Template(_) => "",
            };
            Cow::Owned(joined(new, rest))
        }
        PathRewrite::Template(segments) => Cow::Owned(filled(segments, parameters)),
    }
}

/// `rest` is empty or starts with a slash.
fn joined(new: &str, rest: &str) -> String {
    let new = if rest.is_empty() { new } else { new.trim_end_matches('/') };
    let path = [new, rest].concat();
    if path.is_empty() { "/".to_owned() } else { path }
}

fn filled(segments: &[TemplateSegment], parameters: &Parameters) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        match segment {
            TemplateSegment::Literal(text) => path.push_str(text),
            TemplateSegment::Parameter(wanted) | TemplateSegment::Rest(wanted) => {
                let found = parameters.iter().find(|(name, _)| **name == **wanted);
                path.push_str(found.map_or("", |(_, value)| value));
            }
        }
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

/// Edits headers: takes away, then sets, then adds.
pub fn headers(edits: &HeaderEdits, headers: &mut HeaderMap) {
    let HeaderEdits { remove, set, add } = edits;
    for name in remove {
        headers.remove(name);
    }
    for (name, value) in set {
        headers.insert(name, value.clone());
    }
    for (name, value) in add {
        headers.append(name, value.clone());
    }
}

#[cfg(test)]
mod tests;
