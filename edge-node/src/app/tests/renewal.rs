//! Files of TLS that change under a running service: new connections see it, those that are open go on.

use ::tests::certificates::{Authority, GOOD, Issued, Leaf, written};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, Error};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::config::{CertificateFiles, ClientTls, Protocol};

/// Longer than a service goes without a look at the files.
const NEXT_LOOK: Duration = Duration::from_secs(6);

const TLS: &str = "listeners.data.tls.certificates = [{ chain = 'site.pem', key = 'site.pem' }]\n";
const CLIENTS: &str =
    "listeners.data.tls.clients = { authorities = 'ca.pem', revoked = ['ca.crl'] }\n";

/// A service with TLS, and the authority of its site.
struct Site {
    rig: Rig,
    authority: Authority,
}

impl Site {
    /// Serves with the certificate given back, and these keys.
    async fn start(tables: &str) -> (Self, Issued) {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("site"));
        authority.write(folder.path(), "ca");
        let shown = authority.server(&["a.example"]);
        written(folder.path(), "site.pem", [&*shown.pem, &*shown.key].concat());
        written(folder.path(), "ca.crl", authority.revocation_list(&[], GOOD));
        let mut rig = Rig::start_in(folder, tables).await;
        rig.until(Phase::Serving).await;
        (Self { rig, authority }, shown)
    }

    /// Puts a file in the place of another one, whole, and brings on the service's next look.
    async fn exchange(&self, name: &str, contents: &str) {
        let folder = self.rig.folder.path();
        let new = written(folder, "new", contents);
        std::fs::rename(new, folder.join(name)).unwrap();
        tokio::time::pause();
        tokio::time::advance(NEXT_LOOK).await;
        tokio::time::resume();
    }

    /// A new connection, with a certificate or without.
    async fn connect(&self, client: Option<&Issued>) -> TlsStream<TcpStream> {
        let folder = self.rig.folder.path();
        let certificate = client.map(|client| {
            let (chain, key) = client.write(folder, "client");
            CertificateFiles { chain, key, ocsp: None }
        });
        let authorities = folder.join("ca.pem");
        let settings = ClientTls { authorities, server_name: None, certificate };
        let config = crate::tls::client(&settings, Protocol::Http1).unwrap();
        let stream = TcpStream::connect(self.rig.data).await.unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        within(TlsConnector::from(config).connect(name, stream)).await.unwrap()
    }

    /// What a client gets on a new connection.
    async fn greet(&self, client: &Issued) -> std::io::Result<String> {
        ask(&mut self.connect(Some(client)).await, "/").await
    }

    /// Whether a client is told that its certificate is revoked.
    async fn is_revoked(&self, client: &Issued) -> bool {
        let Err(error) = self.greet(client).await else { return false };
        let why = error.get_ref().and_then(|why| why.downcast_ref::<Error>());
        why == Some(&Error::AlertReceived(AlertDescription::CertificateRevoked))
    }
}

/// Asks, and gives the answer, which leaves the connection open.
async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) -> std::io::Result<String> {
    send(stream, path).await?;
    answer(stream).await
}

async fn send(stream: &mut TlsStream<TcpStream>, path: &str) -> std::io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a.example\r\n\r\n");
    stream.write_all(request.as_bytes()).await
}

async fn answer(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    // Every body that is asked for here ends so.
    while !bytes.ends_with(b"\n") || bytes.ends_with(b"\r\n") {
        if within(stream.read_buf(&mut bytes)).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8(bytes).unwrap())
}

/// The certificate that the other end showed.
fn shown(stream: &TlsStream<TcpStream>) -> &[u8] {
    &stream.get_ref().1.peer_certificates().unwrap()[0]
}

#[tokio::test]
async fn a_changed_certificate_is_shown_to_new_connections_and_those_that_are_open_are_answered() {
    let (site, first) = Site::start(TLS).await;
    let mut old = site.connect(None).await;
    assert_eq!(shown(&old), first.der);
    send(&mut old, "/slow").await.unwrap();
    within(site.rig.slow.reached.notified()).await;

    let second = site.authority.issue(Leaf::new("server").host("a.example").valid((2020, 2080)));
    site.exchange("site.pem", &[&*second.pem, &*second.key].concat()).await;
    within(async { while shown(&site.connect(None).await) != second.der {} }).await;
    let metrics = within(exchange(site.rig.admin, "/metrics")).await;
    let expires =
        |line: &str| line.starts_with("tls_cert_not_after") && line.ends_with(" 3471292800");
    assert!(metrics.lines().any(expires), "{metrics}");

    // What was asked before, and what is asked after.
    site.rig.slow.answer.notify_one();
    let answered = answer(&mut old).await.unwrap();
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.ends_with("at last\n"), "{answered}");
    assert!(!answered.contains("connection: close"), "{answered}");
    let answered = ask(&mut old, "/").await.unwrap();
    assert!(answered.starts_with("HTTP/1.1 404 "), "{answered}");
}

#[tokio::test]
async fn a_client_that_a_changed_list_revokes_is_refused_on_new_connections_and_others_are_not() {
    let (site, _) = Site::start(&[TLS, CLIENTS].concat()).await;
    let [lost, good] = ["lost.example", "good.example"].map(|name| site.authority.client(&[name]));
    let mut open = site.connect(Some(&lost)).await;
    assert!(ask(&mut open, "/").await.unwrap().starts_with("HTTP/1.1 404 "));

    site.exchange("ca.crl", &site.authority.revocation_list(&[lost.serial], GOOD)).await;
    within(async { while !site.is_revoked(&lost).await {} }).await;
    assert!(site.greet(&good).await.unwrap().starts_with("HTTP/1.1 404 "));
    assert!(ask(&mut open, "/").await.unwrap().starts_with("HTTP/1.1 404 "), "it stays open");
}

#[tokio::test]
async fn a_changed_file_that_is_no_certificate_is_told_and_the_old_one_shown_until_it_is_mended() {
    let (site, first) = Site::start(TLS).await;
    site.exchange("site.pem", "no certificate").await;
    let told = within(async {
        loop {
            match site.rig.logs.try_recv() {
                Ok(line) if line["level"] == "ERROR" => return line,
                Ok(_) => {}
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(told.await["message"], "certificates refused, the old ones go on");
    assert_eq!(shown(&site.connect(None).await), first.der);

    let second = site.authority.server(&["a.example"]);
    site.exchange("site.pem", &[&*second.pem, &*second.key].concat()).await;
    within(async { while shown(&site.connect(None).await) != second.der {} }).await;
}

#[tokio::test]
async fn upstreams_of_another_authority_are_reached_once_the_file_of_authorities_has_it() {
    // One service stands in for the other's upstream; it has nothing at `/`, and says so.
    let (upstream, _) = Site::start(TLS).await;
    let pool = format!(
        "pools.up = {{ upstreams = [{{ address = '{}' }}], \
         tls = {{ authorities = 'ca.pem', server-name = 'a.example' }} }}\n\
         routes.all = {{ forward = {{ pool = 'up' }} }}\n",
        upstream.rig.data
    );
    let (site, _) = Site::start(&pool).await;
    let answer = within(exchange(site.rig.data, "/")).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    site.exchange("ca.pem", &upstream.authority.pem).await;
    let is_reached = async || exchange(site.rig.data, "/").await.starts_with("HTTP/1.1 404 ");
    within(async { while !is_reached().await {} }).await;
}
