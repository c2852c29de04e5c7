//! The threads that serve clients: each an event loop of its own with its own connections to
//! clients and upstreams, so that a request never leaves its thread.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Handle, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::access::AccessLog;
use super::client::Connections;
use super::connection::{self, Room};
use super::random::Random;
use super::snapshot::Listening;
use crate::listener::{Answer, Seat, Taken};
use crate::memory;
use crate::observe::logs::Logs;

/// How often a worker that has connections looks for what is due: connections that did nothing for
/// too long, log lines that wait, upstream connections that nobody used.
const TICK: Duration = Duration::from_millis(100);

/// Connections of which the memory is worth giving back together, and how often that is done at
/// most.
const GIVEN_UP_MIN: usize = 64;
const GIVE_BACK_EVERY: Duration = Duration::from_millis(250);

/// Threads of a worker for what blocks: names that are looked up, one at a time for each upstream, and files that are
/// read. They are started when needed, and there are enough that names nobody answers for leave some to the files.
const BLOCKING_THREADS_MAX: usize = 32;

/// What a worker is asked to do.
pub enum Job {
    /// Serve a connection.
    Serve(Client),
    /// Give up an unused connection to a destination, because another worker needs it.
    Relinquish(u64),
    /// Hand over the lines of the access log that wait, and say so.
    Flush(oneshot::Sender<()>),
}

/// A client's connection on its way to a worker.
pub struct Client {
    pub stream: std::net::TcpStream,
    pub peer: SocketAddr,
    pub is_own: bool,
    pub seat: Seat,
    pub listening: Arc<Listening>,
    /// One of its address's connections, where those are counted.
    pub share: Option<super::limits::Share>,
}

/// The workers, as who hands them work sees them; they end with the last clone.
#[derive(Clone)]
pub struct Workers {
    peers: Peers,
    handles: Arc<[Handle]>,
    turn: Arc<AtomicUsize>,
}

/// Where each worker takes its jobs from.
pub type Peers = Arc<[mpsc::UnboundedSender<Job>]>;

/// What all that runs on a worker's thread shares.
pub struct Worker {
    pub room: Rc<Room>,
    pub upstreams: Rc<Connections>,
    pub access: AccessLog,
    pub random: Random,
    pub logs: Logs,
}

impl Workers {
    /// Starts as many threads.
    ///
    /// # Errors
    /// When the system refuses a thread or an event loop.
    pub fn start(count: usize, logs: &Logs) -> io::Result<Self> {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..count.max(1)).map(|_| mpsc::unbounded_channel()).unzip();
        let peers: Peers = senders.into();
        let handles = receivers.into_iter().enumerate().map(|(index, jobs)| {
            // Of its peers a worker must not keep itself or another one alive.
            let peers: Vec<_> = peers.iter().map(mpsc::UnboundedSender::downgrade).collect();
            spawn(index, jobs, peers, logs.clone())
        });
        let handles = handles.collect::<io::Result<_>>()?;
        Ok(Self { peers, handles, turn: Arc::default() })
    }

    /// Their event loops.
    #[must_use]
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// Waits until the lines of all requests that have ended are on their way to the log.
    pub async fn flush(&self) {
        let asked = self.peers.iter().map(|peer| {
            let (tell, told) = oneshot::channel();
            peer.send(Job::Flush(tell)).map(|()| told)
        });
        // All are asked before the first is waited for.
        for told in asked.collect::<Vec<_>>().into_iter().flatten() {
            let _ = told.await;
        }
    }

    /// Hands a client to the next in turn.
    fn serve(&self, client: Client) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        // A worker ends only with its process.
        let _ = self.peers[turn % self.peers.len()].send(Job::Serve(client));
    }
}

/// Hands the connections of a listener to the workers.
pub struct Handing {
    pub workers: Workers,
    pub listening: Arc<Listening>,
}

impl Answer for Handing {
    fn answer(&self, taken: Taken) {
        let Taken { stream, peer, is_own, seat } = taken;
        // A listener at `::` sees IPv4 in IPv6 form.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Ok(share) = self.listening.share(peer.ip(), is_own) else { return };
        // A socket that cannot leave its event loop is broken; closing it is all there is to do.
        let Ok(stream) = stream.into_std() else { return };
        let listening = Arc::clone(&self.listening);
        self.workers.serve(Client { stream, peer, is_own, seat, listening, share });
    }
}

fn spawn(
    index: usize,
    jobs: mpsc::UnboundedReceiver<Job>,
    peers: Vec<mpsc::WeakUnboundedSender<Job>>,
    logs: Logs,
) -> io::Result<Handle> {
    // The event loop cannot leave the thread that made it; only its handle can.
    let (give, given) = sync_channel(1);
    thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let runtime = match event_loop() {
            Ok(runtime) => runtime,
            Err(error) => return drop(give.send(Err(error))),
        };
        let _ = give.send(Ok(runtime.handle().clone()));
        runtime.block_on(work(jobs, peers, logs));
        // What still waits for a disk must not be waited for.
        runtime.shutdown_background();
    })?;
    given.recv().unwrap_or_else(|_gone| Err(io::Error::other("a worker ended at its start")))
}

fn event_loop() -> io::Result<LocalRuntime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build_local(LocalOptions::default())
}

/// Works until nobody is left to hand over jobs.
async fn work(
    mut jobs: mpsc::UnboundedReceiver<Job>,
    peers: Vec<mpsc::WeakUnboundedSender<Job>>,
    logs: Logs,
) {
    let worker = Rc::new(Worker {
        room: Rc::new(Room::default()),
        upstreams: Rc::new(Connections::new(peers)),
        access: AccessLog::new(logs.clone()),
        random: Random::new(),
        logs,
    });
    tokio::task::spawn_local(tick(Rc::clone(&worker)));
    while let Some(job) = jobs.recv().await {
        match job {
            Job::Serve(client) => {
                let Ok(stream) = TcpStream::from_std(client.stream) else { continue };
                let Client { peer, is_own, seat, listening, share, .. } = client;
                let guest =
                    connection::Guest { peer, is_own, listening, _seat: seat, _share: share };
                tokio::task::spawn_local(connection::serve(stream, guest, Rc::clone(&worker)));
            }
            Job::Relinquish(destination) => worker.upstreams.relinquish(destination),
            Job::Flush(tell) => {
                worker.access.flush();
                let _ = tell.send(());
            }
        }
    }
    worker.access.flush();
}

/// Looks for what is due, as long as there is anything that could be.
async fn tick(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut given_back = Instant::now();
    loop {
        if worker.upstreams.is_empty() && worker.access.is_empty() {
            worker.room.until_used().await;
        }
        ticks.tick().await;
        let now = Instant::now();
        worker.room.end_overdue(now);
        worker.access.flush();
        worker.upstreams.expire(now);
        if now >= given_back + GIVE_BACK_EVERY && worker.room.take_given_up(GIVEN_UP_MIN) {
            given_back = now;
            memory::give_back();
        }
    }
}
