//! The metrics of a gateway that had all kinds of traffic: well formed, bounded, and all that the dashboard and the alerts
//! of the release ask for.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "figures for whoever reads them")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tests::certificates::Authority;
use tests::expressions::{Asked, asked};
use tests::gateway::Gateway;
use tests::keep_alive::Client;
use tests::metrics::Sample;
use tests::prometheus::{check_metrics, promtool};
use tests::release::xtask;
use tests::upstream::{Behaviour, Upstream};
use tests::{declared, needs, openssl, process};

const LIMIT: Duration = Duration::from_secs(300);

/// What the release has for Prometheus and Grafana, in a folder.
fn rendered() -> &'static Path {
    static RENDERED: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = xtask();
        command.args(["render", "prometheus", "--out"]).arg(folder.path());
        process::run(&mut command, LIMIT).success();
        folder
    });
    RENDERED.path()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(rendered().join("prometheus").join(path)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&text(&format!("dashboards/{}.json", declared::product()))).unwrap()
}

/// The expressions of all panels, with the titles of these.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let of_panel = |panel: &Value| -> Vec<_> {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap().iter();
        targets
            .map(|target| (title.to_owned(), target["expr"].as_str().unwrap().to_owned()))
            .collect()
    };
    panels.iter().flat_map(of_panel).collect()
}

/// The expressions of the alerting rules: each block below `expr:`.
fn alerts() -> Vec<(String, String)> {
    let rules = text(&format!("rules/{}.rules.yml", declared::product()));
    let mut alerts = Vec::new();
    for alert in rules.split("- alert: ").skip(1) {
        let (name, rest) = alert.split_once('\n').unwrap();
        let (_, block) = rest.split_once("expr: |-\n").unwrap();
        let lines = block.lines().take_while(|line| line.starts_with("          "));
        alerts.push((name.to_owned(), lines.collect::<Vec<_>>().join("\n")));
    }
    alerts
}

/// A gateway with routes of every kind and two listeners, one of them with TLS.
fn gateway(upstreams: &[&Upstream; 3]) -> Gateway {
    let [good, bad, sick] = upstreams.map(Upstream::address);
    let folder = tempfile::tempdir().unwrap();
    Authority::new("site").server(&["localhost"]).write(folder.path(), "site");
    let config = format!(
        "workers = 2\n\
         [pools.up]\nupstreams = [{{ address = '{good}' }}, {{ address = '{bad}' }}]\n\
         retry-share-max = 1.0\nprobe = {{ http = {{ path = '/healthz' }}, interval = '1s' }}\n\
         [pools.sick]\nupstreams = [{{ address = '{sick}' }}, {{ address = '{good}' }}]\n\
         [routes.all]\nforward = {{ pool = 'up', retries-max = 2 }}\n\
         [routes.sick]\npath = {{ prefix = '/sick' }}\nforward = {{ pool = 'sick' }}\n\
         [routes.own]\npath = {{ template = '/own/{{id}}' }}\nrespond = {{ body = 'own' }}\n\
         [routes.moved]\npath = {{ prefix = '/moved' }}\nredirect = {{ authority = 'a.example' }}\n\
         [routes.wild]\nhosts = ['*.wild.example']\nmethods = ['GET', 'PUT']\nrespond = {{}}\n\
         [routes.small]\npath = {{ prefix = '/small' }}\nbody-bytes-max = '1KiB'\nforward = {{ pool = 'up' }}\n\
         [routes.rare]\npath = {{ prefix = '/rare' }}\nrespond = {{}}\n\
         rate-limit = {{ requests-per-second = 1 }}\n\
         [listeners.secure]\naddress = '127.0.0.1'\nport = 0\nheader-read-timeout = '1s'\n\
         tls = {{ certificates = [{{ chain = 'site.pem', key = 'site.key' }}] }}\n"
    );
    Gateway::start_in(folder, "", &config)
}

/// All kinds of traffic, good and bad.
fn exercise(gateway: &Gateway, bad: &Upstream, sick: &Upstream) {
    let mut client = Client::new(gateway.data());
    bad.set(Behaviour::Close);
    sick.set(Behaviour::Status(503));
    for path in ["/", "/sick", "/own/1", "/moved", "/rare", "/small"] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "BREW"] {
            for _ in 0..4 {
                // What has no body can be tried again.
                let body: &[u8] =
                    if ["POST", "PUT"].contains(&method) { &[b'x'; 2000] } else { &[] };
                let _broken = client.ask(method, path, &[], body);
            }
        }
    }
    for bytes in [
        "GET /a\\b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "\u{1}\u{2}\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(gateway.data()).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let _answer = stream.read(&mut [0; 1000]);
    }
    let secure = openssl::connect(gateway.node().address("secure"), &["-servername", "localhost"]);
    assert!(secure.text.contains("BEGIN CERTIFICATE"), "{}", secure.text);
    for page in ["/livez", "/readyz", "/v1/upstreams", "/none"] {
        let _answer = gateway.ask(page);
    }
    let mut admin = Client::new(gateway.admin());
    assert_eq!(gateway.reload(&mut admin, "unknown = 1\n").status, 422);
}

/// Each metric with the labels that all of its series have.
fn measured(samples: &[Sample]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut measured: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for sample in samples {
        let labels: BTreeSet<&str> = sample.labels.keys().map(String::as_str).collect();
        let known = measured.entry(&sample.name).or_insert_with(|| labels.clone());
        known.retain(|label| labels.contains(label));
    }
    measured
}

/// Everything that is asked for is measured, with the labels that are asked for.
#[track_caller]
fn check_measured(what: &str, expression: &str, measured: &BTreeMap<&str, BTreeSet<&str>>) {
    // Prometheus adds these, and `up`.
    let is_added = |label: &str| ["job", "instance"].contains(&label);
    let Asked { selectors, by } = asked(expression);
    assert!(!selectors.is_empty(), "{what} asks for nothing: {expression}");
    for selector in selectors.iter().filter(|selector| selector.metric != "up") {
        let labels = measured.get(selector.metric.as_str());
        let labels =
            labels.unwrap_or_else(|| panic!("{what}: {} is not measured", selector.metric));
        for label in selector.labels.iter().chain(&by).filter(|label| !is_added(label)) {
            assert!(labels.contains(label.as_str()), "{what}: {} has no {label}", selector.metric);
        }
    }
}

#[test]
fn metrics_after_all_kinds_of_traffic_are_well_formed_and_have_all_that_is_asked_for() {
    needs!(Tool("promtool"), Tool("openssl"), Tool("sh"));
    let upstreams = [Upstream::start(), Upstream::start(), Upstream::start()];
    let [good, bad, sick] = &upstreams;
    let gateway = gateway(&[good, bad, sick]);
    exercise(&gateway, bad, sick);

    let scrape = gateway.ask("/metrics").1;
    let judged = check_metrics(&scrape);
    assert!(judged.status.success() && judged.stdout.is_empty(), "{judged}");
    let samples = gateway.samples();
    let measured = measured(&samples);
    // It was traffic of all kinds.
    for (metric, label, value) in [
        ("http_requests_total", "code", "503"),
        ("http_requests_total", "method", "other"),
        ("http_requests_total", "route", "own"),
        ("edge_node_refused_total", "reason", "rate-limit"),
        ("edge_node_refused_total", "reason", "body-size"),
        ("edge_node_refused_total", "reason", "path"),
        ("upstream_requests_total", "outcome", "broke"),
        ("upstream_retries_total", "outcome", "success"),
        ("upstream_ejections_total", "reason", "consecutive-errors"),
        ("upstream_probes_total", "outcome", "success"),
        ("edge_node_connections", "listener", "admin"),
    ] {
        let counted = gateway.sum(metric, &[(label, value)]);
        assert!(counted > 0.0, "{metric} {label}={value}");
    }
    let expiry = gateway.sum("tls_cert_not_after_timestamp_seconds", &[("listener", "secure")]);
    assert!(expiry > 3e9, "a certificate until 2090 and not until {expiry}");

    let (queries, alerts) = (queries(&dashboard()), alerts());
    println!(
        "{} series of {} metrics; {} queries of the dashboard, {} alerts",
        samples.len(),
        measured.len(),
        queries.len(),
        alerts.len()
    );
    assert!(queries.len() >= 20 && alerts.len() >= 6, "{queries:?} {alerts:?}");
    for (what, expression) in queries.iter().chain(&alerts) {
        check_measured(what, expression, &measured);
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_can_show() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for (x, y) in (at("x")..at("x") + at("w"))
            .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(taken.insert((x, y)), "{} lies over another", panel["title"]);
        }
        // Whichever Prometheus is chosen above, and no other.
        assert_eq!(panel["datasource"]["uid"], "${datasource}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> =
        variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance"]);
    assert_eq!(dashboard["uid"], declared::product());
    let titles: Vec<_> = panels.iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    for title in [
        "Requests",
        "Share of errors",
        "Time to answer",
        "Certificates end in",
        "Connections",
        "Healthy upstreams",
        "Ejections",
        "Memory",
        "Log lines dropped",
    ] {
        assert!(titles.contains(&title), "{title} is not in {titles:?}");
    }
}

#[test]
fn promtool_reads_every_query_of_the_dashboard() {
    needs!(Tool("promtool"));
    let mut rules = "groups:\n- name: queries\n  rules:\n".to_owned();
    for (number, (_, expression)) in queries(&dashboard()).into_iter().enumerate() {
        // What Grafana puts in the place of its variables.
        let expression = expression.replace("$__rate_interval", "1m").replace("$instance", "a|b");
        assert!(!expression.contains('$'), "{expression}");
        rules += &format!("  - record: query:{number}\n    expr: |-\n      {expression}\n");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("queries.yml"), rules).unwrap();
    promtool(&["check", "rules", "queries.yml"], folder.path()).success();
}

/// From this number on each request has a method that nobody knows.
const OWN_METHODS_FROM: u32 = 10_000;

/// Requests with numbers from this range as host, method and path, over several connections.
fn scan(gateway: &Gateway, numbers: std::ops::Range<u32>) {
    std::thread::scope(|scope| {
        for part in 0..4 {
            let numbers = numbers.clone().filter(move |number| number % 4 == part);
            scope.spawn(move || {
                let mut client = Client::new(gateway.data());
                for number in numbers {
                    ask_with(&mut client, number);
                }
            });
        }
    });
}

fn ask_with(client: &mut Client, number: u32) {
    const METHODS: [&str; 8] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"];
    let host = match number % 3 {
        0 => format!("h{number}.example"),
        1 => format!("h{number}.wild.example"),
        _ => format!("127.0.{}.{}", number / 256, number % 256),
    };
    client.set_host(&host);
    let own = format!("M{number}");
    // Their periods have no common factor, so that all combinations come; from there on each has a method of its own.
    let is_own = number >= OWN_METHODS_FROM || number.is_multiple_of(5);
    let method = if is_own { &own } else { METHODS[(number / 3 % 8) as usize] };
    let path = match number % 7 {
        0 => format!("/sick/{number}"),
        1 => format!("/own/{number}"),
        2 => format!("/moved/p{number}"),
        3 => format!("/p{number}?q={number}"),
        _ => format!("/p/{number}"),
    };
    // A method that nobody knows may cost the connection; it is opened again.
    let _refused = client.ask(method, &path, &[&format!("x-{number}: {number}")], &[]);
}

#[test]
fn ten_thousand_hosts_methods_and_paths_make_no_series() {
    let upstreams = [Upstream::start(), Upstream::start(), Upstream::start()];
    let [good, bad, sick] = &upstreams;
    let gateway = gateway(&[good, bad, sick]);
    // Every combination of known words, and a few of the others.
    scan(&gateway, 0..1680);
    let series = |samples: &[Sample]| -> BTreeSet<String> {
        samples.iter().map(|sample| format!("{} {:?}", sample.name, sample.labels)).collect()
    };
    // The first scrape has series of its own in the second.
    let _first = gateway.samples();
    let before = series(&gateway.samples());
    let answered = gateway.sum("http_requests_total", &[("listener", "data")]);
    scan(&gateway, OWN_METHODS_FROM..OWN_METHODS_FROM + 10_000);
    let after = series(&gateway.samples());
    let more = gateway.sum("http_requests_total", &[("listener", "data")]) - answered;
    println!("{more} requests: {} series before, {} after", before.len(), after.len());
    assert!(more >= 10_000.0, "{more}");
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
}
