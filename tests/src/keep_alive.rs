//! An HTTP/1.1 client that keeps its connection, and the reading of messages that it shares with the rig's upstreams.
//!
//! It believes nothing: half a body is an error and no answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A healthy answer takes no longer, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A head of a request or an answer.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The request line or the status line.
    pub first: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The value of the first header `name` (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The second word of the first line: the target of a request, the status of an answer.
    #[must_use]
    pub fn second(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Reads a head; none where the stream ends before it begins.
///
/// # Errors
/// When the stream breaks, or ends within the head.
pub fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut head = Head::default();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if !line.ends_with('\n') {
            let ended = io::Error::new(io::ErrorKind::UnexpectedEof, "half a head");
            let is_none = head.first.is_empty() && line.is_empty();
            return if is_none { Ok(None) } else { Err(ended) };
        }
        let line = line.trim_end();
        match line.split_once(':') {
            _ if head.first.is_empty() => line.clone_into(&mut head.first),
            Some((name, value)) => {
                head.headers.push((name.to_lowercase(), value.trim().to_owned()));
            }
            None => return Ok(Some(head)),
        }
    }
}

/// Reads the body that belongs to a head, by length or by chunks (RFC 9112 §6.3).
///
/// # Errors
/// When it does not come whole.
pub fn read_body(stream: &mut impl BufRead, head: &Head) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = head.header("content-length") {
        body.resize(length.parse().map_err(|_| bad(length))?, 0);
        stream.read_exact(&mut body)?;
        return Ok(body);
    }
    while head.header("transfer-encoding") == Some("chunked") {
        let mut size = String::new();
        stream.read_line(&mut size)?;
        let length = usize::from_str_radix(size.trim_end(), 16).map_err(|_| bad(&size))?;
        let start = body.len();
        body.resize(start + length, 0);
        stream.read_exact(&mut body[start..])?;
        let mut end = String::new();
        stream.read_line(&mut end)?;
        if length == 0 {
            break;
        }
    }
    Ok(body)
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200, 404 …
    pub status: u16,
    /// Its head.
    pub head: Head,
    /// Its body, whole.
    pub body: Vec<u8>,
}

/// A connection to one address, opened again whenever it was closed.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    host: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// One that connects with its first request.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), stream: None }
    }

    /// Says from now on that its requests are for this host.
    pub fn set_host(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    /// Sends a request and reads its answer. `headers` are whole lines.
    ///
    /// # Errors
    /// When there is no whole answer; the connection is closed then.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let length = match (method, body.len()) {
            ("GET" | "HEAD", 0) => String::new(),
            (_, length) => format!("content-length: {length}\r\n"),
        };
        let host = &self.host;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{length}{headers}\r\n");
        stream.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let head = read_head(&mut stream)?;
        let head = head.ok_or_else(|| bad("closed without an answer"))?;
        let status = head.second().parse().map_err(|_| bad(&head.first))?;
        let has_body = method != "HEAD" && status >= 200 && status != 204 && status != 304;
        let body = if has_body { read_body(&mut stream, &head)? } else { Vec::new() };
        self.stream = (!head.closes()).then_some(stream);
        Ok(Answer { status, head, body })
    }

    /// A GET without more.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, &[], &[])
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// Reads and forgets until the other side closes.
pub fn drain(stream: &mut impl Read) {
    let _ended = io::copy(stream, &mut io::sink());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Vec<u8>> {
        let mut stream = text.as_bytes();
        let head = read_head(&mut stream)?.expect("a head");
        read_body(&mut stream, &head)
    }

    #[test]
    fn a_body_has_a_length_or_chunks_and_half_of_it_is_none() {
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").unwrap(), b"abc");
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(read(&format!("{chunked}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")).unwrap(), b"abc");
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab").is_err());
        assert!(read(&format!("{chunked}2\r\nab\r\n")).is_err());
        assert!(read("HTTP/1.1 200 OK\r\ncontent").is_err());
    }
}
