//! `openssl s_server` as an upstream.

use std::net::SocketAddr;
use std::sync::Arc;

use edge_node::config::{ClientTls, Protocol, UpstreamAddress};
use edge_node::tls;
use tests::certificates::{Authority, EXPIRED, Issued, Leaf, NOT_YET};
use tests::needs;
use tests::openssl::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::rig::{BAD_CERTIFICATE, CERTIFICATE_EXPIRED, DECRYPT_ERROR, Site, UNKNOWN_CA, runtime};

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
