//! Asking a listener as a client on this machine does: one request, one answer, a deadline. The
//! self-probe of the watchdog and `edge-node health` stand on it.
//!
//! Blocking, and on purpose without the event loop: whoever asks whether that still turns must
//! not stand on it.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// Bytes of an answer that are read at most: ours are a few lines.
const ANSWER_BYTES_MAX: u64 = 4096;

/// What a listener answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, 503 …
    pub status: u16,
    /// The body, as far as it was read.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nobody takes the connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// It was taken, and then nothing came in time.
    #[error("no answer: {0}")]
    Exchange(io::Error),
    /// Something came that no HTTP server says.
    #[error("the answer is not HTTP")]
    NotHttp,
}

/// The address of the socket from which this process asks itself at the moment, by which its
/// request is told from traffic: it is bound, so nobody else can have it.
#[derive(Clone, Debug, Default)]
pub struct Own(Arc<Mutex<Option<SocketAddr>>>);

impl Own {
    /// True if the peer of a connection is this process, asking itself.
    #[must_use]
    pub fn is(&self, peer: SocketAddr) -> bool {
        let own = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A listener at `::` sees IPv4 in IPv6 form.
        own.is_some_and(|own| own.port() == peer.port() && own.ip() == peer.ip().to_canonical())
    }

    fn set(&self, address: Option<SocketAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// Marks a request of this process to itself, which is neither counted nor logged.
#[derive(Clone, Copy, Debug)]
pub struct SelfProbe;

/// Where a client on this machine reaches a listener that is bound to `address`: one that is bound
/// to every interface, `::` included, takes IPv4 on loopback.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = address.ip().to_canonical();
    let ip = if ip.is_unspecified() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { ip };
    SocketAddr::new(ip, address.port())
}

/// Asks; `request` is a method and a target, such as `GET /readyz`.
///
/// # Errors
/// When there is no whole answer within `timeout`.
pub fn ask(address: SocketAddr, request: &str, timeout: Duration) -> Result<Answer, Fault> {
    let deadline = Instant::now() + timeout;
    let stream = TcpStream::connect_timeout(&address, timeout).map_err(Fault::Connect)?;
    exchange(stream, address, request, deadline)
}

/// [`ask`] of a listener of this process, with the address it asks from noted in `own` meanwhile.
///
/// # Errors
/// When there is no whole answer within `timeout`.
pub fn ask_from(
    own: &Own,
    address: SocketAddr,
    request: &str,
    timeout: Duration,
) -> Result<Answer, Fault> {
    let deadline = Instant::now() + timeout;
    let connected = connect(own, address, timeout);
    let answer = connected
        .map_err(Fault::Connect)
        .and_then(|stream| exchange(stream, address, request, deadline));
    own.set(None);
    answer
}

fn connect(own: &Own, address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Bound before it connects, so that the address is known before the listener sees it.
    // This machine reaches an address of its own from that same address.
    socket.bind(&SocketAddr::new(address.ip(), 0).into())?;
    own.set(socket.local_addr()?.as_socket());
    socket.connect_timeout(&address.into(), timeout)?;
    Ok(socket.into())
}

fn exchange(
    mut stream: TcpStream,
    address: SocketAddr,
    request: &str,
    deadline: Instant,
) -> Result<Answer, Fault> {
    // HTTP/1.0: the answer ends with the connection, and comes in one piece.
    let request = format!("{request} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let mut bytes = Vec::new();
    let mut talk = || {
        stream.set_write_timeout(Some(left(deadline)?))?;
        stream.write_all(request.as_bytes())?;
        let mut some = [0; 1024];
        loop {
            stream.set_read_timeout(Some(left(deadline)?))?;
            let length = stream.read(&mut some)?;
            bytes.extend_from_slice(&some[..length]);
            if length == 0 || bytes.len() as u64 >= ANSWER_BYTES_MAX {
                return Ok(());
            }
        }
    };
    talk().map_err(|error: io::Error| Fault::Exchange(timed_out(error)))?;
    parse(&bytes).ok_or(Fault::NotHttp)
}

/// The time that is left; none is an error, because sockets take zero for "for ever".
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Unix calls a read that timed out one that would block.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

/// Reads an answer. Source: RFC 9112, section 4.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// A server that reads a request and answers so.
    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let address = answering("HTTP/1.0 503 Service Unavailable\r\na: b\r\n\r\nnot ready\n");
        let expected = Answer { status: 503, body: "not ready\n".to_owned() };
        assert_eq!(ask(address, "GET /readyz", SOON).unwrap(), expected);
    }

    #[test]
    fn what_is_no_http_is_a_fault() {
        for answer in ["", "SSH-2.0-x\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n"] {
            let fault = ask(answering(answer), "GET /", SOON).unwrap_err();
            assert!(matches!(fault, Fault::NotHttp), "{answer:?}: {fault}");
        }
    }

    #[test]
    fn a_listener_that_takes_a_connection_and_says_nothing_is_waited_for_no_longer_than_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let start = Instant::now();
        let fault = ask(listener.local_addr().unwrap(), "GET /", Duration::from_millis(50));
        assert_eq!(fault.unwrap_err().to_string(), "no answer: timed out");
        assert!(start.elapsed() < SOON);
    }

    #[test]
    fn a_closed_port_cannot_be_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let fault = ask(address, "GET /", SOON).unwrap_err();
        assert!(matches!(fault, Fault::Connect(_)), "{fault}");
    }

    #[test]
    fn the_asking_socket_is_known_before_it_connects_and_forgotten_afterwards() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = Own::default();
        let for_server = own.clone();
        let server = thread::spawn(move || {
            let (_stream, peer) = listener.accept().unwrap();
            let mapped = match peer.ip() {
                IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), peer.port()),
                IpAddr::V6(_) => peer,
            };
            let other = SocketAddr::new(peer.ip(), peer.port() ^ 1);
            [peer, mapped, other].map(|peer| for_server.is(peer))
        });
        let _not_http = ask_from(&own, address, "GET /", SOON);
        assert_eq!(server.join().unwrap(), [true, true, false]);
        assert!(own.0.lock().unwrap().is_none());
    }

    #[test]
    fn a_listener_on_every_interface_is_reached_on_loopback() {
        for (bound, reached) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()), reached.parse().unwrap(), "{bound}");
        }
    }
}
