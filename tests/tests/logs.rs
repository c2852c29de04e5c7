//! What becomes of log lines on real disks and in a real journal: none is split, each is there or counted, and the
//! service goes on.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "the real program is what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use edge_node::config::{self, Log};
use edge_node::observe::logs::{self, Level, LogWriter, Logs, Rotation, journal};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::disk::Disk;
use tests::process::Background;
use tests::release::program;
use tests::systemd::Systemd;
use tests::{http, metrics, needs, strace, wait};

/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(60);
const PAGE: u64 = 4096;
/// Small files, so that a test needs few lines.
const ROTATION: Rotation = Rotation { bytes_max: 64 * 1024, age_max: None, keep: 3 };

/// The lines of a log and its rotated files, oldest first; the test fails on one that is none.
fn lines(path: &Path) -> Vec<Value> {
    let older = (1..=ROTATION.keep).rev().map(|number| format!("{}.{number}", path.display()));
    let files = older.map(PathBuf::from).chain([path.to_owned()]);
    let texts = files.filter_map(|file| fs::read_to_string(file).ok());
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
    texts.flat_map(|text| text.lines().map(read).collect::<Vec<_>>()).collect()
}

/// Numbered lines, said to a log file.
struct Speaker {
    path: PathBuf,
    logs: Logs,
    writer: LogWriter,
    said: u64,
}

impl Speaker {
    fn start(path: PathBuf) -> Self {
        let log = Log { file: Some(path.clone()), rotation: ROTATION, ..config::defaults().log };
        let (logs, writer) = logs::start(Level::Info, logs::open(&log).unwrap()).unwrap();
        Self { path, logs, writer, said: 0 }
    }

    /// The numbers that are in the files.
    fn numbers(&self) -> Vec<u64> {
        lines(&self.path).iter().filter_map(|line| line["number"].as_u64()).collect()
    }

    /// Says some lines of some 200 bytes, slowly enough for the queue: each is written or lost
    /// before the next is said.
    fn say(&mut self, count: u64) {
        for _ in 0..count {
            let length = || fs::metadata(&self.path).map_or(0, |data| data.len());
            let before = (length(), self.logs.dropped().get());
            let record = self.logs.record(Level::Info, "test", "x".repeat(100));
            record.value("number", self.said).emit();
            self.said += 1;
            wait::until("a line to be written or lost", SOON, || {
                ((length(), self.logs.dropped().get()) != before).then_some(())
            });
        }
    }
}

#[test]
fn a_full_disk_loses_whole_lines_that_are_counted_and_no_other() {
    needs!(Root, Tool("unshare"), Tool("nsenter"), Tool("mount"), Tool("stat"));
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path(), 1024 * 1024);
    let mut speaker = Speaker::start(disk.path("edge.log"));
    speaker.say(50);
    assert_eq!(speaker.logs.dropped().get(), 0);

    disk.leave_free(2 * PAGE);
    speaker.say(100);
    let lost = speaker.logs.dropped().get();
    let numbers = speaker.numbers();
    // What fits is written up to the last whole line, and of the rest nothing.
    let written = u64::try_from(numbers.len()).unwrap();
    assert!(lost > 0 && written > 50, "{lost} lost, {written} written");
    assert_eq!(written + lost, speaker.said);
    assert_eq!(numbers, (0..written).collect::<Vec<_>>());

    disk.leave_free(512 * 1024);
    speaker.say(400);
    let after: Vec<u64> = speaker.numbers().into_iter().filter(|number| *number >= 150).collect();
    assert_eq!(after, (150..550).collect::<Vec<_>>());
    assert_eq!(speaker.logs.dropped().get(), lost);
    let told = lines(&speaker.path).into_iter().find(|line| line["lines"].is_u64());
    assert_eq!(told.unwrap()["lines"], lost);
    assert!(speaker.path.with_extension("log.1").exists());
    speaker.writer.close(SOON);
}

/// A configuration whose log goes to `file`, on any ports.
fn configuration(folder: &Path, log: &str) -> PathBuf {
    let path = folder.join("edge-node.toml");
    let ports = "listeners.data = { address = '127.0.0.1', port = 0 }\nlisteners.admin.port = 0\n\
                 shutdown.unready-wait = '0s'\n";
    fs::write(&path, format!("{ports}[log]\n{log}\n")).unwrap();
    path
}

/// The address of a listener, as the log tells it.
fn address(log: &Path, listener: &str) -> SocketAddr {
    wait::until("the listener to be logged", SOON, || {
        let text = fs::read_to_string(log).ok()?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.into_iter().find(|line| line["listener"] == listener)?;
        line["address"].as_str()?.parse().ok()
    })
}

/// Sends what is no request, which makes a line of level DEBUG.
fn send_garbage(to: SocketAddr) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(b"no request\r\n\r\n").unwrap();
    let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
}

#[test]
fn a_service_whose_log_disk_is_full_serves_counts_and_ends_as_asked() {
    needs!(Root, Tool("unshare"), Tool("nsenter"), Tool("mount"), Tool("stat"));
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("disk");
    fs::create_dir(&place).unwrap();
    let disk = Disk::new(&place, 1024 * 1024);
    let config = configuration(folder.path(), "level = 'debug'\nfile = 'disk/edge.log'");
    let mut command = Command::new(program("edge-node"));
    command.args(["run", "--config"]).arg(&config);
    let mut service = Background::start(&mut disk.command(&command), &folder.path().join("output"));
    let log = disk.path("edge.log");
    let [data, admin] = ["data", "admin"].map(|listener| address(&log, listener));
    disk.leave_free(0);
    wait::until("a line to be lost", SOON, || {
        send_garbage(data);
        assert_eq!(http::get(data, "/").unwrap().status, 200);
        (dropped(admin) > 0.0).then_some(())
    });
    disk.leave_free(64 * 1024);
    wait::until("the log to go on", SOON, || {
        send_garbage(data);
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
        text.contains("log lines were dropped").then_some(())
    });
    disk.leave_free(0);
    // The file's last page may have room for the lines of the end; whether it has or not, the end comes.
    kill_process(Pid::from_raw(service.id().try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    let status = wait::until("the service to end", SOON, || service.ended());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_service_whose_pipe_nobody_reads_serves_counts_and_ends_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), "level = 'debug'");
    let mut command = Command::new(program("edge-node"));
    command.args(["run", "--config"]).arg(&config).stdout(Stdio::piped());
    let mut service = Running(command.spawn().unwrap());
    let mut reader = BufReader::new(service.0.stdout.take().unwrap());
    let mut addresses = BTreeMap::new();
    while addresses.len() < 2 {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        if let (Some(name), Some(address)) = (line["listener"].as_str(), line["address"].as_str()) {
            addresses.insert(name.to_owned(), address.parse::<SocketAddr>().unwrap());
        }
    }
    let (data, admin) = (addresses["data"], addresses["admin"]);
    // From here on nobody reads: first the pipe fills up, then the queue.
    wait::until("a line to be lost", SOON, || {
        (0..100).for_each(|_| send_garbage(data));
        assert_eq!(http::get(data, "/").unwrap().status, 200);
        (dropped(admin) > 0.0).then_some(())
    });
    assert_eq!(http::get(admin, "/readyz").unwrap().status, 200);
    kill_process(Pid::from_child(&service.0), Signal::TERM).unwrap();
    let status = wait::until("the service to end", SOON, || service.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_service_killed_in_a_rotation_has_lost_nothing_after_the_next_start() {
    needs!(Tool("strace"));
    for rename in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("edge.log");
        let config = configuration(
            folder.path(),
            &format!("file = 'edge.log'\nrotate-size = '64KiB'\nkeep = {}", ROTATION.keep),
        );
        // Full but for a few bytes, and two older files, so that three are renamed.
        fs::write(&log, "{\"age\":0}\n".repeat(64 * 1024 / 10)).unwrap();
        for age in 1..=2 {
            fs::write(format!("{}.{age}", log.display()), format!("{{\"age\":{age}}}\n")).unwrap();
        }
        let before = lines(&log);
        let mut command = Command::new(program("edge-node"));
        command.args(["run", "--config"]).arg(&config);
        let output = folder.path().join("output");

        let kill = format!("rename:signal=SIGKILL:when={rename}");
        let mut killed = Background::start(&mut strace::disturbed(&command, &[&kill]), &output);
        let status = wait::until("the service to be killed", SOON, || killed.ended());
        assert_eq!(status.signal(), Some(9));
        assert_eq!(lines(&log), before, "killed before rename {rename}");

        let mut service = Background::start(&mut command, &output);
        address(&log, "admin");
        kill_process(Pid::from_raw(service.id().try_into().unwrap()).unwrap(), Signal::TERM)
            .unwrap();
        wait::until("the service to end", SOON, || service.ended());
        let after = lines(&log);
        assert_eq!(after[..before.len()], before, "killed before rename {rename}");
        let [first, last] = [&after[before.len()], after.last().unwrap()];
        assert_eq!((&first["message"], &last["message"]), (&"starting".into(), &"stopped".into()));
    }
}

/// The counter of lost lines.
fn dropped(admin: SocketAddr) -> f64 {
    let page = http::get(admin, "/metrics").unwrap().body;
    let samples = metrics::parse(&page).unwrap();
    let family = "edge_node_log_lines_dropped_total";
    samples.into_iter().find(|sample| sample.name == family).unwrap().value
}

/// A program that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The entries of a unit in the journal: priority and message.
fn journal_of(linux: &Systemd, unit: &str) -> Vec<(u8, String)> {
    let text = linux
        .run(&format!(
            "journalctl --sync && journalctl --unit={unit} --output=json _TRANSPORT=stdout"
        ))
        .success();
    text.lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            let priority = entry["PRIORITY"].as_str().unwrap().parse().unwrap();
            (priority, entry["MESSAGE"].as_str().unwrap().to_owned())
        })
        .collect()
}

macro_rules! needs_linux {
    () => {
        needs!(
            Root,
            Tool("systemd-nspawn"),
            Tool("debootstrap"),
            Tool("apt-get"),
            Tool("nsenter"),
            Tool("bash")
        );
    };
}

/// A container with the program as `/root/edge-node`.
fn container() -> Systemd {
    let linux = Systemd::start();
    fs::copy(program("edge-node"), linux.path("/root/edge-node")).unwrap();
    linux
}

const RUN: &str = "/root/edge-node run --config /root/edge-node.toml";

#[test]
fn the_journal_has_the_priority_of_each_line() {
    needs_linux!();
    let linux = container();
    configuration(&linux.path("/root"), "level = 'trace'");
    let config = linux.path("/root/edge-node.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("port = 0 }", "port = 8080 }").replace("'0s'", "'1m'");
    fs::write(&config, text).unwrap();
    linux.run(&format!("systemd-run --unit=lines --service-type=notify {RUN}")).success();
    // A level below INFO: what is no request. One above: a second request to stop.
    let data = "127.0.0.1:8080".parse().unwrap();
    let mut talk = linux.network().talk(data, "no request\r\n\r\n");
    tests::process::run(&mut talk, SOON);
    for said in ["connection ended", "draining", "cut short"] {
        wait::until(said, SOON, || {
            let lines = journal_of(&linux, "lines");
            lines.iter().any(|(_, line)| line.contains(said)).then_some(())
        });
        linux.run("systemctl kill --signal=TERM lines");
    }
    let lines = wait::until("the last line", SOON, || {
        let lines = journal_of(&linux, "lines");
        lines.iter().any(|(_, line)| line.contains("\"stopped\"")).then_some(lines)
    });
    let mut seen = std::collections::BTreeSet::new();
    for (priority, line) in &lines {
        let line: Value = serde_json::from_str(line).expect("the prefix is not part of the line");
        let level = Level::of_word(line["level"].as_str().unwrap()).unwrap();
        assert_eq!(*priority, journal::priority(level), "{line}");
        seen.insert(level.as_str());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["DEBUG", "INFO", "WARN"], "{lines:?}");
}

#[test]
fn the_journal_has_a_diagnostic_as_an_error_and_the_end_as_critical() {
    needs_linux!();
    let linux = container();
    let config = linux.path("/root/edge-node.toml");
    fs::write(&config, "[listeners.data]\nprot = 1\n").unwrap();
    assert_eq!(linux.run(&format!("systemd-run --wait --unit=mistake {RUN}")).code(), Some(3));
    let lines = journal_of(&linux, "mistake");
    assert!(lines.iter().any(|(_, line)| line.contains("did you mean")), "{lines:?}");
    assert!(
        lines.iter().all(|(priority, line)| *priority == 3 && !line.starts_with('<')),
        "{lines:?}"
    );

    // No address of the container's.
    fs::write(&config, "[listeners.data]\naddress = '192.0.2.1'\n").unwrap();
    assert_eq!(linux.run(&format!("systemd-run --wait --unit=taken {RUN}")).code(), Some(4));
    let lines = journal_of(&linux, "taken");
    let end = lines.iter().find(|(_, line)| line.contains("\"FATAL\"")).unwrap();
    assert_eq!(end.0, 2, "{lines:?}");
}

#[test]
fn a_unit_that_sends_its_lines_elsewhere_gets_them_without_a_priority() {
    needs_linux!();
    let linux = container();
    configuration(&linux.path("/root"), "level = 'info'");
    let elsewhere = "--property=StandardOutput=file:/root/lines";
    linux
        .run(&format!("systemd-run --unit=elsewhere --service-type=notify {elsewhere} {RUN}"))
        .success();
    linux.run("systemctl stop elsewhere").success();
    let text = fs::read_to_string(linux.path("/root/lines")).unwrap();
    assert!(text.lines().count() > 3, "{text}");
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
}
