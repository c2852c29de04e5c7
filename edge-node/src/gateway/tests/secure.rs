//! TLS on either side: HTTP/2 by ALPN, who a client is, and certificates that are exchanged.

use ::tests::certificates::{Authority, Leaf};
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::rig::*;
use super::*;
use crate::config::{CertificateFiles, ClientTls, Protocol};

/// A folder with an authority, a certificate of a server and one of a client.
pub struct Site {
    folder: TempDir,
    authority: Authority,
}

impl Site {
    pub fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new("site") };
        site.authority.write(site.folder.path(), "authority");
        site.authority.server(&["a.example"]).write(site.folder.path(), "server");
        site.authority.server(&["b.example"]).write(site.folder.path(), "other");
        site.authority
            .issue(Leaf::new("me").host("me.example"))
            .write(site.folder.path(), "client");
        site
    }

    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The keys of a listener that shows the certificate of `a.example`, or that of `b.example` to those who ask for
    /// it, and asks for one.
    pub fn listener(&self) -> String {
        let pair = |name: &str| {
            let [chain, key] = ["pem", "key"].map(|kind| self.file(&format!("{name}.{kind}")));
            format!("{{ chain = '{chain}', key = '{key}' }}")
        };
        format!(
            "tls = {{ certificates = [{}, {}], clients = {{ authorities = '{}', demand = 'optional' }} }}",
            pair("server"),
            pair("other"),
            self.file("authority.pem")
        )
    }

    /// The client's certificate.
    fn client(&self) -> CertificateFiles {
        let [chain, key] = ["client.pem", "client.key"].map(|name| self.file(name).into());
        CertificateFiles { chain, key, ocsp: None }
    }

    /// A client's connection, with a certificate or without.
    pub async fn connect(
        &self,
        address: SocketAddr,
        protocol: Protocol,
        with_certificate: bool,
    ) -> TlsStream<TcpStream> {
        let certificate = with_certificate.then(|| self.client());
        let authorities = self.file("authority.pem").into();
        let settings = ClientTls { authorities, server_name: None, certificate };
        let config = crate::tls::client(&settings, protocol).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        within(TlsConnector::from(config).connect(name, stream)).await.unwrap()
    }

    async fn ask(&self, address: SocketAddr, request: &str, with_certificate: bool) -> String {
        let mut stream = self.connect(address, Protocol::Http1, with_certificate).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        String::from_utf8(answer).unwrap()
    }
}

#[tokio::test]
async fn an_upstream_learns_who_a_client_is_and_a_client_cannot_say_it() {
    let (site, mut upstream) = (Site::new(), Upstream::start(&[OK]).await);
    let routes = "[routes.all]\nforward = { pool = 'up' }";
    let rig =
        Rig::with_listener(&site.listener(), &format!("{}{routes}", pool(&[upstream.address], "")));
    let get = "GET / HTTP/1.1\r\nhost: a.example\r\nx-client-identity: dns=root\r\n\
               connection: close\r\n\r\n";
    assert!(site.ask(rig.address, get, true).await.ends_with("yes"));
    let heard = upstream.next().await;
    assert!(heard.contains("\r\nx-client-identity: dns=me.example, sha256="), "{heard}");
    assert!(heard.contains("\r\nx-forwarded-proto: https\r\n"), "{heard}");
    assert!(site.ask(rig.address, get, false).await.ends_with("yes"));
    let heard = upstream.next().await;
    assert!(!heard.contains("x-client-identity"), "{heard}");
}

#[tokio::test]
async fn a_route_may_demand_a_certificate_and_names_in_it() {
    let site = Site::new();
    let routes = "routes.any = { respond = { body = 'any' }, path = { exact = '/any' }, \
                  clients = { demand = 'required' } }\n\
                  routes.one = { respond = { body = 'one' }, path = { exact = '/one' }, \
                  clients = { demand = 'required', allow = [{ dns = 'you.example' }] } }";
    let rig = Rig::with_listener(&site.listener(), routes);
    let get =
        |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n");
    let answer = site.ask(rig.address, &get("/any"), true).await;
    assert!(answer.ends_with("any"), "{answer}");
    let answer = site.ask(rig.address, &get("/any"), false).await;
    assert!(answer.contains("client certificate is required"), "{answer}");
    let answer = site.ask(rig.address, &get("/one"), true).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="not-allowed"} 1"#);
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="no-certificate"} 1"#);
}

#[tokio::test]
async fn http_2_is_spoken_where_both_agree_and_a_host_with_another_certificate_is_misdirected() {
    let site = Site::new();
    let rig = Rig::with_listener(&site.listener(), "");
    let stream = site.connect(rig.address, Protocol::Http2, false).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    for (host, status) in [("a.example", 200), ("b.example", 421), ("nobody.example", 200)] {
        let uri = format!("https://{host}/");
        let request = Request::builder().uri(uri).body(Empty::new()).unwrap();
        let answer = within(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), status, "{host}");
    }
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="misdirected"} 1"#);
}

#[tokio::test]
async fn a_host_with_another_certificate_is_misdirected_whoever_the_client_is() {
    let site = Site::new();
    let rig = Rig::with_listener(&site.listener(), "");
    for with_certificate in [true, false] {
        let get = "GET / HTTP/1.1\r\nhost: B.Example.:443\r\n\r\n\
                   GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";
        let answer = site.ask(rig.address, get, with_certificate).await;
        assert!(answer.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{answer}");
        assert!(answer.contains("HTTP/1.1 200 "), "the connection is still good: {answer}");
    }
}

#[tokio::test]
async fn a_head_that_wakes_a_resting_connection_has_all_its_time() {
    let site = Site::new();
    let listener = format!("header-read-timeout = '3s'\n{}", site.listener());
    let rig = Rig::with_listener(&listener, "");
    let mut stream = site.connect(rig.address, Protocol::Http1, false).await;
    let mut some = [0; 4096];
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await.unwrap();
    let length = within(stream.read(&mut some)).await.unwrap();
    assert!(some[..length].starts_with(b"HTTP/1.1 200 "));
    // It rests for longer than a head may take, and then one comes in two parts.
    for (wait, part) in [(3500, "GET / HT"), (1000, "TP/1.1\r\nhost: a.example\r\n\r\n")] {
        let nothing = tokio::time::timeout(Duration::from_millis(wait), stream.read(&mut some));
        assert!(nothing.await.is_err(), "it is closed before {part:?}");
        stream.write_all(part.as_bytes()).await.unwrap();
    }
    let length = within(stream.read(&mut some)).await.unwrap();
    assert!(some[..length].starts_with(b"HTTP/1.1 200 "));
}

type Empty = http_body_util::Empty<bytes::Bytes>;

#[tokio::test]
async fn upstreams_are_reached_by_tls_that_is_verified() {
    let site = Site::new();
    let mut secured = Upstream::start(&[OK]).await;
    // A gateway with TLS stands in for an upstream with TLS.
    let text = format!("{}[routes.all]\nforward = {{ pool = 'up' }}", pool(&[secured.address], ""));
    let behind = Rig::with_listener(&site.listener(), &text);
    for (name, status) in [("a.example", "200"), ("c.example", "502")] {
        let tls = format!(
            "tls = {{ authorities = '{}', server-name = '{name}' }}",
            site.file("authority.pem")
        );
        let text =
            format!("{}[routes.all]\nforward = {{ pool = 'up' }}", pool(&[behind.address], &tls));
        let answer = Rig::start(&text).exchange(GET).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
    }
    assert!(secured.next().await.contains("\r\nx-forwarded-proto: "));
}

#[tokio::test]
async fn metrics_tell_when_certificates_expire() {
    let site = Site::new();
    let rig = Rig::with_listener(&site.listener(), "");
    // 2090-01-01.
    rig.check_metric(&format!(
        "tls_cert_not_after_timestamp_seconds{{listener=\"data\",certificate=\"{}\"}} 3786912000",
        site.file("server.pem")
    ));
}

#[tokio::test]
async fn metrics_forget_the_certificates_of_a_listener_that_is_gone() {
    let site = Site::new();
    let mut rig = Rig::with_listener(&site.listener(), "");
    let mut without = config("");
    without.listeners.data.clear();
    rig.gateway.apply(&without, &Material::default());
    let text = rig.metrics.expose(crate::observe::exposition::Exposition::Classic);
    assert!(!text.contains("server.pem"), "{text}");
}

/// How the second of two handshakes of the same client goes.
async fn second_handshake(site: &Site, listener: &str) -> Option<HandshakeKind> {
    let rig = Rig::with_listener(listener, "");
    let settings = ClientTls {
        authorities: site.file("authority.pem").into(),
        server_name: None,
        certificate: Some(site.client()),
    };
    let config = crate::tls::client(&settings, Protocol::Http1).unwrap();
    let mut kind = None;
    for _ in 0..2 {
        let stream = TcpStream::connect(rig.address).await.unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        let connecting = TlsConnector::from(Arc::clone(&config)).connect(name, stream);
        let mut stream = within(connecting).await.unwrap();
        kind = stream.get_ref().1.handshake_kind();
        // A ticket comes behind the handshake, and is read with the answer.
        stream.write_all(GET.as_bytes()).await.unwrap();
        let _ = within(stream.read_to_end(&mut Vec::new())).await;
    }
    kind
}

#[tokio::test]
async fn sessions_are_resumed_only_where_nobody_is_asked_who_he_is() {
    let site = Site::new();
    let [chain, key] = ["server.pem", "server.key"].map(|name| site.file(name));
    let open = format!("tls = {{ certificates = [{{ chain = '{chain}', key = '{key}' }}] }}");
    assert_eq!(second_handshake(&site, &open).await, Some(HandshakeKind::Resumed));
    for version in ["1.2", "1.3"] {
        let listener =
            site.listener().replace("clients =", &format!("version-min = '{version}', clients ="));
        assert_eq!(second_handshake(&site, &listener).await, Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn who_agrees_on_http_2_and_then_says_nothing_is_let_go() {
    let site = Site::new();
    let listener = format!("header-read-timeout = '1s'\n{}", site.listener());
    let rig = Rig::with_listener(&listener, "");
    let mut silent = site.connect(rig.address, Protocol::Http2, false).await;
    let start = std::time::Instant::now();
    let _ = within(silent.read_to_end(&mut Vec::new())).await;
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
}
