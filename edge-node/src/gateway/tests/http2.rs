//! HTTP/2 on either side, and streams that go on for long.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::rig::*;
use super::*;

/// A client of HTTP/2 by prior knowledge.
async fn client<B>(address: SocketAddr) -> SendRequest<B>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    client_with_room(64 * 1024, address).await
}

/// The same, that takes as many bytes of an answer before it looks at it.
pub async fn client_with_room<B>(room: u32, address: SocketAddr) -> SendRequest<B>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(room)
        .handshake(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// An upstream of HTTP/2.
pub async fn serving<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = std::convert::Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service.clone()),
            );
        }
    });
    address
}

/// An upstream of HTTP/2 that sends back what it gets, frame by frame, and then trailers that say
/// what its request was.
async fn echo() -> SocketAddr {
    serving(service_fn(|request| async move { Ok::<_, std::convert::Infallible>(echoed(request)) }))
        .await
}

/// What [`echo`] answers.
pub fn echoed(
    request: Request<Incoming>,
) -> Response<impl hyper::body::Body<Data = Bytes, Error = hyper::Error> + Send + 'static> {
    let (parts, body) = request.into_parts();
    let said = format!("{} {:?}", parts.uri, parts.headers.get("te"));
    let trailers = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("said"),
        HeaderValue::try_from(said).unwrap(),
    )]);
    Response::new(body.with_trailers(async move { Some(Ok(trailers)) }))
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

/// Checks that what is fed comes back piece by piece, and in the trailers what the upstream heard.
pub async fn echoes(feed: mpsc::Sender<Bytes>, answer: Response<Incoming>, said: &str) {
    let mut answer = answer.into_body();
    for text in ["one", "two"] {
        feed.send(Bytes::from(text)).await.unwrap();
        let frame = within(answer.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
    }
    drop(feed);
    let trailers = within(answer.frame()).await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["said"], said);
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
    echoes(feed, answer, "http://a.example/s/m Some(\"trailers\")").await;
}

/// A body that a channel gives.
pub struct Fed(pub mpsc::Receiver<Bytes>);

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

/// A gateway to an upstream that ends the first stream with a frame, once it is sure that a head
/// and this many bytes of a body came, and to [`echo`], whose turn is next.
async fn refused(frame: &'static [u8], body: usize) -> Rig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstreams = [listener.local_addr().unwrap(), echo().await];
    tokio::spawn(async move { refuse(listener.accept().await.unwrap().0, frame, body).await });
    let pool = pool(&upstreams, "protocol = 'http2'");
    Rig::start(&format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}"))
}

async fn refuse(mut stream: TcpStream, frame: &[u8], body: usize) {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(&SETTINGS).await.unwrap();
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    let (mut has_head, mut bytes) = (false, 0);
    while !has_head || bytes < body {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        has_head |= head[3] == 1;
        bytes += if head[3] == 0 { length } else { 0 };
    }
    stream.write_all(frame).await.unwrap();
    // Open until the other end has seen it.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// RST_STREAM of the first stream: REFUSED_STREAM.
const REFUSED: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
/// GOAWAY in peace, by which no stream was looked at.
const GOING_AWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// RST_STREAM of the first stream: INTERNAL_ERROR.
const BROKEN: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2];

/// What becomes of a POST to such an upstream, and the feed of its body.
async fn post(
    frame: &'static [u8],
    early: Option<&'static str>,
) -> (Rig, mpsc::Sender<Bytes>, Response<Incoming>) {
    let rig = refused(frame, early.map_or(0, str::len)).await;
    let mut client = client(rig.address).await;
    let (feed, fed) = mpsc::channel(1);
    if let Some(early) = early {
        feed.send(Bytes::from(early)).await.unwrap();
    }
    let request = Request::post("http://a.example/once").header("x-kept", "1").body(Fed(fed));
    let answer = within(client.send_request(request.unwrap())).await.unwrap();
    (rig, feed, answer)
}

#[tokio::test]
async fn a_request_that_was_refused_unseen_is_sent_again_with_its_body() {
    for frame in [REFUSED, GOING_AWAY] {
        let (rig, feed, answer) = post(frame, None).await;
        assert_eq!(answer.status(), 200);
        feed.send(Bytes::from("whole")).await.unwrap();
        drop(feed);
        let answer = within(answer.into_body().collect()).await.unwrap();
        assert!(answer.trailers().unwrap()["said"].to_str().unwrap().contains("/once"));
        assert_eq!(answer.to_bytes(), "whole");
        rig.check_metric(r#"upstream_retries_total{pool="up",outcome="success"} 1"#);
    }
}

#[tokio::test]
async fn a_request_whose_body_is_gone_or_that_may_have_been_seen_is_not_sent_again() {
    for (frame, early) in [(REFUSED, Some("some")), (BROKEN, None)] {
        let (rig, _feed, answer) = post(frame, early).await;
        assert_eq!(answer.status(), 502);
        rig.check_metric(r#"upstream_retries_total{pool="up",outcome="success"} 0"#);
    }
}

#[tokio::test]
async fn a_request_without_a_body_that_was_refused_unseen_is_sent_again_whatever_its_method() {
    let rig = refused(REFUSED, 0).await;
    let mut client = client::<Full<Bytes>>(rig.address).await;
    let request = Request::post("http://a.example/once").body(Full::default()).unwrap();
    assert_eq!(within(client.send_request(request)).await.unwrap().status(), 200);
    rig.check_metric(r#"upstream_retries_total{pool="up",outcome="success"} 1"#);
}

#[tokio::test]
async fn a_stream_that_its_client_has_no_room_for_is_cut_and_others_go_on() {
    let upstream = Upstream::start(&[OK]).await;
    let pool = pool(&[upstream.address], "connections-max = 1");
    let text = format!(
        "{pool}[routes.all]\nforward = {{ pool = 'up' }}\n\
         [routes.ping]\npath = {{ exact = '/ping' }}\nrespond = {{}}"
    );
    let rig = Rig::with_listener("write-timeout = '1s'", &text);
    let mut full = client_with_room::<Full<Bytes>>(0, rig.address).await;
    let get = |path: &str| {
        let uri = format!("http://a.example{path}");
        Request::builder().uri(uri).body(Full::default()).unwrap()
    };
    let held = within(full.send_request(get("/"))).await.unwrap();
    assert_eq!(held.status(), 200);
    // The only connection to the upstream is held by an answer that nobody takes.
    assert!(rig.exchange(GET).await.ends_with("yes"));
    let cut = within(held.into_body().collect()).await.unwrap_err();
    assert!(format!("{cut:?}").contains("CANCEL"), "{cut:?}");
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="unread"} 1"#);
    assert_eq!(within(full.send_request(get("/ping"))).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_stream_that_is_quiet_in_one_direction_goes_on() {
    let pool = pool(&[echo().await], "protocol = 'http2'");
    let forward = "forward = { pool = 'up', stream-idle-timeout = '300ms' }";
    let rig = Rig::start(&format!("{pool}[routes.all]\n{forward}"));
    let (feed, fed) = mpsc::channel(1);
    let mut client = client(rig.address).await;
    let post = || Request::post("http://a.example/").body(Fed(fed)).unwrap();
    let answer = within(client.send_request(post())).await.unwrap();
    let mut answer = answer.into_body();
    feed.send(Bytes::from("first")).await.unwrap();
    let frame = within(answer.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "first");
    let start = tokio::time::Instant::now();
    assert!(within(answer.frame()).await.unwrap().is_err(), "nothing passed either way");
    assert!(start.elapsed() >= Duration::from_millis(300));
}

/// In how many pieces [`talking`] answers.
const PIECES: usize = 10;

/// An upstream of HTTP/2 that answers each request at once, piece by piece, whatever becomes of the request.
async fn talking() -> SocketAddr {
    serving(service_fn(|request: Request<Incoming>| async move {
        let (feed, fed) = mpsc::channel(1);
        tokio::spawn(async move {
            let _open = request;
            for _ in 0..PIECES {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let _ = feed.send(Bytes::from("piece")).await;
            }
        });
        Ok::<_, std::convert::Infallible>(Response::new(Fed(fed)))
    }))
    .await
}

#[tokio::test]
async fn a_request_whose_answer_goes_on_may_be_quiet() {
    let pool = pool(&[talking().await], "protocol = 'http2'");
    let forward = "forward = { pool = 'up', stream-idle-timeout = '300ms' }";
    let rig = Rig::start(&format!("{pool}[routes.all]\n{forward}"));
    let (feed, fed) = mpsc::channel(1);
    let mut client = client(rig.address).await;
    let request = Request::post("http://a.example/").body(Fed(fed)).unwrap();
    let answer = within(client.send_request(request)).await.unwrap();
    let whole = within(answer.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(whole.len(), PIECES * "piece".len());
    drop(feed);
}

#[tokio::test]
async fn clients_that_read_nothing_do_not_hold_up_others_on_the_same_connection() {
    let upstream = serving(service_fn(|_request: Request<Incoming>| async {
        let body = Full::new(Bytes::from(vec![b'x'; 8 << 20]));
        Ok::<_, std::convert::Infallible>(Response::new(body))
    }))
    .await;
    let pool = pool(&[upstream], "protocol = 'http2'\nconnections-max = 1");
    let rig = Rig::start(&format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}"));
    let get = || Request::builder().uri("http://a.example/").body(Full::default()).unwrap();
    let mut full = client_with_room::<Full<Bytes>>(0, rig.address).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(within(full.send_request(get())).await.unwrap());
    }
    let mut client = client::<Full<Bytes>>(rig.address).await;
    let answer = within(client.send_request(get())).await.unwrap();
    assert_eq!(within(answer.into_body().collect()).await.unwrap().to_bytes().len(), 8 << 20);
    drop(held);
}

#[tokio::test]
async fn an_http_2_client_may_connect_before_it_has_anything_to_ask() {
    let rig = Rig::with_listener("header-read-timeout = '1s'", "");
    let mut client = client::<Full<Bytes>>(rig.address).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let request = Request::builder().uri("http://a.example/").body(Full::default()).unwrap();
    assert_eq!(within(client.send_request(request)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_refused_stream_opens_no_other_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let (tell, mut heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = tell.send(());
            tokio::spawn(answer_one_and_refuse_others(stream));
        }
    });
    let pool = pool(&[upstream], "protocol = 'http2'\nconnections-max = 1");
    let rig = Rig::start(&format!("{pool}[routes.all]\nforward = {{ pool = 'up' }}"));
    let mut client = client::<Full<Bytes>>(rig.address).await;
    for status in [200, 502, 502] {
        let request = Request::builder().uri("http://a.example/").body(Full::default()).unwrap();
        assert_eq!(within(client.send_request(request)).await.unwrap().status(), status);
    }
    assert!(heard.recv().await.is_some());
    assert!(heard.try_recv().is_err(), "it has a second connection");
}

/// Answers the first stream with a head that goes on, and resets each later one as refused.
async fn answer_one_and_refuse_others(stream: TcpStream) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let mut open = None;
    while let Some(Ok((_request, mut respond))) = connection.accept().await {
        if open.is_none() {
            open = Some(respond.send_response(Response::new(()), false).unwrap());
        } else {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    }
}
