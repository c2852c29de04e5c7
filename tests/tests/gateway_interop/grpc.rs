//! gRPC through the gateway, with tonic at both ends. Messages are bytes, so that no schema has to be compiled; the
//! service does with them what the method's name says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use tests::frames::{Connection, Verdict};
use tests::gateway::{Gateway, forwarding};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _};
use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, StreamingService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::Service;

use super::{PATIENCE, free_port, noise};

const LARGE: usize = 4 << 20;
/// Larger than any message here.
const MESSAGE_MAX: usize = 16 << 20;

/// Messages as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining();
        Ok(Some(from.copy_to_bytes(length)))
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
type Call<T> = Pin<Box<dyn Future<Output = Result<T, Infallible>> + Send>>;

/// The service: every method takes and gives a stream, of which the other kinds are cases.
#[derive(Clone, Copy)]
struct Echo;

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Call<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Method(request.uri().path().to_owned());
        let mut grpc = Grpc::new(Raw)
            .max_decoding_message_size(MESSAGE_MAX)
            .max_encoding_message_size(MESSAGE_MAX);
        Box::pin(async move { Ok(grpc.streaming(method, request).await) })
    }
}

/// One of its methods.
struct Method(String);

impl StreamingService<Bytes> for Method {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answers>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let method = self.0.clone();
        Box::pin(answer(method, request))
    }
}

async fn answer(
    method: String,
    request: Request<Streaming<Bytes>>,
) -> Result<Response<Answers>, Status> {
    let metadata = request.metadata().get("x-note").cloned();
    let mut messages = request.into_inner();
    let answers: Answers = match &*method {
        "/test.Echo/Echo" => Box::pin(messages),
        "/test.Echo/Sum" => {
            let mut sum = 0;
            while let Some(message) = messages.message().await? {
                sum += message.len();
            }
            one(Ok(sum.to_string().into()))
        }
        "/test.Echo/Count" => {
            let _request = messages.message().await?;
            Box::pin(tokio_stream::iter(
                (0..1000).map(|number| Ok(Bytes::from(format!("{number}")))),
            ))
        }
        "/test.Echo/Hang" => std::future::pending().await,
        "/test.Echo/FailLate" => {
            let failure = Err(Status::data_loss("after one"));
            Box::pin(tokio_stream::iter([Ok(Bytes::from_static(b"one")), failure]))
        }
        // A head that is the end as well.
        _ => return Err(Status::new(Code::FailedPrecondition, "no: 100 % „not“ here")),
    };
    let mut response = Response::new(answers);
    if let Some(note) = metadata {
        response.metadata_mut().insert("x-note", note);
    }
    Ok(response)
}

fn one(answer: Result<Bytes, Status>) -> Answers {
    Box::pin(tokio_stream::once(answer))
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = futures_util::stream::unfold(listener, |listener| async {
        Some((listener.accept().await.map(|(stream, _)| stream), listener))
    });
    tokio::spawn(async move {
        Server::builder().serve_with_incoming(Echo, Box::pin(incoming)).await.unwrap();
    });
    address
}

fn gateway(upstream: SocketAddr) -> Gateway {
    Gateway::start(&forwarding(upstream, "protocol = 'http2'"))
}

async fn client(gateway: &Gateway) -> Client<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", gateway.data())).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut client = Client::new(channel)
        .max_decoding_message_size(MESSAGE_MAX)
        .max_encoding_message_size(MESSAGE_MAX);
    client.ready().await.unwrap();
    client
}

fn method(name: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(name)
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens before the deadline")
}

#[tokio::test]
async fn a_message_of_four_megabytes_comes_back_as_it_was_with_its_metadata() {
    let gateway = gateway(serve().await);
    let mut client = client(&gateway).await;
    for length in [0, 5, LARGE] {
        let message = Bytes::from(noise(length));
        let mut request = Request::new(message.clone());
        request.metadata_mut().insert("x-note", "kept".parse().unwrap());
        client.ready().await.unwrap();
        let response = within(client.unary(request, method("/test.Echo/Echo"), Raw)).await.unwrap();
        assert_eq!(response.metadata().get("x-note").unwrap(), "kept");
        assert!(*response.get_ref() == message, "another message of {length} bytes came back");
    }
}

#[tokio::test]
async fn streams_pass_in_each_direction() {
    let gateway = gateway(serve().await);
    let mut client = client(&gateway).await;
    let messages = tokio_stream::iter((0..1000).map(|_| Bytes::from_static(b"hello")));
    let sum =
        within(client.client_streaming(Request::new(messages), method("/test.Echo/Sum"), Raw))
            .await
            .unwrap();
    assert_eq!(sum.into_inner(), "5000");
    client.ready().await.unwrap();
    let count =
        client.server_streaming(Request::new(Bytes::new()), method("/test.Echo/Count"), Raw);
    let numbers: Vec<Bytes> =
        within(within(count).await.unwrap().into_inner().map(Result::unwrap).collect()).await;
    assert!(numbers.iter().enumerate().all(|(place, number)| *number == place.to_string()));
    assert_eq!(numbers.len(), 1000);
}

#[tokio::test]
async fn a_stream_of_both_directions_answers_before_it_has_ended() {
    let gateway = gateway(serve().await);
    let mut client = client(&gateway).await;
    let (send, receive) = mpsc::unbounded_channel::<Bytes>();
    let messages = futures_util::stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|message| (message, receive))
    });
    let call = client.streaming(Request::new(Box::pin(messages)), method("/test.Echo/Echo"), Raw);
    let mut answers = within(call).await.unwrap().into_inner();
    for number in 0..20 {
        send.send(number.to_string().into()).unwrap();
        assert_eq!(within(answers.message()).await.unwrap().unwrap(), number.to_string());
    }
    drop(send);
    assert!(within(answers.message()).await.unwrap().is_none());
    assert!(within(answers.trailers()).await.unwrap().is_some());
}

#[tokio::test]
async fn errors_arrive_as_they_were_said_at_once_or_after_messages() {
    let gateway = gateway(serve().await);
    let mut client = client(&gateway).await;
    let call = client.unary(Request::new(Bytes::new()), method("/test.Echo/Nothing"), Raw);
    let status = within(call).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::FailedPrecondition, "no: 100 % „not“ here")
    );
    client.ready().await.unwrap();
    let call =
        client.server_streaming(Request::new(Bytes::new()), method("/test.Echo/FailLate"), Raw);
    let mut answers = within(call).await.unwrap().into_inner();
    assert_eq!(within(answers.message()).await.unwrap().unwrap(), "one");
    let status = within(answers.message()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "after one"));
}

#[tokio::test]
async fn a_deadline_ends_the_call_at_the_gateway() {
    let upstream = serve().await;
    // Of the route.
    let tables =
        forwarding(upstream, "protocol = 'http2'").replace("'up' }", "'up', timeout = '500ms' }");
    let gateway = Gateway::start(&tables);
    let mut client = client(&gateway).await;
    let call = client.unary(Request::new(Bytes::new()), method("/test.Echo/Hang"), Raw);
    let status = within(call).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
}

#[tokio::test]
async fn a_deadline_of_the_client_ends_the_call_at_the_gateway() {
    let gateway = self::gateway(serve().await);
    let address = gateway.data();
    // Not by tonic, which watches the time as well.
    let verdict = tokio::task::spawn_blocking(move || {
        let mut connection = Connection::open(address);
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "edge"),
            (":path", "/test.Echo/Sum"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("grpc-timeout", "300m"),
        ];
        connection.head(1, &fields, 0);
        connection.verdict(1)
    });
    assert_eq!(within(verdict).await.unwrap(), Verdict::Status(200));
    let counted =
        "http_requests_total{listener=\"data\",route=\"all\",method=\"POST\",code=\"504\"} 1";
    let metrics = gateway.metrics();
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn an_upstream_that_is_down_is_unavailable_and_an_unknown_route_unimplemented() {
    let upstream = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    let gateway = gateway(upstream);
    let mut client = client(&gateway).await;
    let call = client.unary(Request::new(Bytes::new()), method("/test.Echo/Echo"), Raw);
    let status = within(call).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let tables = forwarding(upstream, "protocol = 'http2'")
        .replace("[routes.all]", "[routes.all]\npath = { prefix = '/other' }");
    let gateway = Gateway::start(&tables);
    let mut client = self::client(&gateway).await;
    let call = client.unary(Request::new(Bytes::new()), method("/test.Echo/Echo"), Raw);
    assert_eq!(within(call).await.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn many_calls_share_a_connection() {
    let gateway = gateway(serve().await);
    let client = client(&gateway).await;
    let calls = (0..200).map(|number: u32| {
        let mut client = client.clone();
        async move {
            client.ready().await.unwrap();
            let message = Bytes::from(number.to_string());
            let call = client.unary(Request::new(message.clone()), method("/test.Echo/Echo"), Raw);
            call.await.unwrap().into_inner() == message
        }
    });
    let answers = within(futures_util::future::join_all(calls)).await;
    assert!(answers.into_iter().all(|is_mine| is_mine));
}
