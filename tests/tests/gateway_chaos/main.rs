//! The gateway among upstreams, clients and configurations that misbehave: no request is lost that could be sent again
//! safely, none is sent twice that could not, who is ejected comes back when the configuration says so, a reload costs
//! nothing, and memory stays bounded.
//!
//! What was measured is printed: `cargo test -p tests --test gateway_chaos -- --nocapture`.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "figures for whoever reads them")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod listeners;
mod reloads;
mod upstreams;

/// Only a test that fails waits this long.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);
