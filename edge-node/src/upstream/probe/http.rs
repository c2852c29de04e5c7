//! The probe that is a GET, in the protocol that the pool speaks.

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::Target;
use super::connection::{Fault, connect, host, while_driven};
use crate::build_info;
use crate::config::Protocol;

/// Bytes of a body that are looked through.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What is asked, and what must come.
pub struct Asked<'a> {
    pub path: &'a str,
    pub host: Option<&'a str>,
    /// Inclusive ranges.
    pub status: &'a [(StatusCode, StatusCode)],
    pub body_contains: Option<&'a str>,
}

/// Asks and judges the answer.
pub async fn ask(target: &Target, asked: &Asked<'_>) -> Result<(), Fault> {
    let settings = target.pool.settings();
    let host = asked.host.map_or_else(|| host(target.upstream.address()), str::to_owned);
    let request = request(asked.path, &host, settings.protocol, settings.tls.is_some())?;
    let stream = TokioIo::new(connect(target, settings.protocol).await?);
    match settings.protocol {
        Protocol::Http1 => {
            let (mut sender, connection) = http1::handshake(stream).await.map_err(Fault::broke)?;
            let ask = async { judge(sender.send_request(request).await, asked).await };
            while_driven(connection, ask).await
        }
        Protocol::Http2 => {
            let handshake = http2::handshake(TokioExecutor::new(), stream).await;
            let (mut sender, connection) = handshake.map_err(Fault::broke)?;
            let ask = async { judge(sender.send_request(request).await, asked).await };
            while_driven(connection, ask).await
        }
    }
}

fn request(
    path: &str,
    host: &str,
    protocol: Protocol,
    is_secured: bool,
) -> Result<Request<Empty<Bytes>>, Fault> {
    let agent = format!("{}/{} probe", build_info::NAME, build_info::VERSION);
    let request = Request::get(match protocol {
        Protocol::Http1 => path.to_owned(),
        Protocol::Http2 => {
            format!("{}://{host}{path}", if is_secured { "https" } else { "http" })
        }
    });
    let request = match protocol {
        Protocol::Http1 => request.header(header::HOST, host).header(header::CONNECTION, "close"),
        Protocol::Http2 => request.version(Version::HTTP_2),
    };
    let request = request.header(header::USER_AGENT, agent).body(Empty::new());
    request.map_err(|error| Fault::Unexpected(format!("cannot be asked: {error}")))
}

async fn judge(answer: hyper::Result<Response<Incoming>>, asked: &Asked<'_>) -> Result<(), Fault> {
    let answer = answer.map_err(Fault::broke)?;
    let status = answer.status();
    if !asked.status.iter().any(|(first, last)| (*first..=*last).contains(&status)) {
        return Err(Fault::Unexpected(format!("status {}", status.as_u16())));
    }
    match asked.body_contains {
        None => Ok(()),
        Some(text) if contains(answer.into_body(), text.as_bytes()).await? => Ok(()),
        Some(_) => Err(Fault::Unexpected("body lacks the expected text".to_owned())),
    }
}

/// Whether the beginning of a body contains a text; no more is read than it takes to know.
async fn contains(mut body: Incoming, text: &[u8]) -> Result<bool, Fault> {
    let mut read = BytesMut::new();
    loop {
        let is_there = text.is_empty() || read.windows(text.len()).any(|window| window == text);
        if is_there || read.len() >= BODY_BYTES_MAX {
            return Ok(is_there);
        }
        let Some(frame) = body.frame().await else { return Ok(false) };
        if let Ok(data) = frame.map_err(Fault::broke)?.into_data() {
            let room = BODY_BYTES_MAX - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
        }
    }
}
