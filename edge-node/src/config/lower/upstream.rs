//! Where an upstream is, as text. Pure.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use strict_toml::Invalid;

use super::host;
use crate::config::model::UpstreamAddress;

/// Bytes of the path of a Unix socket (`unix(7)`: 108 with the byte that ends it).
const UNIX_PATH_BYTES_MAX: usize = 107;

/// Reads the address of an upstream; `has_unix` says whether there are Unix sockets here.
///
/// # Errors
/// When it is none.
pub(super) fn address(text: &str, has_unix: bool) -> Result<UpstreamAddress, Invalid> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(text, path, has_unix);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let bare = rest.split('/').next().unwrap_or(rest);
        let tls = if scheme == "https" { "; TLS is set by `tls` of the pool" } else { "" };
        return Err(Invalid::new(format!("`{text}` has the scheme `{scheme}`"))
            .help(format!("write \"{bare}\"{tls}")));
    }
    if text.is_empty() {
        return Err(Invalid::new("it is empty").help("for example \"127.0.0.1:80\""));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Err(portless(text, address));
    }
    // The colons in brackets are those of an address.
    let is_bracketed = text.starts_with('[') && text.ends_with(']');
    let Some((name, port)) = text.rsplit_once(':').filter(|_| !is_bracketed) else {
        return Err(Invalid::new(format!("`{text}` has no port"))
            .help(format!("for example \"{text}:8080\"")));
    };
    let port = host::port(text, port)?;
    if name.is_empty() {
        return Err(Invalid::new(format!("`{text}` has no host"))
            .help(format!("for example \"127.0.0.1:{port}\"")));
    }
    match text.parse::<SocketAddr>() {
        Ok(SocketAddr::V6(address)) if address.scope_id() != 0 => {
            Err(Invalid::new(format!("`{text}` has the scope `{}`", address.scope_id()))
                .help("use an address or a name that needs none"))
        }
        Ok(address) => Ok(UpstreamAddress::Socket(SocketAddr::new(
            address.ip().to_canonical(),
            address.port(),
        ))),
        Err(_) => Ok(UpstreamAddress::Name(host::name(name)?, port)),
    }
}

/// What is wrong with an address of IPv4 or IPv6 alone, whose last part may have been meant as a port.
fn portless(text: &str, address: IpAddr) -> Invalid {
    let example = format!("for example \"{}\"", SocketAddr::new(address, 8080));
    let meant = text.rsplit_once(':').and_then(|(host, port)| {
        Some(SocketAddr::new(host.parse::<Ipv6Addr>().ok()?.into(), host::port(text, port).ok()?))
    });
    Invalid::new(format!("`{text}` has no port")).help(match meant {
        None => example,
        Some(meant) => {
            format!("write \"{meant}\" if `{}` is the port, else {example}", meant.port())
        }
    })
}

fn unix(text: &str, path: &str, has_unix: bool) -> Result<UpstreamAddress, Invalid> {
    if !has_unix {
        return Err(Invalid::new(format!(
            "`{text}` is a Unix socket, which this system does not have"
        ))
        .help("use a port of 127.0.0.1"));
    }
    if !path.starts_with('/') {
        return Err(Invalid::new(format!("`{text}` is not an absolute path"))
            .help("for example \"unix:/run/app.sock\""));
    }
    if path.len() > UNIX_PATH_BYTES_MAX {
        return Err(Invalid::new(format!(
            "the path of a Unix socket may have {UNIX_PATH_BYTES_MAX} bytes, this one has {}",
            path.len()
        )));
    }
    if path.contains('\0') {
        return Err(Invalid::new("the path of a Unix socket has a null character"));
    }
    Ok(UpstreamAddress::Unix(Path::new(path).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_shown() {
        for text in
            ["127.0.0.1:3000", "[::1]:80", "app.local:80", "localhost:1", "unix:/run/app.sock"]
        {
            assert_eq!(address(text, true).unwrap().to_string(), text);
        }
        assert_eq!(address("[::ffff:10.0.0.1]:1", true).unwrap().to_string(), "10.0.0.1:1");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ":80",
            "a",
            "a:",
            "a:0",
            "a:65536",
            "::1",
            "::1:80",
            "127.0.0.1",
            "127.0.0.1:0",
            "1.2.3:80",
            "http://a:80",
            "a:80/x",
            "unix:",
            "unix:run/a",
            "A:80",
            "[::1]",
            "*.a:80",
        ] {
            assert!(address(text, true).is_err(), "{text}");
        }
        assert!(address(&format!("unix:/{}", "a".repeat(107)), true).is_err());
    }

    #[test]
    fn a_system_without_unix_sockets_refuses_them() {
        let refused = address("unix:/run/a", false).unwrap_err();
        assert_eq!(
            refused.reason,
            "`unix:/run/a` is a Unix socket, which this system does not have"
        );
    }
}
