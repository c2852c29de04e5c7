//! The gateway at work: the program of this workspace on free ports of 127.0.0.1, with a configuration of a test's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::node::Node;
use crate::{http, release};

/// A running gateway with one data listener, ended when dropped.
#[derive(Debug)]
pub struct Gateway {
    /// Where its data listener is.
    pub address: SocketAddr,
    node: Node,
    folder: TempDir,
}

impl Gateway {
    /// Starts one with these keys of the data listener, and these tables.
    ///
    /// # Panics
    /// When it does not serve.
    #[track_caller]
    pub fn start(listener: &str, tables: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), listener, tables)
    }

    /// The same with its configuration in this folder, beside the files that it names.
    ///
    /// # Panics
    /// When it does not serve.
    #[track_caller]
    pub fn start_in(folder: TempDir, listener: &str, tables: &str) -> Self {
        let config = folder.path().join("edge-node.toml");
        std::fs::write(&config, configuration(listener, tables)).unwrap();
        let node = Node::start(Command::new(program()), &config);
        Self { address: node.address("data"), node, folder }
    }

    /// Starts one that sends every request to this upstream.
    ///
    /// # Panics
    /// When it does not serve.
    #[track_caller]
    pub fn to(upstream: SocketAddr) -> Self {
        Self::start("", &forwarding(upstream, ""))
    }

    /// The folder of its configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The service itself.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Its metrics.
    ///
    /// # Panics
    /// When it does not tell them.
    #[track_caller]
    pub fn metrics(&self) -> String {
        http::get(self.node.address("admin"), "/metrics").unwrap().body
    }
}

/// A configuration with listeners on free ports of 127.0.0.1.
pub fn configuration(listener: &str, tables: &str) -> String {
    format!(
        "workers = 2\n[listeners.admin]\nport = 0\n\
         [listeners.data]\naddress = '127.0.0.1'\nport = 0\n{listener}\n{tables}\n"
    )
}

/// The tables that send every request to this upstream, with more keys for its pool.
pub fn forwarding(upstream: SocketAddr, pool: &str) -> String {
    format!(
        "[pools.up]\nupstreams = [{{ address = '{upstream}' }}]\n{pool}\n\
         [routes.all]\nforward = {{ pool = 'up' }}\n"
    )
}

/// The program under test, compiled once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| release::program("edge-node"))
}
