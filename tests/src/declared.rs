//! What the declaration says, read from `packaging/release.toml` itself and not through xtask, so that a test compares
//! a release with what people wrote and not with what xtask made of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use toml::Table;

use crate::tools;

/// The declaration as plain TOML.
///
/// # Panics
/// When it cannot be read.
pub fn declaration() -> Table {
    let path = tools::workspace().join("packaging/release.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// Where a client on the same machine reaches a declared listener.
///
/// # Panics
/// When there is no such listener.
pub fn listener(name: &str) -> SocketAddr {
    let declaration = declaration();
    let listener = &declaration["listeners"][name];
    let address: IpAddr = listener["address"].as_str().unwrap().parse().unwrap();
    let address = if address.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address };
    SocketAddr::new(address, u16::try_from(listener["port"].as_integer().unwrap()).unwrap())
}

/// The name of the product, which is also the default name of its service, program and folders.
///
/// # Panics
/// When there is none.
pub fn product() -> String {
    declaration()["product"]["name"].as_str().unwrap().to_owned()
}
