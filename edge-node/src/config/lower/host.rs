//! Hosts as they stand in requests, and patterns of them. Pure.

use std::net::{IpAddr, Ipv6Addr};

use strict_toml::Invalid;

use crate::config::model::HostPattern;

/// RFC 1035 §2.3.4.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Reads a name, or `*.` and a name for exactly one more label.
///
/// # Errors
/// When it is neither.
pub(super) fn pattern(text: &str) -> Result<HostPattern, Invalid> {
    match text.strip_prefix("*.") {
        Some(name) if name.parse::<IpAddr>().is_ok() => {
            Err(Invalid::new(format!("`{text}` has a star before an address")))
        }
        Some(name) => Ok(HostPattern::Wildcard(format!(".{}", self::name(name)?).into())),
        None => Ok(HostPattern::Exact(name(text)?)),
    }
}

/// Reads a host that a route takes.
///
/// # Errors
/// When it is no name, and no pattern of one.
pub(super) fn taken(text: &str) -> Result<HostPattern, Invalid> {
    pattern(text).map_err(|invalid| match text {
        "*" => invalid.help("leave `hosts` out for every host"),
        _ => invalid,
    })
}

/// Reads a host: a name in lower case, an IPv4 address, an IPv6 address in brackets (RFC 3986 §3.2.2).
///
/// # Errors
/// When it is none of these, or has more to it.
pub(super) fn name(text: &str) -> Result<Box<str>, Invalid> {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
        && let Ok(address) = inner.parse::<Ipv6Addr>()
    {
        return Ok(format!("[{address}]").into());
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or(rest);
        return Err(Invalid::new(format!("`{text}` has the scheme `{scheme}`"))
            .help(format!("write \"{host}\"")));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(Invalid::new(format!("`{text}` is an IPv6 address without brackets"))
            .help(format!("write \"[{text}]\"")));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && port.bytes().all(|c| c.is_ascii_digit())
        && !host.is_empty()
    {
        return Err(Invalid::new(format!("`{text}` has a port")).help(format!("write \"{host}\"")));
    }
    if text.bytes().any(|c| c.is_ascii_uppercase()) {
        return Err(Invalid::new(format!("`{text}` is not in lower case"))
            .help(format!("write \"{}\"", text.to_ascii_lowercase())));
    }
    labels(text)?;
    Ok(text.into())
}

/// Refuses what is no name of labels (RFC 1123 §2.1; underscores are in use).
fn labels(text: &str) -> Result<(), Invalid> {
    let refused = |why: &str| Err(Invalid::new(format!("`{text}` {why}")));
    if text.is_empty() {
        return Err(Invalid::new("it is empty"));
    }
    if !text.is_ascii() {
        return Err(Invalid::new(format!("`{text}` is not in ASCII"))
            .help("write it as in requests, in Punycode: xn--…"));
    }
    if let Some(name) = text.strip_suffix('.') {
        return Err(
            Invalid::new(format!("`{text}` ends with a dot")).help(format!("write \"{name}\""))
        );
    }
    if text.contains('*') {
        return Err(Invalid::new(format!("`{text}` has a star in a wrong place"))
            .help("a star stands for exactly one label, the first: \"*.example.org\""));
    }
    if text.len() > NAME_BYTES_MAX {
        return refused("is too long for a name");
    }
    let is_label = |label: &str| {
        let is_kept = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c);
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(is_kept)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !text.split('.').all(is_label) {
        return refused("is not a host name");
    }
    // Others read such a name as an address (URL Standard, "ends in a number").
    let is_number = |label: &str| label.bytes().all(|c| c.is_ascii_digit());
    let ends_in_number = text.rsplit('.').next().is_some_and(is_number);
    if ends_in_number && text.parse::<IpAddr>().is_err() {
        return refused("is not an IPv4 address");
    }
    Ok(())
}

/// Reads a host and, if there is one, a port.
///
/// # Errors
/// When it is not that.
pub(super) fn authority(text: &str) -> Result<Box<str>, Invalid> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        Some(_) | None => (text, None),
    };
    // A scheme has a colon as well.
    if port.is_some_and(|port| port.starts_with("//")) {
        return name(text);
    }
    let host = name(host)?;
    match port {
        None => Ok(host),
        Some(port) => Ok(format!("{host}:{}", self::port(text, port)?).into()),
    }
}

/// Reads the port of `whole`.
pub(super) fn port(whole: &str, text: &str) -> Result<u16, Invalid> {
    let is_number = text.bytes().all(|c| c.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if port > 0 && is_number => Ok(port),
        _ => Err(Invalid::new(format!("`{whole}` has the port `{text}`"))
            .help("a port is a number from 1 to 65535")),
    }
}

/// Reads the name of a certificate: an address has no brackets there.
///
/// # Errors
/// When it is neither a name nor an address.
pub(super) fn certificate_name(text: &str) -> Result<Box<str>, Invalid> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string().into()),
        Err(_) => name(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_patterns_are_told_apart() {
        let exact = |text: &str| HostPattern::Exact(text.into());
        for (text, expected) in [
            ("api.example.org", exact("api.example.org")),
            ("localhost", exact("localhost")),
            ("127.0.0.1", exact("127.0.0.1")),
            ("[0::1]", exact("[::1]")),
            ("a_b.c-d", exact("a_b.c-d")),
            ("*.edge.local", HostPattern::Wildcard(".edge.local".into())),
        ] {
            assert_eq!(pattern(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(64);
        for text in [
            "",
            ".",
            "a.",
            "a..b",
            "-a",
            "a-",
            "A.b",
            "a:80",
            "::1",
            "[::1",
            "http://a",
            "a/b",
            "a b",
            "ä.de",
            "*",
            "*a.b",
            "a.*.b",
            "*.*.a",
            "*.",
            "1.2.3",
            "300.1.1.1",
            "*.127.0.0.1",
            &long,
        ] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_authority_may_have_a_port() {
        for text in ["a.b", "a.b:8443", "[::1]:80", "[::1]", "127.0.0.1:1"] {
            assert_eq!(&*authority(text).unwrap(), text);
        }
        for text in
            ["a:", "a:0", "a:65536", "a:+1", ":80", "https://a", "a:b:1", "::1:80", "u@a", "a/"]
        {
            assert!(authority(text).is_err(), "{text}");
        }
    }
}
