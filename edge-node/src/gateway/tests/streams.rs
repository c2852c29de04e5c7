//! HTTP/2: how many streams a client may have at a time, and streams over TLS at both ends.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2 as client;
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::http2::{Fed, echoed, echoes, serving};
use super::rig::*;
use super::secure::Site;
use super::*;
use crate::config::Protocol;

/// An upstream that answers a request when it is let; each one tells of itself.
async fn holding() -> (SocketAddr, mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
    let (tell, held) = mpsc::unbounded_channel();
    let service = service_fn(move |_request: Request<Incoming>| {
        let (letting, let_go) = oneshot::channel();
        let _ = tell.send(letting);
        async move {
            let _ = let_go.await;
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    (serving(service).await, held)
}

#[tokio::test]
async fn a_stream_too_many_is_refused_and_who_knows_the_limit_waits_for_a_place() {
    let (upstream, mut held) = holding().await;
    let pool = pool(&[upstream], "protocol = 'http2'");
    let text = format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}");
    let rig = Rig::with_listener("http2-streams-max = 2", &text);
    let stream = TcpStream::connect(rig.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let mut get = || {
        let request = Request::builder().uri("http://a.example/").body(()).unwrap();
        client.send_request(request, true).unwrap().0
    };
    // Nothing is read yet, so nothing is known of a limit.
    let [first, second, third] = [get(), get(), get()];
    tokio::spawn(connection);
    let refused = within(third).await.unwrap_err();
    assert_eq!(refused.reason(), Some(h2::Reason::REFUSED_STREAM));

    // By now it is known.
    let fourth = get();
    let let_first = within(held.recv()).await.unwrap();
    let let_second = within(held.recv()).await.unwrap();
    let_first.send(()).unwrap();
    assert_eq!(within(first).await.unwrap().status(), 200);
    within(held.recv()).await.unwrap().send(()).unwrap();
    assert_eq!(within(fourth).await.unwrap().status(), 200);
    let_second.send(()).unwrap();
    assert_eq!(within(second).await.unwrap().status(), 200);
    assert_eq!(client.current_max_send_streams(), 2);
}

/// An upstream of HTTP/2 with TLS that sends back what it gets, and agrees on these protocols by ALPN.
async fn secured(site: &Site, protocols: &[&[u8]]) -> SocketAddr {
    let chain = CertificateDer::from_pem_file(site.file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(site.file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![chain], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let service =
                service_fn(
                    |request| async move { Ok::<_, std::convert::Infallible>(echoed(request)) },
                );
            let http = server::Builder::new(TokioExecutor::new());
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// The answer to a call of gRPC through a gateway with TLS at both ends, and what feeds its body.
async fn call(protocols: &[&[u8]]) -> (Rig, mpsc::Sender<Bytes>, Response<Incoming>) {
    let site = Site::new();
    let authority = site.file("authority.pem");
    let keys = format!(
        "protocol = 'http2'\ntls = {{ authorities = '{authority}', server-name = 'a.example' }}"
    );
    let pool = pool(&[secured(&site, protocols).await], &keys);
    let text = format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}");
    let rig = Rig::with_listener(&site.listener(), &text);
    let stream = site.connect(rig.address, Protocol::Http2, false).await;
    let handshake = client::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = within(handshake).await.unwrap();
    tokio::spawn(connection);
    let (feed, fed) = mpsc::channel(1);
    let request = Request::post("https://a.example/s/m")
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(Fed(fed))
        .unwrap();
    (rig, feed, within(sender.send_request(request)).await.unwrap())
}

#[tokio::test]
async fn a_call_of_grpc_passes_both_ways_over_tls_at_both_ends_and_its_trailers_too() {
    let (_rig, feed, answer) = call(&[b"h2"]).await;
    assert_eq!(answer.status(), 200);
    echoes(feed, answer, "https://a.example/s/m Some(\"trailers\")").await;
}

#[tokio::test]
async fn an_upstream_that_does_not_agree_on_http_2_is_not_spoken_to() {
    // It would answer if it were.
    let (rig, _feed, answer) = call(&[]).await;
    assert_eq!(answer.headers()["grpc-status"], "14", "{answer:?}");
    rig.check_metric(
        r#"http_requests_total{listener="data",route="all",method="POST",code="502"} 1"#,
    );
}
