//! The gateway of the Windows release under Wine: forwarding in each version of HTTP, mutual TLS, upgrades, refusals and
//! reloads. The upstream and the clients are programs of this machine in the same network.
//!
//! What is not run there, and why:
//! - upstreams by unix sockets: the model refuses them on Windows, so there is nothing to run;
//! - `gateway_corpus`, `gateway_mtls`, `gateway_interop` and `gateway_chaos` as a whole: their clients and upstreams are
//!   threads of the test, which cannot enter the network of a Windows. What reads bytes and counts failures is the same
//!   code on both systems; the cases here are those in which it could differ, paths with backslashes above all (caddy
//!   issue 7858), and one of each kind: a refused upstream, a retry, a probe, a limit, a tunnel, a reload;
//! - `gateway_soak` and the benchmark: Wine's sockets are not those of a Windows, so figures would tell of Wine;
//! - `gateway_metrics` and `gateway_page`: they are about texts that do not depend on the system;
//! - static files in the way Windows has them (device names, streams, case): Wine lays them on a file system of Linux,
//!   so that a pass would prove little.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(
    clippy::unwrap_used,
    reason = "test code; the lint exempts only functions marked as tests"
)]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tests::certificates::{Authority, Issued};
use tests::process::{self, Background};
use tests::release::Release;
use tests::wine::Wine;
use tests::{declared, needs, wait};

const TARGET: &str = "x86_64-pc-windows-msvc";
/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(180);
const ADMIN: &str = "127.0.0.1:9464";
const UPSTREAM: &str = "127.0.0.1:3000";
const CONFIG: &str = r"C:\gateway\edge-node.toml";

const TABLES: &str = r"
workers = 2
[listeners.admin]
address = '127.0.0.1'
port = 9464
[listeners.data]
address = '127.0.0.1'
port = 8080
[listeners.secure]
address = '127.0.0.1'
port = 8443
[listeners.secure.tls]
certificates = [{ chain = 'site.pem', key = 'site.key' }]
clients = { authorities = 'ca.pem', demand = 'optional' }
[pools.up]
upstreams = [{ address = '127.0.0.1:3000' }]
[pools.down]
upstreams = [{ address = '127.0.0.1:3999' }]
[pools.mixed]
upstreams = [{ address = '127.0.0.1:3000' }, { address = '127.0.0.1:3999' }]
ejection = { consecutive-errors = 2, time-base = '10m', time-max = '10m' }
[pools.probed]
upstreams = [{ address = '127.0.0.1:3999' }]
probe = { tcp = {}, interval = '200ms', down-after = 1, up-after = 1 }
[routes.mixed]
path = { prefix = '/mixed' }
forward = { pool = 'mixed' }
[routes.probed]
path = { prefix = '/probed' }
forward = { pool = 'probed' }
[routes.small]
path = { prefix = '/small' }
body-bytes-max = '1KiB'
forward = { pool = 'up' }
[routes.rare]
path = { prefix = '/rare' }
rate-limit = { requests-per-second = 1, burst = 1 }
respond = {}
[routes.all]
forward = { pool = 'up' }
[routes.down]
path = { prefix = '/down' }
forward = { pool = 'down' }
[routes.members]
listeners = ['secure']
path = { prefix = '/members' }
forward = { pool = 'up' }
clients = { demand = 'required' }
[routes.secret]
path = { prefix = '/admin' }
respond = { status = 403 }
";

macro_rules! needs_windows {
    () => {
        needs!(
            Root,
            Tool("wine"),
            Tool("curl"),
            Tool("unzip"),
            Tool("unshare"),
            Tool("nsenter"),
            Tool("ip"),
            Tool("bash"),
            Target("x86_64-pc-windows-msvc")
        );
    };
}

/// A Windows with a gateway that runs as on a terminal, and an upstream.
struct Rig {
    wine: Wine,
    client: Issued,
    folder: TempDir,
    _upstream: Background,
    _gateway: Background,
}

impl Rig {
    fn start() -> Self {
        let wine = Wine::start();
        let home = wine.path(r"C:\gateway");
        fs::create_dir(&home).unwrap();
        let program = unpack(&wine);
        let authority = Authority::new("site");
        authority.write(&home, "ca");
        authority.server(&["localhost", "127.0.0.1"]).write(&home, "site");
        fs::write(wine.path(CONFIG), TABLES).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut upstream = wine.network().command(env!("CARGO_BIN_EXE_upstream"));
        let upstream = Background::start_reading(upstream.arg(UPSTREAM));
        let gateway = wine.start_program(&program, &["run", "--config", CONFIG]);
        let client = authority.client(&["cam.dev.site"]);
        client.write(folder.path(), "client");
        authority.write(folder.path(), "ca");
        let rig = Self { wine, client, folder, _upstream: upstream, _gateway: gateway };
        let admin: SocketAddr = ADMIN.parse().unwrap();
        rig.wine.network().wait_for(admin, "/readyz", 200, SOON);
        // The upstream may be up later.
        wait::until("an answer from the upstream", SOON, || {
            (rig.status(&["http://127.0.0.1:8080/"]) == "200").then_some(())
        });
        rig
    }

    fn curl(&self, arguments: &[&str]) -> process::Finished {
        let mut command = self.wine.network().command("curl");
        let authority = self.folder.path().join("ca.pem");
        command.args(["-sS", "--path-as-is", "--max-time", "100", "--cacert"]).arg(authority);
        process::run(command.args(arguments), SOON)
    }

    fn status(&self, arguments: &[&str]) -> String {
        let only = ["-o", "/dev/null", "-w", "%{response_code}"];
        self.curl(&[&only[..], arguments].concat()).stdout
    }

    /// What is known of the upstreams.
    fn upstreams(&self) -> Value {
        let json = self.curl(&[&format!("http://{ADMIN}/v1/upstreams")]).success();
        serde_json::from_str(&json).unwrap()
    }

    /// What the upstream saw.
    #[track_caller]
    fn seen(&self, arguments: &[&str]) -> Value {
        let body = self.curl(arguments).success();
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("{arguments:?}: {body}"))
    }
}

/// The program of the release on the drive of a Windows.
fn unpack(wine: &Wine) -> PathBuf {
    let archive = Release::built().artifact(&format!("{TARGET}.zip"));
    let home = wine.path(r"C:\gateway");
    let mut command = Command::new("unzip");
    process::run(command.args(["-q", "-j"]).arg(archive).arg("-d").arg(&home), SOON).success();
    let program = home.join(format!("{}.exe", declared::product()));
    assert!(program.is_file());
    program
}

#[test]
fn requests_pass_in_each_version_of_http_and_paths_are_those_that_the_routes_saw() {
    needs_windows!();
    let rig = Rig::start();
    for (option, url) in [
        ("--http1.1", "http://127.0.0.1:8080"),
        ("--http2-prior-knowledge", "http://127.0.0.1:8080"),
        ("--http1.1", "https://127.0.0.1:8443"),
        ("--http2", "https://127.0.0.1:8443"),
    ] {
        let seen =
            rig.seen(&[option, "-H", "x-client-identity: root", &format!("{url}/x/../a?b=c")]);
        assert_eq!(seen["request"], "GET /a?b=c HTTP/1.1", "{option} {url}");
        assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.1", "{option} {url}");
        assert!(seen["headers"]["x-client-identity"].is_null(), "{option} {url}");
    }
    for (path, status) in [
        ("/a\\..\\admin", "400"),
        ("/a%5c..%5cadmin", "400"),
        ("/..\\a", "400"),
        ("/a%2fb", "400"),
        ("/a%00", "400"),
        ("/x/%2e%2e/admin", "403"),
        ("//admin", "403"),
        ("/down", "502"),
    ] {
        assert_eq!(rig.status(&[&format!("http://127.0.0.1:8080{path}")]), status, "{path}");
    }
    let body = rig.folder.path().join("body");
    fs::write(&body, vec![b'a'; 3 << 20]).unwrap();
    let data = format!("@{}", body.display());
    for option in ["Expect: 100-continue", "Transfer-Encoding: chunked"] {
        let seen = rig.seen(&["-H", option, "--data-binary", &data, "http://127.0.0.1:8080/a"]);
        assert_eq!(seen["body-bytes"], 3 << 20, "{option}");
    }
}

#[test]
fn upstreams_that_fail_are_left_alone_until_a_probe_finds_them_well() {
    needs_windows!();
    let rig = Rig::start();
    for _ in 0..8 {
        assert_eq!(rig.status(&["http://127.0.0.1:8080/mixed"]), "200", "it is tried elsewhere");
    }
    let upstreams = rig.upstreams();
    let of = |pool: &str, port: u16| {
        let pools = upstreams["pools"].as_array().unwrap();
        let pool = pools.iter().find(|one| one["name"] == pool).unwrap();
        let all = pool["upstreams"].as_array().unwrap();
        all.iter().find(|one| one["address"] == format!("127.0.0.1:{port}")).unwrap()
    };
    assert_eq!(of("mixed", 3999)["state"], "ejected", "{upstreams}");
    assert_eq!(of("mixed", 3999)["reason"], "consecutive-errors", "{upstreams}");
    assert_eq!(of("mixed", 3000)["state"], "healthy", "{upstreams}");
    assert_eq!(of("probed", 3999)["state"], "unhealthy", "{upstreams}");

    let mut late = rig.wine.network().command(env!("CARGO_BIN_EXE_upstream"));
    let _late = Background::start_reading(late.arg("127.0.0.1:3999"));
    wait::until("an answer from the probed upstream", SOON, || {
        (rig.status(&["http://127.0.0.1:8080/probed"]) == "200").then_some(())
    });
}

#[test]
fn what_is_over_a_limit_is_refused_and_counted() {
    needs_windows!();
    let rig = Rig::start();
    let body = "a".repeat(2 << 10);
    let header = format!("x-long: {}", "a".repeat(70 << 10));
    for (arguments, status) in [
        (&["-d", &body, "http://127.0.0.1:8080/small"][..], "413"),
        (&["-H", &header, "http://127.0.0.1:8080/"], "431"),
        (
            &["http://127.0.0.1:8080/rare", "-o", "/dev/null", "http://127.0.0.1:8080/rare"],
            "200429",
        ),
    ] {
        assert_eq!(rig.status(arguments), status, "{:.80}", arguments.join(" "));
    }
    let metrics = rig.curl(&[&format!("http://{ADMIN}/metrics")]).success();
    for reason in ["body-size", "head-size", "rate-limit"] {
        let line = format!("edge_node_refused_total{{listener=\"data\",reason=\"{reason}\"}} 1");
        assert!(metrics.lines().any(|one| one == line), "{line} is not in {metrics}");
    }
}

#[test]
fn a_client_is_known_by_its_certificate() {
    needs_windows!();
    let rig = Rig::start();
    let url = "https://127.0.0.1:8443/members";
    assert_eq!(rig.status(&[url]), "403");
    let (chain, key) = rig.client.write(rig.folder.path(), "client");
    let files = ["--cert", chain.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let seen = rig.seen(&[&files[..], &["-H", "x-client-identity: root", url]].concat());
    let identity = seen["headers"]["x-client-identity"].as_str().unwrap();
    assert!(identity.starts_with("dns=cam.dev.site, sha256="), "{identity}");
    let stranger = Authority::new("stranger").client(&["cam.dev.site"]);
    let (chain, key) = stranger.write(rig.folder.path(), "stranger");
    let files = ["--cert", chain.to_str().unwrap(), "--key", key.to_str().unwrap()];
    let refused = rig.curl(&[&files[..], &[url]].concat());
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused}");
}

#[test]
fn a_tunnel_carries_what_follows_an_upgrade() {
    needs_windows!();
    let rig = Rig::start();
    let request =
        "GET /switch HTTP/1.1\r\nhost: edge\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nearly";
    let mut talk = rig.wine.network().talk("127.0.0.1:8080".parse().unwrap(), request);
    let log = rig.folder.path().join("talk");
    let _talk = Background::start(&mut talk, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait::until("the tunnel's answer", SOON, || said().ends_with("\r\n\r\nearly").then_some(()));
    assert!(said().starts_with("HTTP/1.1 101 "), "{}", said());
}

#[test]
fn a_reload_takes_new_routes_and_a_bad_one_changes_nothing() {
    needs_windows!();
    let rig = Rig::start();
    let reload = || rig.status(&["-X", "POST", &format!("http://{ADMIN}/v1/reload")]);
    let pong = || rig.curl(&["http://127.0.0.1:8080/pong"]).stdout;
    fs::write(rig.wine.path(CONFIG), TABLES.replace("[routes.all]", "[routes.all")).unwrap();
    assert_eq!(reload(), "422");
    assert!(pong().contains("GET /pong"), "the old routes are in force");
    let more =
        "[routes.pong]\npath = { exact = '/pong' }\nrespond = { status = 200, body = 'new' }\n";
    fs::write(rig.wine.path(CONFIG), format!("{TABLES}{more}")).unwrap();
    assert_eq!(reload(), "200");
    assert_eq!(pong(), "new");
    assert_eq!(rig.seen(&["http://127.0.0.1:8080/a"])["request"], "GET /a HTTP/1.1");
}
