//! The probe that is a call of `grpc.health.v1.Health/Check`. Sources: the gRPC health checking protocol, gRPC over
//! HTTP/2, and the encoding of protocol buffers; the two messages have one field each, so they are read by hand.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::Target;
use super::connection::{Fault, connect, host, while_driven};
use crate::build_info;
use crate::config::Protocol;

/// The answer has a dozen bytes; so much is read of one that has more.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// The flag and the length before a message.
const PREFIX: usize = 5;

/// `HealthCheckResponse.ServingStatus`.
const SERVING_STATUS: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

const SERVING: u64 = 1;

/// Asks whether a service is served.
pub async fn ask(target: &Target, service: &str) -> Result<(), Fault> {
    let stream = TokioIo::new(connect(target, Protocol::Http2).await?);
    let handshake = http2::handshake(TokioExecutor::new(), stream).await;
    let (mut sender, connection) = handshake.map_err(Fault::broke)?;
    let request = request(target, service)?;
    let ask = async { judge(sender.send_request(request).await.map_err(Fault::broke)?).await };
    while_driven(connection, ask).await
}

fn request(target: &Target, service: &str) -> Result<Request<Full<Bytes>>, Fault> {
    let settings = target.pool.settings();
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let host = host(target.upstream.address());
    Request::post(format!("{scheme}://{host}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header("grpc-timeout", format!("{}m", target.probe.timeout.as_millis()))
        .header(header::USER_AGENT, format!("{}/{}", build_info::NAME, build_info::VERSION))
        .body(Full::new(message(service)))
        .map_err(|error| Fault::Unexpected(format!("cannot be asked: {error}")))
}

/// `HealthCheckRequest { service = 1 }` behind its prefix.
fn message(service: &str) -> Bytes {
    let mut field = BytesMut::new();
    if !service.is_empty() {
        field.put_u8(1 << 3 | 2);
        put_varint(&mut field, service.len() as u64);
        field.put_slice(service.as_bytes());
    }
    let mut message = BytesMut::with_capacity(PREFIX + field.len());
    message.put_u8(0);
    // The config bounds the name of a service.
    message.put_u32(u32::try_from(field.len()).unwrap_or(u32::MAX));
    message.put_slice(&field);
    message.freeze()
}

fn put_varint(bytes: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        bytes.put_u8((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    bytes.put_u8(number as u8);
}

async fn judge(answer: Response<Incoming>) -> Result<(), Fault> {
    if answer.status() != StatusCode::OK {
        return Err(Fault::Unexpected(format!("status {}", answer.status().as_u16())));
    }
    let (head, mut body) = answer.into_parts();
    let mut read = BytesMut::new();
    // An answer that is only a status has it among the headers.
    let mut trailers = head.headers;
    while let Some(frame) = body.frame().await {
        match frame.map_err(Fault::broke)?.into_data() {
            Ok(data) => read.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap_or(trailers),
        }
        if read.len() > ANSWER_BYTES_MAX {
            return Err(Fault::Unexpected("answer is too long".to_owned()));
        }
    }
    verdict(&trailers, &read)
}

/// What trailers and messages of an answer say.
fn verdict(trailers: &HeaderMap, messages: &[u8]) -> Result<(), Fault> {
    let text = |name| trailers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        Some("0") => {}
        Some(code) => {
            let message = text("grpc-message").unwrap_or_default();
            return Err(Fault::Unexpected(
                format!("grpc-status {code} {message}").trim().to_owned(),
            ));
        }
        None => return Err(Fault::Unexpected("answer has no grpc-status".to_owned())),
    }
    match status(messages) {
        Some(SERVING) => Ok(()),
        Some(status) => {
            let word = usize::try_from(status).ok().and_then(|index| SERVING_STATUS.get(index));
            Err(Fault::Unexpected(
                word.map_or_else(|| format!("status {status}"), |&word| word.into()),
            ))
        }
        None => Err(Fault::Unexpected("answer is no HealthCheckResponse".to_owned())),
    }
}

/// The status in `HealthCheckResponse { status = 1 }` behind its prefix; none where it is no such message.
pub fn status(bytes: &[u8]) -> Option<u64> {
    let (prefix, rest) = bytes.split_at_checked(PREFIX)?;
    let [is_compressed, length @ ..] = prefix else { return None };
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let mut message = rest.get(..length).filter(|_| *is_compressed == 0)?;
    // A field with its default is left out.
    let mut status = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = varint(&mut message)?,
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trailers(status: &'static str) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static(status));
        trailers
    }

    #[track_caller]
    fn check(trailers: &HeaderMap, message: &[u8], expected: Result<(), &str>) {
        let found = verdict(trailers, message).map_err(|fault| fault.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn the_service_asked_about_is_encoded() {
        assert_eq!(message("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(message("ab")[..], [0, 0, 0, 0, 4, 10, 2, b'a', b'b']);
        let long = message(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 0x2F, 10, 0xAC, 2]);
    }

    #[test]
    fn only_serving_is_a_success() {
        let good = trailers("0");
        check(&good, &[0, 0, 0, 0, 2, 8, 1], Ok(()));
        check(&good, &[0, 0, 0, 0, 2, 8, 2], Err("NOT_SERVING"));
        check(&good, &[0, 0, 0, 0, 2, 8, 3], Err("SERVICE_UNKNOWN"));
        check(&good, &[0, 0, 0, 0, 2, 8, 9], Err("status 9"));
        check(&good, &[0, 0, 0, 0, 0], Err("UNKNOWN"));
    }

    #[test]
    fn fields_of_the_future_are_passed_over() {
        let message = [16, 0xAC, 2, 26, 1, 7, 33, 0, 0, 0, 0, 0, 0, 0, 0, 45, 0, 0, 0, 0, 8, 1];
        let prefix = [0, 0, 0, 0, message.len() as u8];
        check(&trailers("0"), &[&prefix[..], &message].concat(), Ok(()));
    }

    #[test]
    fn a_call_that_fails_says_with_what() {
        check(&trailers("12"), &[], Err("grpc-status 12"));
        check(&HeaderMap::new(), &[0, 0, 0, 0, 2, 8, 1], Err("answer has no grpc-status"));
    }

    #[test]
    fn what_is_no_message_is_no_success() {
        for bytes in [
            &[][..],
            &[0, 0, 0, 0],
            &[0, 0, 0, 0, 2, 8],
            &[1, 0, 0, 0, 2, 8, 1],
            &[0, 0, 0, 0, 1, 8],
            &[0, 0, 0, 0, 2, 11, 1],
            &[0, 0, 0, 0, 3, 18, 9, 1],
            &[0, 255, 255, 255, 255, 8, 1],
        ] {
            check(&trailers("0"), bytes, Err("answer is no HealthCheckResponse"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = status(&bytes);
        }
    }
}
