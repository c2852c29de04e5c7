//! The Linux bundle on a real systemd: installed, started, drained, uninstalled, as its README tells people to.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tests::declared::{self, listener};
use tests::release::Release;
use tests::systemd::Systemd;
use tests::{http, metrics, needs, wait};

const TARGET: &str = "x86_64-unknown-linux-musl";
const SOON: Duration = Duration::from_secs(20);

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
