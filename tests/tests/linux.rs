//! The Linux bundle on a real systemd: installed, started, drained, uninstalled, as its README tells people to.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::declared::{self, listener};
use tests::load::Load;
use tests::process::Background;
use tests::release::Release;
use tests::systemd::Systemd;
use tests::{http, metrics, needs, wait};

const TARGET: &str = "x86_64-unknown-linux-musl";
/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(60);

macro_rules! needs_linux {
    () => {
        needs!(
            Root,
            Tool("systemd-nspawn"),
            Tool("debootstrap"),
            Tool("apt-get"),
            Tool("nsenter"),
            Tool("bash"),
            Target("x86_64-unknown-linux-musl")
        );
    };
}

/// A container with the unpacked bundle in `/root/bundle`.
fn container() -> Systemd {
    let linux = Systemd::start();
    let archive = Release::built().artifact(&format!("{TARGET}.tar.gz"));
    std::fs::copy(archive, linux.path("/root/bundle.tar.gz")).unwrap();
    linux
        .run("mkdir /root/bundle && tar -xzf /root/bundle.tar.gz -C /root/bundle --strip-components=1")
        .success();
    linux
}

/// Installs, which also starts the service when it is the first install.
fn install(linux: &Systemd) {
    linux.run("cd /root/bundle && ./install.sh").success();
    assert_eq!(linux.unit_property(&declared::product(), "ActiveState"), "active");
}

#[track_caller]
fn assert_same(before: &[String], after: &[String]) {
    let gone =
        before.iter().filter(|line| !after.contains(line)).map(|line| format!("gone: {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("new: {line}"));
    let changes: Vec<_> = gone.chain(new).collect();
    assert!(changes.is_empty(), "{}", changes.join("\n"));
}

#[test]
fn the_installed_unit_becomes_ready_and_an_uninstall_leaves_nothing() {
    needs_linux!();
    let linux = container();
    let before = linux.files();
    install(&linux);
    let installed = linux.files();
    install(&linux);
    assert_same(&installed, &linux.files());

    let ready = linux.network().wait_for(listener("admin"), "/readyz", 200, SOON);
    assert_eq!(ready.body, "ready\n");
    let page = linux.network().get(listener("admin"), "/metrics").unwrap();
    let samples = metrics::parse(&page.body).unwrap();
    assert!(samples.iter().any(|sample| sample.name == "process_start_time_seconds"));
    assert_eq!(linux.network().get(listener("data"), "/").unwrap().status, 200);

    linux.run("cd /root/bundle && ./uninstall.sh").success();
    assert_same(&before, &linux.files());
    let unit = declared::product();
    assert_eq!(linux.unit_property(&unit, "LoadState"), "not-found");
}

#[test]
fn an_install_over_a_running_service_leaves_it_running_and_an_edited_config_alone() {
    needs_linux!();
    let linux = container();
    let (before, bundle) = (linux.files(), format!("/root/bundle/{}.toml", declared::product()));
    let config = format!("/etc/{0}/{0}.toml", declared::product());
    install(&linux);
    let edited = format!("# Edited.\n{}", std::fs::read_to_string(linux.path(&config)).unwrap());
    std::fs::write(linux.path(&config), &edited).unwrap();

    // A new default, laid beside the edited one, is nothing that the running service has read.
    linux.run(&format!("cp -p {bundle} /root/kept && echo '# New.' >>{bundle}")).success();
    let process = linux.unit_property(&declared::product(), "MainPID");
    install(&linux);
    assert_eq!(linux.unit_property(&declared::product(), "MainPID"), process);
    linux.run(&format!("mv /root/kept {bundle}")).success();
    assert_eq!(std::fs::read_to_string(linux.path(&config)).unwrap(), edited);

    linux.run("cd /root/bundle && ./uninstall.sh").success();
    assert_eq!(std::fs::read_to_string(linux.path(&config)).unwrap(), edited);
    let folder = format!("/etc/{}/", declared::product());
    let left = linux.files().into_iter().filter(|line| !line.contains(&folder)).collect::<Vec<_>>();
    assert_same(&before, &left);
}

#[test]
fn a_staged_install_stays_below_its_root_and_its_uninstall_empties_it() {
    needs_linux!();
    let linux = container();
    linux.run("mkdir /srv/stage").success();
    let before = linux.files();
    let outside = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| !line.starts_with("/srv/stage")).collect()
    };
    linux.run("cd /root/bundle && ./install.sh --root /srv/stage").success();
    assert_same(&outside(before.clone()), &outside(linux.files()));
    let name = declared::product();
    for file in [format!("usr/local/bin/{name}"), format!("etc/systemd/system/{name}.service")] {
        assert!(linux.path("/srv/stage").join(&file).is_file(), "{file}");
    }
    linux.run("cd /root/bundle && ./uninstall.sh --root /srv/stage").success();
    let left: Vec<_> = linux
        .files()
        .into_iter()
        .filter(|line| line.starts_with("/srv/stage/") && !line.starts_with("/srv/stage/ "))
        .collect();
    assert!(left.iter().all(|line| line.contains("/ ")), "files are left: {left:?}");
}

/// A request whose head is half sent: the service has begun it and waits for the rest.
struct HalfRequest {
    child: Child,
}

impl HalfRequest {
    fn send(linux: &Systemd) -> Self {
        let address = listener("data");
        let request = http::request(&address.to_string(), "/");
        let (half, _) = request.split_at(request.len() / 2);
        let mut command = linux.network().talk(address, half);
        Self { child: command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap() }
    }

    fn finish(mut self) -> http::Response {
        let request = http::request(&listener("data").to_string(), "/");
        let (_, rest) = request.split_at(request.len() / 2);
        self.child.stdin.as_mut().unwrap().write_all(rest.as_bytes()).unwrap();
        http::parse(&self.child.wait_with_output().unwrap().stdout).expect("an HTTP response")
    }
}

/// Waits until the service has an established connection on its data port (`ss` is not everywhere; `proc(5)` is).
fn wait_until_connected(linux: &Systemd) {
    let port = format!(":{:04X} ", listener("data").port());
    wait::until("the half request to arrive", SOON, || {
        let sockets = std::fs::read_to_string(linux.path("/proc/1/net/tcp")).unwrap();
        sockets
            .lines()
            .any(|line| {
                let mut fields = line.split_ascii_whitespace().skip(1);
                let local = format!("{} ", fields.next().unwrap_or_default());
                local.ends_with(&port) && fields.nth(1) == Some("01")
            })
            .then_some(())
    });
}

#[test]
fn a_stop_drains_a_request_in_flight_within_its_timeout() {
    needs_linux!();
    let linux = container();
    let unit = declared::product();
    install(&linux);
    linux.network().wait_for(listener("admin"), "/readyz", 200, SOON);
    let request = HalfRequest::send(&linux);
    wait_until_connected(&linux);

    let start = Instant::now();
    linux.run(&format!("systemctl stop --no-block {unit}")).success();
    // Not ready from the first moment of the drain, so that nobody sends more.
    linux.network().wait_for(listener("admin"), "/readyz", 503, SOON);
    assert_eq!(linux.unit_property(&unit, "ActiveState"), "deactivating");
    assert_eq!(request.finish().status, 200);
    wait::until("the unit to stop", SOON, || {
        (linux.unit_property(&unit, "ActiveState") == "inactive").then_some(())
    });
    let stop_timeout = linux.unit_property(&unit, "TimeoutStopUSec");
    assert!(start.elapsed() < Duration::from_secs(30), "of {stop_timeout}");
    assert_eq!(linux.unit_property(&unit, "Result"), "success");
    assert_eq!(linux.unit_property(&unit, "ExecMainStatus"), "0");
}

#[test]
fn a_configuration_with_a_mistake_fails_the_start_at_once_and_says_why() {
    needs_linux!();
    let linux = container();
    let unit = declared::product();
    linux.run("cd /root/bundle && ./install.sh --no-start").success();
    assert_eq!(linux.unit_property(&unit, "ActiveState"), "inactive");
    let config = linux.path(&format!("/etc/{0}/{0}.toml", unit));
    std::fs::write(Path::new(&config), "[listeners.data]\nprot = 1\n").unwrap();
    assert_ne!(linux.run(&format!("systemctl start {unit}")).code(), Some(0));
    assert_eq!(linux.unit_property(&unit, "ExecMainStatus"), "3");
    let journal = linux.run(&format!("journalctl --no-pager --unit={unit} --output=cat")).success();
    assert!(journal.contains("did you mean"), "{journal}");
}

/// Where the service reads its configuration.
fn config_path() -> String {
    format!("/etc/{0}/{0}.toml", declared::product())
}

/// Says a figure past the test harness, which would keep it from the reader of a passing run.
fn say(figure: &str) {
    let _ = writeln!(std::io::stderr(), "{figure}");
}

/// A figure that `/metrics` tells now; one that is not there has not been counted yet.
fn figure(linux: &Systemd, name: &str, label: &str) -> f64 {
    let page = linux.network().get(listener("admin"), "/metrics").unwrap();
    let samples = metrics::parse(&page.body).unwrap();
    let is_it = |sample: &&metrics::Sample| {
        sample.name == name && (label.is_empty() || sample.labels.values().any(|v| v == label))
    };
    samples.iter().find(is_it).map_or(0.0, |sample| sample.value)
}

/// What the service's `systemctl show` says of it, once it is ready.
fn ready(linux: &Systemd) {
    linux.network().wait_for(listener("admin"), "/readyz", 200, SOON);
}

#[test]
fn systemd_shows_what_the_service_does_and_finds_little_to_attack() {
    needs_linux!();
    let linux = container();
    let unit = declared::product();
    install(&linux);
    for (property, value) in [
        ("StatusText", "serving"),
        ("Type", "notify"),
        ("WatchdogUSec", "30s"),
        ("CanReload", "yes"),
        ("NRestarts", "0"),
    ] {
        assert_eq!(linux.unit_property(&unit, property), value, "{property}");
    }
    let analysis = linux.run(&format!("systemd-analyze security {unit}.service")).success();
    let verdict = analysis.lines().rfind(|line| line.contains("exposure level")).unwrap();
    let (_, level) = verdict.split_once(": ").unwrap();
    let level: f64 = level.split_ascii_whitespace().next().unwrap().parse().unwrap();
    say(&format!("systemd-analyze security: exposure {level}"));
    assert!(level <= 2.0, "{verdict}");
}

#[test]
fn a_thousand_reloads_under_load_fail_no_request() {
    needs_linux!();
    let linux = container();
    let unit = declared::product();
    install(&linux);
    ready(&linux);
    let config = config_path();
    // Two configurations in turn, so that each reload has something to do; renamed into place, because the service may
    // read the file at any time.
    linux
        .run(&format!(
            "cp {config} /root/one && sed 's/^level = .*/level = \"warn\"/; s/^drain-timeout = .*/drain-timeout = \"7s\"/' \
             /root/one >/root/two && ! cmp -s /root/one /root/two && chmod 644 /root/one /root/two"
        ))
        .success();
    let load = Load::start(linux.network(), env!("CARGO_BIN_EXE_load"), 8, &[listener("data")]);
    let start = Instant::now();
    // Some as administrators do it; the rest over the admin listener, which takes no process for each and answers once
    // the reload is done.
    linux
        .run(&format!(
            "for _ in $(seq 25); do for config in one two; do \
             cp -p /root/$config {config}.next && mv {config}.next {config} && systemctl reload {unit} || exit 1; \
             done; done"
        ))
        .success();
    let admin = listener("admin");
    let script = format!(
        "texts=(\"$(cat /root/one)\" \"$(cat /root/two)\")
         for turn in $(seq 1000); do
             printf '%s\\n' \"${{texts[turn % 2]}}\" >{config}
             exec 3<>/dev/tcp/{}/{} || exit 1
             printf 'POST /v1/reload HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3
             read -r answer <&3
             exec 3>&-
             case $answer in *' 200 '*) ;; *) echo \"$answer\"; exit 1 ;; esac
         done",
        admin.ip(),
        admin.port()
    );
    std::fs::write(linux.path("/root/reload.sh"), script).unwrap();
    linux.run("bash /root/reload.sh").success();
    let took = start.elapsed();
    let reloads = figure(&linux, "edge_node_config_reloads_total", "success");
    let counts = load.end();
    say(&format!("reload under load: {reloads} reloads in {took:.1?}, {counts:?}"));
    // Signals that came while a reload was under way were one to the system.
    assert!(reloads >= 1000.0, "{reloads}");
    assert!(counts.answered > 1000 && counts.failed == 0 && counts.refused == 0, "{counts:?}");
    assert_eq!(figure(&linux, "edge_node_config_reloads_total", "failure"), 0.0);
    assert_eq!(linux.unit_property(&unit, "ActiveState"), "active");
    assert_eq!(linux.unit_property(&unit, "NRestarts"), "0");
}

#[test]
fn a_listener_that_moves_under_load_fails_no_request() {
    needs_linux!();
    let linux = container();
    let unit = declared::product();
    install(&linux);
    ready(&linux);
    let (here, config) = (listener("data"), config_path());
    let there = std::net::SocketAddr::new(here.ip(), here.port() + 1);
    let load = Load::start(linux.network(), env!("CARGO_BIN_EXE_load"), 8, &[here, there]);
    for (from, to) in [(here, there), (there, here)].repeat(5) {
        linux
            .run(&format!(
                "sed 's/^port = {}$/port = {}/' {config} >/root/next && cat /root/next >{config} && systemctl reload {unit}",
                from.port(),
                to.port()
            ))
            .success();
        let answer = || linux.network().get(to, "/").ok().filter(|answer| answer.status == 200);
        let answered = wait::within(SOON, answer).is_some();
        let why = "journalctl --no-pager --lines=30 --output=cat";
        assert!(answered, "{to} is silent: {}", linux.run(&format!("{why} --unit={unit}")).stdout);
    }
    let counts = load.end();
    say(&format!("10 moves of the data port under load: {counts:?}"));
    assert!(counts.answered > 100 && counts.failed == 0, "{counts:?}");
    assert!(counts.told_to_close > 0, "nobody had to move: {counts:?}");
}

#[test]
fn a_stop_under_load_fails_no_request() {
    needs_linux!();
    let linux = container();
    let unit = declared::product();
    install(&linux);
    ready(&linux);
    let load = Load::start(linux.network(), env!("CARGO_BIN_EXE_load"), 16, &[listener("data")]);
    wait::until("requests", SOON, || {
        (figure(&linux, "http_requests_total", "data") > 100.0).then_some(())
    });
    linux.run(&format!("systemctl stop {unit}")).success();
    let counts = load.end();
    say(&format!("stop under load: {counts:?}"));
    assert_eq!(linux.unit_property(&unit, "Result"), "success");
    assert!(counts.answered > 100 && counts.failed == 0, "{counts:?}");
    // Each of them was told to leave, and then not let in again.
    assert!(counts.told_to_close >= 16 && counts.refused > 0, "{counts:?}");
}

#[test]
fn a_reload_with_a_mistake_is_refused_with_its_diagnostics_and_the_service_goes_on() {
    needs_linux!();
    let linux = container();
    let unit = declared::product();
    install(&linux);
    ready(&linux);
    let process = linux.unit_property(&unit, "MainPID");
    linux.run(&format!("printf '[listeners.data]\nprot = 1\n' >{}", config_path())).success();
    linux.run(&format!("systemctl reload {unit}")).success();
    wait::until("the reload to be refused", SOON, || {
        (figure(&linux, "edge_node_config_reloads_total", "failure") == 1.0).then_some(())
    });
    assert_eq!(figure(&linux, "edge_node_config_last_reload_successful", ""), 0.0);
    let journal = linux.run(&format!("journalctl --no-pager --unit={unit} --output=cat")).success();
    assert!(journal.contains("config refused, the old one goes on"), "{journal}");
    assert!(journal.contains("did you mean"), "{journal}");
    ready(&linux);
    assert_eq!(linux.network().get(listener("data"), "/").unwrap().status, 200);
    assert_eq!(linux.unit_property(&unit, "MainPID"), process);
    assert_eq!(linux.unit_property(&unit, "StatusText"), "serving");
}

#[test]
fn a_service_whose_event_loop_is_blocked_is_restarted_by_the_watchdog() {
    needs_linux!();
    needs!(Tool("strace"));
    let linux = container();
    let unit = declared::product();
    linux.run("cd /root/bundle && ./install.sh --no-start").success();
    linux
        .run(&format!(
            "mkdir -p /etc/systemd/system/{unit}.service.d && \
             printf '[Service]\nWatchdogSec=4s\nRestartSec=100ms\n' >/etc/systemd/system/{unit}.service.d/test.conf && \
             systemctl daemon-reload && systemctl start {unit}"
        ))
        .success();
    ready(&linux);
    // Longer than the watchdog's interval, which a busy machine can keep: a healthy one is left alone.
    let told = wait::within(Duration::from_secs(9), || {
        (linux.unit_property(&unit, "NRestarts") != "0").then_some(())
    });
    assert!(told.is_none(), "it was restarted without a cause");

    let first = linux.unit_property(&unit, "MainPID");
    let start = Instant::now();
    // The first thread of the process is the event loop; the others go on.
    let log = linux.path("/root/strace");
    let blocked = Background::start(
        Command::new("strace")
            .args(["--quiet=all", "--output=/dev/null", "--trace=epoll_wait,epoll_pwait"])
            .arg("--inject=epoll_wait,epoll_pwait:delay_exit=600s")
            .arg(format!("--attach={}", linux.process(&first))),
        &log,
    );
    let journal = || linux.run(&format!("journalctl --no-pager --unit={unit}")).success();
    wait::until("the watchdog's signal", SOON, || {
        journal().contains("with signal SIGABRT").then_some(())
    });
    // A thread that strace holds cannot die.
    drop(blocked);
    wait::until("a restart by the watchdog", SOON, || {
        let restarts = linux.unit_property(&unit, "NRestarts");
        let process = linux.unit_property(&unit, "MainPID");
        (restarts == "1" && process != "0" && process != first).then_some(())
    });
    ready(&linux);
    say(&format!(
        "a blocked event loop: ready again after {:.1?}, WatchdogSec=4s",
        start.elapsed()
    ));
    let journal = journal();
    assert!(journal.contains("Watchdog timeout"), "{journal}");
    assert!(journal.contains("the event loop does not turn"), "{journal}");
}

#[test]
fn a_killed_service_is_ready_again_after_its_restart_delay() {
    needs_linux!();
    let linux = container();
    let unit = declared::product();
    install(&linux);
    ready(&linux);
    let first = linux.unit_property(&unit, "MainPID");
    let start = Instant::now();
    linux.run(&format!("systemctl kill --kill-whom=main --signal=KILL {unit}")).success();
    wait::until("another process", SOON, || {
        let process = linux.unit_property(&unit, "MainPID");
        (process != "0" && process != first).then_some(())
    });
    ready(&linux);
    let took = start.elapsed();
    let delay = linux.unit_property(&unit, "RestartUSec");
    say(&format!("kill -9: ready again after {took:.1?}, RestartSec={delay}"));
    assert_eq!(delay, "5s");
    // How much longer is the machine's affair, up to what was waited for.
    assert!(took >= Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_newer_systemd_gets_the_newer_type_and_an_uninstall_takes_it_away() {
    needs_linux!();
    let linux = container();
    let (before, unit) = (linux.files(), declared::product());
    let drop_in = format!("/etc/systemd/system/{unit}.service.d/50-notify-reload.conf");
    linux
        .run(
            "mkdir /tmp/newer && printf '#!/bin/sh\n[ \"$1\" = --version ] && exec echo systemd 255 \\(255.4\\)\nexec /usr/bin/systemctl \"$@\"\n' \
             >/tmp/newer/systemctl && chmod +x /tmp/newer/systemctl",
        )
        .success();
    linux.run("cd /root/bundle && PATH=/tmp/newer:$PATH ./install.sh").success();
    let text = std::fs::read_to_string(linux.path(&drop_in)).unwrap();
    assert_eq!(text, "[Service]\nType=notify-reload\nExecReload=\n");
    // This systemd is older, says so, and goes by the unit.
    assert_eq!(linux.unit_property(&unit, "ActiveState"), "active");
    linux.run("cd /root/bundle && ./install.sh").success();
    assert!(!linux.path(&drop_in).exists(), "an older systemd would not know it");
    linux.run("cd /root/bundle && PATH=/tmp/newer:$PATH ./install.sh && ./uninstall.sh").success();
    assert_same(&before, &linux.files());
}
