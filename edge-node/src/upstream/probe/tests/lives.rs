//! Upstreams over time: found, lost, found again, reloaded; and how long that takes.

use std::sync::mpsc::Receiver;

use ::http::StatusCode;
use serde_json::Value;

use super::server::Canned;
use super::*;
use crate::config::UpstreamAddress;
use crate::observe::logs::tests::heard;
use crate::upstream::Outcome;

const UP: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const DOWN: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

/// Between two probes, and how long anything else lasts.
const INTERVAL: Duration = Duration::from_millis(20);

/// Settings with an interval, 3 down, 2 up, and no slow start.
fn quick(servers: &[&Canned], interval: Duration) -> config::Pool {
    let kind = ProbeKind::Http {
        path: "/".into(),
        host: None,
        status: vec![(StatusCode::OK, StatusCode::OK)],
        body_contains: None,
    };
    let mut settings = settings(UpstreamAddress::Socket(servers[0].address), kind);
    let upstream = |server: &&Canned| {
        let address = UpstreamAddress::Socket(server.address);
        config::Upstream { address, weight: 1 }
    };
    settings.upstreams = servers.iter().map(upstream).collect();
    settings.slow_start = Duration::ZERO;
    settings.probe.as_mut().unwrap().interval = interval;
    settings
}

fn state(pool: &Pool, index: usize) -> &'static str {
    pool.settle(Instant::now());
    pool.upstreams()[index].state().as_str()
}

async fn until_state(pool: &Pool, index: usize, expected: &str) {
    until(expected, || state(pool, index) == expected).await;
}

/// The changes that the log told of.
fn told(lines: &Receiver<Value>, count: usize) -> Vec<String> {
    let next = |_| {
        let line = lines.recv_timeout(PATIENCE).unwrap();
        let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        format!("{} to {}: {}", word("from"), word("to"), word("reason"))
    };
    (0..count).map(next).collect()
}

#[tokio::test]
async fn the_first_probe_comes_at_once_and_decides() {
    let (up, down) = (Canned::new(UP).await, Canned::new(DOWN).await);
    let hour = Duration::from_secs(3600);
    let pool = Pool::new(&quick(&[&up, &down], hour), None);
    assert_eq!((state(&pool, 0), state(&pool, 1)), ("unknown", "unknown"));
    let mut probes = Probes::default();
    probes.set(std::slice::from_ref(&pool), |_| None);
    until_state(&pool, 0, "healthy").await;
    until_state(&pool, 1, "unhealthy").await;
    let next = pool.upstreams()[0].history().next().unwrap() - Instant::now();
    assert!(next > hour / 2, "{next:?}");
}

#[tokio::test]
async fn a_flapping_upstream_is_followed_and_each_change_told() {
    let (logs, lines) = heard();
    let (steady, flapping) = (Canned::new(UP).await, Canned::new(UP).await);
    let pool = Pool::logged(&quick(&[&flapping, &steady], INTERVAL), None, &logs);
    let mut probes = Probes::default();
    probes.set(std::slice::from_ref(&pool), |_| None);
    until_state(&pool, 0, "healthy").await;
    until_state(&pool, 1, "healthy").await;
    for _ in 0..3 {
        flapping.answer(DOWN);
        until_state(&pool, 0, "unhealthy").await;
        assert_eq!(state(&pool, 1), "healthy");
        let picked = pool.pick(0, &[]).unwrap();
        assert_eq!(picked.upstream().address(), pool.upstreams()[1].address());
        flapping.answer(UP);
        until_state(&pool, 0, "healthy").await;
    }
    let told = told(&lines, 8);
    assert_eq!(told[..2], ["unknown to healthy: first-probe"; 2]);
    for flap in told[2..].chunks(2) {
        assert_eq!(flap, ["healthy to unhealthy: probes", "unhealthy to healthy: probes"]);
    }
    let counts = pool.upstreams()[0].counts();
    assert_eq!(counts.changes[1..3], [4, 3]);
    assert!(counts.probes[0] >= 7 && counts.probes[5] >= 9, "{:?}", counts.probes);
}

#[tokio::test]
async fn a_reload_makes_no_burst_of_probes_and_keeps_what_is_known() {
    let server = Canned::new(DOWN).await;
    let settings = quick(&[&server], Duration::from_secs(3600));
    let mut pool = Pool::new(&settings, None);
    let mut probes = Probes::default();
    probes.set(std::slice::from_ref(&pool), |_| None);
    until_state(&pool, 0, "unhealthy").await;
    let next = pool.upstreams()[0].history().next();
    for weight in 1..=100 {
        let mut settings = settings.clone();
        settings.upstreams[0].weight = weight;
        pool = Pool::new(&settings, Some(&pool));
        probes.set(std::slice::from_ref(&pool), |_| None);
        // The task hears of it.
        tokio::task::yield_now().await;
    }
    assert_eq!(state(&pool, 0), "unhealthy");
    assert_eq!(server.connections(), 1);
    let now_next = pool.upstreams()[0].history().next();
    assert_eq!(now_next.min(next), now_next, "never later");
    // A shorter interval does not wait for the end of the longer one.
    let pool = Pool::new(&quick(&[&server], INTERVAL), Some(&pool));
    server.answer(UP);
    probes.set(std::slice::from_ref(&pool), |_| None);
    until_state(&pool, 0, "healthy").await;
}

#[tokio::test]
async fn probes_of_what_left_the_config_end() {
    let (gone, kept) = (Canned::new(UP).await, Canned::new(UP).await);
    let both = Pool::new(&quick(&[&gone, &kept], INTERVAL), None);
    let mut probes = Probes::default();
    probes.set(std::slice::from_ref(&both), |_| None);
    until("both are probed", || gone.connections() > 1 && kept.connections() > 1).await;
    let one = Pool::new(&quick(&[&kept], INTERVAL), Some(&both));
    probes.set(std::slice::from_ref(&one), |_| None);
    let is_gone = Arc::downgrade(&both.upstreams()[0]);
    drop(both);
    until("its task has let go of it", || is_gone.strong_count() == 0).await;
    let (before, seen) = (gone.connections(), kept.connections());
    until("the other is probed on", || kept.connections() > seen + 3).await;
    assert!(gone.connections() <= before + 1, "one may have been on its way");
    drop(probes);
    let is_dropped = Arc::downgrade(&one);
    drop(one);
    until("all tasks have ended", || is_dropped.strong_count() == 0).await;
}

#[tokio::test]
async fn a_pool_that_is_no_longer_probed_takes_its_upstreams_for_healthy() {
    let server = Canned::new(DOWN).await;
    let settings = quick(&[&server], INTERVAL);
    let pool = Pool::new(&settings, None);
    let mut probes = Probes::default();
    probes.set(std::slice::from_ref(&pool), |_| None);
    until_state(&pool, 0, "unhealthy").await;
    let pool = Pool::new(&config::Pool { probe: None, ..settings }, Some(&pool));
    probes.set(std::slice::from_ref(&pool), |_| None);
    assert_eq!(state(&pool, 0), "healthy");
    assert_eq!(pool.upstreams()[0].history().next(), None);
}

#[tokio::test]
async fn time_does_its_part_where_no_request_looks() {
    let (logs, lines) = heard();
    let mut settings = crate::upstream::pool::tests::settings(2);
    settings.slow_start = INTERVAL;
    settings.ejection.time_base = INTERVAL;
    let pool = Pool::logged(&settings, None, &logs);
    let mut probes = Probes::default();
    probes.set(std::slice::from_ref(&pool), |_| None);
    (0..5).for_each(|_| pool.note(0, Outcome::Broke));
    let next = tokio::task::spawn_blocking(move || told(&lines, 3));
    assert_eq!(
        in_time("three lines", next).await.unwrap(),
        [
            "healthy to ejected: consecutive-errors",
            "ejected to returning: ejection-over",
            "returning to healthy: slow-start-over",
        ]
    );
}

/// How long something took, beside how long it should.
struct Measured(&'static str, Duration, Duration);

impl Measured {
    /// Prints it; it is shorter by no more than `early`, and longer only by what a busy machine costs.
    #[track_caller]
    fn judge(&self, early: Duration) {
        let Self(what, configured, measured) = self;
        eprintln!("{what:<40} configured {configured:>8.1?}  measured {measured:>8.1?}");
        assert!(*measured + early >= *configured, "{what}");
        assert!(*measured < *configured + PATIENCE, "{what}");
    }
}

#[tokio::test]
async fn ejection_and_recovery_take_the_configured_times() {
    let ms = Duration::from_millis;
    let (failing, steady) = (Canned::new(UP).await, Canned::new(UP).await);
    let mut settings = quick(&[&failing, &steady], ms(40));
    settings.slow_start = ms(200);
    settings.ejection.time_base = ms(150);
    settings.probe.as_mut().unwrap().jitter_percent = 0;
    let pool = Pool::new(&settings, None);
    let mut probes = Probes::default();
    probes.set(std::slice::from_ref(&pool), |_| None);
    until_state(&pool, 0, "healthy").await;

    let upstream = &pool.upstreams()[0];
    for (what, configured) in
        [("first ejection", ms(150)), ("second ejection", ms(300)), ("third ejection", ms(600))]
    {
        (0..5).for_each(|_| pool.note(0, Outcome::ConnectFailed));
        assert_eq!(state(&pool, 0), "ejected");
        let start = upstream.machine().since();
        let is_picked =
            || pool.pick(0, &[]).is_some_and(|picked| Arc::ptr_eq(picked.upstream(), upstream));
        until("a request goes there again", is_picked).await;
        Measured(what, configured, start.elapsed()).judge(Duration::ZERO);
    }
    let start = upstream.machine().since();
    until_state(&pool, 0, "healthy").await;
    Measured("slow start", ms(200), start.elapsed()).judge(Duration::ZERO);

    // The first of the probes may have been on its way already.
    failing.answer(DOWN);
    let start = Instant::now();
    until_state(&pool, 0, "unhealthy").await;
    Measured("found down by the third probe", ms(40 * 2), start.elapsed()).judge(ms(40));
    failing.answer(UP);
    let start = Instant::now();
    until_state(&pool, 0, "returning").await;
    Measured("found up by the second probe", ms(40), start.elapsed()).judge(ms(40));
}
