//! Upstreams that do as a test says: answer, echo in a tunnel, answer slowly, hang, reset, break off, or be gone and come back at the
//! same address.
//!
//! Each has a loopback address of its own (127.x.y.z), so that while it is gone nobody else gets its port. Such
//! addresses need no setup on Linux; other systems have only 127.0.0.1.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::keep_alive::{self, Head};
use crate::wait;

/// What is written of a body at a time.
const PIECE: usize = 64 * 1024;

/// What an upstream does with each request from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// 200 with `ok`; for `/bytes/N` as many bytes.
    Answer,
    /// The same after a while.
    Late(Duration),
    /// This status.
    Status(u16),
    /// Nothing, until it is to do something else.
    Hang,
    /// Reads none of it and resets the connection.
    Reset,
    /// Reads it whole and closes the connection.
    Close,
    /// Promises a thousand bytes, sends ten and closes the connection.
    BreakOff,
    /// The same in chunks, of which the last never comes.
    BreakOffChunked,
}

/// An upstream, gone when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    changed: Condvar,
    /// Connections that are open, by a number of their own.
    open: Mutex<BTreeMap<u64, TcpStream>>,
    next: AtomicU64,
    /// True while it is there.
    serves: Mutex<bool>,
    requests: AtomicU64,
    body_bytes: AtomicU64,
    last: Mutex<Option<Instant>>,
    ids: Mutex<Vec<String>>,
    target: Mutex<String>,
}

impl Upstream {
    /// One that answers.
    ///
    /// # Panics
    /// When it gets no port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind((own_address(), 0)).unwrap();
        let shared = Shared {
            behaviour: Mutex::new(Behaviour::Answer),
            changed: Condvar::new(),
            open: Mutex::default(),
            next: 0.into(),
            serves: Mutex::new(false),
            requests: 0.into(),
            body_bytes: 0.into(),
            last: Mutex::default(),
            ids: Mutex::default(),
            target: Mutex::default(),
        };
        let address = listener.local_addr().unwrap();
        let mut upstream = Self { address, shared: Arc::new(shared), accepting: None };
        upstream.serve(listener);
        upstream
    }

    /// Where it is or was.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does from now on; a request that hangs is done so, too.
    pub fn set(&self, behaviour: Behaviour) {
        *locked(&self.shared.behaviour) = behaviour;
        self.shared.changed.notify_all();
    }

    /// Goes away: new connections are refused, idle ones closed, and what is being answered is answered.
    pub fn stop(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        *locked(&self.shared.serves) = false;
        // Wakes the thread up; the socket closes with it.
        let _woken = TcpStream::connect(self.address);
        accepting.join().expect("accepting does not panic");
        for stream in locked(&self.shared.open).values() {
            let _gone = stream.shutdown(Shutdown::Read);
        }
    }

    /// Comes back to where it was.
    ///
    /// # Panics
    /// When somebody else is there.
    pub fn come_back(&mut self) {
        let again = || TcpListener::bind(self.address).ok();
        let listener = wait::until("the address of an upstream", Duration::from_secs(30), again);
        self.serve(listener);
    }

    fn serve(&mut self, listener: TcpListener) {
        *locked(&self.shared.serves) = true;
        let shared = Arc::clone(&self.shared);
        self.accepting = Some(std::thread::spawn(move || accept(&listener, &shared)));
    }

    /// Requests that it read, or reset.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Bytes of bodies that it got rid of.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.shared.body_bytes.load(Ordering::Relaxed)
    }

    /// When the last request came that was no probe.
    #[must_use]
    pub fn last_request(&self) -> Option<Instant> {
        *locked(&self.shared.last)
    }

    /// The target of the last request that it read, probes aside.
    #[must_use]
    pub fn last_target(&self) -> String {
        locked(&self.shared.target).clone()
    }

    /// The headers `x-id` of all requests that it read.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        locked(&self.shared.ids).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
        self.set(Behaviour::Answer);
        for stream in locked(&self.shared.open).values() {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }
}

/// An address in 127.0.0.0/8 that no other upstream of this machine has, but by a rare chance.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(2);
    let [.., high, low] = std::process::id().to_be_bytes();
    let [over, number] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, high.wrapping_add(over).max(1), low, number)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of an upstream panics")
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept() else { continue };
        if !*locked(&shared.serves) {
            return;
        }
        let Ok(kept) = stream.try_clone() else { continue };
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        locked(&shared.open).insert(number, kept);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let _broken = converse(&stream, &shared);
            locked(&shared.open).remove(&number);
            let _gone = stream.shutdown(Shutdown::Both);
        });
    }
}

/// Does with each request as is said at that time.
fn converse(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        if stream.peek(&mut [0])? == 0 {
            return Ok(());
        }
        if *locked(&shared.behaviour) == Behaviour::Reset {
            shared.requests.fetch_add(1, Ordering::Relaxed);
            // Closing a socket with unread bytes resets the connection (RFC 9293 §3.10.4).
            return Ok(());
        }
        let Some(head) = keep_alive::read_head(&mut reader)? else { return Ok(()) };
        let _body = keep_alive::read_body(&mut reader, &head)?;
        note(shared, &head);
        if let Some(protocol) = head.header("upgrade") {
            return echo(stream, reader, protocol);
        }
        if !answer(stream, shared, &head)? || !*locked(&shared.serves) {
            return Ok(());
        }
    }
}

/// Changes to whatever protocol was asked for, in all of which it says what it hears (RFC 9110 §7.8).
fn echo(mut stream: &TcpStream, mut reader: impl Read, protocol: &str) -> io::Result<()> {
    let head = "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: ";
    stream.write_all(format!("{head}{protocol}\r\n\r\n").as_bytes())?;
    io::copy(&mut reader, &mut stream).map(drop)
}

fn note(shared: &Shared, head: &Head) {
    if head.second() != "/healthz" {
        shared.requests.fetch_add(1, Ordering::Relaxed);
        *locked(&shared.last) = Some(Instant::now());
        head.second().clone_into(&mut locked(&shared.target));
    }
    locked(&shared.ids).extend(head.header("x-id").map(str::to_owned));
}

/// Answers; whether the connection stays.
fn answer(mut stream: &TcpStream, shared: &Shared, head: &Head) -> io::Result<bool> {
    let behaviour = decided(shared);
    let status = match behaviour {
        Behaviour::Answer | Behaviour::Late(_) => 200,
        Behaviour::Status(status) => status,
        Behaviour::Hang | Behaviour::Reset | Behaviour::Close => return Ok(false),
        Behaviour::BreakOff => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nten bytes.")?;
            return Ok(false);
        }
        Behaviour::BreakOffChunked => {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nten bytes.\r\n";
            stream.write_all(head)?;
            return Ok(false);
        }
    };
    let bytes = head.second().strip_prefix("/bytes/").and_then(|text| text.parse::<usize>().ok());
    let length = bytes.unwrap_or(3);
    let mut answer =
        format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    let is_head = head.first.starts_with("HEAD ");
    if bytes.is_none() && !is_head {
        answer.extend_from_slice(b"ok\n");
    }
    stream.write_all(&answer)?;
    let mut left = if is_head { 0 } else { bytes.unwrap_or(0) };
    while left > 0 {
        let piece = left.min(PIECE);
        stream.write_all(&[b'x'; PIECE][..piece])?;
        shared.body_bytes.fetch_add(piece as u64, Ordering::Relaxed);
        left -= piece;
    }
    Ok(true)
}

/// What is to be done with a request, once that is to be done.
fn decided(shared: &Shared) -> Behaviour {
    let first = *locked(&shared.behaviour);
    let behaviour = locked(&shared.behaviour);
    match first {
        Behaviour::Hang => {
            *shared.changed.wait_while(behaviour, |now| *now == first).expect("nobody panics")
        }
        Behaviour::Late(by) => {
            let waited = shared.changed.wait_timeout_while(behaviour, by, |now| *now == first);
            *waited.expect("nobody panics").0
        }
        Behaviour::Answer
        | Behaviour::Status(_)
        | Behaviour::Reset
        | Behaviour::Close
        | Behaviour::BreakOff
        | Behaviour::BreakOffChunked => first,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::keep_alive::Client;

    #[test]
    fn an_upstream_does_what_it_is_told() {
        let mut upstream = Upstream::start();
        let ask = |path: &str| Client::new(upstream.address()).get(path);
        assert_eq!(ask("/").unwrap().body, b"ok\n");
        assert_eq!(ask("/bytes/100000").unwrap().body.len(), 100_000);
        upstream.set(Behaviour::Status(503));
        assert_eq!(ask("/").unwrap().status, 503);
        for broken in
            [Behaviour::Reset, Behaviour::Close, Behaviour::BreakOff, Behaviour::BreakOffChunked]
        {
            upstream.set(broken);
            assert!(ask("/").is_err(), "{broken:?}");
        }
        assert_eq!(upstream.requests(), 7);
        upstream.set(Behaviour::Answer);
        let mut kept = Client::new(upstream.address());
        assert!(kept.get("/").is_ok());
        upstream.stop();
        // A request that comes as the connection is closed may still be answered.
        wait::until("the connection to be closed", Duration::from_secs(30), || kept.get("/").err());
        let refused = Client::new(upstream.address()).get("/").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        upstream.come_back();
        assert!(kept.get("/").is_ok());
    }
}
