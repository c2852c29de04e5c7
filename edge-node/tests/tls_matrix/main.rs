//! TLS with OpenSSL at the other end: what good and bad certificates of clients, servers and upstreams end in.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the real OpenSSL is the peer")]
#![expect(
    clippy::unwrap_used,
    reason = "test code; the lint exempts only functions marked as tests"
)]

mod rig;
mod upstreams;

use std::fs;
use std::process::Command;

use edge_node::config::{ClientRules, HostPattern, NamePattern, ServerTls, TlsVersion};
use edge_node::tls;
use tests::certificates::{Authority, EXPIRED, GOOD, Issued, Leaf, NOT_YET, written};
use tests::needs;

use rig::{
    CERTIFICATE_EXPIRED, CERTIFICATE_REQUIRED, CERTIFICATE_REVOKED, DECRYPT_ERROR, GREETING,
    HANDSHAKE_FAILURE, NO_APPLICATION_PROTOCOL, Node, Outcome, PROTOCOL_VERSION, Site, UNKNOWN_CA,
    UNSUPPORTED_CERTIFICATE, admits, refuses,
};

fn rules() -> ClientRules {
    let allow = vec![NamePattern::Dns(HostPattern::Wildcard(".dev.site".into()))];
    ClientRules { is_required: true, allow }
}

#[test]
fn a_good_client_is_let_in_and_known_by_its_names() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let client = site.authority.issue(Leaf::new("x").host("cam.dev.site").uri("spiffe://site/cam"));
    let identity = admits(&site, &site.closed(&[]), &client);
    assert_eq!(identity.dns, ["cam.dev.site"]);
    assert_eq!(identity.uris, ["spiffe://site/cam"]);
    assert!(identity.is_allowed(&rules()));
}

#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_required() {
    needs!(Tool("openssl"));
    let site = Site::new();
    refuses(&site, &site.closed(&[]), None, CERTIFICATE_REQUIRED);
}

#[test]
fn a_client_without_a_certificate_is_nobody_where_one_is_optional() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let mut settings = site.closed(&[]);
    settings.clients.as_mut().unwrap().is_required = false;
    let (said, outcome) = Node::start(&settings).meets(&[]);
    assert!(said.text.contains(GREETING), "{}", said.text);
    assert!(matches!(outcome, Outcome::Connected { identity: None, .. }), "{outcome:?}");
    let stranger = Authority::new("site").client(&["cam.dev.site"]);
    refuses(&site, &settings, Some(&stranger), DECRYPT_ERROR);
}

#[test]
fn a_client_of_another_authority_is_refused_even_if_that_has_the_same_name() {
    needs!(Tool("openssl"));
    let site = Site::new();
    // Of the name it has, the signature is wrong.
    for (name, alert) in [("stranger", UNKNOWN_CA), ("site", DECRYPT_ERROR)] {
        let client = Authority::new(name).client(&["cam.dev.site"]);
        refuses(&site, &site.closed(&[]), Some(&client), alert);
    }
}

#[test]
fn a_client_that_signed_itself_is_refused() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let client = Issued::self_signed(Leaf::new("cam").host("cam.dev.site"));
    refuses(&site, &site.closed(&[]), Some(&client), UNKNOWN_CA);
}

#[test]
fn a_client_whose_certificate_is_over_or_not_begun_is_refused() {
    needs!(Tool("openssl"));
    let site = Site::new();
    for years in [EXPIRED, NOT_YET] {
        let client = site.authority.issue(Leaf::new("x").host("cam.dev.site").valid(years));
        refuses(&site, &site.closed(&[]), Some(&client), CERTIFICATE_EXPIRED);
    }
}

#[test]
fn a_client_with_another_name_is_let_in_by_the_handshake_and_refused_by_the_rules() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let client = site.authority.client(&["cam.prod.site"]);
    assert!(!admits(&site, &site.closed(&[]), &client).is_allowed(&rules()));
}

#[test]
fn a_client_with_a_common_name_only_is_nobody_to_the_rules() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let client = site.authority.issue(Leaf::new("cam.dev.site"));
    let identity = admits(&site, &site.closed(&[]), &client);
    assert!(identity.dns.is_empty() && !identity.is_allowed(&rules()), "{identity:?}");
}

#[test]
fn a_client_that_was_revoked_is_refused() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let client = site.authority.client(&["cam.dev.site"]);
    admits(&site, &site.closed(&[client.serial + 1]), &client);
    refuses(&site, &site.closed(&[client.serial]), Some(&client), CERTIFICATE_REVOKED);
}

#[test]
fn nobody_is_let_in_by_a_revocation_list_that_is_over_or_another_authority_s() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let client = site.authority.client(&["cam.dev.site"]);
    let settings = site.closed(&[]);
    let other = Authority::new("other").revocation_list(&[], GOOD);
    for list in [site.authority.revocation_list(&[], EXPIRED), other] {
        written(site.path(), "ca.crl", list);
        refuses(&site, &settings, Some(&client), UNKNOWN_CA);
    }
}

#[test]
fn a_certificate_for_servers_is_not_one_for_clients() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let server = site.authority.issue(Leaf::new("x").host("cam.dev.site").for_servers_only());
    refuses(&site, &site.closed(&[]), Some(&server), UNSUPPORTED_CERTIFICATE);
}

#[test]
fn versions_before_the_least_are_refused() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let mut settings = site.open();
    // OpenSSL 3 offers what is older than 1.2 only without its own minimum of security.
    let old = ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"];
    let (said, outcome) = Node::start(&settings).meets(&old);
    // Such a hello has no signature algorithms, which rustls misses before it looks at the version.
    assert_eq!(said.alert, HANDSHAKE_FAILURE, "{outcome:?}\n{}", said.text);
    settings.version_min = TlsVersion::Tls13;
    let node = Node::start(&settings);
    let (said, outcome) = node.meets(&["-tls1_2"]);
    assert_eq!(said.alert, PROTOCOL_VERSION, "{outcome:?}\n{}", said.text);
    assert!(node.meets(&["-tls1_3"]).0.text.contains(GREETING));
}

#[test]
fn a_client_that_wants_another_name_gets_the_first_certificate_and_refuses_it() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let ca = site.text("ca.pem");
    let node = Node::start(&site.open());
    let insists = |name| {
        let verify = ["-CAfile", &ca, "-verify_return_error"];
        node.meets(&[&verify[..], &["-servername", name, "-verify_hostname", name]].concat())
    };
    let (said, outcome) = insists("site.example");
    assert!(said.text.contains(GREETING), "{outcome:?}\n{}", said.text);
    let (said, outcome) = insists("other.example");
    assert!(said.text.contains("hostname mismatch"), "{}", said.text);
    let Outcome::Refused(why) = outcome else { panic!("{outcome:?}") };
    assert_eq!(why, "received fatal alert: BadCertificate");
}

#[test]
fn the_certificate_shown_is_the_one_asked_for() {
    needs!(Tool("openssl"));
    let site = Site::new();
    for (file, name) in [("wild", "*.edge.local"), ("exact", "a.edge.local")] {
        site.authority.issue(Leaf::new(file).host(name)).write(site.path(), file);
    }
    let certificates = ["site", "wild", "exact"].map(|name| site.certificate(name)).to_vec();
    let node = Node::start(&ServerTls { certificates, ..site.open() });
    for (arguments, shown) in [
        (&["-servername", "b.edge.local"][..], "wild"),
        (&["-servername", "A.Edge.Local"], "exact"),
        (&["-servername", "x.b.edge.local"], "server"),
        (&["-noservername"], "server"),
    ] {
        let (said, _) = node.meets(arguments);
        assert!(said.text.contains(&format!("subject=CN = {shown}\n")), "{}", said.text);
    }
}

#[test]
fn the_protocol_is_http_2_or_1_1_as_the_client_prefers_and_no_other() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let node = Node::start(&site.open());
    for (offered, expected) in [
        (&["-alpn", "http/1.1,h2"][..], Some("h2")),
        (&["-alpn", "http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let Outcome::Connected { alpn, .. } = node.meets(offered).1 else { panic!("{offered:?}") };
        assert_eq!(alpn.as_deref(), expected);
    }
    assert_eq!(node.meets(&["-alpn", "spdy/3"]).0.alert, NO_APPLICATION_PROTOCOL);
}

#[test]
fn a_stapled_response_reaches_the_client() {
    needs!(Tool("openssl"));
    let site = Site::new();
    written(site.path(), "ca.key", &site.authority.key);
    written(site.path(), "index.txt", "V\t900101000000Z\t\t01\tunknown\t/CN=server\n");
    let made = Command::new("openssl")
        .args(
            "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem"
                .split(' '),
        )
        .args("-cert site.pem -ndays 1 -respout site.ocsp".split(' '))
        .current_dir(site.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut settings = site.open();
    settings.certificates[0].ocsp = Some(site.file("site.ocsp"));
    let (said, _) = Node::start(&settings).meets(&["-status"]);
    assert!(said.text.contains("Cert Status: good"), "{}", said.text);
}

#[test]
fn a_session_is_resumed_until_the_settings_are_loaded_again() {
    needs!(Tool("openssl"));
    let site = Site::new();
    for version in ["-tls1_2", "-tls1_3"] {
        let node = Node::start(&site.open());
        let session = site.text("session");
        let _first = node.meets(&[version, "-sess_out", &session]);
        let again = [version, "-sess_in", &session];
        let (said, _) = node.meets(&again);
        assert!(said.text.contains("Reused, TLSv1"), "{version}: {}", said.text);
        let (said, _) = Node::start(&site.open()).meets(&again);
        assert!(!said.text.contains("Reused, TLSv1"), "{version}: {}", said.text);
    }
}

#[test]
fn a_client_that_is_asked_for_a_certificate_is_verified_each_time() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let (chain, key) = site.authority.client(&["cam.dev.site"]).write(site.path(), "client");
    let certificate = ["-cert", chain.to_str().unwrap(), "-key", key.to_str().unwrap()];
    let node = Node::start(&site.closed(&[]));
    for version in ["-tls1_2", "-tls1_3"] {
        let session = site.text(&format!("session{version}"));
        let _first = node.meets(&[&certificate[..], &[version, "-sess_out", &session]].concat());
        // OpenSSL writes none where it was given nothing that it could resume.
        if fs::exists(&session).unwrap() {
            let again = [&certificate[..], &[version, "-sess_in", &session]].concat();
            let (said, _) = node.meets(&again);
            assert!(said.text.contains("New, TLSv1"), "{version}: {}", said.text);
        }
    }
}

#[test]
fn certificates_exchanged_on_the_disk_are_noticed_and_shown() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let settings = site.open();
    let files = tls::server_files(&settings);
    let before = tls::Stamp::of(&files);
    site.authority.issue(Leaf::new("renewed").host("site.example")).write(site.path(), "site");
    assert_ne!(tls::Stamp::of(&files), before);
    let (said, _) = Node::start(&settings).meets(&[]);
    assert!(said.text.contains("subject=CN = renewed\n"), "{}", said.text);
    fs::remove_file(&settings.certificates[0].key).unwrap();
    assert!(tls::server(&settings).is_err());
}
