//! What stands behind the proxies that `cargo xtask bench gateway` compares: as little work as can be, so that it is
//! not what is measured.
//!
//! `bench_upstream ADDRESS CALLS-ADDRESS` answers HTTP/1.1 on the first, `GET /N` with N bytes, and gRPC calls by
//! HTTP/2 on the second, each with a message as long as its own. It prints `ready` once both listen.

#![expect(clippy::print_stdout, reason = "the result of this program")]

use std::convert::Infallible;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// The longest request head that is understood.
const HEAD_MAX: usize = 16 << 10;
/// The longest answer.
const BODY_MAX: usize = 1 << 20;

fn main() -> io::Result<()> {
    let addresses: Vec<_> = std::env::args().skip(1).take(2).collect();
    let [plain, calls] = addresses.try_into().expect("two addresses");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let (plain, calls) = (TcpListener::bind(plain).await?, TcpListener::bind(calls).await?);
        println!("ready");
        tokio::task::spawn_local(accept_calls(calls));
        loop {
            let (stream, _) = plain.accept().await?;
            tokio::task::spawn_local(answer_requests(stream));
        }
    })
}

/// Answers each request of a connection. A client that sends something else is let go.
async fn answer_requests(mut stream: TcpStream) {
    let _unimportant = stream.set_nodelay(true);
    let (mut buffer, mut filled) = (vec![0; HEAD_MAX], 0);
    let mut answers = Answers::default();
    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]).await {
        filled += read;
        while let Some(end) = end_of_head(&buffer[..filled]) {
            let Some(answer) = answers.to(&buffer[..end]) else { return };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
            buffer.copy_within(end..filled, 0);
            filled -= end;
        }
        if filled == HEAD_MAX {
            return;
        }
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The last answer of a connection, whose requests are alike.
#[derive(Default)]
struct Answers {
    length: usize,
    whole: Rc<[u8]>,
}

impl Answers {
    /// The answer to a request `GET /N …`.
    fn to(&mut self, head: &[u8]) -> Option<Rc<[u8]>> {
        let path = head.strip_prefix(b"GET /")?.split(|byte| *byte == b' ').next()?;
        let length: usize = std::str::from_utf8(path).ok()?.parse().ok()?;
        if length > BODY_MAX {
            return None;
        }
        if self.whole.is_empty() || self.length != length {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
            );
            self.length = length;
            self.whole = [head.into_bytes(), vec![b'x'; length]].concat().into();
        }
        Some(self.whole.clone())
    }
}

async fn accept_calls(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let _unimportant = stream.set_nodelay(true);
        tokio::task::spawn_local(async move {
            let service = hyper::service::service_fn(answer_call);
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // A connection that breaks is noticed by who measures.
            let _broken = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A unary call's answer: a message, then the status in the trailers (gRPC over HTTP/2, "Responses").
async fn answer_call(
    request: Request<Incoming>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    let message = request.into_body().collect().await?.to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}
