//! Tiny servers to probe.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A server that answers each connection's first request with certain bytes.
pub struct Canned {
    pub address: SocketAddr,
    /// What it answers; nothing at all while empty.
    pub answer: Arc<Mutex<Vec<u8>>>,
    /// The requests that came.
    pub requests: Arc<Mutex<Vec<String>>>,
    pub connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Canned {
    pub async fn new(answer: &str) -> Self {
        Self::with(answer, None).await
    }

    pub async fn with(answer: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(answer.as_bytes().to_vec()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let served = (Arc::clone(&answer), Arc::clone(&requests), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let (answer, requests, connections) = served;
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, &answer, &requests).await,
                        Some(tls) => converse(tls.accept(stream).await?, &answer, &requests).await,
                    }
                });
            }
        });
        Self { address, answer, requests, connections, task }
    }

    pub fn answer(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.as_bytes().to_vec();
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

pub async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Mutex<Vec<u8>>,
    requests: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    requests.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    let answer = answer.lock().unwrap().clone();
    if answer.is_empty() {
        return std::future::pending().await;
    }
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

/// What an HTTP/2 server answers.
#[derive(Clone)]
pub struct Answer {
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

/// The head and the body of a request.
type Asked = (http::request::Parts, Bytes);

/// An HTTP/2 server; gives its address and the requests that come.
pub async fn http2(
    answer: Answer,
    tls: Option<TlsAcceptor>,
) -> (SocketAddr, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, noted, tls) = (answer.clone(), Arc::clone(&noted), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => serve(stream, answer, noted).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(stream, answer, noted).await,
                        Err(_refused) => {}
                    },
                }
            });
        }
    });
    (address, asked)
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    answer: Answer,
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, asked) = (answer.clone(), Arc::clone(&asked));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            asked.lock().unwrap().push((head, body));
            Ok::<_, hyper::Error>(respond(answer))
        }
    });
    let _ = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Body = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

fn respond(Answer { headers, body, trailers }: Answer) -> Response<Body> {
    let body = Full::new(body);
    let body = match trailers {
        None => body.boxed(),
        Some(trailers) => body.with_trailers(std::future::ready(Some(Ok(trailers)))).boxed(),
    };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

/// A server's TLS for `site.test`, and a client's that trusts it.
pub fn tls(protocols: &[&str]) -> (TlsAcceptor, Arc<ClientConfig>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["site.test".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = certificate.self_signed(&key).unwrap().into();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    server.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server)), Arc::new(client))
}
