//! Pools at work, with paused time.

use std::collections::HashMap;

use http::StatusCode;
use proptest::prelude::*;
use tokio::time::advance;

use super::*;
use crate::observe::logs::tests::heard;

const SECOND: Duration = Duration::from_secs(1);

/// Settings with the config's defaults and this many upstreams.
pub(crate) fn settings(upstreams: u16) -> config::Pool {
    let upstream = |port| config::Upstream { address: address(port), weight: 1 };
    config::Pool {
        name: "api".into(),
        upstreams: (1..=upstreams).map(upstream).collect(),
        balance: Balance::RoundRobin,
        protocol: config::Protocol::Http1,
        tls: None,
        connect_timeout: SECOND * 2,
        idle_timeout: SECOND * 60,
        connections_max: 256,
        pending_max: 2,
        retry_share_max: 0.2,
        slow_start: SECOND * 10,
        probe: None,
        ejection: config::Ejection {
            consecutive_errors: Some(5),
            success_rate: None,
            time_base: SECOND * 5,
            time_max: SECOND * 300,
            share_max: 0.5,
        },
    }
}

pub(crate) fn address(port: u16) -> config::UpstreamAddress {
    config::UpstreamAddress::Socket(([127, 0, 0, 1], port).into())
}

const GOOD: Outcome = Outcome::Answered(StatusCode::OK);

fn states(pool: &Pool) -> Vec<&'static str> {
    pool.settle(Instant::now());
    pool.upstreams().iter().map(|upstream| upstream.machine().state().as_str()).collect()
}

/// How often each member is picked in so many turns.
fn picks(pool: &Arc<Pool>, turns: usize) -> Vec<usize> {
    let mut counts = vec![0; pool.upstreams().len()];
    for _ in 0..turns {
        counts[pool.pick(0, &[]).unwrap().index] += 1;
    }
    counts
}

fn fail(pool: &Pool, index: usize, times: usize) {
    (0..times).for_each(|_| pool.note(index, Outcome::ConnectFailed));
}

#[tokio::test(start_paused = true)]
async fn a_try_is_in_flight_until_it_is_dropped() {
    let pool = Pool::new(&settings(1), None);
    let try_ = pool.pick(0, &[]).unwrap();
    try_.report(GOOD);
    assert_eq!(pool.upstreams()[0].in_flight(), 1);
    drop(try_);
    assert_eq!(pool.upstreams()[0].in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_reported_first_counts_and_silence_is_abandonment() {
    let pool = Pool::new(&settings(1), None);
    let try_ = pool.pick(0, &[]).unwrap();
    try_.report(GOOD);
    try_.report(Outcome::Broke);
    drop(try_);
    drop(pool.pick(0, &[]));
    let counts = pool.upstreams()[0].counters.tries.each_ref();
    assert_eq!(counts.map(|count| count.load(Ordering::Relaxed)), [1, 0, 0, 0, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn another_try_goes_to_another_upstream_as_long_as_there_is_one() {
    let pool = Pool::new(&settings(3), None);
    let mut tried = Vec::new();
    for _ in 0..3 {
        let try_ = pool.pick(0, &tried).unwrap();
        assert!(!tried.iter().any(|it| Arc::ptr_eq(it, try_.upstream())));
        tried.push(Arc::clone(try_.upstream()));
    }
    assert!(pool.pick(0, &tried).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_fifth_error_in_a_row_ejects_and_the_applications_own_do_not_count() {
    let pool = Pool::new(&settings(2), None);
    for _ in 0..20 {
        pool.note(0, Outcome::Answered(StatusCode::INTERNAL_SERVER_ERROR));
    }
    fail(&pool, 0, 4);
    pool.note(0, Outcome::Answered(StatusCode::NOT_FOUND));
    fail(&pool, 0, 4);
    pool.note(0, Outcome::Abandoned);
    assert_eq!(states(&pool), ["healthy", "healthy"]);
    pool.note(0, Outcome::Answered(StatusCode::BAD_GATEWAY));
    assert_eq!(states(&pool), ["ejected", "healthy"]);
    assert_eq!(picks(&pool, 10), [0, 10]);
}

#[tokio::test(start_paused = true)]
async fn without_a_threshold_errors_in_a_row_do_not_eject() {
    let mut settings = settings(2);
    settings.ejection.consecutive_errors = None;
    let pool = Pool::new(&settings, None);
    fail(&pool, 0, 100);
    assert_eq!(states(&pool), ["healthy", "healthy"]);
}

#[tokio::test(start_paused = true)]
async fn too_few_successes_in_the_window_eject() {
    let mut settings = settings(2);
    let window = SECOND * 30;
    let rate = config::SuccessRate { share_min: 0.5, window, requests_min: 20 };
    settings.ejection.success_rate = Some(rate);
    let pool = Pool::new(&settings, None);
    for _ in 0..9 {
        pool.note(0, GOOD);
        pool.note(0, Outcome::TimedOut);
    }
    pool.note(0, Outcome::TimedOut);
    assert_eq!(states(&pool), ["healthy", "healthy"], "19 requests are too few");
    pool.note(0, Outcome::TimedOut);
    assert_eq!(states(&pool), ["ejected", "healthy"]);
}

#[tokio::test(start_paused = true)]
async fn an_ejected_one_returns_through_the_slow_start_and_is_ejected_longer_the_next_time() {
    let pool = Pool::new(&settings(2), None);
    fail(&pool, 0, 5);
    advance(SECOND * 5).await;
    assert_eq!(states(&pool), ["returning", "healthy"]);
    let counts = picks(&pool, 1100);
    assert!((90..=110).contains(&counts[0]), "a tenth of the other's share: {counts:?}");
    advance(SECOND * 5).await;
    let counts = picks(&pool, 1550);
    assert!((520..=580).contains(&counts[0]), "55 % of the other's share: {counts:?}");
    advance(SECOND * 5).await;
    assert_eq!(picks(&pool, 10), [5, 5]);
    assert_eq!(states(&pool), ["healthy", "healthy"]);
    fail(&pool, 0, 5);
    advance(SECOND * 9).await;
    assert_eq!(states(&pool), ["ejected", "healthy"]);
    advance(SECOND).await;
    assert_eq!(states(&pool), ["returning", "healthy"]);
}

#[tokio::test(start_paused = true)]
async fn errors_before_an_ejection_do_not_count_after_it() {
    let pool = Pool::new(&settings(2), None);
    // Late answers of tries that were begun before.
    fail(&pool, 0, 9);
    advance(SECOND * 5).await;
    assert_eq!(states(&pool), ["returning", "healthy"]);
    fail(&pool, 0, 4);
    assert_eq!(states(&pool), ["returning", "healthy"]);
    fail(&pool, 0, 1);
    assert_eq!(states(&pool), ["ejected", "healthy"]);
}

#[tokio::test(start_paused = true)]
async fn when_too_few_are_available_all_are_picked_from_and_the_log_says_it_once() {
    let (logs, lines) = heard();
    let pool = Pool::logged(&probed(4), None, &logs);
    for upstream in &pool.upstreams()[..3] {
        pool.probed(upstream, false, Some("refused"));
    }
    assert_eq!(picks(&pool, 8), [2, 2, 2, 2]);
    assert_eq!(picks(&pool, 8), [2, 2, 2, 2]);
    let upstream = &pool.upstreams()[0];
    (0..2).for_each(|_| pool.probed(upstream, true, None));
    assert_eq!(picks(&pool, 11), [1, 0, 0, 10]);
    let told = |_| lines.recv_timeout(SECOND * 10).unwrap();
    let told: Vec<_> = (0..6).map(told).collect();
    assert_eq!(told[0]["message"], "upstream is unhealthy");
    assert_eq!(told[0]["pool"], "api");
    assert_eq!(told[0]["upstream"], "127.0.0.1:1");
    assert_eq!(told[0]["from"], "unknown");
    assert_eq!(told[0]["to"], "unhealthy");
    assert_eq!(told[0]["reason"], "first-probe");
    assert_eq!(told[0]["detail"], "refused");
    assert!(told[3]["message"].as_str().unwrap().starts_with("too few upstreams"));
    assert_eq!(told[4]["to"], "returning");
    assert_eq!(told[5]["message"], "enough upstreams are available again");
    assert!(lines.try_recv().is_err());
}

/// Settings with probes.
pub(crate) fn probed(upstreams: u16) -> config::Pool {
    let probe = config::Probe {
        kind: config::ProbeKind::Tcp,
        interval: SECOND * 10,
        jitter_percent: 10,
        timeout: SECOND * 2,
        down_after: 3,
        up_after: 2,
    };
    config::Pool { probe: Some(probe), ..settings(upstreams) }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_may_be_ejected_as_a_whole_has_nobody_to_pick() {
    let mut settings = settings(1);
    settings.ejection.share_max = 1.0;
    let pool = Pool::new(&settings, None);
    fail(&pool, 0, 5);
    assert!(pool.pick(0, &[]).is_none());
    advance(SECOND * 5).await;
    assert!(pool.pick(0, &[]).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_upstream_keeps_its_state_across_reloads_and_its_weight_changes() {
    let before = Pool::new(&settings(3), None);
    fail(&before, 0, 5);
    let mut changed = settings(2);
    changed.upstreams[1].weight = 7;
    changed.upstreams.push(config::Upstream { address: address(9), weight: 1 });
    let after = Pool::new(&changed, Some(&before));
    assert!(Arc::ptr_eq(&before.upstreams()[0], &after.upstreams()[0]));
    assert!(Arc::ptr_eq(&before.upstreams()[1], &after.upstreams()[1]));
    assert_eq!(states(&after), ["ejected", "healthy", "healthy"]);
    assert_eq!(picks(&after, 8), [0, 7, 1]);
    // Requests that go on with the old pool see what the new one finds out.
    advance(SECOND * 20).await;
    assert_eq!(states(&after), ["healthy", "healthy", "healthy"]);
    fail(&after, 1, 5);
    assert_eq!(picks(&before, 10), [5, 0, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_config_that_is_refused_has_changed_nothing() {
    let pool = Pool::new(&settings(2), None);
    fail(&pool, 0, 5);
    advance(SECOND * 6).await;
    let refused = config::Pool { slow_start: Duration::ZERO, ..settings(1) };
    drop(Pool::new(&refused, Some(&pool)));
    assert_eq!(states(&pool), ["returning", "healthy"]);
}

#[tokio::test(start_paused = true)]
async fn retries_are_paid_for_by_first_tries_only() {
    let pool = Pool::new(&settings(2), None);
    advance(SECOND).await;
    let free = (0..10).filter(|_| pool.may_retry()).count();
    assert_eq!(free, 3);
    for _ in 0..50 {
        let try_ = pool.pick(0, &[]).unwrap();
        let _again = pool.pick(0, &[Arc::clone(try_.upstream())]);
    }
    assert_eq!((0..50).filter(|_| pool.may_retry()).count(), 10);
}

#[test]
fn many_threads_take_turns_exactly() {
    let pool = Pool::new(&settings(4), None);
    let counts = std::thread::scope(|scope| {
        let pick = || scope.spawn(|| picks(&pool, 1000));
        let threads = [pick(), pick(), pick(), pick()];
        threads.map(|thread| thread.join().unwrap())
    });
    let total = |index| counts.iter().map(|counts: &Vec<usize>| counts[index]).sum::<usize>();
    assert_eq!([0, 1, 2, 3].map(total), [1000; 4]);
    assert_eq!(pool.upstreams().iter().map(|upstream| upstream.in_flight()).sum::<usize>(), 0);
}

#[test]
fn threads_that_all_see_errors_do_not_eject_more_than_the_share() {
    let pool = Pool::new(&settings(5), None);
    std::thread::scope(|scope| {
        for index in 0..5 {
            let pool = &pool;
            scope.spawn(move || fail(pool, index, 1000));
        }
    });
    let count = states(&pool).iter().filter(|state| **state == "ejected").count();
    assert_eq!(count, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_is_more_than_the_share_ejected_and_somebody_is_always_picked(
        upstreams in 1_u16..8,
        share_max in 0.0_f64..0.99,
        steps in prop::collection::vec((0_usize..8, 0_u8..4, 0_u64..8000), 1..150),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut settings = probed(upstreams);
            settings.ejection.share_max = share_max;
            let pool = Pool::new(&settings, None);
            let max = ejected_max(usize::from(upstreams), share_max);
            for (index, kind, ms) in steps {
                let index = index % usize::from(upstreams);
                match kind {
                    0 => fail(&pool, index, 5),
                    1 => pool.note(index, GOOD),
                    2 => pool.probed(&pool.upstreams()[index], ms % 2 == 0, None),
                    _ => advance(Duration::from_millis(ms)).await,
                }
                let now = Instant::now();
                let is_ejected = |upstream: &&Arc<Upstream>| upstream.machine().is_ejected(now);
                let ejected = pool.upstreams().iter().filter(is_ejected).count();
                prop_assert!(ejected <= max, "{} of {}", ejected, upstreams);
                let available: HashMap<_, _> = states(&pool).into_iter().enumerate().collect();
                let try_ = pool.pick(0, &[]);
                let is_well = |state: &&str| !["ejected", "unhealthy"].contains(state);
                let well = available.values().filter(|state| is_well(state)).count();
                let picked = try_.map(|try_| available[&try_.index]);
                if well >= usize::from(upstreams) - max {
                    prop_assert!(picked.as_ref().is_some_and(is_well), "{:?}", available);
                } else {
                    prop_assert!(picked.is_some());
                }
            }
            Ok(())
        })?;
    }
}
