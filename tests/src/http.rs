//! A GET as a browser of the last century did it: one request, one answer until the end of the stream (HTTP/1.0, so
//! that no server may answer in chunks).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// 200, 404 …
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// Everything after the empty line.
    pub body: String,
}

impl Response {
    /// The value of the first header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Asks `address` for `path`.
///
/// # Errors
/// When nothing listens, nothing comes for ten seconds, or what comes is no HTTP response.
pub fn get(address: SocketAddr, path: &str) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request(&address.to_string(), path).as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| {
        let text = String::from_utf8_lossy(&bytes);
        io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP response: {text:?}"))
    })
}

/// The bytes of a GET request.
pub fn request(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")
}

/// Reads a whole response (RFC 9112 §2.1); `None` when it is none.
pub fn parse(bytes: &[u8]) -> Option<Response> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let headers = lines
        .map(|line| line.split_once(':'))
        .map(|pair| pair.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())))
        .collect::<Option<_>>()?;
    Some(Response { status, headers, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_status_headers_and_body() {
        let response = parse(b"HTTP/1.1 503 Not Ready\r\nX-A: b: c\r\n\r\none\r\n\r\ntwo").unwrap();
        assert_eq!(response.status, 503);
        assert_eq!(response.header("x-a"), Some("b: c"));
        assert_eq!(response.body, "one\r\n\r\ntwo");
    }

    #[test]
    fn what_is_no_http_is_no_response() {
        for bytes in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n"] {
            assert!(parse(bytes.as_bytes()).is_none(), "{bytes:?}");
        }
    }
}
