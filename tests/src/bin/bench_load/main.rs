//! Requests at a fixed rate, whatever becomes of those before: what `cargo xtask bench gateway` takes latencies from.
//!
//! `bench_load KIND ADDRESS PATH RATE SECONDS CONNECTIONS STREAMS` sends RATE requests a second over CONNECTIONS with
//! STREAMS requests at a time on each, and prints one line of JSON. KIND is `http1`, `https1`, `connect` (TLS and a
//! connection for each request), `http2` or `calls` (unary gRPC), the last two over TLS.
//!
//! The latency of a request counts from when it was due, within a tick, and not from when a connection was free for it:
//! a proxy that stops for a while is charged for every request that fell due meanwhile. Certificates are not checked.

#![expect(clippy::print_stdout, reason = "the result of this program")]

mod peer;
mod ticks;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use peer::{Connection, Kind, Peer};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

/// How long answers are waited for after the last request was due.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be sent.
struct Job {
    peer: Peer,
    rate: f64,
    length: Duration,
    connections: usize,
    streams: usize,
}

impl Job {
    fn parse(arguments: &[String]) -> Option<Self> {
        let [kind, address, path, rate, seconds, connections, streams] = arguments else {
            return None;
        };
        Some(Self {
            peer: Peer::new(Kind::parse(kind)?, address.parse().ok()?, path),
            rate: rate.parse().ok().filter(|rate| *rate > 0.0)?,
            length: Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?,
            connections: connections.parse().ok().filter(|count| *count > 0)?,
            streams: streams.parse().ok().filter(|count| *count > 0)?,
        })
    }
}

/// Requests that are due, and what became of those that were.
#[derive(Default)]
struct Book {
    due: VecDeque<Instant>,
    /// Microseconds each.
    latencies: Vec<u32>,
    failed: u64,
    last_failure: Option<String>,
}

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let job = Job::parse(&arguments)
        .expect("KIND ADDRESS PATH RATE SECONDS CONNECTIONS STREAMS, see the head of this file");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (due, book) = LocalSet::new().block_on(&runtime, run(&job));
    let mut latencies = book.latencies;
    latencies.sort_unstable();
    // The smallest that at least this share of all is not above.
    let quantile = |share: f64| {
        let rank = (share * latencies.len() as f64).ceil() as usize;
        latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    };
    println!(
        "{{\"due\":{due},\"answered\":{},\"failed\":{},\"p50\":{},\"p99\":{},\"p999\":{}}}",
        latencies.len(),
        book.failed,
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
    );
    if let Some(failure) = book.last_failure {
        eprintln!("{} failed, at last: {failure}", book.failed);
    }
    Ok(())
}

/// Sends; gives how many requests fell due, and the book.
async fn run(job: &Job) -> (u64, Book) {
    let book = Rc::new(RefCell::new(Book::default()));
    let waiting = Rc::new(Semaphore::new(0));
    for _ in 0..job.connections {
        let connection = Rc::new(Connection::new(job.peer.clone()));
        for _ in 0..job.streams {
            let work = send(connection.clone(), waiting.clone(), book.clone());
            tokio::task::spawn_local(work);
        }
    }
    let due = fall_due(job, &waiting, &book).await;
    let end = Instant::now() + PATIENCE;
    let settled = || {
        let book = book.borrow();
        book.latencies.len() as u64 + book.failed >= due
    };
    let ticks = ticks::Ticks::start();
    while !settled() && Instant::now() < end {
        ticks.next().await;
    }
    let mut book = book.take();
    let settled = book.latencies.len() as u64 + book.failed;
    book.failed += due - settled;
    (due, book)
}

/// Lets requests fall due at the rate, a tick's worth at a time.
async fn fall_due(job: &Job, waiting: &Semaphore, book: &RefCell<Book>) -> u64 {
    let ticks = ticks::Ticks::start();
    let start = Instant::now();
    let mut due: u64 = 0;
    loop {
        ticks.next().await;
        let now = Instant::now();
        let elapsed = (now - start).min(job.length);
        let until = (elapsed.as_secs_f64() * job.rate) as u64;
        for number in due..until {
            let intended = start + Duration::from_secs_f64((number + 1) as f64 / job.rate);
            // Within a tick the delay is this program's, beyond it is the load's.
            book.borrow_mut().due.push_back(now.min(intended + ticks::LENGTH));
        }
        waiting.add_permits(usize::try_from(until - due).expect("a tick's worth is few"));
        due = until;
        if elapsed >= job.length {
            return due;
        }
    }
}

/// Sends one due request after the other.
async fn send(connection: Rc<Connection>, waiting: Rc<Semaphore>, book: Rc<RefCell<Book>>) {
    while let Ok(permit) = waiting.acquire().await {
        permit.forget();
        let Some(due) = book.borrow_mut().due.pop_front() else { continue };
        let answered = connection.ask().await;
        let mut book = book.borrow_mut();
        match answered {
            Ok(()) => {
                let took = due.elapsed().as_micros();
                book.latencies.push(u32::try_from(took).unwrap_or(u32::MAX));
            }
            Err(failure) => {
                book.failed += 1;
                book.last_failure = Some(failure);
            }
        }
    }
}
