//! Upstreams that refuse, hang, reset, break off and flap.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tests::gateway::Gateway;
use tests::keep_alive::Client;
use tests::traffic::{Plan, Traffic};
use tests::upstream::{Behaviour, Upstream};
use tests::wait;

use crate::LIMIT;

/// What a busy machine may add to any time that is measured.
const BUSY: Duration = Duration::from_secs(3);

/// A pool `up` of these upstreams, and a route `all` to it that tries twice.
fn config(upstreams: &[&Upstream], pool: &str, route: &str) -> String {
    let upstreams: Vec<_> =
        upstreams.iter().map(|one| format!("{{ address = '{}' }}", one.address())).collect();
    format!(
        "workers = 2\n[pools.up]\nupstreams = [{}]\n{pool}\n\
         [routes.all.forward]\npool = 'up'\nretries-max = 2\n{route}",
        upstreams.join(", ")
    )
}

/// Nobody is ejected, and whatever may be tried again is: each fault is met again and again.
const STUBBORN: &str = "retry-share-max = 1.0\nejection = { consecutive-errors = 0 }";

/// Errors eject, for a base time, one of two upstreams at most.
fn ejecting(errors: u32, base: &str, max: &str) -> String {
    format!(
        "retry-share-max = 1.0\nslow-start = '0s'\n\
         ejection = {{ consecutive-errors = {errors}, time-base = '{base}', time-max = '{max}' }}"
    )
}

#[test]
fn no_request_that_could_be_sent_again_is_lost() {
    let (good, mut bad) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::start(&config(&[&bad, &good], STUBBORN, "try-timeout = '200ms'"));
    let address = bad.address().to_string();
    let tries = |outcome| {
        let labels = [("upstream", address.as_str()), ("outcome", outcome)];
        gateway.sum("upstream_requests_total", &labels)
    };
    for (name, behaviour, outcome, requests) in [
        ("resets", Some(Behaviour::Reset), "broke", 200),
        ("closes", Some(Behaviour::Close), "broke", 200),
        ("hangs", Some(Behaviour::Hang), "timed-out", 40),
        ("refuses", None, "connect-failed", 200),
    ] {
        let before = tries(outcome);
        match behaviour {
            Some(behaviour) => bad.set(behaviour),
            None => bad.stop(),
        }
        let traffic = Traffic::start(gateway.data(), &Plan::busy(8));
        traffic.wait_for(requests);
        let counts = traffic.end();
        let failed = tries(outcome) - before;
        println!(
            "an upstream that {name}: {} requests, {failed} tries failed, {} lost",
            counts.answered, counts.failed
        );
        assert_eq!(counts.failed, 0, "{name}: {:?}", counts.reasons);
        assert!(failed >= requests as f64 / 8.0, "{name}: {failed} tries met it");
    }
}

#[test]
fn what_is_not_safe_to_send_again_is_sent_once() {
    let (good, mut bad) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::start(&config(&[&bad, &good], STUBBORN, ""));
    let mut client = Client::new(gateway.data());
    let mut post = |id: String| {
        let answer = client.ask("POST", "/", &[&format!("x-id: {id}")], b"once").unwrap();
        answer.status
    };
    // Read whole, then nothing: nobody knows whether it was done.
    bad.set(Behaviour::Close);
    let statuses: Vec<_> = (0..100).map(|number| post(format!("read-{number}"))).collect();
    let lost = statuses.iter().filter(|status| **status == 502).count();
    assert!(statuses.iter().all(|status| [200, 502].contains(status)), "{statuses:?}");
    assert!(lost >= 20, "half of the requests met it: {lost}");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for id in good.ids().into_iter().chain(bad.ids()) {
        *seen.entry(id).or_default() += 1;
    }
    assert_eq!(seen.len(), 100, "each came to an upstream");
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");

    // Nothing of these was sent, so they are tried elsewhere.
    bad.stop();
    let statuses: Vec<_> = (0..100).map(|number| post(format!("unsent-{number}"))).collect();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    println!("100 POST that were read and not answered: {lost} answered 502, 0 sent twice");
    println!("100 POST that half of the upstreams refused: 0 lost");
}

#[test]
fn half_an_answer_is_never_passed_for_a_whole_one() {
    let bad = Upstream::start();
    let gateway = Gateway::start(&config(&[&bad], STUBBORN, ""));
    for broken in [Behaviour::BreakOff, Behaviour::BreakOffChunked] {
        bad.set(broken);
        for _ in 0..20 {
            let answer = Client::new(gateway.data()).get("/");
            assert!(answer.is_err(), "{broken:?}: {answer:?}");
        }
    }
    bad.set(Behaviour::Answer);
    assert_eq!(Client::new(gateway.data()).get("/").unwrap().body, b"ok\n");
}

#[test]
fn a_slow_upstream_is_waited_for_as_long_as_configured_and_holds_up_nobody_else() {
    let (slow, fast) = (Upstream::start(), Upstream::start());
    let config = format!(
        "workers = 1\n[pools.slow]\nupstreams = [{{ address = '{}' }}]\n\
         [pools.fast]\nupstreams = [{{ address = '{}' }}]\n\
         [routes.slow]\npath = {{ prefix = '/slow' }}\n\
         forward = {{ pool = 'slow', timeout = '500ms', retries-max = 3 }}\n\
         [routes.fast]\nforward = {{ pool = 'fast' }}\n",
        slow.address(),
        fast.address()
    );
    let gateway = Gateway::start(&config);
    let mut client = Client::new(gateway.data());
    slow.set(Behaviour::Late(Duration::from_millis(100)));
    assert_eq!(client.get("/slow").unwrap().status, 200);
    slow.set(Behaviour::Late(LIMIT));
    let slowly = Traffic::start(gateway.data(), &Plan { path: "/slow".into(), ..Plan::busy(8) });
    let traffic = Traffic::start(gateway.data(), &Plan::busy(2));
    traffic.wait_for(200);
    let counts = traffic.end();
    assert_eq!(counts.failed, 0, "{:?}", counts.reasons);
    let begun = Instant::now();
    assert_eq!(client.get("/slow").unwrap().status, 504);
    let took = begun.elapsed();
    println!("timeout: 500 ms configured, {} ms measured", took.as_millis());
    println!(
        "beside 8 requests that hang, the slowest of {} took {:.0?}",
        counts.answered, counts.slowest
    );
    let configured = Duration::from_millis(500);
    assert!(took >= configured && took < configured + BUSY, "{took:?}");
    let timed_out = slowly.end();
    assert_eq!(timed_out.answered, 0);
    assert!(timed_out.reasons.iter().all(|reason| reason == "504"), "{:?}", timed_out.reasons);
}

#[test]
fn an_ejection_comes_after_as_many_errors_and_lasts_as_long_as_configured_and_twice_as_long_again()
{
    let (good, bad) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::start(&config(&[&bad, &good], &ejecting(5, "400ms", "2s"), ""));
    let mut client = Client::new(gateway.data());
    // An application's own errors are no reason: clients could make them.
    bad.set(Behaviour::Status(500));
    for _ in 0..20 {
        assert!([200, 500].contains(&client.get("/").unwrap().status));
    }
    let started = gateway.upstream("up", bad.address());
    assert_eq!((&started["state"], bad.requests()), (&"healthy".into(), 10), "{started}");
    bad.set(Behaviour::Status(503));
    for (ejection, configured_ms) in [(1, 400), (2, 800), (3, 1600)] {
        let before = bad.requests();
        wait::until("an ejection", LIMIT, || {
            client.get("/").unwrap();
            let ejections = [("upstream", &*bad.address().to_string())];
            (gateway.sum("upstream_ejections_total", &ejections) >= f64::from(ejection))
                .then_some(())
        });
        let ejected = bad.last_request().unwrap();
        assert_eq!(bad.requests() - before, 5, "errors until ejection {ejection}");
        let told = gateway.upstream("up", bad.address());
        assert_eq!(
            (&told["state"], &told["reason"]),
            (&"ejected".into(), &"consecutive-errors".into())
        );
        assert_eq!(told["ejections"]["unforgiven"], ejection, "{told}");
        assert!(told["ejected-until"].is_string(), "{told}");
        let back = wait::until("the next request", LIMIT, || {
            assert!([200, 503].contains(&client.get("/").unwrap().status));
            bad.last_request().filter(|last| *last > ejected)
        });
        let measured = back - ejected;
        let configured = Duration::from_millis(configured_ms);
        println!(
            "ejection {ejection}: {configured_ms} ms configured, {} ms until the next request",
            measured.as_millis()
        );
        assert!(measured >= configured && measured < configured + BUSY, "{measured:?}");
        // The request by which it was seen to be back was the first error of the next round.
        bad.set(Behaviour::Answer);
        wait::until("a success", LIMIT, || {
            client.get("/").unwrap();
            let told = gateway.upstream("up", bad.address());
            (told["consecutive-errors"] == 0).then_some(())
        });
        bad.set(Behaviour::Status(503));
    }
}

#[test]
fn too_small_a_share_of_successes_ejects_and_who_comes_back_begins_slowly() {
    let (good, bad) = (Upstream::start(), Upstream::start());
    let pool = "slow-start = '2s'\n[pools.up.ejection]\nconsecutive-errors = 0\n\
                time-base = '300ms'\ntime-max = '300ms'\n\
                success-rate = { share-min = 0.6, window = '10s', requests-min = 20 }\n";
    let gateway = Gateway::start(&config(&[&bad, &good], pool, ""));
    let (mut client, mut asked) = (Client::new(gateway.data()), 0);
    // It fails half of the time, and seldom in a row.
    let told = wait::until("an ejection", LIMIT, || {
        asked += 1;
        let failing = [Behaviour::Answer, Behaviour::Status(503)][asked / 2 % 2];
        bad.set(failing);
        client.get("/").unwrap();
        let told = gateway.upstream("up", bad.address());
        (told["state"] == "ejected").then_some(told)
    });
    assert_eq!(told["reason"], "success-rate", "{told}");
    assert!((20..=24).contains(&bad.requests()), "20 requests say so: {}", bad.requests());
    bad.set(Behaviour::Answer);
    let traffic = Traffic::start(gateway.data(), &Plan::busy(2));
    let told = gateway.wait_for_state("up", bad.address(), "returning");
    let (begun, before) = (Instant::now(), [&bad, &good].map(Upstream::requests));
    let weight = told["effective-weight"].as_f64().unwrap();
    assert!(weight < 1.0, "{told}");
    traffic.wait_for(100);
    let after = [&bad, &good].map(Upstream::requests);
    let soon = begun.elapsed();
    let share = |of: usize| (after[of] - before[of]) as f64;
    let share = share(0) / (share(0) + share(1));
    gateway.wait_for_state("up", bad.address(), "healthy");
    let took = begun.elapsed();
    println!(
        "slow start: 2000 ms configured, {} ms measured; {:.0} % of the requests in its first {} ms",
        took.as_millis(),
        share * 100.0,
        soon.as_millis()
    );
    assert_eq!(traffic.end().failed, 0);
    // It may have begun a little before that was seen.
    assert!(took > Duration::from_millis(1000) && took < Duration::from_secs(2) + BUSY);
    assert!(share < 0.45 || soon > Duration::from_millis(1500), "{share} in {soon:?}");
}

#[test]
fn a_probe_finds_an_upstream_down_and_up_again_after_as_many_probes_as_configured() {
    let (good, bad) = (Upstream::start(), Upstream::start());
    let probe = "slow-start = '0s'\n[pools.up.probe]\nhttp = { path = '/healthz', status = ['200-299'] }\n\
                 interval = '200ms'\njitter-percent = 0\ntimeout = '100ms'\ndown-after = 3\nup-after = 2\n";
    let gateway = Gateway::start(&config(&[&bad, &good], probe, ""));
    let address = bad.address();
    gateway.wait_for_state("up", address, "healthy");
    for (name, broken) in [("answers 500", Behaviour::Status(500)), ("hangs", Behaviour::Hang)] {
        bad.set(broken);
        let begun = Instant::now();
        let told = gateway.wait_for_state("up", address, "unhealthy");
        let down = begun.elapsed();
        assert_eq!(told["reason"], "probes", "{told}");
        assert!(told["probes"]["consecutive-failures"].as_u64() >= Some(3), "{told}");
        let requests = bad.requests();
        let traffic = Traffic::start(gateway.data(), &Plan::busy(2));
        traffic.wait_for(50);
        assert_eq!(traffic.end().failed, 0);
        assert_eq!(bad.requests(), requests, "one that is down gets none");
        bad.set(Behaviour::Answer);
        let begun = Instant::now();
        gateway.wait_for_state("up", address, "healthy");
        let up = begun.elapsed();
        println!(
            "{name}: found down after {down:.0?} (3 probes, 200 ms apart), up after {up:.0?} (2 probes)"
        );
        // The first of the probes comes at once or an interval later.
        assert!(down >= Duration::from_millis(400) && down < Duration::from_millis(700) + BUSY);
        // One that hung is answered now, and is the first of the two.
        assert!(up >= Duration::from_millis(100) && up < Duration::from_millis(500) + BUSY);
    }
}

#[test]
fn flapping_upstreams_cost_no_request() {
    let (steady, mut flapping) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::start(&config(&[&flapping, &steady], &ejecting(5, "50ms", "200ms"), ""));
    let traffic = Traffic::start(gateway.data(), &Plan::busy(8));
    let mut met = 0;
    for _ in 0..10 {
        let before = flapping.requests();
        wait::until("requests at the one that is back", LIMIT, || {
            (flapping.requests() > before + 5).then_some(())
        });
        met += flapping.requests() - before;
        flapping.stop();
        traffic.wait_for(100);
        flapping.come_back();
    }
    let counts = traffic.end();
    println!(
        "10 flaps: {} requests, {met} by the one that flaps, {} lost",
        counts.answered, counts.failed
    );
    assert_eq!(counts.failed, 0, "{:?}", counts.reasons);
}

#[test]
fn a_rolling_restart_of_the_upstreams_costs_no_request() {
    let mut upstreams = [Upstream::start(), Upstream::start(), Upstream::start()];
    let [one, two, three] = &upstreams;
    let gateway = Gateway::start(&config(&[one, two, three], &ejecting(5, "100ms", "200ms"), ""));
    let traffic = Traffic::start(gateway.data(), &Plan::busy(8));
    traffic.wait_for(100);
    for round in 0..3 {
        for upstream in &mut upstreams {
            upstream.stop();
            traffic.wait_for(100);
            let before = upstream.requests();
            upstream.come_back();
            wait::until(&format!("its requests after restart {round}"), LIMIT, || {
                (upstream.requests() > before + 10).then_some(())
            });
        }
    }
    let counts = traffic.end();
    println!(
        "3 rolling restarts of 3 upstreams: {} requests, {} failed",
        counts.answered, counts.failed
    );
    assert_eq!(counts.failed, 0, "{:?}", counts.reasons);
}

#[test]
fn an_upstream_that_all_requests_need_is_asked_even_when_it_is_bad() {
    let only = Upstream::start();
    let gateway = Gateway::start(&config(&[&only], &ejecting(2, "10s", "10s"), ""));
    let mut client = Client::new(gateway.data());
    only.set(Behaviour::Status(503));
    for _ in 0..10 {
        assert_eq!(client.get("/").unwrap().status, 503);
    }
    only.set(Behaviour::Answer);
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(only.requests(), 11);
}
