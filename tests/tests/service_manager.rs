//! The conversation with the Windows service control manager, under Wine: every state and checkpoint that the service
//! reports, in order, and what its process holds after hundreds of controls.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use tests::declared::{self, listener};
use tests::needs;
use tests::release::Release;
use tests::wine::Wine;
use tests::wine::recorder::{Recorder, Status};

const TARGET: &str = "x86_64-pc-windows-msvc";
/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(120);

// Source: `SERVICE_STATUS`, `ControlService`.
const STOPPED: u32 = 1;
const START_PENDING: u32 = 2;
const STOP_PENDING: u32 = 3;
const RUNNING: u32 = 4;
const PAUSED: u32 = 7;
const STOP: u32 = 1;
const PAUSE: u32 = 2;
const CONTINUE: u32 = 3;
const PARAMCHANGE: u32 = 6;
const PRESHUTDOWN: u32 = 15;
/// The first of those that a service may give a meaning to.
const UNKNOWN_CONTROL: u32 = 128;
/// `SERVICE_ACCEPT_STOP`, `_PAUSE_CONTINUE`, `_SHUTDOWN`, `_PARAMCHANGE` and `_PRESHUTDOWN`.
const ALL_CONTROLS: u32 = 1 | 2 | 4 | 8 | 0x100;
const SERVICE_SPECIFIC_ERROR: u32 = 1066;

macro_rules! needs_windows {
    () => {
        needs!(
            Root,
            Tool("wine"),
            Tool("makensis"),
            Tool("unshare"),
            Tool("nsenter"),
            Tool("ip"),
            Tool("bash"),
            Target("x86_64-pc-windows-msvc")
        );
    };
}

/// A Windows with the service installed and stopped.
fn windows() -> Wine {
    let wine = Wine::start();
    let setup = Release::built().artifact(&format!("{TARGET}-setup.exe"));
    wine.run(setup, &["/S"]).success();
    let service = declared::product();
    wine.wait_for_service(&service, "RUNNING");
    wine.run("sc", &["stop", &service]).success();
    wine.wait_for_service(&service, "STOPPED");
    wine
}

/// The configuration file that the service is started with, as a path of this machine.
fn configuration(wine: &Wine) -> PathBuf {
    let key = format!(r"HKLM\System\CurrentControlSet\Services\{}", declared::product());
    let command_line = wine.registry_value(&key, "ImagePath").unwrap();
    let (_, file) = command_line.split_once("--config ").unwrap();
    wine.path(file.trim_matches('"'))
}

/// Writes a configuration with the declared ports.
fn configure(wine: &Wine, rest: &str) {
    let (data, admin) = (listener("data").port(), listener("admin").port());
    let text = format!(
        "listeners.data = {{ address = '127.0.0.1', port = {data} }}\nlisteners.admin.port = {admin}\n\
         log.file = 'test.log'\n{rest}\n"
    );
    std::fs::write(configuration(wine), text).unwrap();
}

fn say(figure: &str) {
    let _ = writeln!(std::io::stderr(), "{figure}");
}

#[track_caller]
fn answers(wine: &Wine, name: &str, path: &str, status: u16) -> tests::http::Response {
    wine.network().wait_for(listener(name), path, status, SOON)
}

/// The states in order, each once for as long as it lasted.
fn states(recorded: &[Status]) -> Vec<u32> {
    let mut states: Vec<u32> = recorded.iter().map(|status| status.state).collect();
    states.dedup();
    states
}

/// What holds for every status, whatever happened.
#[track_caller]
fn check_each(recorded: &[Status]) {
    for status in recorded {
        let Status { state, checkpoint, wait_hint, controls, .. } = *status;
        match state {
            RUNNING | PAUSED => {
                assert_eq!((checkpoint, wait_hint, controls), (0, 0, ALL_CONTROLS), "{recorded:?}");
            }
            STOP_PENDING => {
                assert_eq!((wait_hint, controls), (10_000, 0), "{recorded:?}");
            }
            _ => assert_eq!(controls, 0, "{recorded:?}"),
        }
    }
}

#[test]
fn the_manager_is_told_every_state_of_a_whole_life() {
    needs_windows!();
    let wine = windows();
    configure(&wine, "shutdown = { unready-wait = '2500ms', drain-timeout = '5s' }");
    let service = declared::product();
    let recorder = Recorder::new(&wine, &service);
    let recording = recorder.record();
    recorder.ask("start", 0);
    answers(&wine, "admin", "/readyz", 200);

    recorder.ask("control", PAUSE);
    let paused = answers(&wine, "admin", "/readyz", 503);
    assert_eq!(paused.body, "not ready: paused\n");
    let refused = answers(&wine, "data", "/", 503);
    assert_eq!(refused.header("retry-after"), Some("10"));
    recorder.ask("control", CONTINUE);
    answers(&wine, "admin", "/readyz", 200);
    answers(&wine, "data", "/", 200);

    // The file is read again, and the old one goes on where the new one has a mistake.
    configure(&wine, "shutdown = { unready-wait = '2500ms', drain-timeout = '6s' }");
    recorder.ask("control", PARAMCHANGE);
    let reloaded =
        |outcome: &str| format!("edge_node_config_reloads_total{{outcome=\"{outcome}\"}} 1");
    tests::wait::until("a reload", SOON, || {
        answers(&wine, "admin", "/metrics", 200).body.contains(&reloaded("success")).then_some(())
    });
    configure(&wine, "shutdwon = {}");
    recorder.ask("control", PARAMCHANGE);
    tests::wait::until("a refused reload", SOON, || {
        answers(&wine, "admin", "/metrics", 200).body.contains(&reloaded("failure")).then_some(())
    });
    let log = std::fs::read_to_string(configuration(&wine).with_file_name("test.log")).unwrap();
    assert!(log.contains("did you mean `shutdown`?"), "{log}");
    answers(&wine, "admin", "/readyz", 200);

    recorder.ask("control", STOP);
    let recorded = recording.end();
    check_each(&recorded);
    let expected = [STOPPED, START_PENDING, RUNNING, PAUSED, RUNNING, STOP_PENDING, STOPPED];
    assert_eq!(states(&recorded), expected, "{recorded:?}");
    let checkpoints = checkpoints_of_the_stop(&recorded);
    say(&format!("states: {:?}, checkpoints of the stop: {checkpoints:?}", states(&recorded)));
}

/// Of a life that began with a stopped service and ended with a drain: the checkpoints of that.
#[track_caller]
fn checkpoints_of_the_stop(recorded: &[Status]) -> Vec<u32> {
    let pending = recorded.iter().filter(|status| status.state == STOP_PENDING);
    let checkpoints: Vec<u32> = pending.map(|status| status.checkpoint).collect();
    // One each second of a drain of 2.5 s, and more where the machine is busy.
    assert!(checkpoints.len() >= 3, "{checkpoints:?}");
    assert!(checkpoints.iter().copied().eq((1..).take(checkpoints.len())), "{checkpoints:?}");
    let last = recorded.last().unwrap();
    assert_eq!((last.state, last.exit, last.specific), (STOPPED, 0, 0), "{last:?}");
    checkpoints
}

/// Wine's manager takes this control from nobody and sends none itself; the rig sends it by the manager's own end of the
/// service's control pipe, and all the rest is as always.
#[test]
fn a_preshutdown_that_only_the_system_may_send_drains_as_a_stop_does() {
    needs_windows!();
    let wine = windows();
    configure(&wine, "shutdown = { unready-wait = '2500ms', drain-timeout = '5s' }");
    let service = declared::product();
    let recorder = Recorder::new(&wine, &service);
    for asked_before in [None, Some(PAUSE)] {
        let recording = recorder.record();
        recorder.ask("start", 0);
        answers(&wine, "admin", "/readyz", 200);
        let refused = recorder.try_ask("control", PRESHUTDOWN);
        assert!(refused.stdout.contains("the control is refused: 87"), "{refused}");
        answers(&wine, "admin", "/readyz", 200);
        if let Some(control) = asked_before {
            recorder.ask("control", control);
        }

        // What comes back is the handler's own answer.
        assert_eq!(recorder.deliver(UNKNOWN_CONTROL), 120, "ERROR_CALL_NOT_IMPLEMENTED");
        assert_eq!(recorder.deliver(PRESHUTDOWN), 0, "NO_ERROR");
        let recorded = recording.end();
        check_each(&recorded);
        let settled: &[u32] = if asked_before.is_some() { &[RUNNING, PAUSED] } else { &[RUNNING] };
        let expected = [&[STOPPED, START_PENDING], settled, &[STOP_PENDING, STOPPED]].concat();
        assert_eq!(states(&recorded), expected, "{recorded:?}");
        let checkpoints = checkpoints_of_the_stop(&recorded);
        let figures = format!("{:?}, checkpoints of the stop: {checkpoints:?}", states(&recorded));
        say(&format!("states of a preshutdown: {figures}"));
    }
    let log = std::fs::read_to_string(configuration(&wine).with_file_name("test.log")).unwrap();
    let draining: Vec<_> = log.lines().filter(|line| line.contains("asked-by")).collect();
    let [before @ .., one, other] = &draining[..] else { panic!("{log}") };
    assert!(before.iter().all(|line| !line.contains("preshutdown")), "{log}");
    for line in [one, other] {
        assert!(
            line.contains(r#""message":"draining","asked-by":"machine-preshutdown""#),
            "{line}"
        );
    }
}

#[test]
fn a_bad_config_ends_stopped_with_its_exit_code_within_a_second() {
    needs_windows!();
    let wine = windows();
    configure(&wine, "shutdwon = {}");
    let service = declared::product();
    let recorder = Recorder::new(&wine, &service);
    // The first start of a program in a prefix loads what later ones find in memory.
    recorder.attempt();
    configure(&wine, "");
    recorder.ask("cycle", 1);
    configure(&wine, "shutdwon = {}");
    // A busy machine only ever makes it longer, so the shortest of a few is the service's own.
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let (status, took) = recorder.attempt();
        say(&format!("a bad config: {status:?} after {took:?}"));
        let expected = (STOPPED, SERVICE_SPECIFIC_ERROR, 3);
        assert_eq!((status.state, status.exit, status.specific), expected);
        fastest = fastest.min(took);
        if fastest < Duration::from_secs(1) {
            return;
        }
        configure(&wine, "");
        recorder.ask("cycle", 1);
        configure(&wine, "shutdwon = {}");
    }
    panic!("never within a second: {fastest:?}");
}

/// What a process holds (`proc(5)`).
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: usize,
    threads: u64,
    resident_kib: u64,
}

impl Held {
    fn by(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_ascii_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            threads: number("Threads:"),
            resident_kib: number("VmRSS:"),
        }
    }
}

impl Held {
    /// Nothing was held on to at each of a hundred times. A thread of a pool or a file of the moment more or less is
    /// no leak.
    #[track_caller]
    fn shows_no_leak_since(&self, before: Self) {
        assert!(self.threads < before.threads + 20, "{before:?}, then {self:?}");
        assert!(self.descriptors < before.descriptors + 20, "{before:?}, then {self:?}");
        assert!(self.resident_kib < before.resident_kib + 4096, "{before:?}, then {self:?}");
    }
}

/// The one process of the prefix with this command line.
#[track_caller]
fn process(wine: &Wine, text: &str) -> u32 {
    let found = wine.processes(text);
    let [process] = found[..] else { panic!("processes with {text:?}: {found:?}") };
    process
}

#[test]
fn a_hundred_pauses_and_reloads_leave_the_process_as_it_was() {
    needs_windows!();
    let wine = windows();
    configure(&wine, "shutdown.unready-wait = '0s'");
    let service = declared::product();
    let recorder = Recorder::new(&wine, &service);
    recorder.ask("start", 0);
    recorder.ask("toggle", 20);
    let program = process(&wine, &format!("{service}.exe"));
    let before = Held::by(program);
    recorder.ask("toggle", 100);
    let after = Held::by(program);
    say(&format!("100 times pause, continue, paramchange: {before:?}, then {after:?}"));
    let page = answers(&wine, "admin", "/metrics", 200).body;
    assert!(page.contains("edge_node_config_reloads_total{outcome=\"failure\"} 0\n"), "{page}");
    after.shows_no_leak_since(before);
    recorder.ask("control", STOP);
    wine.wait_for_service(&service, "STOPPED");
}

#[test]
fn a_hundred_starts_and_stops_leave_nothing_behind() {
    needs_windows!();
    let wine = windows();
    configure(&wine, "shutdown.unready-wait = '0s'");
    let service = declared::product();
    let recorder = Recorder::new(&wine, &service);
    recorder.ask("cycle", 10);
    let manager = process(&wine, "services.exe");
    let before = Held::by(manager);
    recorder.ask("cycle", 100);
    let after = Held::by(manager);
    say(&format!("100 starts and stops: services.exe {before:?}, then {after:?}"));
    after.shows_no_leak_since(before);
    // The last one was told of as stopped a moment before its process ends.
    tests::wait::until("the end of the last process", SOON, || {
        wine.processes(&format!("{service}.exe")).is_empty().then_some(())
    });
}
