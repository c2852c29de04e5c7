//! What this program is: facts fixed at compile time, for `version`, `/metrics` and the gateway.

/// The name of the program and of its service.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The version, from the package's manifest.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, given by the builder in `RELEASE_COMMIT`, else `unknown`.
pub const COMMIT: &str = match option_env!("RELEASE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// The target triple it was compiled for.
pub const TARGET: &str = env!("EDGE_NODE_TARGET");
