//! Which certificate a client is shown: by the name it asks for (SNI, RFC 6066 §3), and which hosts it may then ask.
//!
//! An exact name goes before a wildcard; among certificates of the same name the first whose key the client can use,
//! so that one with an ECDSA key can have one with an RSA key beside it. Without a name, and with one that no
//! certificate has, it is the first certificate of the config: a client that insists on the name then refuses it and
//! says why, which an alert of ours (`unrecognized_name`) would not, and clients that verify by address send no name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Certificates by name.
#[derive(Debug)]
pub struct BySni {
    /// In the order of the config; at least one.
    keys: Vec<Arc<CertifiedKey>>,
    /// By `example.org`, and for a wildcard by `.example.org`: positions in `keys`, rising.
    by_name: HashMap<Box<str>, Vec<usize>>,
}

impl BySni {
    /// Takes certificates with their names, of which addresses are passed over: SNI has none.
    pub fn new<'a>(
        certificates: impl IntoIterator<Item = (Arc<CertifiedKey>, &'a [String])>,
    ) -> Self {
        let mut keys = Vec::new();
        let mut by_name: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (position, (key, names)) in certificates.into_iter().enumerate() {
            keys.push(key);
            for name in names {
                // Kept as `.example.org`, a wildcard is apart from all names that a client can ask for.
                let name =
                    name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
                by_name.entry(name.into()).or_default().push(position);
            }
        }
        Self { keys, by_name }
    }

    /// The certificates for a name in lower case, in the order of the config; none where none has it.
    fn fitting(&self, name: &str) -> &[usize] {
        let wildcard = || name.find('.').and_then(|dot| self.by_name.get(&name[dot..]));
        self.by_name.get(name).or_else(wildcard).map_or(&[], Vec::as_slice)
    }

    /// Whether a host, in lower case and without a port, has a certificate here, but not the one that a client was
    /// shown who asked for `name`: a connection stands for the names of its certificate and for no others.
    ///
    /// A host that no certificate is for belongs to none, so it is asked on any connection. Where several certificates
    /// fit the name, the client may have been shown any of them.
    ///
    /// Sources: RFC 9110 §15.5.20, RFC 9113 §9.1.1 and §9.1.2.
    #[must_use]
    pub fn is_misdirected(&self, name: Option<&str>, host: &str) -> bool {
        if self.keys.len() < 2 || name == Some(host) {
            return false;
        }
        let shown = match name.map_or(&[][..], |name| self.fitting(name)) {
            [] => &[0],
            fitting => fitting,
        };
        let suffix = host.find('.').map(|dot| &host[dot..]);
        let named = [Some(host), suffix].into_iter().flatten();
        let mut owners = named.filter_map(|name| self.by_name.get(name)).flatten().peekable();
        owners.peek().is_some() && !owners.any(|owner| shown.contains(owner))
    }

    fn chosen(&self, name: Option<&str>, is_usable: impl Fn(&CertifiedKey) -> bool) -> usize {
        match name.map_or(&[][..], |name| self.fitting(name)) {
            [] => 0,
            [only] => *only,
            several => *several
                .iter()
                .find(|position| is_usable(&self.keys[**position]))
                .unwrap_or(&several[0]),
        }
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let chosen =
            self.chosen(hello.server_name(), |key| key.key.choose_scheme(schemes).is_some());
        self.keys.get(chosen).cloned()
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring::sign::any_supported_type;

    use super::*;

    fn by_names(certificates: &[&[&str]]) -> BySni {
        let pair = rcgen::KeyPair::generate().unwrap();
        let key = any_supported_type(&pair.into()).unwrap();
        let names: Vec<Vec<String>> = certificates
            .iter()
            .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
            .collect();
        BySni::new(
            names
                .iter()
                .map(|names| (Arc::new(CertifiedKey::new(vec![], Arc::clone(&key))), &**names)),
        )
    }

    #[track_caller]
    fn check(certificates: &[&[&str]], name: &str, expected: usize) {
        assert_eq!(by_names(certificates).chosen(Some(name), |_| true), expected, "{name}");
    }

    const SITES: [&[&str]; 4] =
        [&["first.example"], &["*.edge.local"], &["a.edge.local", "127.0.0.1"], &["edge.local"]];

    #[test]
    fn an_exact_name_goes_before_a_wildcard() {
        check(&SITES, "a.edge.local", 2);
        check(&SITES, "b.edge.local", 1);
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        check(&SITES, "edge.local", 3);
        check(&SITES, "x.b.edge.local", 0);
    }

    #[test]
    fn a_star_that_is_no_label_of_its_own_is_no_wildcard() {
        check(&[&["first"], &["*edge.local", "a*.edge.local"]], "edge.local", 0);
        check(&[&["first"], &["*edge.local", "a*.edge.local"]], "ab.edge.local", 0);
    }

    #[test]
    fn the_first_is_shown_to_those_who_ask_for_another_name_or_none() {
        check(&SITES, "nobody.example", 0);
        check(&SITES, "local", 0);
        assert_eq!(by_names(&SITES).chosen(None, |_| true), 0);
    }

    #[track_caller]
    fn check_host(name: Option<&str>, host: &str, is_misdirected: bool) {
        assert_eq!(by_names(&SITES).is_misdirected(name, host), is_misdirected, "{name:?} {host}");
    }

    #[test]
    fn a_host_is_asked_where_its_certificate_was_shown() {
        check_host(Some("edge.local"), "edge.local", false);
        check_host(Some("edge.local"), "first.example", true);
        check_host(Some("edge.local"), "a.edge.local", true);
        check_host(Some("a.edge.local"), "127.0.0.1", false);
        check_host(Some("a.edge.local"), "b.edge.local", true);
        // The wildcard is for it, too, though another one would have been shown.
        check_host(Some("b.edge.local"), "a.edge.local", false);
        check_host(Some("b.edge.local"), "c.edge.local", false);
    }

    #[test]
    fn who_asked_for_no_name_or_for_nobodys_was_shown_the_first() {
        for name in [None, Some("nobody.example")] {
            check_host(name, "first.example", false);
            check_host(name, "edge.local", true);
            check_host(name, "127.0.0.1", true);
        }
    }

    #[test]
    fn a_host_that_no_certificate_is_for_is_asked_anywhere() {
        for host in ["nobody.example", "10.0.0.1", "[::1]", "x.b.edge.local", "local", ""] {
            check_host(Some("edge.local"), host, false);
            check_host(None, host, false);
        }
    }

    #[test]
    fn with_certificates_of_the_same_name_any_of_them_may_have_been_shown() {
        let same = by_names(&[&["other"], &["a.example"], &["a.example", "b.example"]]);
        assert!(!same.is_misdirected(Some("a.example"), "b.example"));
        assert!(same.is_misdirected(Some("a.example"), "other"));
    }

    #[test]
    fn of_two_with_the_same_name_the_first_that_the_client_can_use_is_shown() {
        let same = by_names(&[&["other"], &["a.example"], &["a.example"]]);
        assert_eq!(same.chosen(Some("a.example"), |_| true), 1);
        let is_last = |key: &CertifiedKey| std::ptr::eq(key, &*same.keys[2]);
        assert_eq!(same.chosen(Some("a.example"), is_last), 2);
        assert_eq!(same.chosen(Some("a.example"), |_| false), 1);
    }
}
