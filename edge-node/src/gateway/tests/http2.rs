//! HTTP/2 on either side, and streams that go on for long.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::rig::*;
use super::*;

/// A client of HTTP/2 by prior knowledge.
async fn client<B>(address: SocketAddr) -> SendRequest<B>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// An upstream of HTTP/2 that sends back what it gets, frame by frame, and then trailers that say
/// what its request was.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(async |request: Request<Incoming>| {
                let (parts, body) = request.into_parts();
                let said = format!("{} {:?}", parts.uri, parts.headers.get("te"));
                let trailers = http::HeaderMap::from_iter([(
                    http::HeaderName::from_static("said"),
                    HeaderValue::try_from(said).unwrap(),
                )]);
                let trailers = async move { Some(Ok(trailers)) };
                let body = body.with_trailers(trailers);
                Ok::<_, std::convert::Infallible>(Response::new(body))
            });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    address
}

#[tokio::test]
async fn http_2_by_prior_knowledge_reaches_an_upstream_of_http_1() {
    let mut upstream = Upstream::start(&[OK]).await;
    let rig = Rig::forwarding(upstream.address, "");
    let mut client = client::<Full<Bytes>>(rig.address).await;
    for _ in 0..2 {
        let request = Request::builder().uri("http://a.example/x?y").body(Full::default()).unwrap();
        let answer = within(client.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(within(answer.into_body().collect()).await.unwrap().to_bytes(), "yes");
        let heard = upstream.next().await;
        assert!(heard.starts_with("GET /x?y HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("\r\nhost: a.example\r\n"), "{heard}");
    }
    drop(client);
}

#[tokio::test]
async fn a_stream_passes_both_ways_as_it_comes_and_its_trailers_too() {
    let pool = pool(&[echo().await], "protocol = 'http2'");
    let rig = Rig::start(&format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}"));
    let (feed, fed) = mpsc::channel(1);
    let mut client = client(rig.address).await;
    let request = Request::builder()
        .method("POST")
        .uri("http://a.example/s/m")
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(Fed(fed))
        .unwrap();
    let answer = within(client.send_request(request)).await.unwrap();
    let mut answer = answer.into_body();
    for text in ["one", "two"] {
        feed.send(Bytes::from(text)).await.unwrap();
        let frame = within(answer.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
    }
    drop(feed);
    let trailers = within(answer.frame()).await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["said"], "http://a.example/s/m Some(\"trailers\")");
}

/// A body that a channel gives.
struct Fed(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Fed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
