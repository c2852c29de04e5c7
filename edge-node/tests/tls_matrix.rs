//! TLS with OpenSSL at the other end: what good and bad certificates of clients, servers and upstreams end in.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the real OpenSSL is the peer")]
#![expect(
    clippy::unwrap_used,
    reason = "test code; the lint exempts only functions marked as tests"
)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use edge_node::config::{
    CertificateFiles, ClientCertificates, ClientRules, ClientTls, HostPattern, NamePattern,
    Protocol, ServerTls, TlsVersion, UpstreamAddress,
};
use edge_node::tls::{self, Identity};
use tempfile::TempDir;
use tests::certificates::{Authority, EXPIRED, GOOD, Issued, Leaf, NOT_YET, written};
use tests::needs;
use tests::openssl::{self, Said, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a server that lets a client in says.
const GREETING: &str = "edge-node lets you in";

const HANDSHAKE_FAILURE: Option<u8> = Some(40);
const BAD_CERTIFICATE: Option<u8> = Some(42);
const UNSUPPORTED_CERTIFICATE: Option<u8> = Some(43);
const CERTIFICATE_REVOKED: Option<u8> = Some(44);
const CERTIFICATE_EXPIRED: Option<u8> = Some(45);
const UNKNOWN_CA: Option<u8> = Some(48);
const DECRYPT_ERROR: Option<u8> = Some(51);
const PROTOCOL_VERSION: Option<u8> = Some(70);
const CERTIFICATE_REQUIRED: Option<u8> = Some(116);
const NO_APPLICATION_PROTOCOL: Option<u8> = Some(120);

/// A folder with an authority and a server certificate for `site.example`.
struct Site {
    folder: TempDir,
    authority: Authority,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new("site") };
        site.authority.write(site.path(), "ca");
        site.authority.server(&["site.example"]).write(site.path(), "site");
        site
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    fn certificate(&self, name: &str) -> CertificateFiles {
        CertificateFiles {
            chain: self.file(&format!("{name}.pem")),
            key: self.file(&format!("{name}.key")),
            ocsp: None,
        }
    }

    /// A listener that asks nothing of clients.
    fn open(&self) -> ServerTls {
        ServerTls {
            certificates: vec![self.certificate("site")],
            version_min: TlsVersion::Tls12,
            clients: None,
        }
    }

    /// A listener that demands a certificate of the site's authority that is not in `ca.crl`.
    fn closed(&self, revoked: &[u64]) -> ServerTls {
        let list = self.authority.revocation_list(revoked, GOOD);
        let clients = ClientCertificates {
            authorities: self.file("ca.pem"),
            revoked: vec![written(self.path(), "ca.crl", list)],
            is_required: true,
        };
        ServerTls { clients: Some(clients), ..self.open() }
    }
}

/// What came of a connection, on our side.
#[derive(Debug)]
enum Outcome {
    Connected { identity: Option<Identity>, alpn: Option<String> },
    Refused(String),
}

/// A server with the settings' TLS that greets whom the handshake lets in; ends when dropped.
struct Node {
    address: SocketAddr,
    outcomes: Receiver<Outcome>,
    _end: oneshot::Sender<()>,
}

impl Node {
    fn start(settings: &ServerTls) -> Self {
        let acceptor = TlsAcceptor::from(tls::server(settings).unwrap().config);
        let (end, ended) = oneshot::channel();
        let (outcome, outcomes) = mpsc::channel();
        let (bound, address) = mpsc::channel();
        thread::spawn(move || {
            runtime().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                let serve = async {
                    loop {
                        let (stream, _client) = listener.accept().await.unwrap();
                        let _nobody_asks = outcome.send(serve(&acceptor, stream).await);
                    }
                };
                tokio::select! { () = serve => (), _ = ended => () }
            });
        });
        Self { address: address.recv_timeout(PATIENCE).unwrap(), outcomes, _end: end }
    }

    /// A connection by `openssl s_client`: what it said, and what we say.
    fn meets(&self, arguments: &[&str]) -> (Said, Outcome) {
        let said = openssl::connect(self.address, arguments);
        (said, self.outcomes.recv_timeout(PATIENCE).unwrap())
    }
}

async fn serve(acceptor: &TlsAcceptor, stream: TcpStream) -> Outcome {
    let mut stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    let connection = stream.get_ref().1;
    let identity = Identity::of_peer(connection);
    let alpn = connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    // A client of TLS 1.3 that refuses us says so only now.
    let greeted = async {
        stream.write_all(format!("{GREETING}\n").as_bytes()).await?;
        stream.shutdown().await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    match greeted.await {
        Ok(_) => Outcome::Connected { identity, alpn },
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A client with this certificate is let in by the handshake in both versions; gives who it is.
#[track_caller]
fn admits(site: &Site, settings: &ServerTls, client: &Issued) -> Identity {
    let node = Node::start(settings);
    let (chain, key) = client.write(site.path(), "client");
    let certificate = ["-cert", chain.to_str().unwrap(), "-key", key.to_str().unwrap()];
    let [first, second] = ["-tls1_2", "-tls1_3"].map(|version| {
        let (said, outcome) = node.meets(&[&certificate[..], &[version]].concat());
        assert!(said.text.contains(GREETING), "{version}: {outcome:?}\n{}", said.text);
        let Outcome::Connected { identity: Some(identity), .. } = outcome else {
            panic!("{version}: {outcome:?}")
        };
        identity
    });
    assert_eq!(first, second);
    first
}

/// A client with this certificate, or none, gets an alert in both versions.
#[track_caller]
fn refuses(site: &Site, settings: &ServerTls, client: Option<&Issued>, alert: Option<u8>) {
    let node = Node::start(settings);
    let files = client.map(|client| client.write(site.path(), "client"));
    let certificate = files
        .iter()
        .flat_map(|(chain, key)| ["-cert", chain.to_str().unwrap(), "-key", key.to_str().unwrap()]);
    let certificate: Vec<&str> = certificate.collect();
    for version in ["-tls1_2", "-tls1_3"] {
        let (said, outcome) = node.meets(&[&certificate[..], &[version]].concat());
        assert!(matches!(outcome, Outcome::Refused(_)), "{version}: {outcome:?}");
        assert!(!said.text.contains(GREETING), "{version}: {}", said.text);
        assert_eq!(said.alert, alert, "{version}: {outcome:?}\n{}", said.text);
    }
}

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
    let client = site.authority.client(&["cam.dev.site"]);
    let (chain, key) = client.write(site.path(), "client");
    let certificate = ["-cert", chain.to_str().unwrap(), "-key", key.to_str().unwrap()];
    for version in ["-tls1_2", "-tls1_3"] {
        let node = Node::start(&site.closed(&[]));
        let session = site.text("session");
        let _first = node.meets(&[&certificate[..], &[version, "-sess_out", &session]].concat());
        let again = [version, "-sess_in", &session];
        let (said, outcome) = node.meets(&again);
        assert!(said.text.contains("Reused, TLSv1"), "{version}: {}", said.text);
        let Outcome::Connected { identity: Some(identity), .. } = outcome else {
            panic!("{version}: {outcome:?}")
        };
        assert_eq!(identity.dns, ["cam.dev.site"], "who it is is known without asking again");
        let (said, _) = Node::start(&site.closed(&[client.serial])).meets(&again);
        assert!(!said.text.contains("Reused, TLSv1"), "{version}: {}", said.text);
    }
}

/// Connects to an upstream as the gateway does; gives what it answers, or why not.
fn upstream(settings: &ClientTls, address: SocketAddr) -> Result<String, String> {
    let config = tls::client(settings, Protocol::Http1).unwrap();
    let name = tls::server_name(settings, &UpstreamAddress::Socket(address)).unwrap();
    runtime().block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(Arc::clone(&config));
        let mut stream =
            connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        let asked = async {
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
            stream.read_to_end(&mut answer).await
        };
        asked.await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    })
}

fn towards(site: &Site, certificate: Option<&str>) -> ClientTls {
    ClientTls {
        authorities: site.file("ca.pem"),
        server_name: Some("app.local".into()),
        certificate: certificate.map(|name| site.certificate(name)),
    }
}

/// An upstream with this certificate is refused, with this alert.
#[track_caller]
fn refuses_upstream(site: &Site, app: &Issued, alert: Option<u8>) {
    let (chain, key) = app.write(site.path(), "app");
    let files = ["-cert", chain.to_str().unwrap(), "-key", key.to_str().unwrap()];
    let server = Server::start(site.path(), &files);
    let why = upstream(&towards(site, None), server.address).unwrap_err();
    let said = server.said("SSL alert number");
    assert_eq!(said.alert, alert, "{why}\n{}", said.text);
}

#[test]
fn an_upstream_is_verified_by_its_name_and_shown_our_certificate() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let (chain, key) = site.authority.server(&["app.local"]).write(site.path(), "app");
    site.authority.client(&["gateway.local"]).write(site.path(), "gateway");
    let ca = site.text("ca.pem");
    let files = ["-cert", chain.to_str().unwrap(), "-key", key.to_str().unwrap()];
    let demands = ["-CAfile", &ca, "-Verify", "1", "-verify_return_error"];
    let server = Server::start(site.path(), &[&files[..], &demands].concat());
    let answer = upstream(&towards(&site, Some("gateway")), server.address).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 ok"), "{answer}");
    let why = upstream(&towards(&site, None), server.address).unwrap_err();
    assert!(why.contains("CertificateRequired") || why.contains("certificate"), "{why}");
}

#[test]
fn an_upstream_with_anything_wrong_about_its_certificate_is_refused() {
    needs!(Tool("openssl"));
    let site = Site::new();
    let app = || Leaf::new("app.local").host("app.local");
    refuses_upstream(&site, &site.authority.issue(Leaf::new("app.local")), BAD_CERTIFICATE);
    refuses_upstream(&site, &site.authority.server(&["other.local"]), BAD_CERTIFICATE);
    refuses_upstream(&site, &Authority::new("other").server(&["app.local"]), UNKNOWN_CA);
    refuses_upstream(&site, &Authority::new("site").server(&["app.local"]), DECRYPT_ERROR);
    refuses_upstream(&site, &site.authority.issue(app().valid(EXPIRED)), CERTIFICATE_EXPIRED);
    refuses_upstream(&site, &site.authority.issue(app().valid(NOT_YET)), CERTIFICATE_EXPIRED);
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
