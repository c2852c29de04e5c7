//! The real program: exit codes, what it prints, signals, systemd's socket, `promtool`.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the real program is what is tested")]
#![expect(
    clippy::unwrap_used,
    reason = "test code; the lint exempts only functions marked as tests"
)]

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use service::Service;

mod service;

const PATIENCE: Duration = Duration::from_secs(20);

const ANY_PORTS: &str = "listeners.data = { address = '127.0.0.1', port = 0 }\n\
                         listeners.admin.port = 0\nshutdown.unready-wait = '0s'\n";

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_edge-node"));
    program.env_remove("NOTIFY_SOCKET");
    program
}

fn config(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge-node.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program().args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A socket as systemd has it, and its path.
fn manager(folder: &TempDir) -> (UnixDatagram, PathBuf) {
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    (manager, path)
}

/// The next message to systemd.
fn hear(manager: &UnixDatagram) -> String {
    let mut text = [0; 512];
    loop {
        match manager.recv(&mut text) {
            Ok(length) => return String::from_utf8_lossy(&text[..length]).into_owned(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}"),
        }
    }
}

#[test]
fn who_ignores_the_end_of_the_terminal_goes_on_after_it() {
    let (_folder, config) = config(ANY_PORTS);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_edge-node")]);
    shell.env_remove("NOTIFY_SOCKET");
    let service = Service::spawn(shell, &config, &[]);
    service.until("serving");
    service.signal(Signal::HUP);
    service.signal(Signal::TERM);
    let (status, lines) = service.end();
    assert_eq!((status.code(), &lines[0]["asked-by"]), (Some(0), &"terminate".into()));
}

#[test]
fn it_serves_and_ends_clean_on_each_stop_signal() {
    let (_folder, config) = config(ANY_PORTS);
    for (signal, word) in [(Signal::TERM, "terminate"), (Signal::INT, "interrupt")] {
        let service = Service::start(&config, &[]);
        let (data, admin) = (service.address("data"), service.address("admin"));
        service.until("serving");
        assert!(ask(data, "/").starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(ask(admin, "/readyz").ends_with("\r\n\r\nready\n"));
        service.signal(signal);
        // The line of the request may come before it.
        assert_eq!(service.until("draining")["asked-by"], word);
        let (status, lines) = service.end();
        assert_eq!(status.code(), Some(0));
        assert_eq!(lines.last().unwrap()["message"], "stopped");
    }
}

#[test]
fn no_line_of_the_access_log_is_lost_at_the_end() {
    let (_folder, config) = config(ANY_PORTS);
    // What is lost is lost by a race.
    for _ in 0..40 {
        let service = Service::start(&config, &[]);
        let data = service.address("data");
        service.until("serving");
        assert!(ask(data, "/").starts_with("HTTP/1.1 200 OK\r\n"));
        service.signal(Signal::TERM);
        let (_status, lines) = service.end();
        let is_access = |line: &&Value| line["source"] == "access";
        assert_eq!(lines.iter().filter(is_access).count(), 1, "{lines:?}");
    }
}

#[test]
fn a_hangup_reloads_what_has_no_terminal() {
    let (_folder, config) = config(ANY_PORTS);
    let mut session = Command::new("setsid");
    session.args(["env", "--default-signal=HUP", "-u", "NOTIFY_SOCKET"]);
    session.arg(env!("CARGO_BIN_EXE_edge-node"));
    let service = Service::spawn(session, &config, &[]);
    service.until("serving");
    fs::write(&config, format!("{ANY_PORTS}log.level = 'loud'")).unwrap();
    service.signal(Signal::HUP);
    let refused = service.until("config refused, the old one goes on");
    assert!(refused["diagnostics"].as_str().unwrap().contains("'loud'"), "{refused}");
    fs::write(&config, format!("{ANY_PORTS}log.level = 'debug'")).unwrap();
    service.signal(Signal::HUP);
    assert_eq!(service.until("config reloaded")["changed"][0], "log");
    service.signal(Signal::TERM);
    assert_eq!(service.end().0.code(), Some(0));
}

#[test]
fn systemd_is_told_when_a_reload_begins_and_ends() {
    let (folder, config) = config(ANY_PORTS);
    let (manager, path) = manager(&folder);
    let service = Service::start(&config, &[("NOTIFY_SOCKET", &path)]);
    while hear(&manager) != "READY=1\nSTATUS=serving" {}
    service.signal(Signal::HUP);
    let reloading = hear(&manager);
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(hear(&manager), "READY=1\nSTATUS=serving");
}

#[test]
fn the_watchdog_of_systemd_is_told_as_long_as_listeners_answer() {
    let (folder, config) = config(ANY_PORTS);
    let (manager, path) = manager(&folder);
    let interval = Path::new("400000");
    let environment = [("NOTIFY_SOCKET", path.as_path()), ("WATCHDOG_USEC", interval)];
    let service = Service::start(&config, &environment);
    let admin = service.address("admin");
    for _ in 0..3 {
        while hear(&manager) != "WATCHDOG=1" {}
    }
    // Three probes and more of either listener are neither requests nor connections.
    let metrics = ask(admin, "/metrics");
    assert!(!metrics.contains("\nhttp_requests_total{"), "{metrics}");
    service.signal(Signal::TERM);
    assert_eq!(service.end().0.code(), Some(0));
}

#[test]
fn health_asks_readyz_and_answers_with_its_exit_code() {
    let (_folder, config) = config(&ANY_PORTS.replace("'0s'", "'5m'"));
    let service = Service::start(&config, &[]);
    let address = service.address("admin").to_string();
    service.until("serving");
    let health = |address: &str| output(&["health", "--address", address]);
    assert_eq!(health(&address), (Some(0), "ready\n".to_owned(), String::new()));
    service.signal(Signal::TERM);
    service.until("draining");
    let draining = format!("error: not ready: {address}: 503 not ready: draining\n");
    assert_eq!(health(&address), (Some(1), String::new(), draining));
    service.signal(Signal::TERM);
    service.end();
    let (code, _, why) = health(&address);
    assert_eq!(code, Some(1));
    let refused = format!("error: not ready: {address}: cannot connect: ");
    assert!(why.starts_with(&refused) && why.lines().count() == 1, "{why}");
}

#[test]
fn health_gives_up_in_time_on_a_service_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let start = Instant::now();
    let (code, _, why) = output(&["health", "--address", &address, "--timeout", "100ms"]);
    assert_eq!(
        (code, why),
        (Some(1), format!("error: not ready: {address}: no answer: timed out\n"))
    );
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn health_finds_the_address_in_the_config() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_good, good) = config(&format!("listeners.admin.port = {free}\nlisteners.data.port = 0"));
    let (_any, any) = config(ANY_PORTS);
    let (_bad, bad) = config("log.level = 'loud'\n");
    let health = |config: &Path| output(&["health", "--config", config.to_str().unwrap()]);
    let refused = format!("error: not ready: 127.0.0.1:{free}: cannot connect: ");
    for (config, code, why) in [
        (&good, 1, refused.as_str()),
        (&any, 1, "error: not ready: the admin listener has any free port"),
        (&bad, 3, "error"),
    ] {
        let (found, stdout, stderr) = health(config);
        assert_eq!((found, stdout.as_str()), (Some(code), ""), "{stderr}");
        assert!(stderr.starts_with(why), "{stderr}");
    }
    let service = Service::start(&good, &[]);
    service.until("serving");
    assert_eq!(health(&good).0, Some(0));
}

#[test]
fn the_end_of_its_terminal_stops_it() {
    let (folder, config) = config(&format!("{ANY_PORTS}log.file = 'edge.log'\n"));
    let log = folder.path().join("edge.log");
    let logged = |text: &str| fs::read_to_string(&log).is_ok_and(|log| log.contains(text));
    let program = env!("CARGO_BIN_EXE_edge-node");
    // The tests may run with the signal ignored, which programs inherit.
    let command = format!(
        "exec env --default-signal=HUP -u NOTIFY_SOCKET '{program}' run --config '{}'",
        config.display()
    );
    let mut terminal = Command::new("script")
        .args(["--quiet", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until(|| logged("\"message\":\"serving\""));
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until(|| logged("\"message\":\"stopped\""));
    assert!(logged("\"asked-by\":\"hangup\""));
}

/// Waits for a condition; the test fails when it does not come.
fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_second_signal_ends_it_at_once_with_code_5() {
    let (_folder, config) = config(&ANY_PORTS.replace("'0s'", "'5m'"));
    let service = Service::start(&config, &[]);
    service.until("serving");
    service.signal(Signal::TERM);
    service.until("draining");
    service.signal(Signal::TERM);
    assert_eq!(service.end().0.code(), Some(5));
}

#[test]
fn a_full_queue_of_systemd_does_not_lose_the_readiness() {
    let (folder, config) = config(ANY_PORTS);
    let (manager, path) = manager(&folder);
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"full", &path).is_ok() {}
    let service = Service::start(&config, &[("NOTIFY_SOCKET", &path)]);
    service.until("service manager could not be told the phase");
    service.until("serving");
    while hear(&manager) != "READY=1\nSTATUS=serving" {}
    service.signal(Signal::TERM);
    assert_eq!(service.end().0.code(), Some(0));
}

#[test]
fn systemd_is_told_the_phases_in_order() {
    let (folder, config) = config(ANY_PORTS);
    let (manager, path) = manager(&folder);
    let service = Service::start(&config, &[("NOTIFY_SOCKET", &path)]);
    let mut heard = hear(&manager);
    while heard.starts_with("STATUS=starting\n") {
        heard = hear(&manager);
    }
    assert_eq!(heard, "READY=1\nSTATUS=serving");
    service.signal(Signal::TERM);
    let draining = hear(&manager);
    assert!(draining.starts_with("STOPPING=1\nSTATUS=draining"), "{draining}");
    assert_eq!(service.end().0.code(), Some(0));
    assert_eq!(hear(&manager), "STATUS=stopped: done, or drained and stopped as asked");
}

#[test]
fn a_port_in_use_ends_with_code_4_and_says_which() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (_folder, config) =
        config(&format!("listeners.data.port = 0\nlisteners.admin.port = {port}\n"));
    let (code, stdout, stderr) = output(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(4));
    let error = format!(
        "listener `admin` cannot bind 127.0.0.1:{port}: Address already in use (os error 98)"
    );
    assert_eq!(
        stderr,
        format!(
            "error: {error}\n  help: another program has port {port}: stop it, or set another \
             `port` under [listeners.admin]\n"
        )
    );
    let last: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["level"], &last["message"]), (&"FATAL".into(), &error.into()));
}

#[test]
fn mistakes_in_the_config_end_with_code_3_and_the_report_on_stderr() {
    let (_folder, config) = config("[listeners.admn]\nport = 0\n");
    let path = config.to_str().unwrap();
    for command in ["run", "check"] {
        let (code, stdout, stderr) = output(&[command, "--config", path]);
        assert_eq!((code, stdout.as_str()), (Some(3), ""), "{command}");
        assert!(stderr.contains(&format!("{path}:1:12")), "{command}: {stderr}");
        assert!(stderr.contains("did you mean `admin`?"), "{command}: {stderr}");
    }
}

#[test]
fn check_in_json_is_for_programs() {
    let (_good, good) = config(ANY_PORTS);
    let (_bad, bad) = config("log.level = 'loud'\n");
    for (path, code, count) in [
        (good.as_path(), 0, 0),
        (bad.as_path(), 3, 1),
        (Path::new("/nonexistent/edge-node.toml"), 3, 1),
    ] {
        let path = path.to_str().unwrap();
        let (status, stdout, stderr) = output(&["check", "--config", path, "--format", "json"]);
        assert_eq!((status, stderr.as_str()), (Some(code), ""));
        let result: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(result["file"], path);
        assert_eq!(result["ok"], code == 0);
        assert_eq!(result["diagnostics"].as_array().unwrap().len(), count, "{stdout}");
    }
    let (code, stdout, _) = output(&["check", "--config", good.to_str().unwrap()]);
    assert_eq!((code, stdout), (Some(0), format!("{}: no mistakes\n", good.display())));
}

#[test]
fn what_is_odd_in_a_config_is_told_and_ends_with_code_0() {
    let odd =
        "pools.a.upstreams = [{ address = 'a:1' }]\npools.b.upstreams = [{ address = 'b:1' }]\n";
    let (_folder, config) = config(odd);
    let path = config.to_str().unwrap();
    let (code, stdout, stderr) = output(&["check", "--config", path]);
    assert_eq!((code, stdout), (Some(0), format!("{path}: no mistakes, 2 warnings\n")));
    let told = ["a", "b"].map(|pool| format!("warning: pool `{pool}` is used by no route\n"));
    assert!(told.iter().all(|told| stderr.contains(told)), "{stderr}");
    let (code, stdout, stderr) = output(&["check", "--config", path, "--format", "json"]);
    let result: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, stderr.as_str(), &result["ok"]), (Some(0), "", &Value::from(true)));
    assert_eq!(result["diagnostics"][1]["severity"], "warning", "{stdout}");
    let (code, stdout, stderr) = output(&["routes", "--config", path]);
    assert!(code == Some(0) && !stdout.contains("warning"), "{stdout}");
    assert!(told.iter().all(|told| stderr.contains(told)), "{stderr}");
}

#[test]
fn a_log_file_that_cannot_be_opened_ends_with_code_3() {
    let (folder, config) = config("log.file = 'missing/edge.log'\n");
    let (code, stdout, stderr) = output(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str()), (Some(3), ""));
    let file = folder.path().join("missing/edge.log");
    assert_eq!(
        stderr,
        format!("error: log file {}: No such file or directory (os error 2)\n", file.display())
    );
}

#[test]
fn a_log_file_takes_the_lines_instead_of_stdout() {
    let (folder, config) = config(&format!("{ANY_PORTS}log.file = 'edge.log'\n"));
    let (manager, path) = manager(&folder);
    let service = Service::start(&config, &[("NOTIFY_SOCKET", &path)]);
    while !hear(&manager).starts_with("READY=1\n") {}
    service.signal(Signal::TERM);
    let (status, stdout) = service.end();
    assert_eq!((status.code(), stdout), (Some(0), Vec::new()));
    // Nobody but owner and group reads what the service tells.
    let mode = fs::metadata(folder.path().join("edge.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
    let log = fs::read_to_string(folder.path().join("edge.log")).unwrap();
    assert!(log.lines().any(|line| line.contains("\"message\":\"stopped\"")), "{log}");
}

#[test]
fn a_reload_sends_the_lines_elsewhere_and_refuses_where_that_cannot_be() {
    let (folder, config) = config(ANY_PORTS);
    let (_manager, path) = manager(&folder);
    let service = Service::start(&config, &[("NOTIFY_SOCKET", &path)]);
    service.until("serving");
    let reload_with = |log: &str| {
        fs::write(&config, format!("{ANY_PORTS}{log}")).unwrap();
        service.signal(Signal::HUP);
    };
    reload_with("log.file = 'missing/edge.log'\n");
    let refused = service.until("config refused, the old one goes on");
    let diagnostics = refused["diagnostics"].as_str().unwrap();
    assert!(diagnostics.contains("missing/edge.log: No such file"), "{diagnostics}");

    reload_with("log.file = 'edge.log'\n");
    let log = || fs::read_to_string(folder.path().join("edge.log")).unwrap_or_default();
    until(|| log().contains("\"message\":\"config reloaded\""));
    reload_with("log.level = 'info'\n");
    assert_eq!(service.until("config reloaded")["changed"], serde_json::json!(["log"]));
    service.signal(Signal::TERM);
    assert_eq!(service.end().0.code(), Some(0));
    assert!(!log().contains("stopped"), "{}", log());
}

#[test]
fn the_log_level_is_changed_while_the_service_runs() {
    let (folder, config) = config(&format!("{ANY_PORTS}log.level = 'warn'\n"));
    let (manager, path) = manager(&folder);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = fs::read_to_string(&config).unwrap();
    let admin = format!("listeners.admin.port = {}", port.port());
    fs::write(&config, text.replace("listeners.admin.port = 0", &admin)).unwrap();
    let service = Service::start(&config, &[("NOTIFY_SOCKET", &path)]);
    while hear(&manager) != "READY=1\nSTATUS=serving" {}
    let mut stream = TcpStream::connect(port).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "PUT /v1/log-level HTTP/1.1\r\nconnection: close\r\ncontent-length: 4";
    write!(stream, "{head}\r\nhost: {port}\r\n\r\ninfo").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\ninfo\n"), "{answer}");
    // The first line of a service that was to say warnings only.
    let line = service.line().unwrap();
    assert_eq!((&line["from"], &line["to"]), (&"WARN".into(), &"INFO".into()));
    service.signal(Signal::TERM);
    assert_eq!(service.end().1.last().unwrap()["message"], "stopped");
}

#[test]
fn a_wrong_command_line_ends_with_code_2() {
    for arguments in [&["run"][..], &["serve"], &["check", "--config"], &["health"], &[]] {
        let (code, stdout, stderr) = output(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("--help") || stderr.contains("Usage:"), "{stderr}");
    }
    assert_eq!(output(&["--help"]).0, Some(0));
}

#[test]
fn version_says_what_was_built() {
    let version = env!("CARGO_PKG_VERSION");
    let (code, stdout, _) = output(&["version"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with(&format!("edge-node {version} (")), "{stdout}");
    let facts: Value = serde_json::from_str(&output(&["version", "--format", "json"]).1).unwrap();
    assert_eq!((&facts["name"], &facts["version"]), (&"edge-node".into(), &version.into()));
    assert!(facts["target"].as_str().unwrap().split('-').count() >= 3, "{facts}");
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    if Command::new("promtool").arg("--version").output().is_err() {
        let is_required = std::env::var_os("XTASK_TEST_REQUIRE_TOOLS").is_some_and(|v| v == "1");
        assert!(!is_required, "promtool is not installed");
        // Written past the test harness, which would keep it from the reader of a passing run.
        let _ = writeln!(io::stderr(), "skipped promtool_has_nothing_to_say: needs promtool");
        return;
    }
    let (_folder, config) = config(ANY_PORTS);
    let service = Service::start(&config, &[]);
    let (data, admin) = (service.address("data"), service.address("admin"));
    ask(data, "/");
    ask(data, "/nothing");
    let answer = ask(admin, "/metrics");
    let (_head, metrics) = answer.split_once("\r\n\r\n").unwrap();
    for family in [
        "edge_node_build_info{",
        "edge_node_connections{listener=\"admin\"} 1",
        "edge_node_log_lines_dropped_total 0",
        "edge_node_log_rotations_failed_total 0",
        "edge_node_events_suppressed_total 0",
        "http_requests_total{listener=\"data\",route=\"/\",method=\"GET\",code=\"200\"} 1",
        "http_requests_total{listener=\"data\",route=\"unmatched\",method=\"GET\",code=\"404\"} 1",
        "http_request_duration_seconds_bucket{le=\"+Inf\",listener=\"data\",route=\"/\",",
        "http_requests_in_flight{listener=\"admin\"} 1",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_virtual_memory_bytes ",
        "process_open_fds ",
        "process_max_fds ",
        "process_start_time_seconds ",
    ] {
        assert!(metrics.contains(&format!("\n{family}")), "{family} is not in:\n{metrics}");
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = promtool.wait_with_output().unwrap();
    let said = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(status.success(), "{said:?}\n{metrics}");
    assert_eq!(said, ["", ""], "{metrics}");
}

#[test]
fn routes_are_listed_and_a_request_explained_from_the_config_alone() {
    let (_folder, path) =
        config("[routes.ping]\npath = { exact = '/ping' }\nrespond = { status = 200 }\n");
    let path = path.to_str().unwrap();
    let (code, stdout, stderr) = output(&["routes", "--config", path]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert!(stdout.ends_with("  *  exact /ping  any method  ping  respond 200\n"), "{stdout}");
    let ask = ["routes", "--config", path, "--explain", "GET", "http://h/ping", "--format", "json"];
    let (code, stdout, _) = output(&ask);
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &told["verdict"]["taken"]["route"]), (Some(0), &Value::from("ping")));
    let (code, _, stderr) = output(&["routes", "--config", path, "--listener", "other"]);
    assert_eq!(
        (code, &*stderr),
        (Some(2), "error: no data listener is named other: there are data\n")
    );
    let (code, ..) = output(&["routes", "--config", "/nonexistent"]);
    assert_eq!(code, Some(3));
}
