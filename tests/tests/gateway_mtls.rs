//! Mutual TLS at the running gateway, with OpenSSL as the client: each kind of certificate ends in its own alert or
//! status, only who was verified has a name behind the gateway, and a host is answered where its certificate was shown.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(
    clippy::unwrap_used,
    reason = "test code; the lint exempts only functions marked as tests"
)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tests::certificates::{Authority, EXPIRED, GOOD, Issued, Leaf, NOT_YET, written};
use tests::gateway::Gateway;
use tests::needs;
use tests::openssl::{self, Said};
use tests::process;
use tests::recorder::{Answer, Entry, Recorder};

/// Alerts by number. Source: RFC 8446, section 6.
const HANDSHAKE_FAILURE: Option<u8> = Some(40);
const CERTIFICATE_REVOKED: Option<u8> = Some(44);
const CERTIFICATE_EXPIRED: Option<u8> = Some(45);
const UNKNOWN_CA: Option<u8> = Some(48);
const DECRYPT_ERROR: Option<u8> = Some(51);
const CERTIFICATE_REQUIRED: Option<u8> = Some(116);

/// What every client claims to be.
const REQUEST: &str = "GET /a HTTP/1.1\r\nhost: site.example\r\nx-client-identity: dns=root\r\n\
                       X-Client-Identity: dns=root\r\nx_client_identity: dns=root\r\nconnection: close\r\n\r\n";

const TABLES: &str = "
[listeners.sites]
address = '127.0.0.1'
port = 0
[listeners.sites.tls]
certificates = [{ chain = 'site.pem', key = 'site.key' }, { chain = 'inner.pem', key = 'inner.key' }]
[listeners.sites-of-members]
address = '127.0.0.1'
port = 0
[listeners.sites-of-members.tls]
certificates = [{ chain = 'site.pem', key = 'site.key' }, { chain = 'inner.pem', key = 'inner.key' }]
clients = { authorities = 'ca.pem', revoked = ['ca.crl'], demand = 'optional' }
[listeners.required]
address = '127.0.0.1'
port = 0
[listeners.required.tls]
certificates = [{ chain = 'site.pem', key = 'site.key' }]
clients = { authorities = 'ca.pem', revoked = ['ca.crl'], demand = 'required' }
[listeners.optional]
address = '127.0.0.1'
port = 0
[listeners.optional.tls]
certificates = [{ chain = 'site.pem', key = 'site.key' }]
clients = { authorities = 'ca.pem', revoked = ['ca.crl'], demand = 'optional' }
[routes.all]
forward = { pool = 'up' }
[routes.members]
listeners = ['required', 'optional']
path = { prefix = '/members' }
forward = { pool = 'up' }
clients = { demand = 'required' }
[routes.cameras]
listeners = ['required', 'optional']
path = { prefix = '/cameras' }
forward = { pool = 'up' }
clients = { demand = 'required', allow = [{ dns = '*.dev.site' }, { uri = 'spiffe://site/*' }] }
";

/// A gateway whose authority has signed and revoked what a test wants.
struct Site {
    authority: Authority,
    revoked: Issued,
    gateway: Gateway,
    upstream: Recorder,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("site");
        authority.write(folder.path(), "ca");
        authority.server(&["site.example", "other.example"]).write(folder.path(), "site");
        authority.server(&["inner.example"]).write(folder.path(), "inner");
        let revoked = authority.client(&["lost.dev.site"]);
        written(folder.path(), "ca.crl", authority.revocation_list(&[revoked.serial], GOOD));
        let upstream = Recorder::start(|request| Answer::ok(request.target()));
        let pool = format!("[pools.up]\nupstreams = [{{ address = '{}' }}]\n", upstream.address);
        let gateway = Gateway::start_in(folder, "", &format!("{pool}{TABLES}"));
        Self { authority, revoked, gateway, upstream }
    }

    fn folder(&self) -> &Path {
        self.gateway.folder()
    }

    /// Asks a listener in a version of TLS, with this certificate or none.
    fn ask(
        &self,
        listener: &str,
        client: Option<&Issued>,
        options: &[&str],
        request: &str,
    ) -> Said {
        let files = client.map(|client| client.write(self.folder(), "client"));
        let mut arguments = vec!["-servername", "site.example"];
        if let Some((chain, key)) = &files {
            arguments.extend(["-cert", chain.to_str().unwrap(), "-key", key.to_str().unwrap()]);
        }
        arguments.extend(options);
        openssl::ask(self.gateway.node().address(listener), &arguments, request)
    }

    /// In each version of TLS the handshake ends in this alert, and nothing reaches the upstream.
    #[track_caller]
    fn refuses(&self, listener: &str, client: Option<&Issued>, alert: Option<u8>) {
        for version in ["-tls1_2", "-tls1_3"] {
            let said = self.ask(listener, client, &[version], REQUEST);
            assert_eq!(said.alert, alert, "{version}: {}", said.text);
            assert!(!said.text.contains("HTTP/1.1"), "{version}: {}", said.text);
        }
        assert_eq!(self.identities(), Vec::<Vec<String>>::new());
    }

    /// In each version of TLS a request for `path` gets this status; gives who the upstream was told that it is.
    #[track_caller]
    fn answers(
        &self,
        listener: &str,
        client: Option<&Issued>,
        path: &str,
        status: u16,
    ) -> Vec<Vec<String>> {
        for version in ["-tls1_2", "-tls1_3"] {
            let request = REQUEST.replace("/a", path);
            let said = self.ask(listener, client, &[version], &request);
            let line = format!("HTTP/1.1 {status} ");
            assert!(said.text.contains(&line), "{version}: {}", said.text);
        }
        self.identities()
    }

    /// What the requests that reached the upstream say of their client, each in all headers that could name one.
    #[track_caller]
    fn identities(&self) -> Vec<Vec<String>> {
        // Nobody in particular ends the list.
        let said = self.ask("optional", None, &[], &REQUEST.replace("/a", "/marker"));
        assert!(said.text.contains("HTTP/1.1 200 "), "{}", said.text);
        let entries = self.upstream.until("/marker");
        let is_name = |name: &str| name.replace('_', "-").eq_ignore_ascii_case("x-client-identity");
        let identity = |entry: &Entry| {
            let Entry::Whole(message) = entry else { panic!("{entry:?}") };
            let headers = message.headers.iter().filter(|(name, _)| is_name(name));
            (message.target() != "/marker")
                .then(|| headers.map(|(_, value)| value.clone()).collect())
        };
        let (marker, others) = entries.split_last().unwrap();
        let Entry::Whole(marker) = marker else { panic!("{marker:?}") };
        assert!(marker.headers.iter().all(|(name, _)| !is_name(name)), "{marker:?}");
        others.iter().filter_map(identity).collect()
    }
}

#[test]
fn a_good_client_is_named_to_the_upstream_by_its_certificate_and_by_nothing_it_says() {
    needs!(Tool("openssl"));
    let site = Site::start();
    let client = site.authority.issue(Leaf::new("x").host("cam.dev.site").uri("spiffe://site/cam"));
    for (listener, path) in [("required", "/a"), ("required", "/cameras"), ("optional", "/cameras")]
    {
        let told = site.answers(listener, Some(&client), path, 200);
        assert_eq!(told.len(), 2, "{told:?}");
        for identity in told {
            let [identity] = &identity[..] else { panic!("{identity:?}") };
            assert!(
                identity.starts_with("dns=cam.dev.site, uri=spiffe://site/cam, sha256="),
                "{identity}"
            );
        }
    }
}

#[test]
fn a_client_without_a_certificate_is_refused_or_nobody() {
    needs!(Tool("openssl"));
    let site = Site::start();
    site.refuses("required", None, CERTIFICATE_REQUIRED);
    let nobody = vec![Vec::<String>::new(); 2];
    assert_eq!(site.answers("optional", None, "/a", 200), nobody);
    for path in ["/members", "/cameras", "/x/../cameras", "//members", "/%6dembers"] {
        assert!(site.answers("optional", None, path, 403).is_empty(), "{path}");
    }
}

#[test]
fn a_certificate_that_is_not_good_ends_the_handshake_with_its_alert() {
    needs!(Tool("openssl"));
    let site = Site::start();
    let camera = || Leaf::new("x").host("cam.dev.site");
    let wrong = [
        (Authority::new("stranger").client(&["cam.dev.site"]), UNKNOWN_CA),
        // Its name is right, its key is not.
        (Authority::new("site").client(&["cam.dev.site"]), DECRYPT_ERROR),
        (Issued::self_signed(camera()), UNKNOWN_CA),
        (site.authority.issue(camera().valid(EXPIRED)), CERTIFICATE_EXPIRED),
        (site.authority.issue(camera().valid(NOT_YET)), CERTIFICATE_EXPIRED),
        (site.revoked.clone(), CERTIFICATE_REVOKED),
    ];
    for (client, alert) in &wrong {
        for listener in ["required", "optional"] {
            site.refuses(listener, Some(client), *alert);
        }
    }
}

#[test]
fn a_client_with_another_name_or_none_that_counts_is_let_in_and_refused_by_the_route() {
    needs!(Tool("openssl"));
    let site = Site::start();
    for leaf in [
        Leaf::new("x").host("cam.prod.site"),
        Leaf::new("x").host("a.cam.dev.site"),
        Leaf::new("x").host("dev.site"),
        Leaf::new("x").uri("spiffe://other/cam"),
        // A common name is no name. Source: RFC 9525, section 2.
        Leaf::new("cam.dev.site"),
    ] {
        let client = site.authority.issue(leaf);
        for listener in ["required", "optional"] {
            assert!(site.answers(listener, Some(&client), "/cameras", 403).is_empty());
            assert_eq!(site.answers(listener, Some(&client), "/members", 200).len(), 2);
        }
    }
}

#[test]
fn versions_before_1_2_are_refused() {
    needs!(Tool("openssl"));
    let site = Site::start();
    for version in ["-tls1_1", "-tls1"] {
        let options = [version, "-cipher", "DEFAULT@SECLEVEL=0"];
        let said = site.ask("optional", None, &options, REQUEST);
        // Such a hello has no signature algorithms, which is noticed before the version is.
        assert_eq!(said.alert, HANDSHAKE_FAILURE, "{version}: {}", said.text);
    }
    assert!(site.identities().is_empty());
}

#[test]
fn a_client_that_wants_another_name_refuses_and_one_that_does_not_care_gains_nothing() {
    needs!(Tool("openssl"));
    let site = Site::start();
    let authority = site.gateway.folder().join("ca.pem");
    let insists = ["-CAfile", authority.to_str().unwrap(), "-verify_return_error"];
    for (name, is_right) in [("site.example", true), ("nowhere.example", false)] {
        let options = [&insists[..], &["-servername", name, "-verify_hostname", name]].concat();
        let said = site.ask("optional", None, &options, REQUEST);
        assert_eq!(said.text.contains("HTTP/1.1 200 "), is_right, "{name}: {}", said.text);
        assert_eq!(said.text.contains("hostname mismatch"), !is_right, "{name}: {}", said.text);
    }
    assert_eq!(site.identities().len(), 1);
    // The routes go by the host of the request, and their rules by the certificate, whatever name was asked for.
    let request = REQUEST.replace("/a", "/members");
    let said = site.ask("optional", None, &["-servername", "nowhere.example"], &request);
    assert!(said.text.contains("HTTP/1.1 403 "), "{}", said.text);
}

#[test]
fn a_host_is_answered_where_its_certificate_was_shown_and_misdirected_elsewhere() {
    needs!(Tool("openssl"));
    let site = Site::start();
    for (listener, name, host, status) in [
        ("sites", Some("site.example"), "site.example", 200),
        ("sites", Some("site.example"), "other.example", 200),
        ("sites", Some("site.example"), "inner.example", 421),
        ("sites", Some("inner.example"), "inner.example", 200),
        ("sites", Some("inner.example"), "site.example:443", 421),
        ("sites", Some("inner.example"), "nobody.example", 200),
        ("sites", Some("nobody.example"), "inner.example", 421),
        ("sites", None, "inner.example", 200),
        ("sites-of-members", Some("inner.example"), "inner.example", 200),
        ("sites-of-members", Some("site.example"), "inner.example", 421),
        ("sites-of-members", None, "site.example", 200),
        ("sites-of-members", None, "inner.example", 421),
    ] {
        let request = REQUEST.replace("host: site.example", &format!("host: {host}"));
        let options = name.map_or(vec!["-noservername"], |name| vec!["-servername", name]);
        let said = openssl::ask(site.gateway.node().address(listener), &options, &request);
        let line = format!("HTTP/1.1 {status} ");
        assert!(said.text.contains(&line), "{listener} {name:?} {host}: {}", said.text);
    }
    // None of the misdirected ones is among them.
    assert_eq!(site.identities().len(), 7);
}

#[test]
fn a_host_is_misdirected_in_both_versions_of_http() {
    needs!(Tool("curl"));
    let site = Site::start();
    let port = site.gateway.node().address("sites").port();
    let resolve = format!("site.example:{port}:127.0.0.1");
    let authority = site.folder().join("ca.pem");
    for version in ["--http1.1", "--http2"] {
        for (host, status) in [("site.example", "200"), ("inner.example", "421")] {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", "--output", "-", version]);
            curl.args(["--write-out", "%{http_version} %{http_code}", "--resolve", &resolve]);
            curl.arg("--cacert").arg(&authority).args(["--header", &format!("host: {host}")]);
            curl.arg(format!("https://site.example:{port}/a"));
            let said = process::run(&mut curl, Duration::from_secs(20));
            let expected = format!("{} {status}", if version == "--http2" { "2" } else { "1.1" });
            assert!(said.stdout.ends_with(&expected), "{version} {host}: {said:?}");
        }
    }
}
