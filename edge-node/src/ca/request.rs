//! What a certificate is asked to say, and whether that makes sense.

use std::net::IpAddr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Names in one certificate; each costs some bytes of every handshake.
const NAMES_MAX: usize = 100;

/// The longest URI. Source: SPIFFE-ID §2.3.
const URI_BYTES_MAX: usize = 2048;

/// The longest DNS name. Source: RFC 1035 §2.3.4, less the root.
const DNS_BYTES_MAX: usize = 253;

/// What a certificate is asked to say; kept, so that a renewed one says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Request {
    /// At least one.
    pub purposes: Vec<Purpose>,
    /// DNS names, lower case.
    pub dns: Vec<String>,
    /// Addresses.
    pub ips: Vec<IpAddr>,
    /// URIs.
    pub uris: Vec<String>,
    /// How long it lives.
    pub days: u16,
}

/// What a certificate is for. Source: RFC 5280 §4.2.1.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// TLS servers.
    Server,
    /// TLS clients.
    Client,
}

impl Purpose {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

impl Request {
    /// Checks what the names mean together; each alone was checked when it was read.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub fn check(&self) -> Result<(), String> {
        let Self { purposes, dns, ips, uris, days: _ } = self;
        let is_server = purposes.contains(&Purpose::Server);
        if is_server && dns.is_empty() && ips.is_empty() {
            Err("a server's certificate needs a name that clients know it by: --dns or --ip".into())
        } else if dns.is_empty() && ips.is_empty() && uris.is_empty() {
            Err("a client's certificate needs a name that rules can allow: --dns, --uri or --ip"
                .into())
        } else if dns.len() + ips.len() + uris.len() > NAMES_MAX {
            Err(format!("a certificate has at most {NAMES_MAX} names"))
        } else if let (false, Some(name)) =
            (is_server, dns.iter().find(|name| name.starts_with('*')))
        {
            Err(format!("`{name}` is no client's name: a wildcard is for servers"))
        } else {
            Ok(())
        }
    }
}

/// Reads a DNS name, or `*.` and one; gives it in lower case.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn dns(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    let labels = name.strip_prefix("*.").unwrap_or(&name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = labels.parse::<IpAddr>().is_ok();
    if is_address {
        Err(format!("`{labels}` is an address: use --ip"))
    } else if name.len() <= DNS_BYTES_MAX && labels.split('.').all(is_label) {
        Ok(name)
    } else {
        Err("not a DNS name such as app.example.org or *.example.org, others than ASCII as `xn--…`"
            .into())
    }
}

/// Reads a URI: a scheme, and visible ASCII after it.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn uri(text: &str) -> Result<String, String> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let has_more = text.len() > scheme.len() + 1;
    if is_scheme
        && has_more
        && text.len() <= URI_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Ok(text.to_owned())
    } else {
        Err("not a URI such as spiffe://site/camera-7".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(purposes: &[Purpose], dns: &[&str], uris: &[&str]) -> Request {
        Request {
            purposes: purposes.to_vec(),
            dns: dns.iter().map(ToString::to_string).collect(),
            ips: vec![],
            uris: uris.iter().map(ToString::to_string).collect(),
            days: 30,
        }
    }

    #[track_caller]
    fn check(request: &Request, expected: &str) {
        let refusal = request.check().err().unwrap_or_default();
        assert!(
            refusal.starts_with(expected) && refusal.is_empty() == expected.is_empty(),
            "{refusal}"
        );
    }

    #[test]
    fn servers_need_a_host_and_clients_a_name() {
        use Purpose::{Client, Server};
        check(&request(&[Server], &["a"], &[]), "");
        check(&request(&[Server], &[], &["spiffe://a"]), "a server's certificate needs");
        check(&request(&[Client], &[], &["spiffe://a"]), "");
        check(&request(&[Client], &[], &[]), "a client's certificate needs");
        check(&request(&[Client], &["*.a"], &[]), "`*.a` is no client's name");
        check(&request(&[Server, Client], &["*.a"], &[]), "");
        check(&request(&[Server], &["a"; 101], &[]), "a certificate has at most 100 names");
    }

    #[test]
    fn dns_names_are_checked_and_lowered() {
        assert_eq!(dns("*.Edge.Local"), Ok("*.edge.local".to_owned()));
        for bad in
            ["", "a..b", "-a", "a-", "a b", "*", "a.*.b", "*.10.0.0.1", "10.0.0.1", "ä.de", "a."]
        {
            assert!(dns(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn uris_have_a_scheme_and_no_spaces() {
        assert_eq!(uri("spiffe://site/Camera"), Ok("spiffe://site/Camera".to_owned()));
        assert_eq!(uri("urn:x"), Ok("urn:x".to_owned()));
        for bad in ["", "site/camera", "1x://a", "spiffe:", "a b:c", "spiffe://a b", "spiffe://ä"]
        {
            assert!(uri(bad).is_err(), "{bad}");
        }
    }
}
