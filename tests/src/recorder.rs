//! An upstream that keeps all it is told, reads it without leniency, and answers by script.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::message::{self, Message, Reading};
use crate::wait;

/// Only a test that fails waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A request.
    Whole(Message),
    /// The connection ended within a request: nobody acts on that.
    Cut(Vec<u8>),
    /// What is no request, and why. It may be read differently by others.
    Odd(Vec<u8>, String),
}

/// What to say to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As it is sent.
    pub bytes: Vec<u8>,
    /// What happens to the connection afterwards.
    pub then: Then,
}

/// What happens to a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is kept for the next request.
    Keep,
    /// It is closed.
    Close,
    /// All that comes is sent back.
    Echo,
}

impl Answer {
    /// These bytes, and the connection is kept.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Keep }
    }

    /// 200 with this body.
    pub fn ok(body: &str) -> Self {
        Self::raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    /// The same with another end.
    #[must_use]
    pub fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

type Script = dyn Fn(&Message) -> Answer + Send + Sync;

/// The upstream; its threads end with their connections.
#[derive(Debug)]
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    entries: Vec<Entry>,
    /// Connections on which a request has begun and not ended.
    unfinished: usize,
}

impl Recorder {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is none.
    pub fn start(script: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), script)
    }

    /// Starts one at this address.
    ///
    /// # Panics
    /// When it is taken.
    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(&Message) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, script) =
            (Arc::<Mutex<Seen>>::default(), Arc::<Script>::from(Box::new(script) as Box<Script>));
        let for_connections = Arc::clone(&seen);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (seen, script) = (Arc::clone(&for_connections), Arc::clone(&script));
                std::thread::spawn(move || converse(stream, &seen, &*script));
            }
        });
        Self { address, seen }
    }

    /// Waits for the request for `target`, and until no connection holds half a request; gives and forgets all that
    /// came, in the order in which it was complete.
    ///
    /// # Panics
    /// When that does not happen.
    #[track_caller]
    pub fn until(&self, target: &str) -> Vec<Entry> {
        let is_it = |entry: &Entry| matches!(entry, Entry::Whole(one) if one.target() == target);
        let found = wait::within(PATIENCE, || {
            let mut seen = self.seen.lock().unwrap();
            let is_there = seen.entries.iter().any(is_it) && seen.unfinished == 0;
            is_there.then(|| std::mem::take(&mut seen.entries))
        });
        found.unwrap_or_else(|| panic!("{target} did not come: {:?}", self.seen.lock().unwrap()))
    }
}

fn converse(mut stream: TcpStream, seen: &Mutex<Seen>, script: &Script) {
    let (mut bytes, mut some) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match message::request(&bytes) {
            Reading::Whole(message, length) => {
                bytes.drain(..length);
                let answer = script(&message);
                finish(seen, Entry::Whole(message));
                if !bytes.is_empty() {
                    seen.lock().unwrap().unfinished += 1;
                }
                if stream.write_all(&answer.bytes).is_err() || answer.then == Then::Close {
                    return;
                }
                if answer.then == Then::Echo {
                    let _ended = stream.write_all(&bytes);
                    return echo(stream);
                }
            }
            Reading::Odd(why) => return finish(seen, Entry::Odd(bytes, why)),
            Reading::More => {
                let length = stream.read(&mut some).unwrap_or_default();
                if length == 0 {
                    if !bytes.is_empty() {
                        finish(seen, Entry::Cut(bytes));
                    }
                    return;
                }
                if bytes.is_empty() {
                    seen.lock().unwrap().unfinished += 1;
                }
                bytes.extend_from_slice(&some[..length]);
            }
        }
    }
}

fn finish(seen: &Mutex<Seen>, entry: Entry) {
    let mut seen = seen.lock().unwrap();
    seen.unfinished -= 1;
    seen.entries.push(entry);
}

fn echo(mut stream: TcpStream) {
    let mut some = [0; 4096];
    loop {
        match stream.read(&mut some) {
            Ok(0) | Err(_) => return,
            Ok(length) if stream.write_all(&some[..length]).is_err() => return,
            Ok(_) => {}
        }
    }
}
