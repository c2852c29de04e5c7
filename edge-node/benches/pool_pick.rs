//! What picking an upstream and reporting a success cost: `cargo bench -p edge-node --bench pool_pick`.
//!
//! Each is one request's whole way through a pool: pick, report, drop. With two threads the counters they share move
//! between cores, which is what a second worker costs.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use edge_node::config::{self, Balance, Ejection, HashKey, Protocol, SuccessRate, UpstreamAddress};
use edge_node::upstream::{self, Outcome, Pool};
use http::StatusCode;

const SECOND: Duration = Duration::from_secs(1);

/// A pool with the config's defaults.
fn settings(balance: Balance, weights: &[u32]) -> config::Pool {
    let upstream = |(port, weight): (u16, &u32)| config::Upstream {
        address: UpstreamAddress::Socket(([127, 0, 0, 1], port).into()),
        weight: *weight,
    };
    config::Pool {
        name: "api".into(),
        upstreams: (3000..).zip(weights).map(upstream).collect(),
        balance,
        protocol: Protocol::Http1,
        tls: None,
        connect_timeout: SECOND * 2,
        idle_timeout: SECOND * 60,
        connections_max: 256,
        pending_max: 1024,
        retry_share_max: 0.2,
        slow_start: SECOND * 10,
        probe: None,
        ejection: Ejection {
            consecutive_errors: Some(5),
            success_rate: None,
            time_base: SECOND * 5,
            time_max: SECOND * 300,
            share_max: 0.5,
        },
    }
}

/// Requests one after the other; each has another key.
fn requests(pool: &Arc<Pool>, count: u64) {
    for request in 0..count {
        let hash = upstream::hash(&request.to_le_bytes());
        let picked = pool.pick(black_box(hash), &[]).expect("all are well");
        picked.report(Outcome::Answered(StatusCode::OK));
    }
}

/// The same on two threads at once: the time in which both are done.
fn on_two_threads(pool: &Arc<Pool>, count: u64) -> Duration {
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| requests(pool, count));
        }
    });
    start.elapsed()
}

fn pool_pick(criterion: &mut Criterion) {
    let hashed = || Balance::ConsistentHash(HashKey::ClientAddress);
    let (equal, weighted) = ([1; 4], [5, 3, 2, 7]);
    let rate = SuccessRate { share_min: 0.5, window: SECOND * 30, requests_min: 20 };
    let mut rated = settings(Balance::RoundRobin, &equal);
    rated.ejection.success_rate = Some(rate);
    for (name, settings) in [
        ("round robin", settings(Balance::RoundRobin, &equal)),
        ("round robin, weighted", settings(Balance::RoundRobin, &weighted)),
        ("round robin, success rate", rated),
        ("least requests", settings(Balance::LeastRequests, &weighted)),
        ("consistent hash", settings(hashed(), &equal)),
        ("consistent hash, weighted", settings(hashed(), &weighted)),
        ("consistent hash, 100 upstreams", settings(hashed(), &[1; 100])),
    ] {
        let pool = Pool::new(&settings, None);
        let mut group = criterion.benchmark_group("pool pick");
        group.bench_function(format!("{name}, one thread"), |bencher| {
            bencher.iter(|| requests(&pool, 1));
        });
        group.bench_function(format!("{name}, two threads"), |bencher| {
            bencher.iter_custom(|count| on_two_threads(&pool, count));
        });
        group.finish();
    }
}

criterion_group!(benches, pool_pick);
criterion_main!(benches);
