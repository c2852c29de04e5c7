//! Load on an HTTP listener, which counts what became of each request. A program of its own, because it has to run in
//! the network of a container.
//!
//! `load CONNECTIONS ADDRESS…` keeps as many connections busy, one request after the other, until its standard input
//! ends; then it prints one line of JSON. A connection that the service asked to be closed (`Connection: close`) is
//! closed and opened again; one that is refused is tried at the next address. Every request that was sent on a
//! connection that had been taken must be answered with 200: whatever else happens to it is a failure, be it a reset, an
//! end without an answer, half an answer or another status.

#![expect(clippy::print_stdout, reason = "the result of this program")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two requests of a connection, so that the service and not the machine is what is tested.
const PAUSE: Duration = Duration::from_millis(2);
/// The longest a healthy answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    told_to_close: AtomicU64,
    slowest_microseconds: AtomicU64,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let connections: usize = arguments.next().and_then(|n| n.parse().ok()).expect("a number");
    let addresses: Vec<SocketAddr> =
        arguments.map(|address| address.parse().expect("an address")).collect();
    let (counts, is_over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            let (addresses, counts, is_over) = (addresses.clone(), counts.clone(), is_over.clone());
            std::thread::spawn(move || work(&addresses, &counts, &is_over))
        })
        .collect();
    let _ended = io::copy(&mut io::stdin(), &mut io::sink());
    is_over.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.join().expect("a worker does not panic");
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{{\"answered\":{},\"failed\":{},\"refused\":{},\"told-to-close\":{},\"slowest-microseconds\":{}}}",
        count(&counts.answered),
        count(&counts.failed),
        count(&counts.refused),
        count(&counts.told_to_close),
        count(&counts.slowest_microseconds),
    );
}

fn work(addresses: &[SocketAddr], counts: &Counts, is_over: &AtomicBool) {
    let mut turn = 0;
    while !is_over.load(Ordering::Relaxed) {
        let address = addresses[turn % addresses.len()];
        match TcpStream::connect(address) {
            Ok(stream) => {
                if let Err(error) = converse(stream, address, counts, is_over) {
                    counts.failed.fetch_add(1, Ordering::Relaxed);
                    eprintln!("failed: {error}");
                }
            }
            Err(_refused) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
                turn += 1;
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// Sends requests until told to close, or until it is over.
fn converse(
    stream: TcpStream,
    address: SocketAddr,
    counts: &Counts,
    is_over: &AtomicBool,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = BufReader::new(stream);
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    while !is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        stream.get_mut().write_all(request.as_bytes())?;
        let closes = answer(&mut stream)?;
        let took = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        counts.slowest_microseconds.fetch_max(took, Ordering::Relaxed);
        counts.answered.fetch_add(1, Ordering::Relaxed);
        if closes {
            counts.told_to_close.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Reads a whole answer; whether the connection is to be closed after it.
fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let (mut length, mut closes, mut is_first) = (0, false, true);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(bad(if is_first { "closed without an answer" } else { "half an answer" }));
        }
        let line = line.trim_end().to_ascii_lowercase();
        if is_first && !line.starts_with("http/1.1 200 ") {
            return Err(bad(&line));
        }
        is_first = false;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().map_err(|_| bad(&line))?;
        }
        closes |= line == "connection: close";
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(closes)
}
