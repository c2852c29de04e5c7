//! What is configured anew while requests run: none fails, and nobody's health is forgotten. What is wrong changes
//! nothing; and upstreams are one question, whether the gateway is well another.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;
use tests::gateway::Gateway;
use tests::keep_alive::{self, Client};
use tests::traffic::{Plan, Traffic};
use tests::upstream::{Behaviour, Upstream};
use tests::wait;

use crate::LIMIT;

/// The configuration of a turn: routes, pools, limits and balance all change, and one pool never does.
fn turn(number: u32, upstreams: &[Upstream; 3], sick: &Upstream) -> String {
    let [one, two, three] = upstreams.each_ref().map(Upstream::address);
    let (other, weight) = (if number.is_multiple_of(2) { two } else { three }, number % 9 + 1);
    let balance = ["round-robin", "least-requests"][(number / 2 % 2) as usize];
    let extra = (number % 5)
        .checked_sub(1)
        .map(|extra| format!("[pools.extra-{extra}]\nupstreams = [{{ address = '{three}' }}]\n"));
    format!(
        "workers = 2\n{extra}\
         [pools.up]\nbalance = '{balance}'\n\
         upstreams = [{{ address = '{one}', weight = {weight} }}, {{ address = '{other}' }}]\n\
         [pools.sick]\nupstreams = [{{ address = '{sick}' }}, {{ address = '{one}' }}]\n\
         [pools.sick.ejection]\nconsecutive-errors = 2\ntime-base = '1h'\ntime-max = '1h'\n\
         [routes.all.forward]\npool = 'up'\ntimeout = '{timeout}s'\n\
         [routes.sick]\npath = {{ prefix = '/sick' }}\nforward = {{ pool = 'sick' }}\n\
         [routes.turn-{number}]\npath = {{ exact = '/turn' }}\nrespond = {{ body = '{number}' }}\n",
        extra = extra.unwrap_or_default(),
        sick = sick.address(),
        timeout = 20 + number % 7,
    )
}

#[test]
fn a_thousand_reloads_under_load_cost_no_request_and_no_knowledge() {
    let upstreams = [Upstream::start(), Upstream::start(), Upstream::start()];
    let sick = Upstream::start();
    sick.set(Behaviour::Status(503));
    let gateway = Gateway::start(&turn(0, &upstreams, &sick));
    let mut client = Client::new(gateway.data());
    for _ in 0..20 {
        client.get("/sick").unwrap();
    }
    let before = gateway.wait_for_state("sick", sick.address(), "ejected");

    let traffic = Traffic::start(gateway.data(), &Plan { rate: Some(300.0), ..Plan::busy(4) });
    traffic.wait_for(100);
    let first = gateway.figures();
    let mut admin = Client::new(gateway.admin());
    let begun = Instant::now();
    for number in 1..=1000 {
        let answer = gateway.reload(&mut admin, &turn(number, &upstreams, &sick));
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{body}");
        assert!(body.contains(&format!("routes.turn-{number}")), "{body}");
        // In force as soon as it is answered, on a connection that was there before.
        assert_eq!(client.get("/turn").unwrap().body, number.to_string().into_bytes());
    }
    let took = begun.elapsed();
    let counts = traffic.end();
    // Connections of a pool that changed are closed within a second or so.
    let last = wait::until("what was replaced to be gone", LIMIT, || {
        let last = gateway.figures();
        (last.descriptors <= first.descriptors).then_some(last)
    });
    println!(
        "1000 reloads in {took:.1?}: {} requests, {} failed, the slowest took {:.0?}; {first:?}, then {last:?}",
        counts.answered, counts.failed, counts.slowest
    );
    assert_eq!(counts.failed, 0, "{:?}", counts.reasons);
    assert!(counts.answered > 1000, "{}", counts.answered);

    let after = gateway.upstream("sick", sick.address());
    for key in ["state", "reason", "ejections", "weight"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    for key in ["since", "ejected-until"] {
        let apart = milliseconds(&before[key]).abs_diff(milliseconds(&after[key]));
        assert!(apart < 100, "{key}: {before}, then {after}");
    }
    assert_eq!(sick.requests(), 2, "nobody asked it again");
    // Files are read by threads that linger for ten seconds.
    assert!(last.threads <= first.threads + 3, "{first:?}, then {last:?}");
    // What a reload left behind would be there a thousand times.
    assert!(last.resident_kib < first.resident_kib + 32 * 1024, "{first:?}, then {last:?}");
    let series = |name| gateway.samples().iter().filter(|sample| sample.name == name).count();
    assert!(series("upstream_healthy") <= 5, "{}", series("upstream_healthy"));
}

/// The time within its hour of a moment that is told, which a clock that never jumps gave by one that may.
fn milliseconds(moment: &Value) -> u64 {
    let (_, of_hour) = moment.as_str().unwrap().split_at("2026-01-01T00:".len());
    let (minutes, seconds) = of_hour.trim_end_matches('Z').split_once(':').unwrap();
    let (minutes, seconds): (f64, f64) = (minutes.parse().unwrap(), seconds.parse().unwrap());
    (minutes * 60_000.0 + seconds * 1000.0).round() as u64
}

#[test]
fn a_reload_that_is_refused_changes_nothing() {
    let (up, other) = (Upstream::start(), Upstream::start());
    let good = format!(
        "[pools.up]\nupstreams = [{{ address = '{}' }}]\n[routes.all]\nforward = {{ pool = 'up' }}\n\
         [routes.who]\npath = {{ exact = '/who' }}\nrespond = {{ body = 'first' }}\n",
        up.address()
    );
    let gateway = Gateway::start(&good);
    let mut client = Client::new(gateway.data());
    assert_eq!(client.get("/").unwrap().status, 200);
    // The requests of this test are counted meanwhile; all else is to stay.
    let known = || -> Vec<_> {
        let samples = gateway.samples().into_iter();
        let upstreams = samples.filter(|sample| sample.name.starts_with("upstream_"));
        let lines = upstreams.map(|sample| format!("{sample:?}"));
        lines.filter(|line| !line.contains("success")).collect()
    };
    let before = known();
    let mut admin = Client::new(gateway.admin());
    let changed = good
        .replace("first", "second")
        .replace(&up.address().to_string(), &other.address().to_string());
    for (name, bad) in [
        ("no TOML", "[routes".to_owned()),
        ("an unknown key", format!("unknown = 1\n{changed}")),
        ("an unknown pool", changed.replace("pool = 'up'", "pool = 'pu'")),
        ("two routes for one request", format!("{changed}[routes.b]\nrespond = {{}}\n")),
        (
            "a file that is not there",
            format!(
                "{changed}[pools.tls]\nupstreams = [{{ address = 'a:1' }}]\ntls = {{ authorities = 'no-such.pem' }}\n"
            ),
        ),
    ] {
        let answer = gateway.reload(&mut admin, &bad);
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 422, "{name}: {body}");
        assert_eq!(client.get("/who").unwrap().body, b"first", "{name}");
        assert_eq!(client.get("/").unwrap().body, b"ok\n", "{name}");
    }
    assert_eq!(other.requests(), 0);
    assert_eq!(up.requests(), 6);
    assert_eq!(known(), before);
    assert_eq!(gateway.upstream("up", up.address())["reason"], "new");
    let answer = gateway.reload(&mut admin, &changed);
    assert_eq!(answer.status, 200);
    assert_eq!(client.get("/who").unwrap().body, b"second");
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!((up.requests(), other.requests()), (6, 1));
}

#[test]
fn a_request_ends_on_the_configuration_on_which_it_began() {
    let up = Upstream::start();
    let config = |route: &str| {
        format!(
            "[pools.up]\nupstreams = [{{ address = '{}' }}]\n[routes.all]\nforward = {{ pool = 'up' }}\n{route}",
            up.address()
        )
    };
    let gateway = Gateway::start(&config("response-headers = { set = { x-config = 'old' } }"));
    up.set(Behaviour::Hang);
    let address = gateway.data();
    let waiting = std::thread::spawn(move || Client::new(address).get("/").unwrap());
    wait::until("the request at the upstream", LIMIT, || (up.requests() == 1).then_some(()));
    let mut admin = Client::new(gateway.admin());
    let nobody = "[routes.all]\nrespond = { status = 404 }\n";
    assert_eq!(gateway.reload(&mut admin, nobody).status, 200);
    assert_eq!(Client::new(address).get("/").unwrap().status, 404);
    up.set(Behaviour::Answer);
    let answer = waiting.join().unwrap();
    assert_eq!((answer.status, answer.head.header("x-config")), (200, Some("old")));
}

#[test]
fn a_tunnel_outlives_the_route_it_was_opened_by() {
    let up = Upstream::start();
    let config = format!(
        "[pools.up]\nupstreams = [{{ address = '{}' }}]\n[routes.all]\nforward = {{ pool = 'up' }}\n",
        up.address()
    );
    let gateway = Gateway::start(&config);
    let mut tunnel = TcpStream::connect(gateway.data()).unwrap();
    tunnel.set_read_timeout(Some(LIMIT)).unwrap();
    let ask = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    tunnel.write_all(ask).unwrap();
    let mut reader = BufReader::new(tunnel.try_clone().unwrap());
    let head = keep_alive::read_head(&mut reader).unwrap().unwrap();
    assert_eq!((head.second(), head.header("upgrade")), ("101", Some("echo")));
    let mut say = |text: &[u8]| {
        tunnel.write_all(text).unwrap();
        let mut heard = vec![0; text.len()];
        reader.read_exact(&mut heard).unwrap();
        assert_eq!(heard, text);
    };
    say(b"before");
    let mut admin = Client::new(gateway.admin());
    assert_eq!(gateway.reload(&mut admin, "[routes.all]\nrespond = {}\n").status, 200);
    say(b"after");
    let tunnels = || gateway.sum("edge_node_tunnels", &[("listener", "data")]);
    assert_eq!(tunnels(), 1.0);
    drop((tunnel, reader));
    wait::until("the end of the tunnel", LIMIT, || (tunnels() == 0.0).then_some(()));
}

#[test]
fn whether_the_gateway_is_well_does_not_depend_on_its_upstreams() {
    let [mut refuses, hangs] = [Upstream::start(), Upstream::start()];
    hangs.set(Behaviour::Hang);
    refuses.stop();
    let config = format!(
        "[pools.up]\nupstreams = [{{ address = '{}' }}, {{ address = '{}', weight = 3 }}]\n\
         [pools.up.probe]\nhttp = {{ path = '/healthz' }}\ninterval = '100ms'\ntimeout = '50ms'\n\
         [routes.all]\nforward = {{ pool = 'up', timeout = '200ms', retries-max = 0 }}\n",
        refuses.address(),
        hangs.address()
    );
    let gateway = Gateway::start(&config);
    let told = gateway.wait_for_state("up", refuses.address(), "unhealthy");
    gateway.wait_for_state("up", hangs.address(), "unhealthy");
    let mut client = Client::new(gateway.data());
    for _ in 0..4 {
        let status = client.get("/").unwrap().status;
        assert!([502, 503, 504].contains(&status), "{status}");
    }
    for page in ["/livez", "/readyz"] {
        assert_eq!(gateway.ask(page).0, 200, "{page}");
    }

    let (status, text) = gateway.ask("/v1/upstreams");
    let all: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &all["pools"][0]["panic-mode"]), (200, &Value::from(true)), "{text}");
    for key in ["address", "state", "reason", "since", "weight", "effective-weight", "in-flight"] {
        assert!(!told[key].is_null(), "{key} is not in {told}");
    }
    let last = &told["probes"]["last"][0];
    assert_eq!(last["outcome"], "connect-failed", "{told}");
    assert!(last["detail"].is_string() && last["at"].is_string(), "{told}");
    assert!(told["probes"]["next"].is_string(), "{told}");
    let hung = gateway.upstream("up", hangs.address());
    assert_eq!(hung["probes"]["last"][0]["outcome"], "timed-out", "{hung}");
    assert_eq!(hung["weight"], 3, "{hung}");
}
