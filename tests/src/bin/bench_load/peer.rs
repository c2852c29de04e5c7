//! One connection to a proxy, opened when it is needed and again after it broke; and what is asked over it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A unary call's message: not compressed, its length, and that many bytes (gRPC over HTTP/2, "Requests").
const MESSAGE: &[u8] = b"\0\0\0\0\x10sixteen bytes !!";

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTTP/1.1 without TLS.
    Http1,
    /// HTTP/1.1 over TLS.
    Https1,
    /// The same, with a connection for each request.
    Connect,
    /// HTTP/2 over TLS.
    Http2,
    /// Unary gRPC over TLS.
    Calls,
}

impl Kind {
    /// The kind that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "http1" => Self::Http1,
            "https1" => Self::Https1,
            "connect" => Self::Connect,
            "http2" => Self::Http2,
            "calls" => Self::Calls,
            _ => return None,
        })
    }

    fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Calls)
    }
}

/// Whom to ask, and for what.
#[derive(Clone)]
pub struct Peer {
    kind: Kind,
    address: SocketAddr,
    path: String,
    tls: TlsConnector,
}

impl Peer {
    /// One that nothing was asked of yet.
    pub fn new(kind: Kind, address: SocketAddr, path: &str) -> Self {
        let mut tls = rustls::ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unchecked))
            .with_no_client_auth();
        // Each handshake is to be a whole one.
        tls.resumption = rustls::client::Resumption::disabled();
        let protocol: &[u8] = if kind.is_http2() { b"h2" } else { b"http/1.1" };
        tls.alpn_protocols = vec![protocol.to_vec()];
        Self { kind, address, path: path.to_owned(), tls: TlsConnector::from(Arc::new(tls)) }
    }

    async fn connect(&self) -> Result<Sender, String> {
        let stream = TcpStream::connect(self.address).await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        if self.kind == Kind::Http1 {
            return self.speak(stream).await;
        }
        let name = ServerName::from(self.address.ip());
        self.speak(self.tls.connect(name, stream).await.map_err(text)?).await
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    ) -> Result<Sender, String> {
        let stream = TokioIo::new(stream);
        // How a connection ended, those who asked over it are told.
        if self.kind.is_http2() {
            let (sender, connection) =
                http2::handshake(LocalExecutor, stream).await.map_err(text)?;
            tokio::task::spawn_local(async { drop(connection.await) });
            Ok(Sender::Http2(sender))
        } else {
            let (sender, connection) = http1::handshake(stream).await.map_err(text)?;
            tokio::task::spawn_local(async { drop(connection.await) });
            Ok(Sender::Http1(sender))
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let (address, path) = (self.address, &self.path);
        let request = match self.kind {
            Kind::Http1 | Kind::Https1 => Request::get(path).header("host", address.to_string()),
            Kind::Connect => {
                Request::get(path).header("host", address.to_string()).header("connection", "close")
            }
            Kind::Http2 => Request::get(format!("https://{address}{path}")),
            Kind::Calls => Request::post(format!("https://{address}{path}"))
                .header("content-type", "application/grpc")
                .header("te", "trailers"),
        };
        let body = if self.kind == Kind::Calls { MESSAGE } else { b"" };
        request.body(Full::from(body)).map_err(text)
    }

    /// Reads a whole answer and judges it.
    async fn judge(&self, response: Response<Incoming>) -> Result<(), String> {
        if response.status() != StatusCode::OK {
            return Err(response.status().to_string());
        }
        let mut status = None;
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(trailers) = frame.map_err(text)?.into_trailers() {
                status = trailers.get("grpc-status").cloned();
            }
        }
        if self.kind == Kind::Calls && status.as_ref().is_none_or(|status| status != "0") {
            return Err(format!("grpc-status: {status:?}"));
        }
        Ok(())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A connection that is opened when it is needed.
pub struct Connection {
    peer: Peer,
    open: RefCell<Option<Sender>>,
    /// Held while it is being opened, so that it is opened once.
    opening: tokio::sync::Mutex<()>,
}

impl Connection {
    /// One that is not open.
    pub fn new(peer: Peer) -> Self {
        Self { peer, open: RefCell::new(None), opening: tokio::sync::Mutex::new(()) }
    }

    /// Sends a request and reads the whole answer, which must be a good one.
    pub async fn ask(&self) -> Result<(), String> {
        let answered = self.exchange().await;
        if answered.is_err() || self.peer.kind == Kind::Connect {
            self.open.take();
        }
        answered
    }

    async fn exchange(&self) -> Result<(), String> {
        let mut sender = self.sender().await?;
        let request = self.peer.request()?;
        let response = match &mut sender {
            Sender::Http1(sender) => sender.send_request(request).await,
            Sender::Http2(sender) => sender.send_request(request).await,
        };
        self.peer.judge(response.map_err(text)?).await?;
        if let Sender::Http1(_) = sender {
            self.open.replace(Some(sender));
        }
        Ok(())
    }

    /// An open sender: that of HTTP/1.1 is taken out while it is used, that of HTTP/2 is shared.
    async fn sender(&self) -> Result<Sender, String> {
        let _opening = self.opening.lock().await;
        let open = self.open.take();
        match open {
            Some(Sender::Http1(mut sender)) => {
                if sender.ready().await.is_ok() {
                    return Ok(Sender::Http1(sender));
                }
            }
            Some(Sender::Http2(sender)) if !sender.is_closed() => {
                self.open.replace(Some(Sender::Http2(sender.clone())));
                return Ok(Sender::Http2(sender));
            }
            Some(_) | None => {}
        }
        let sender = self.peer.connect().await?;
        if let Sender::Http2(sender) = &sender {
            self.open.replace(Some(Sender::Http2(sender.clone())));
        }
        Ok(sender)
    }
}

/// Runs hyper's own tasks on this thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async { drop(future.await) });
    }
}

/// Takes every certificate for good: checking it would cost this program more than the proxy pays to show it.
#[derive(Debug)]
struct Unchecked;

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::ED25519,
        ]
    }
}
