//! Traffic on a gateway from threads of the test itself, while something happens to it: what became of each request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::keep_alive::Client;
use crate::wait;

/// Failures of which the reason is kept.
const REASONS_MAX: usize = 10;

/// Traffic that goes on until it is ended.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    is_over: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    slowest_microseconds: AtomicU64,
    reasons: Mutex<Vec<String>>,
}

/// What became of the requests.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Answered with 200, whole.
    pub answered: u64,
    /// Everything else.
    pub failed: u64,
    /// The longest that an answer took.
    pub slowest: Duration,
    /// Why the first few failed.
    pub reasons: Vec<String>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The path of each request.
    pub path: String,
    /// Connections, each of which has one request at a time.
    pub connections: usize,
    /// Requests a second over all connections; as many as are answered without.
    pub rate: Option<f64>,
    /// Whether connections are kept; each request has one of its own otherwise.
    pub keeps: bool,
}

impl Plan {
    /// As much as `connections` get of `/`.
    #[must_use]
    pub fn busy(connections: usize) -> Self {
        Self { path: "/".to_owned(), connections, rate: None, keeps: true }
    }
}

impl Traffic {
    /// Starts it.
    #[must_use]
    pub fn start(address: SocketAddr, plan: &Plan) -> Self {
        let shared = Arc::new(Shared {
            is_over: false.into(),
            answered: 0.into(),
            failed: 0.into(),
            slowest_microseconds: 0.into(),
            reasons: Mutex::default(),
        });
        let clients = (0..plan.connections).map(|number| {
            let (shared, plan) = (Arc::clone(&shared), plan.clone());
            std::thread::spawn(move || ask(address, number, &plan, &shared))
        });
        Self { clients: clients.collect(), shared }
    }

    /// Requests answered until now.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits until `more` further requests were answered.
    ///
    /// # Panics
    /// When they are not.
    #[track_caller]
    pub fn wait_for(&self, more: u64) {
        let enough = self.answered() + more;
        wait::until("answers", Duration::from_secs(60), || {
            (self.answered() >= enough).then_some(())
        });
    }

    /// Ends it, once each request that was begun has its answer.
    ///
    /// # Panics
    /// When a client did.
    #[must_use]
    pub fn end(mut self) -> Counts {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().expect("a client does not panic");
        }
        let shared = &self.shared;
        let slowest = shared.slowest_microseconds.load(Ordering::Relaxed);
        Counts {
            answered: shared.answered.load(Ordering::Relaxed),
            failed: shared.failed.load(Ordering::Relaxed),
            slowest: Duration::from_micros(slowest),
            reasons: shared.reasons.lock().expect("no client panics").clone(),
        }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

/// Asks until it is over. With a rate, a request that is late is made up for: the rate is that of a clock.
fn ask(address: SocketAddr, number: usize, plan: &Plan, shared: &Shared) {
    let mut client = Client::new(address);
    let pace = plan.rate.map(|rate| Duration::from_secs_f64(plan.connections as f64 / rate));
    let offset = pace.map(|pace| pace.mul_f64(number as f64 / plan.connections as f64));
    let mut next = Instant::now() + offset.unwrap_or_default();
    while !shared.is_over.load(Ordering::Relaxed) {
        if let Some(pace) = pace {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += pace;
        }
        if !plan.keeps {
            client = Client::new(address);
        }
        let begun = Instant::now();
        let failure = match client.get(&plan.path) {
            Ok(answer) if answer.status == 200 => {
                let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                shared.slowest_microseconds.fetch_max(took, Ordering::Relaxed);
                shared.answered.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Ok(answer) => format!("{}", answer.status),
            Err(error) => error.to_string(),
        };
        shared.failed.fetch_add(1, Ordering::Relaxed);
        let mut reasons = shared.reasons.lock().expect("no client panics");
        if reasons.len() < REASONS_MAX {
            reasons.push(failure);
        }
    }
}
