//! Names read from certificates, rules held against them, and a header that no name can break.

use ::tests::certificates::{Authority, Leaf};
use proptest::prelude::*;

use super::*;

fn identity(leaf: Leaf) -> Identity {
    let issued = Authority::new("a").issue(leaf);
    Identity::of(&CertificateDer::from(issued.der)).unwrap()
}

fn with_names(dns: &[&str], uris: &[&str], ips: &[&str]) -> Identity {
    Identity {
        dns: dns.iter().map(ToString::to_string).collect(),
        uris: uris.iter().map(ToString::to_string).collect(),
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        fingerprint: "ab".repeat(32),
    }
}

#[test]
fn names_are_those_of_the_extension_and_not_the_common_one() {
    let leaf = Leaf::new("common.example")
        .host("One.Dev.Site")
        .uri("spiffe://site/Camera")
        .host("10.1.2.3")
        .host("fd00::1");
    let identity = identity(leaf);
    assert_eq!(identity.dns, ["one.dev.site"]);
    assert_eq!(identity.uris, ["spiffe://site/Camera"]);
    assert_eq!(identity.ips, ["10.1.2.3".parse::<IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
    assert_eq!(identity.fingerprint.len(), 64);
}

#[test]
fn a_certificate_with_a_common_name_only_is_nobody_by_name() {
    let identity = identity(Leaf::new("one.dev.site"));
    let Identity { dns, uris, ips, fingerprint: _ } = &identity;
    assert!(dns.is_empty() && uris.is_empty() && ips.is_empty());
    let rule = NamePattern::Dns(HostPattern::Exact("one.dev.site".into()));
    assert!(!identity.is_allowed(&rules(rule)));
}

#[test]
fn what_is_no_certificate_is_nobody() {
    assert_eq!(Identity::of(&CertificateDer::from(b"\x30\x03\x02\x01\x00".to_vec())), None);
    let mut der = Authority::new("a").client(&["x"]).der;
    der.truncate(der.len() - 1);
    assert_eq!(Identity::of(&CertificateDer::from(der)), None);
}

#[test]
fn a_certificate_that_cannot_be_read_is_not_the_same_as_none() {
    let unreadable = CertificateDer::from(b"\x30\x03\x02\x01\x00".to_vec());
    assert_eq!(Identity::of_first(None), Ok(None));
    assert_eq!(Identity::of_first(Some(&[])), Ok(None));
    assert_eq!(Identity::of_first(Some(&[unreadable])), Err(Unreadable));
}

fn rules(pattern: NamePattern) -> ClientRules {
    ClientRules { is_required: true, allow: vec![pattern] }
}

#[track_caller]
fn check(identity: &Identity, pattern: NamePattern, expected: bool) {
    assert_eq!(identity.is_allowed(&rules(pattern.clone())), expected, "{pattern:?}");
}

#[test]
fn without_rules_every_verified_certificate_is_let_in() {
    assert!(
        with_names(&[], &[], &[]).is_allowed(&ClientRules { is_required: true, allow: vec![] })
    );
}

#[test]
fn dns_rules_take_the_name_or_one_label_more() {
    let wildcard = || NamePattern::Dns(HostPattern::Wildcard(".dev.site".into()));
    check(&with_names(&["x", "a.dev.site"], &[], &[]), wildcard(), true);
    check(&with_names(&["a.b.dev.site"], &[], &[]), wildcard(), false);
    check(&with_names(&["dev.site", ".dev.site", "*.dev.site"], &[], &[]), wildcard(), false);
    check(&with_names(&["evil\0.dev.site", "a dev.site"], &[], &[]), wildcard(), false);
    let exact = || NamePattern::Dns(HostPattern::Exact("dev.site".into()));
    check(&with_names(&["dev.site"], &[], &[]), exact(), true);
    check(&with_names(&["a.dev.site"], &["dev.site"], &[]), exact(), false);
}

#[test]
fn uri_rules_take_the_whole_or_the_start() {
    let uri = |text: &str, is_prefix| NamePattern::Uri { text: text.into(), is_prefix };
    let camera = with_names(&[], &["spiffe://site/camera"], &[]);
    check(&camera, uri("spiffe://site/camera", false), true);
    check(&camera, uri("spiffe://site/", false), false);
    check(&camera, uri("spiffe://site/", true), true);
    check(&camera, uri("spiffe://other/", true), false);
    check(&with_names(&["spiffe://site/camera"], &[], &[]), uri("spiffe://site/", true), false);
}

#[test]
fn address_rules_take_a_network() {
    let network = || NamePattern::Ip("10.0.0.0/8".parse().unwrap());
    check(&with_names(&[], &[], &["192.168.0.1", "10.9.8.7"]), network(), true);
    check(&with_names(&["10.9.8.7"], &[], &["11.0.0.1", "::ffff:10.0.0.1"]), network(), false);
}

#[test]
fn the_header_has_all_names_and_the_fingerprint() {
    let identity = with_names(&["a.example"], &["spiffe://site/x?y=1"], &["10.0.0.1", "::1"]);
    let expected = format!(
        "dns=a.example, uri=spiffe://site/x?y=1, ip=10.0.0.1, ip=::1, sha256={}",
        "ab".repeat(32)
    );
    assert_eq!(identity.header(), expected);
}

#[test]
fn a_hostile_name_cannot_become_another_in_the_header() {
    let hostile = "x, uri=spiffe://site/admin\r\nx-admin: 1\0\"%é";
    let header = with_names(&[hostile], &[], &[]).header();
    let expected = format!(
        "dns=x%2C%20uri=spiffe://site/admin%0D%0Ax-admin:%201%00%22%25%C3%A9, sha256={}",
        "ab".repeat(32)
    );
    assert_eq!(header, expected);
}

#[test]
fn the_header_is_bounded_and_says_how_many_names_it_lacks() {
    let long = "x".repeat(3000);
    let many: Vec<String> = (0..1000).map(|number| format!("{number}.example")).collect();
    let mut identity = with_names(&["first.example", &long], &[], &[]);
    identity.dns.extend(many);
    let header = identity.header();
    let text = header.to_str().unwrap();
    assert!(text.len() <= HEADER_BYTES_MAX, "{}", text.len());
    let shown = text.split(", ").filter(|part| part.starts_with("dns=")).count();
    assert!(text.starts_with("dns=first.example, dns=0.example, "), "{text}");
    assert!(text.contains(&format!(", omitted={}, sha256=", 1002 - shown)), "{text}");
}

proptest! {
    #[test]
    fn a_damaged_certificate_is_nobody_or_somebody_but_no_panic(
        position in 0_usize..600,
        byte: u8,
        length in 0_usize..700,
    ) {
        let leaf = Leaf::new("x").host("a.site").host("10.0.0.1").uri("spiffe://site/a");
        let mut der = Authority::new("a").issue(leaf).der;
        let at = position % der.len();
        der[at] = byte;
        der.truncate(length);
        if let Some(identity) = Identity::of(&CertificateDer::from(der)) {
            prop_assert!(identity.header().len() <= HEADER_BYTES_MAX);
        }
    }

    #[test]
    fn names_can_be_read_back_from_the_header(names in proptest::collection::vec("\\PC*|.{0,40}", 0..5)) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let header = with_names(&names, &[], &[]).header();
        let text = header.to_str().unwrap();
        prop_assert!(text.len() <= HEADER_BYTES_MAX);
        if !text.contains("omitted=") {
            let read: Vec<String> = text.split(", ").filter_map(|part| part.strip_prefix("dns=")).map(unescaped).collect();
            prop_assert_eq!(read, names);
        }
    }
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let hex = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap(), tail)
            }
            _ => (*first, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).unwrap()
}
