//! The path of a request in its normal form, in which routes match it and upstreams get it. Pure.

use std::borrow::Cow;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It does not start with a slash.
    #[error("path does not start with a slash")]
    Relative,
}

/// The normal form of a path, without query.
///
/// # Errors
/// What some server would read differently than we do.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, PathFault> {
    if path.starts_with('/') { Ok(Cow::Borrowed(path)) } else { Err(PathFault::Relative) }
}
