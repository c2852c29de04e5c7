//! The gateway at 70 % of what it can do, for a while: memory does not grow, nothing is left open, no thread is left
//! behind.
//!
//! The while is twenty seconds, or as many as the environment variable `XTASK_TEST_SOAK_SECONDS` says:
//! `XTASK_TEST_SOAK_SECONDS=1800 cargo test -p tests --test gateway_soak -- --nocapture`.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "figures for whoever reads them")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use tests::gateway::{Figures, Gateway};
use tests::keep_alive::Client;
use tests::traffic::{Plan, Traffic};
use tests::upstream::{Behaviour, Upstream};
use tests::wait;

/// Says for how long.
const SECONDS_VARIABLE: &str = "XTASK_TEST_SOAK_SECONDS";
const SECONDS_DEFAULT: u64 = 20;
/// Only a test that fails waits this long.
const LIMIT: Duration = Duration::from_secs(60);
/// Of what it can do.
const LOAD: f64 = 0.7;
/// What must have been answered of that, as a machine that others use too may be slow for some seconds.
const ANSWERED_MIN: f64 = 0.5;
/// What it goes up and down by with connections, buffers and its allocator's mood, however short the run is: a leak of 200
/// bytes a request is more than that in twenty seconds, one of three bytes in half an hour.
const SWING_KIB: f64 = 12.0 * 1024.0;
/// What a run of any length may grow by on top of it.
const SLOPE_MAX_KIB: f64 = 64.0;

fn seconds() -> u64 {
    let given = std::env::var_os(SECONDS_VARIABLE);
    given.map_or(SECONDS_DEFAULT, |text| text.to_str().unwrap().parse().unwrap())
}

fn config(upstreams: &[Upstream]) -> String {
    let addresses: Vec<_> =
        upstreams.iter().map(|one| format!("{{ address = '{}' }}", one.address())).collect();
    format!(
        "workers = 2\n[log]\naccess = {}\n[pools.up]\nidle-timeout = '2s'\nslow-start = '0s'\n\
         retry-share-max = 1.0\nupstreams = [{}]\n\
         ejection = {{ time-base = '1s', time-max = '1s', share-max = 0.4 }}\n\
         [pools.up.probe]\nhttp = {{ path = '/healthz' }}\ninterval = '1s'\n\
         [routes.all]\nforward = {{ pool = 'up', retries-max = 3 }}\n\
         rate-limit = {{ requests-per-second = 1000000 }}\n\
         [routes.own]\npath = {{ prefix = '/own' }}\nrespond = {{ body = 'own' }}\n",
        // Half an hour of them would fill a disk.
        seconds() <= 60,
        addresses.join(", ")
    )
}

/// The figures of the process at a time of the run.
struct Look {
    minutes: f64,
    figures: Figures,
}

/// What it grows by in a minute, by the line that fits best (least squares).
fn slope_kib(looks: &[Look]) -> f64 {
    let count = looks.len() as f64;
    let mean = |of: fn(&Look) -> f64| looks.iter().map(of).sum::<f64>() / count;
    let (time, memory) = (mean(|look| look.minutes), mean(|look| look.figures.resident_kib as f64));
    let apart = |look: &Look| look.minutes - time;
    let both = |look: &Look| apart(look) * (look.figures.resident_kib as f64 - memory);
    let square: f64 = looks.iter().map(|look| apart(look).powi(2)).sum();
    looks.iter().map(both).sum::<f64>() / square
}

/// Requests a second that the gateway answers when nothing else is asked of this machine.
fn capacity(gateway: &Gateway) -> f64 {
    let traffic = Traffic::start(gateway.data(), &Plan::busy(8));
    traffic.wait_for(100);
    let (begun, before) = (Instant::now(), traffic.answered());
    wait::until("two seconds", LIMIT, || (begun.elapsed() > Duration::from_secs(2)).then_some(()));
    let answered = traffic.answered() - before;
    let rate = answered as f64 / begun.elapsed().as_secs_f64();
    assert_eq!(traffic.end().failed, 0);
    rate
}

/// Small answers on kept connections, and a few large ones, own ones, and connections of one request.
fn start_all(gateway: &Gateway, rate: f64) -> Vec<Traffic> {
    let plan = |path: &str, connections, share: f64, keeps| {
        let rate = Some(rate * share);
        Traffic::start(gateway.data(), &Plan { path: path.to_owned(), connections, rate, keeps })
    };
    vec![
        plan("/", 8, 0.8, true),
        plan("/own", 2, 0.1, true),
        plan("/bytes/65536", 2, 0.02, true),
        plan("/", 2, 0.08, false),
    ]
}

#[test]
fn at_seventy_percent_of_the_load_nothing_grows() {
    let seconds = seconds();
    let upstreams: Vec<_> = (0..3).map(|_| Upstream::start()).collect();
    let gateway = Gateway::start(&config(&upstreams));
    let capacity = capacity(&gateway);
    let begun = Instant::now();
    let traffic = start_all(&gateway, LOAD * capacity);
    let mut admin = Client::new(gateway.admin());
    let mut looks: Vec<Look> = Vec::new();
    let mut second = 0;
    while second < seconds {
        second += 1;
        // A second is over by the clock, however many requests were in it.
        wait::until("a second", LIMIT, || {
            (begun.elapsed() >= Duration::from_secs(second)).then_some(())
        });
        // One upstream is bad now and then, metrics are scraped, the configuration is loaded again.
        let behaviour = if second % 5 == 0 { Behaviour::Close } else { Behaviour::Answer };
        upstreams[0].set(behaviour);
        assert_eq!(gateway.reload(&mut admin, &config(&upstreams)).status, 200);
        assert_eq!(admin.get("/metrics").unwrap().status, 200);
        looks.push(Look {
            minutes: begun.elapsed().as_secs_f64() / 60.0,
            figures: gateway.figures(),
        });
    }
    let counts: Vec<_> = traffic.into_iter().map(Traffic::end).collect();
    judge(&looks, capacity);
    let answered: u64 = counts.iter().map(|counts| counts.answered).sum();
    let failed: u64 = counts.iter().map(|counts| counts.failed).sum();
    println!(
        "{answered} answered ({:.0} a second), {failed} failed",
        answered as f64 / begun.elapsed().as_secs_f64()
    );
    assert_eq!(
        failed,
        0,
        "{:?}",
        counts.iter().flat_map(|counts| &counts.reasons).collect::<Vec<_>>()
    );
    assert!(
        answered as f64 > LOAD * capacity * seconds as f64 * ANSWERED_MIN,
        "{answered} of {capacity} a second"
    );
    nothing_is_left(&gateway);
}

fn judge(looks: &[Look], capacity: f64) {
    // Caches and allocators are warm after a fifth.
    let warm = &looks[looks.len() / 5..];
    let [start, middle, end] = [0, warm.len() / 2, warm.len() - 1].map(|at| warm[at].figures);
    let slope = slope_kib(warm);
    let minutes = warm[warm.len() - 1].minutes - warm[0].minutes;
    println!(
        "load: 70 % of {capacity:.0} requests a second, {minutes:.2} minutes after warming up"
    );
    println!("memory slope: {slope:.1} KiB/min");
    let tenths = (0..10).map(|tenth| warm[warm.len() * tenth / 10].figures.resident_kib);
    println!("memory at each tenth, KiB: {:?}", tenths.collect::<Vec<_>>());
    for (name, figures) in [("start", start), ("middle", middle), ("end", end)] {
        let Figures { resident_kib, descriptors, threads } = figures;
        println!(
            "{name}: {resident_kib} KiB resident, {descriptors} descriptors, {threads} threads"
        );
    }
    let grown = slope * minutes;
    assert!(grown < SWING_KIB + SLOPE_MAX_KIB * minutes, "grew by {grown:.0} KiB");
    // As many as there are connections, which come and go.
    assert!(end.descriptors < start.descriptors + 32, "{start:?}, then {end:?}");
    assert!(end.threads <= start.threads + 2, "{start:?}, then {end:?}");
}

/// Connections and requests are counted down to nothing once the clients are gone.
#[track_caller]
fn nothing_is_left(gateway: &Gateway) {
    for (name, labels) in [
        ("edge_node_connections", &[("listener", "data")][..]),
        ("http_requests_in_flight", &[("listener", "data")]),
        ("upstream_requests_in_flight", &[("pool", "up")]),
        ("upstream_connections", &[("pool", "up")]),
    ] {
        wait::until(&format!("no {name}"), LIMIT, || {
            (gateway.sum(name, labels) == 0.0).then_some(())
        });
    }
    let left = gateway.figures();
    println!("afterwards: {} descriptors, {} threads", left.descriptors, left.threads);
}
