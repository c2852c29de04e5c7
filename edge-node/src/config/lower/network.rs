//! Networks of addresses, as `10.0.0.0/8`. Pure.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use strict_toml::Invalid;

/// IPv4 addresses in IPv6 form have this many bits before them (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// Reads a network; an address alone is the network of itself, and one of IPv4 in IPv6 form is that of IPv4.
///
/// # Errors
/// When it is none, or has bits behind its prefix.
pub(super) fn network(text: &str) -> Result<IpNet, Invalid> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let net: IpNet = text.parse().map_err(|_invalid| {
        Invalid::new(format!("`{text}` is not a network"))
            .help("for example \"10.0.0.0/8\" or \"192.168.1.1\"")
    })?;
    if net.trunc() != net {
        return Err(Invalid::new(format!("`{text}` has bits set behind its prefix")).help(
            format!("write \"{}\", or \"{}\" for this address only", net.trunc(), net.addr()),
        ));
    }
    Ok(canonical(net))
}

fn canonical(net: IpNet) -> IpNet {
    let mapped = match net.addr() {
        IpAddr::V6(address) => address.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    };
    mapped
        .zip(net.prefix_len().checked_sub(MAPPED_BITS))
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_alone_is_a_network_of_itself() {
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.168.1.1", "192.168.1.1/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.1/8", "::1/64", "a", "10.0.0.0/", " ::1"]
        {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
