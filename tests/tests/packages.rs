//! The Linux packages, handled by the package managers themselves on a real systemd: installed, upgraded, removed and
//! purged, with the files of the whole system compared before and after; and read by the checkers of both families.
//!
//! An upgrade needs another version. It is the released package, read, changed in its version and its default
//! configuration, and packed again: what was built is built once.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::declared::{self, listener};
use tests::network::Network;
use tests::process::Background;
use tests::release::Release;
use tests::systemd::Systemd;
use tests::{needs, process, wait};
use xtask::archive::{self, Entry};
use xtask::config::model::Format;

const TARGET: &str = "x86_64-unknown-linux-musl";
/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(300);

macro_rules! needs_packages {
    ($tool:literal) => {
        needs!(
            Root,
            Tool("systemd-nspawn"),
            Tool("debootstrap"),
            Tool("apt-get"),
            Tool("nsenter"),
            Tool("bash"),
            Tool($tool),
            Target("x86_64-unknown-linux-musl")
        );
    };
}

fn released(format: Format) -> PathBuf {
    Release::built().artifact(&format!("{TARGET}.{}", format.extension()))
}

/// The released package under another version; with `default`, a line at the end of the default configuration.
fn repacked(format: Format, version: &str, default: Option<&str>) -> Vec<u8> {
    let members = archive::members(format, &std::fs::read(released(format)).unwrap()).unwrap();
    let (description, end) = match format {
        Format::Deb => ("DEBIAN/control", "-1\n"),
        Format::Rpm => ("RPM/preamble", "\n"),
        Format::Zip | Format::TarGz | Format::Nsis | Format::Oci => panic!("not a package"),
    };
    let config = config().trim_start_matches('/').to_owned();
    let changed = members.into_iter().map(|mut member| {
        let text = || String::from_utf8(member.contents.clone()).unwrap();
        if member.path == description {
            let text = text();
            let line = text.lines().find(|line| line.starts_with("Version: ")).unwrap();
            let (before, after) = text.split_once(&format!("{line}\n")).unwrap();
            member.contents = format!("{before}Version: {version}{end}{after}").into_bytes();
        } else if member.path == config
            && let Some(line) = default
        {
            member.contents = format!("{}{line}\n", text()).into_bytes();
        }
        member
    });
    let members: Vec<_> = changed.collect();
    let entries: Vec<Entry<'_>> = members.iter().map(archive::Member::as_entry).collect();
    archive::pack(format, &entries, 1_800_000_000).unwrap()
}

fn config() -> String {
    format!("/etc/{0}/{0}.toml", declared::product())
}

fn service() -> String {
    format!("{}.service", declared::product())
}

/// The system with three versions of the package in `/root`: as released; the next, with the same default
/// configuration; and one with another default.
fn system(format: Format) -> Systemd {
    let linux = Systemd::start();
    let lay = |name: &str, bytes: Vec<u8>| {
        std::fs::write(linux.path(&format!("/root/{name}.{}", format.extension())), bytes).unwrap();
    };
    lay("first", std::fs::read(released(format)).unwrap());
    lay("second", repacked(format, "77.0.0", None));
    lay("third", repacked(format, "78.0.0", Some("# Another default.")));
    linux
}

/// Every file but the package manager's own records.
fn files(linux: &Systemd) -> Vec<String> {
    let records = "/var/lib/dpkg/";
    linux.files().into_iter().filter(|line| !line.starts_with(records)).collect()
}

/// The lines that are in one listing only, those of the second with a plus.
fn differences(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

#[track_caller]
fn assert_state(linux: &Systemd, active: &str, enabled: &str) {
    assert_eq!(linux.unit_property(&service(), "ActiveState"), active);
    assert_eq!(linux.unit_property(&service(), "UnitFileState"), enabled);
}

#[track_caller]
fn start(linux: &Systemd) -> String {
    linux.run(&format!("systemctl start {}", service())).success();
    linux.network().wait_for(listener("admin"), "/readyz", 200, SOON);
    linux.unit_property(&service(), "MainPID")
}

/// Puts a comment in front of the configuration and gives all of it.
fn edit_config(linux: &Systemd) -> String {
    let path = linux.path(&config());
    let edited = format!("# Edited.\n{}", std::fs::read_to_string(&path).unwrap());
    std::fs::write(path, &edited).unwrap();
    edited
}

#[track_caller]
fn assert_config(linux: &Systemd, path: &str, expected: &str) {
    assert_eq!(std::fs::read_to_string(linux.path(path)).unwrap(), expected, "{path}");
}

/// The configuration is the service's to read and nobody else's, and root's to write.
#[track_caller]
fn assert_installed(linux: &Systemd) {
    let mode = linux.run(&format!("stat -c '%a %U:%G' {}", config())).success();
    assert_eq!(mode.trim(), format!("640 root:{}", declared::product()));
    // Not started here: what is in the configuration, its administrator has not seen yet.
    assert_state(linux, "inactive", "enabled");
}

/// Upgrades by `upgrade` a service that runs, and one that does not: only the first is restarted.
#[track_caller]
fn restarts_only_what_ran(linux: &Systemd, upgrade: &dyn Fn(&str)) {
    let process = start(linux);
    upgrade("second");
    linux.network().wait_for(listener("admin"), "/readyz", 200, SOON);
    assert_ne!(linux.unit_property(&service(), "MainPID"), process, "not restarted");
    linux.run(&format!("systemctl disable --now {}", service())).success();
    upgrade("third");
    assert_state(linux, "inactive", "disabled");
}

#[test]
fn dpkg_installs_upgrades_removes_and_purges_and_nothing_is_left() {
    needs_packages!("dpkg-deb");
    let linux = system(Format::Deb);
    let before = files(&linux);
    let dpkg = |arguments: &str| linux.run(&format!("cd /root && dpkg {arguments}")).success();
    dpkg("--install first.deb");
    assert_installed(&linux);
    assert_eq!(dpkg(&format!("--verify {}", declared::product())), "", "files are not as shipped");

    let edited = edit_config(&linux);
    restarts_only_what_ran(&linux, &|version| {
        dpkg(&format!("--force-confold --install {version}.deb"));
    });
    assert_config(&linux, &config(), &edited);
    let default = std::fs::read_to_string(linux.path(&format!("{}.dpkg-dist", config()))).unwrap();
    assert!(default.ends_with("# Another default.\n"), "{default}");

    linux.run(&format!("systemctl enable {}", service())).success();
    start(&linux);
    dpkg(&format!("--remove {}", declared::product()));
    assert_eq!(linux.unit_property(&service(), "ActiveState"), "inactive");
    assert_eq!(linux.unit_property(&service(), "LoadState"), "not-found");
    assert_config(&linux, &config(), &edited);
    // What was enabled still is after a reinstallation, and is not started.
    dpkg("--force-confold --install third.deb");
    assert_state(&linux, "inactive", "enabled");

    dpkg(&format!("--purge {}", declared::product()));
    assert_eq!(differences(&before, &files(&linux)), [""; 0]);
    assert_eq!(linux.run("ls /var/log").success().find(&declared::product()), None);
}

#[test]
fn rpm_installs_upgrades_and_removes_and_keeps_what_was_edited() {
    needs_packages!("rpm");
    let linux = system(Format::Rpm);
    // Every system of rpm's has it.
    linux.run("mkdir /usr/share/licenses").success();
    let before = files(&linux);
    let records = tempfile::tempdir().unwrap();
    let rpm = |arguments: &[&str]| {
        let mut command = linux.command("rpm");
        command.arg("--root").arg(linux.path("/"));
        // A database of its own, empty at first, so nothing that is required is known to it.
        command.arg("--dbpath").arg(records.path()).arg("--nodeps").args(arguments);
        process::run(&mut command, LIMIT).success()
    };
    let package = |version: &str| linux.path(&format!("/root/{version}.rpm")).display().to_string();
    rpm(&["--install", &package("first")]);
    assert_installed(&linux);
    assert_eq!(rpm(&["--verify", &declared::product()]), "", "files are not as shipped");

    let edited = edit_config(&linux);
    restarts_only_what_ran(&linux, &|version| {
        rpm(&["--upgrade", &package(version)]);
    });
    assert_config(&linux, &config(), &edited);
    let default = std::fs::read_to_string(linux.path(&format!("{}.rpmnew", config()))).unwrap();
    assert!(default.ends_with("# Another default.\n"), "{default}");

    linux.run(&format!("rm {}.rpmnew; systemctl enable {}", config(), service())).success();
    start(&linux);
    rpm(&["--erase", &declared::product()]);
    assert_eq!(linux.unit_property(&service(), "ActiveState"), "inactive");
    assert_eq!(linux.unit_property(&service(), "LoadState"), "not-found");
    assert_config(&linux, &format!("{}.rpmsave", config()), &edited);

    // rpm knows no purge: what was edited or written, and the user who owns it, stay.
    let product = declared::product();
    let kept = [
        format!("/etc/{product}"),
        format!("/var/lib/{product}"),
        "/etc/passwd".to_owned(),
        "/etc/shadow".to_owned(),
        "/etc/group".to_owned(),
        "/etc/gshadow".to_owned(),
    ];
    let other: Vec<_> = differences(&before, &files(&linux))
        .into_iter()
        .filter(|line| !kept.iter().any(|path| line.contains(path.as_str())))
        .collect();
    assert_eq!(other, [""; 0]);
}

/// The image as skopeo unpacks it, without a daemon: its configuration, and the layer in a folder.
fn unpacked_image(folder: &Path) -> (Value, PathBuf) {
    let mut command = Command::new("skopeo");
    let image = format!("oci-archive:{}", released(Format::Oci).display());
    command.args(["copy", "--insecure-policy", &image]).arg(format!("dir:{}", folder.display()));
    process::run(&mut command, LIMIT).success();
    let blob = |descriptor: &Value| {
        folder.join(&descriptor["digest"].as_str().unwrap()["sha256:".len()..])
    };
    let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let manifest: Value = read(&folder.join("manifest.json"));
    let root = folder.join("root");
    std::fs::create_dir(&root).unwrap();
    let mut command = Command::new("tar");
    command.arg("-xzf").arg(blob(&manifest["layers"][0])).arg("-C").arg(&root);
    process::run(&mut command, LIMIT).success();
    (read(&blob(&manifest["config"])), root)
}

#[test]
fn the_image_serves_as_nobody_with_nothing_but_its_own_files() {
    needs!(
        Root,
        Tool("skopeo"),
        Tool("unshare"),
        Tool("nsenter"),
        Tool("ip"),
        Tool("bash"),
        Target("x86_64-unknown-linux-musl")
    );
    let folder = tempfile::tempdir().unwrap();
    let (image, root) = unpacked_image(&folder.path().join("image"));
    assert!(std::fs::metadata(released(Format::Oci)).unwrap().len() <= 12_000_000);
    let config = &image["config"];
    let words = |key: &str| -> Vec<String> { serde_json::from_value(config[key].clone()).unwrap() };
    let user = config["User"].as_str().unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    assert_eq!(image["architecture"], "amd64");
    let data = format!("{}/tcp", listener("data").port());
    assert_eq!(config["ExposedPorts"].as_object().unwrap().keys().collect::<Vec<_>>(), [&data]);

    let network = Network::new();
    let inside = |arguments: &[String]| {
        let mut command = network.command("chroot");
        command
            .arg(format!("--userspec={user}"))
            .arg(&root)
            .args(words("Entrypoint"))
            .args(arguments);
        command
    };
    let log = folder.path().join("log");
    let mut node = Background::start(&mut inside(&words("Cmd")), &log);
    let ready = network.wait_for(listener("admin"), "/readyz", 200, SOON);
    assert_eq!(ready.body, "ready\n");
    assert_eq!(network.get(listener("data"), "/").unwrap().status, 200);
    // Docker's extension of the configuration: the words after "CMD", the program among them.
    let test: Vec<String> = serde_json::from_value(config["Healthcheck"]["Test"].clone()).unwrap();
    assert_eq!([&test[0], &test[1]], ["CMD", &words("Entrypoint")[0]]);
    let health = process::run(&mut inside(&test[2..]), LIMIT);
    assert_eq!(health.code(), Some(0), "{health}");
    terminate(&node);
    let ended = wait::within(SOON, || node.ended()).expect("it ends");
    assert!(ended.success(), "{ended}: {}", std::fs::read_to_string(log).unwrap());
}

fn terminate(process: &Background) {
    let process = i32::try_from(process.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(process, Signal::TERM).unwrap();
}

/// Runs a checker on a file; it has to find no error.
#[track_caller]
fn assert_accepted(program: &str, arguments: &[&str], file: &Path) {
    let mut command = Command::new(program);
    let finished = process::run(command.args(arguments).arg(file), LIMIT);
    assert_eq!(finished.code(), Some(0), "{finished}");
}

#[test]
fn lintian_and_rpmlint_find_no_error() {
    needs!(Tool("lintian"), Tool("rpmlint"), Target("x86_64-unknown-linux-musl"));
    assert_accepted("lintian", &["--fail-on", "error"], &released(Format::Deb));
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    // One program without any library serves every distribution; the signature is that of the whole release.
    let accepted = "addFilter('statically-linked-binary')\naddFilter('no-signature')\n";
    std::fs::write(&rules, accepted).unwrap();
    let rules = rules.to_str().unwrap();
    assert_accepted("rpmlint", &["--rpmlintrc", rules], &released(Format::Rpm));
}
