//! A site's files, a server in this process, and OpenSSL as its client.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use edge_node::config::{CertificateFiles, ClientCertificates, ServerTls, TlsVersion};
use edge_node::tls::{self, Identity};
use tempfile::TempDir;
use tests::certificates::{Authority, GOOD, Issued, written};
use tests::openssl::{self, Said};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a server that lets a client in says.
pub const GREETING: &str = "edge-node lets you in";

/// Alerts by number. Source: RFC 8446 §6.
pub const HANDSHAKE_FAILURE: Option<u8> = Some(40);
pub const BAD_CERTIFICATE: Option<u8> = Some(42);
pub const UNSUPPORTED_CERTIFICATE: Option<u8> = Some(43);
pub const CERTIFICATE_REVOKED: Option<u8> = Some(44);
pub const CERTIFICATE_EXPIRED: Option<u8> = Some(45);
pub const UNKNOWN_CA: Option<u8> = Some(48);
pub const DECRYPT_ERROR: Option<u8> = Some(51);
pub const PROTOCOL_VERSION: Option<u8> = Some(70);
pub const CERTIFICATE_REQUIRED: Option<u8> = Some(116);
pub const NO_APPLICATION_PROTOCOL: Option<u8> = Some(120);

/// A folder with an authority and a server certificate for `site.example`.
pub struct Site {
    folder: TempDir,
    pub authority: Authority,
}

impl Site {
    pub fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new("site") };
        site.authority.write(site.path(), "ca");
        site.authority.server(&["site.example"]).write(site.path(), "site");
        site
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    pub fn certificate(&self, name: &str) -> CertificateFiles {
        CertificateFiles {
            chain: self.file(&format!("{name}.pem")),
            key: self.file(&format!("{name}.key")),
            ocsp: None,
        }
    }

    /// A listener that asks nothing of clients.
    pub fn open(&self) -> ServerTls {
        ServerTls {
            certificates: vec![self.certificate("site")],
            version_min: TlsVersion::Tls12,
            clients: None,
        }
    }

    /// A listener that demands a certificate of the site's authority that is not in `ca.crl`.
    pub fn closed(&self, revoked: &[u64]) -> ServerTls {
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
pub enum Outcome {
    Connected { identity: Option<Identity>, alpn: Option<String> },
    Refused(String),
}

/// A server with the settings' TLS that greets whom the handshake lets in; ends when dropped.
pub struct Node {
    pub address: SocketAddr,
    outcomes: Receiver<Outcome>,
    _end: oneshot::Sender<()>,
}

impl Node {
    pub fn start(settings: &ServerTls) -> Self {
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
    pub fn meets(&self, arguments: &[&str]) -> (Said, Outcome) {
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
    let identity = Identity::of_peer(connection).unwrap();
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

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A client with this certificate is let in by the handshake in both versions; gives who it is.
#[track_caller]
pub fn admits(site: &Site, settings: &ServerTls, client: &Issued) -> Identity {
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
pub fn refuses(site: &Site, settings: &ServerTls, client: Option<&Issued>, alert: Option<u8>) {
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
