//! A run that is interrupted, wherever, leaves the previous release whole, or none where there was none; nothing that
//! is only a part of a release verifies; and the next run succeeds and clears what was left.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::disk::Disk;
use tests::process::{self, Background, Finished};
use tests::workspace::{DECLARATION, Tree, Workspace, tree};
use tests::{needs, strace, wait};
use xtask::signature::PublicKey;
use xtask::verify::{self, KeyOrigin, Options, TrustedKey};

const LIMIT: Duration = Duration::from_secs(300);
/// The first release, and the one that is to replace it.
const DESCRIPTIONS: [&str; 2] = ["Measures what grows in the field", "Counts what crawls there"];
const PORTS: [&str; 2] = ["port = 7071", "port = 7072"];
/// A release without an installer, which takes most of the time.
const LINUX: [&str; 2] = ["--target", "x86_64-unknown-linux-musl"];

/// A workspace, and what the two releases of it are when nothing interferes.
struct Site {
    workspace: Workspace,
    arguments: Vec<&'static str>,
    declarations: [String; 2],
    releases: Vec<Tree>,
    /// What a run leaves in the work folder.
    work: BTreeSet<String>,
    trusted: TrustedKey,
}

impl Site {
    /// The second release is published.
    fn new(selection: &[&'static str]) -> Self {
        let workspace = Workspace::field_probe();
        // One job: the steps are run in one order, so the same system call is the same place each time.
        let arguments = [&["dist", "--stub-build", "--jobs", "1"], selection].concat();
        let first = fs::read_to_string(workspace.path(DECLARATION)).unwrap();
        let second = first.replace(DESCRIPTIONS[0], DESCRIPTIONS[1]).replace(PORTS[0], PORTS[1]);
        let mut releases = Vec::new();
        for text in [&first, &second] {
            fs::write(workspace.path(DECLARATION), text).unwrap();
            workspace.xtask(&arguments).success();
            releases.push(tree(&workspace.dist()));
        }
        let key = workspace.path("target/xtask-development-key/minisign.pub");
        let key = PublicKey::parse(&fs::read_to_string(key).unwrap()).unwrap();
        let trusted = TrustedKey { key, origin: KeyOrigin::Development };
        let work = tree(&workspace.path("target/xtask")).into_keys().collect();
        let site =
            Self { workspace, arguments, declarations: [first, second], releases, work, trusted };
        assert_ne!(site.releases[0], site.releases[1]);
        verify::verify(&site.workspace.dist(), &site.options()).unwrap();
        assert_eq!(site.published(), Some(1));
        site
    }

    fn options(&self) -> Options {
        Options::new(self.trusted.clone())
    }

    fn command(&self) -> Command {
        self.workspace.command(&self.arguments)
    }

    /// From now on release `which` is to be made.
    fn declare(&self, which: usize) {
        fs::write(self.workspace.path(DECLARATION), &self.declarations[which]).unwrap();
    }

    /// From now on nothing was ever built here; the key stays, so that the bytes will be the same.
    fn forget(&self) {
        for folder in ["target/dist", "target/.dist.partial", "target/xtask"] {
            remove(&self.workspace.path(folder));
        }
    }

    /// Which release is published, and whole.
    #[track_caller]
    fn published(&self) -> Option<usize> {
        self.published_in(&self.workspace.path("target"))
    }

    /// The same, where the target folder is seen under another name.
    #[track_caller]
    fn published_in(&self, target: &Path) -> Option<usize> {
        for part in [".dist.partial", ".dist.previous", "xtask/release"] {
            let folder = target.join(part);
            let verifies = verify::verify(&folder, &self.options()).is_ok();
            assert!(!verifies || self.releases.contains(&tree(&folder)), "a part verifies: {part}");
        }
        let dist = target.join("dist");
        if !dist.exists() {
            return None;
        }
        let found = tree(&dist);
        let which = self.releases.iter().position(|release| *release == found);
        assert!(which.is_some(), "neither release is whole: {:?}", found.keys());
        which
    }

    /// The next run makes the declared release, `which`, and leaves what a run leaves that nothing interrupted.
    #[track_caller]
    fn recover(&self, which: usize) {
        process::run(&mut self.command(), LIMIT).success();
        assert_eq!(self.published(), Some(which));
        assert_eq!(self.left(), self.work);
        let hidden = tree(&self.workspace.path("target")).into_keys();
        let hidden: Vec<_> = hidden.filter(|name| name.starts_with(".dist")).collect();
        assert_eq!(hidden, [""; 0]);
    }

    fn left(&self) -> BTreeSet<String> {
        tree(&self.workspace.path("target/xtask")).into_keys().collect()
    }

    /// Runs it disturbed; `None` where it ended before it came to the place.
    #[track_caller]
    fn disturb(&self, call: &str, nth: usize, what: &str) -> Option<Finished> {
        let injection = format!("{call}:{what}:when={nth}");
        let run = process::run(&mut strace::disturbed(&self.command(), &[&injection]), LIMIT);
        if run.status.success() {
            return None;
        }
        let expected = match what {
            "signal=SIGKILL" => Some(9),
            "signal=SIGINT" => Some(2),
            _ => None,
        };
        assert_eq!(run.status.signal(), expected, "{run}");
        Some(run)
    }
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            panic!("{}: {error}", folder.display())
        }
        Ok(()) | Err(_) => {}
    }
}

/// Every file of a run appears by a rename, so this is every place between two steps, and between two files of one.
#[test]
fn killed_before_any_file_appears_a_first_run_publishes_nothing() {
    needs!(Tool("strace"), Tool("makensis"));
    let site = Site::new(&[]);
    let mut appeared = 0;
    let mut kills = 0;
    loop {
        site.forget();
        if site.disturb("renameat", kills + 1, "signal=SIGKILL").is_none() {
            break;
        }
        kills += 1;
        assert_eq!(site.published(), None, "kill {kills}");
        let files = tree(&site.workspace.path("target"));
        let is_finished =
            |name: &&String| !name.contains("/scratch/") && !name.contains(".unfinished-");
        let finished = files.keys().filter(is_finished).count();
        assert!(
            finished <= appeared + 1 || kills == 1,
            "kill {kills}: {files:?}",
            files = files.keys()
        );
        appeared = finished;
        if kills % 10 == 0 {
            site.recover(1);
        }
    }
    assert_eq!(site.published(), Some(1));
    // Stand-ins, texts, installer, archives, manifest, checksums, signatures, each once more when it is published, and
    // the stamps.
    assert!(kills >= 45, "{kills}");
    eprintln!("{kills} kills of a first run");
}

/// A kill comes before the file of its number and an interrupt after it, so those with odd numbers are all places.
#[test]
fn interrupted_between_any_two_files_a_run_leaves_the_previous_release() {
    needs!(Tool("strace"));
    let site = Site::new(&LINUX);
    let is_old = |published, old, _| published == Some(old);
    let signals = ["signal=SIGKILL", "signal=SIGINT"];
    let kills = signals.map(|signal| walk(&site, "renameat", signal, 2, is_old));
    assert!(kills[0] >= 10 && kills[1] >= 10, "{kills:?}");
    eprintln!("{} kills and {} interrupts between files", kills[0], kills[1]);
}

/// Between filling the new folder and removing the old one the release is the old or the new one.
#[test]
fn killed_while_it_publishes_a_run_leaves_the_old_or_the_new_release() {
    needs!(Tool("strace"));
    let mut kills = 0;
    let site = Site::new(&LINUX);
    for call in ["fsync", "renameat2", "unlinkat"] {
        for signal in ["signal=SIGKILL", "signal=SIGINT"] {
            kills += walk(&site, call, signal, 1, |published, old, new| {
                published == Some(old) || published == Some(new)
            });
        }
    }
    // fsync and the exchange once each, and the removal of the old files, with both signals.
    assert!(kills >= 16, "{kills}");
    eprintln!("{kills} kills while publishing");
}

/// Makes the two releases in turn, interrupted at every place of a kind, each time followed by a run that is not.
#[track_caller]
fn walk(
    site: &Site,
    call: &str,
    signal: &str,
    step: usize,
    is_whole: impl Fn(Option<usize>, usize, usize) -> bool,
) -> usize {
    for (kills, nth) in (1..).step_by(step).enumerate() {
        let old = site.published().unwrap();
        let new = 1 - old;
        site.declare(new);
        if site.disturb(call, nth, signal).is_none() {
            assert_eq!(site.published(), Some(new));
            return kills;
        }
        let published = site.published();
        assert!(is_whole(published, old, new), "{call} {nth} {signal}: {published:?}");
        site.recover(new);
    }
    unreachable!("a run makes finitely many system calls")
}

/// Where a file system has no exchange, there is a moment with no release; the next run brings it back or replaces it.
#[test]
fn without_an_exchange_of_folders_a_kill_leaves_one_release_or_none() {
    needs!(Tool("strace"));
    let site = Site::new(&LINUX);
    let refused = "renameat2:error=EINVAL";
    for (kill, expected) in [
        ("rename:signal=SIGKILL:when=1", Some(1)),
        ("rename:signal=SIGKILL:when=2", None),
        ("rename:signal=SIGINT:when=2", Some(0)),
    ] {
        site.declare(0);
        let mut command = strace::disturbed(&site.command(), &[refused, kill]);
        let run = process::run(&mut command, LIMIT);
        assert!(run.status.signal().is_some(), "{run}");
        assert_eq!(site.published(), expected);
        site.declare(1);
        site.recover(1);
    }
    site.declare(0);
    process::run(&mut strace::disturbed(&site.command(), &[refused]), LIMIT).success();
    assert_eq!(site.published(), Some(0));
    site.recover(0);
}

/// A disk that is full when a file is to reach it is told with step and path, and nothing changes.
#[test]
fn a_write_that_fails_anywhere_is_told_and_leaves_the_previous_release() {
    needs!(Tool("strace"));
    let site = Site::new(&LINUX);
    site.declare(0);
    let mut failures = 0;
    while let Some(run) = site.disturb("fdatasync", failures + 1, "error=ENOSPC") {
        failures += 1;
        assert_eq!(site.published(), Some(1), "{run}");
        assert!(run.stderr.contains("error: step "), "{run}");
        assert!(run.stderr.contains("No space left on device"), "{run}");
        assert!(run.stderr.contains(site.workspace.root().to_str().unwrap()), "{run}");
        assert!(!site.workspace.path("target/.dist.partial").exists(), "{run}");
        // From the beginning, or every failure would be in the same step.
        remove(&site.workspace.path("target/xtask"));
    }
    assert_eq!(site.published(), Some(0));
    assert!(failures >= 30, "{failures}");
    eprintln!("{failures} failed writes");
}

#[test]
fn a_full_disk_leaves_the_previous_release_and_space_makes_the_next() {
    needs!(Tool("unshare"), Tool("nsenter"), Root);
    let site = Site::new(&LINUX);
    let target = site.workspace.path("target");
    let saved = site.workspace.path("saved");
    fs::rename(&target, &saved).unwrap();
    fs::create_dir(&target).unwrap();
    let disk = Disk::new(&target, 4 << 20);
    tests::workspace::copy(&saved, &disk.path(""));
    site.declare(0);
    let mut refusals = 0;
    for free in (0..).step_by(4096) {
        disk.leave_free(free);
        let run = process::run(&mut disk.command(&site.command()), LIMIT);
        let published = site.published_in(&disk.path(""));
        if run.status.success() {
            assert_eq!(published, Some(0));
            break;
        }
        refusals += 1;
        assert_eq!(run.code(), Some(1), "{run}");
        assert!(run.stderr.contains("No space left on device"), "{run}");
        assert_eq!(published, Some(1), "{run}");
    }
    assert!(refusals >= 5, "{refusals}");
    eprintln!("{refusals} sizes of a full disk");
}

#[test]
fn a_read_only_disk_keeps_its_release() {
    needs!(Tool("unshare"), Tool("nsenter"), Root);
    let site = Site::new(&LINUX);
    let shelf = site.workspace.path("shelf");
    fs::create_dir(&shelf).unwrap();
    let disk = Disk::new(&shelf, 1 << 20);
    let mut command = site.command();
    command.args(["--out", "shelf/dist"]);
    process::run(&mut disk.command(&command), LIMIT).success();
    disk.read_only(true);
    site.declare(0);
    let run = process::run(&mut disk.command(&command), LIMIT);
    assert_eq!(run.code(), Some(1), "{run}");
    assert!(run.stderr.contains("shelf/.dist.partial: "), "{run}");
    assert!(run.stderr.contains("Read-only file system"), "{run}");
    assert_eq!(tree(&disk.path("dist")), site.releases[1]);
    disk.read_only(false);
    process::run(&mut disk.command(&command), LIMIT).success();
    assert_eq!(tree(&disk.path("dist")), site.releases[0]);
}

/// A stand-in for `makensis` that tells a version and otherwise does `what`.
fn with_makensis(site: &Site, what: &str) -> Command {
    let folder = site.workspace.path("bin");
    fs::create_dir_all(&folder).unwrap();
    let real = tests::tools::find("makensis").unwrap();
    let real = real.to_str().unwrap();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = -VERSION ]; then exec {real} -VERSION; fi\n{}\n",
        what.replace("REAL", real)
    );
    let mut write = Command::new("sh");
    // Written by another process: a file that this one has open for writing when it forks cannot be executed.
    write.args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""]);
    process::run(write.arg(folder.join("makensis")).arg(script), LIMIT).success();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = [folder].into_iter().chain(std::env::split_paths(&path)).collect();
    let mut command = site.command();
    command.env("PATH", std::env::join_paths(folders).unwrap());
    command
}

#[test]
fn a_compiler_that_fails_in_whatever_way_leaves_the_previous_release() {
    needs!(Tool("makensis"));
    let site = Site::new(&[]);
    site.declare(0);
    let cases = [
        ("echo 'Error: no such plug-in'; exit 1", "exit status: 1\n    Error: no such plug-in"),
        ("echo 'Error: it says'; exit 0", "setup.exe has 0 bytes for a payload of"),
        ("printf x > field-probe-2.5.0-x86_64-pc-windows-msvc-setup.exe", "setup.exe has 1 bytes"),
        (
            "head -c 5000000 /dev/zero > field-probe-2.5.0-x86_64-pc-windows-msvc-setup.exe",
            "has 5000000 bytes, 4000000 are allowed",
        ),
        ("kill -9 $$", "signal: 9"),
    ];
    for (what, told) in cases {
        let run = process::run(&mut with_makensis(&site, what), LIMIT);
        assert_eq!(run.code(), Some(1), "{run}");
        assert!(
            run.stderr.contains("error: step installer/x86_64-pc-windows-msvc failed: "),
            "{run}"
        );
        assert!(run.stderr.contains(told), "{run}");
        assert_eq!(site.published(), Some(1));
    }
    site.recover(0);
}

/// Starts a run and waits until it is in the middle: its compiler waits in turn.
fn begun(site: &Site) -> Background {
    let go = site.workspace.path("go");
    let _ = fs::remove_file(site.workspace.path("begun"));
    let mut fifo = Command::new("mkfifo");
    process::run(fifo.arg(&go), LIMIT).success();
    let root = site.workspace.root().display();
    let waiting = format!("echo > {root}/begun; read go < {root}/go; REAL \"$@\"; status=$?");
    let waiting = format!("{waiting}; echo > {root}/ended; exit $status");
    let mut command = process::interruptible(&with_makensis(site, &waiting));
    command.process_group(0);
    let run = Background::start(&mut command, &site.workspace.path("log"));
    wait::until("the compiler", LIMIT, || site.workspace.path("begun").exists().then_some(()));
    run
}

/// Lets the compiler go on.
fn go_on(site: &Site) {
    let mut command = Command::new("sh");
    process::run(command.args(["-c", "echo > \"$0\""]).arg(site.workspace.path("go")), LIMIT)
        .success();
}

/// Sends a signal to a process, or to its group where `id` has a minus sign.
fn kill(signal: &str, id: &str) {
    let mut command = Command::new("sh");
    process::run(command.args(["-c", "kill -s \"$0\" -- \"$1\"", signal, id]), LIMIT).success();
}

#[test]
fn interrupted_on_the_terminal_it_ends_at_once_and_leaves_the_previous_release() {
    needs!(Tool("makensis"), Tool("mkfifo"));
    let site = Site::new(&[]);
    site.declare(0);
    let mut run = begun(&site);
    // Ctrl-C reaches the whole group, the compiler included.
    kill("INT", &format!("-{}", run.id()));
    let status = wait::until("the end", LIMIT, || run.ended());
    assert_eq!(status.signal(), Some(2));
    assert_eq!(site.published(), Some(1));
    site.recover(0);
}

#[test]
fn a_compiler_that_outlives_a_killed_run_does_not_spoil_the_next() {
    needs!(Tool("makensis"), Tool("mkfifo"));
    let site = Site::new(&[]);
    site.declare(0);
    let mut run = begun(&site);
    kill("KILL", &run.id().to_string());
    wait::until("the end", LIMIT, || run.ended());
    assert_eq!(site.published(), Some(1));
    site.recover(0);
    // The orphan goes on, finds its folder gone, and changes nothing.
    go_on(&site);
    wait::until("its end", LIMIT, || site.workspace.path("ended").exists().then_some(()));
    assert_eq!(site.published(), Some(0));
    assert_eq!(site.left(), site.work);
}

#[test]
fn a_second_run_waits_for_the_first() {
    needs!(Tool("makensis"), Tool("mkfifo"));
    let site = Site::new(&[]);
    site.declare(0);
    let mut first = begun(&site);
    let log = site.workspace.path("second");
    let mut second = Background::start(&mut site.command(), &log);
    wait::until("the second to say so", LIMIT, || {
        let told = fs::read_to_string(&log).unwrap();
        told.starts_with("another `cargo xtask dist` works in ").then_some(())
    });
    assert_eq!(site.published(), Some(1));
    assert!(second.ended().is_none());
    go_on(&site);
    for run in [&mut first, &mut second] {
        let status = wait::until("the end", LIMIT, || run.ended());
        assert!(status.success(), "{}", fs::read_to_string(&log).unwrap());
    }
    assert_eq!(site.published(), Some(0));
    assert_eq!(site.left(), site.work);
}
