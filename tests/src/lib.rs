//! The rigs the end-to-end tests stand on: a Windows (Wine), a Linux (systemd in a container), a Prometheus, a network
//! of one's own, and a built release to put into them.
//!
//! A rig starts the real thing, waits for it with a deadline, answers questions about it, and ends it when dropped.
//! What a rig cannot do is a panic: it holds no results, and a test has nothing better to do with one than fail.
//! The claims themselves are in `tests/tests/`.

#![expect(clippy::disallowed_methods, reason = "a rig runs real programs")]
#![expect(clippy::unwrap_used, reason = "a rig is part of a test, which fails by panicking")]

pub mod cache;
pub mod certificates;
pub mod code_signing;
pub mod declared;
pub mod disk;
pub mod expressions;
pub mod frames;
#[cfg(unix)]
pub mod gateway;
pub mod http;
pub mod keep_alive;
pub mod load;
pub mod message;
pub mod metrics;
pub mod network;
#[cfg(unix)]
pub mod node;
pub mod openssl;
pub mod package_signing;
pub mod podman;
pub mod process;
pub mod prometheus;
pub mod raw;
pub mod recorder;
pub mod release;
pub mod schema;
pub mod strace;
#[cfg(unix)]
pub mod systemd;
pub mod tools;
pub mod traffic;
pub mod upstream;
pub mod wait;
pub mod wine;
pub mod workspace;
