//! A Linux to install on: the distribution of this machine, with a real systemd, booted in a container.
//!
//! The root is made once by debootstrap, from the mirror that apt is set up with, and never written to: each container
//! has it under a layer in memory. Commands and files go in through the container's first process, not through
//! `machinectl`, which needs a system bus on this machine.

use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::network::Network;
use crate::process::{self, Background, Finished};
use crate::{cache, wait};

/// The longest a command of a test may take.
const LIMIT: Duration = Duration::from_secs(300);
/// The longest a container may take to boot, on a busy machine.
const BOOT_LIMIT: Duration = Duration::from_secs(180);

/// A booted container, killed and forgotten when dropped.
#[derive(Debug)]
pub struct Systemd {
    nspawn: Background,
    /// Its process 1, as this machine numbers it.
    leader: u32,
    network: Network,
}

impl Systemd {
    /// Boots one. Needs root, apt, `debootstrap`, `systemd-nspawn` and `nsenter`.
    ///
    /// # Panics
    /// When it does not boot; the message has its console.
    #[track_caller]
    pub fn start() -> Self {
        let root = cache::once("systemd-root", make_root);
        let name = machine_name();
        let console = cache::folder().join(format!("{name}.log"));
        let mut command = Command::new("systemd-nspawn");
        command
            .args(["--boot", "--volatile=overlay", "--private-network"])
            // A host without a system bus can neither register a machine nor make a scope for it.
            .args(["--register=no", "--keep-unit"])
            .arg(format!("--machine={name}"))
            .arg(format!("--directory={}", root.display()));
        let mut nspawn = Background::start(&mut command, &console);
        let found = wait::within(BOOT_LIMIT, || match nspawn.ended() {
            Some(_) => Some(None),
            None => first_process_below(nspawn.id()).filter(|leader| is_up(*leader)).map(Some),
        });
        let text = std::fs::read_to_string(&console).unwrap_or_default();
        let _ = std::fs::remove_file(&console);
        let Some(Some(leader)) = found else { panic!("the container does not boot:\n{text}") };
        Self { nspawn, leader, network: Network::of(leader) }
    }

    /// Runs a shell command inside.
    ///
    /// # Panics
    /// When it does not end within five minutes.
    #[track_caller]
    pub fn run(&self, command: &str) -> Finished {
        process::run(&mut enter(self.leader, command), LIMIT)
    }

    /// A command that will run a program of this machine among the processes inside, with this machine's files: what is
    /// to work on [`Self::path`] and start programs there.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.leader.to_string()])
            .args(["--uts", "--ipc", "--net", "--pid"])
            .arg(program);
        command
    }

    /// The network inside: loopback only.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The path on this machine of an absolute path inside, for reading and writing.
    ///
    /// # Panics
    /// When `inside` is not absolute.
    pub fn path(&self, inside: &str) -> PathBuf {
        let relative = inside.strip_prefix('/').expect("a path inside is absolute");
        PathBuf::from(format!("/proc/{}/root", self.leader)).join(relative)
    }

    /// A property of a unit, as `systemctl show` tells it.
    ///
    /// # Panics
    /// When systemd does not answer.
    #[track_caller]
    pub fn unit_property(&self, unit: &str, property: &str) -> String {
        self.run(&format!("systemctl show --value --property={property} {unit}"))
            .success()
            .trim()
            .to_owned()
    }

    /// The number that this machine gives to a process inside (`proc(5)`: `NSpid` in `status`).
    ///
    /// # Panics
    /// When there is no such process.
    #[track_caller]
    pub fn process(&self, inside: &str) -> u32 {
        let namespace = |process: u32| std::fs::read_link(format!("/proc/{process}/ns/pid")).ok();
        let own = namespace(self.leader);
        let found = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).find_map(|entry| {
            let process: u32 = entry.file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
            let is_it = numbers.split_ascii_whitespace().last() == Some(inside);
            (is_it && namespace(process) == own).then_some(process)
        });
        found.unwrap_or_else(|| panic!("no process {inside} inside"))
    }

    /// Every file, link and folder inside with its mode, owner and size, a line each; and with its time of change, or,
    /// below `/etc`, where files are rewritten with what they held, its checksum.
    ///
    /// Left out is what lives in memory and what any program's running changes: caches, the journal, temporary files,
    /// systemd's own state, backups, and the copies that tools keep of the lists of users before the last change (`passwd-`).
    ///
    /// # Panics
    /// When they cannot be listed.
    #[track_caller]
    pub fn files(&self) -> Vec<String> {
        // The last two are written by the distribution's timers, at midnight or whenever it is their turn.
        const PRUNED: [&str; 7] = [
            "/var/log",
            "/var/lib/systemd",
            "/var/cache",
            "/tmp",
            "/var/tmp",
            "/var/backups",
            "/var/lib/apt",
        ];
        let pruned = PRUNED.map(|path| format!("-path {path} -prune -o")).join(" ");
        let command = format!(
            "find / -xdev {pruned} -path '/etc/*-' -o -type d -printf '%p/ %M %u:%g\\n' \
                -o -path '/etc/*' -printf '%p %M %u:%g %s\\n' -o -printf '%p %M %u:%g %s %T@\\n'
             find /etc -xdev -type f ! -name '*-' -exec cksum '{{}}' +"
        );
        let mut lines: Vec<String> =
            self.run(&command).success().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // The kernel ends all of a container with its process 1; systemd-nspawn then cleans up and ends.
        let leader = i32::try_from(self.leader).ok().and_then(Pid::from_raw);
        let _gone = leader.map(|leader| kill_process(leader, Signal::KILL));
        wait::within(Duration::from_secs(10), || self.nspawn.ended());
    }
}

/// A command that runs `script` in all namespaces of the container.
fn enter(leader: u32, script: &str) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["--target", &leader.to_string()])
        .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"])
        .args(["env", "--ignore-environment", "LANG=C.UTF-8", "HOME=/root"])
        .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .args(["sh", "-c", script]);
    command
}

fn machine_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("rig-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The child of `nspawn` that is process 1 of its own namespace (`proc(5)`: `PPid` and `NSpid` in `status`).
fn first_process_below(nspawn: u32) -> Option<u32> {
    let parent = format!("PPid:\t{nspawn}");
    std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).find_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let inner = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let is_first = inner.split_ascii_whitespace().skip(1).last() == Some("1");
        (is_first && status.lines().any(|line| line == parent)).then_some(process)
    })
}

/// Whether all units wanted at boot are started; a failed one of the distribution's is not this test's business.
fn is_up(leader: u32) -> bool {
    let state = process::run(&mut enter(leader, "systemctl is-system-running"), LIMIT).stdout;
    ["running", "degraded"].contains(&state.trim())
}

/// Unpacks a minimal system of this machine's own release.
fn make_root(folder: &Path) {
    let release = std::fs::read_to_string("/etc/os-release").unwrap();
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .expect("a distribution that debootstrap can make has a code name");
    let mut command = Command::new("debootstrap");
    command
        .args(["--variant=minbase", "--include=systemd,systemd-sysv,dbus", codename])
        .arg(folder)
        .arg(mirror(codename));
    process::run(&mut command, Duration::from_secs(600)).success();
}

/// The mirror that apt takes the release from.
fn mirror(codename: &str) -> String {
    let mut command = Command::new("apt-get");
    command.args([
        "indextargets",
        "--format",
        "$(CODENAME) $(SUITE) $(SITE) $(COMPONENT)",
        "Created-By: Packages",
    ]);
    let targets = process::run(&mut command, LIMIT).success();
    targets
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .find_map(|fields| match fields[..] {
            [name, suite, site, "main"] if name == codename || suite == codename => {
                Some(site.to_owned())
            }
            _ => None,
        })
        .unwrap_or_else(|| panic!("apt knows no mirror of {codename}; run apt-get update"))
}
