//! `edge-node service …` where it has to prove itself: on a real systemd and under Wine, each verb twice, two instances
//! at once, and nothing left in the end. And what it registers is what the release's own files say.
//!
//! With `UPDATE_DOCS=1` the unit that the service carries is written anew from `templates/systemd`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use edge_node::service::instance::{
    Asked, CONFIG_FILE, DESCRIPTION, DISPLAY_NAME, Instance, RESTART_DELAY, STOP_TIMEOUT, System,
};
use edge_node::service::unit;
use serde_json::Value;
use tempfile::TempDir;
use tests::declared::{self, listener};
use tests::process::Finished;
use tests::release::{Release, xtask};
use tests::systemd::Systemd;
use tests::wine::Wine;
use tests::{needs, process, tools};
use xtask::archive;
use xtask::config::model::Format;

const LINUX: &str = "x86_64-unknown-linux-musl";
const WINDOWS: &str = "x86_64-pc-windows-msvc";
/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(120);
const LIMIT: Duration = Duration::from_secs(300);

// What a service verb ends with, next to 0.
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const NOT_ELEVATED: i32 = 6;
const NOT_INSTALLED: i32 = 7;
const NOT_RUNNING: i32 = 8;

/// What the toolkit renders for the release, by the name it has in a bundle.
fn rendered(name: &str) -> String {
    static RENDERED: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        process::run(xtask().args(["render", "systemd", "--out"]).arg(folder.path()), LIMIT)
            .success();
        folder
    });
    std::fs::read_to_string(RENDERED.path().join("systemd").join(name)).unwrap()
}

/// The instance of the release: its names, its paths.
fn released() -> Instance {
    let program = format!("/usr/local/bin/{}", declared::product());
    Instance::new(&System::Linux, Asked::default(), program).unwrap()
}

/// Puts marks into the places of what differs between instances.
fn marked(text: &str) -> String {
    let (name, instance) = (declared::product(), released());
    let text = text
        .replace(&instance.program, "@PROGRAM@")
        .replace(&instance.config, "@CONFIG@")
        .replace(&format!("u \"{name}\" "), "u \"@USER@\" ")
        .replace(&format!("\"/var/lib/{name}\""), "\"/var/lib/@NAME@\"")
        .replace(&format!("d /etc/{name} "), "d /etc/@NAME@ ")
        .replace(&format!(" root {name} -"), " root @USER@ -");
    let line = |line: &str| match line.split_once('=') {
        Some((key @ ("User" | "Group"), value)) if value == name => format!("{key}=@USER@\n"),
        Some((key, value)) if key.ends_with("Directory") && value == name => {
            format!("{key}=@NAME@\n")
        }
        Some(("Description", _)) => "Description=@DESCRIPTION@\n".to_owned(),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_files_that_the_service_registers_are_those_of_the_release() {
    let (name, instance) = (declared::product(), released());
    for (rendered_as, carried_as, file) in [
        (format!("{name}.service"), "unit.service", unit::unit(&instance)),
        (format!("{name}.sysusers.conf"), "sysusers.conf", unit::sysusers(&instance)),
        (format!("{name}.tmpfiles.conf"), "tmpfiles.conf", unit::tmpfiles(&instance)),
    ] {
        let release = rendered(&rendered_as);
        let carried = tools::workspace().join("edge-node/src/service").join(carried_as);
        if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
            std::fs::write(&carried, marked(&release)).unwrap();
            // What was compiled into this test is as it was.
            continue;
        }
        let help = format!("run this test with UPDATE_DOCS=1 to write {}", carried.display());
        assert_eq!(std::fs::read_to_string(&carried).unwrap(), marked(&release), "{help}");
        assert_eq!(file.text, release, "{help}");
    }
}

#[test]
fn the_service_registers_what_is_declared() {
    let declaration = declared::declaration();
    let (product, service) = (&declaration["product"], &declaration["service"]);
    let seconds = |time: Duration| format!("{}s", time.as_secs());
    for (declared, known) in [
        (&product["display-name"], DISPLAY_NAME.to_owned()),
        (&product["description"], DESCRIPTION.to_owned()),
        (&service["linux"]["user"], released().account.as_text()),
        (&service["restart-delay"], seconds(RESTART_DELAY)),
        (&service["stop-timeout"], seconds(STOP_TIMEOUT)),
        (&declaration["configuration"]["file-name"], CONFIG_FILE.to_owned()),
    ] {
        assert_eq!(declared.as_str(), Some(&*known));
    }
    let arguments: Vec<_> = service["arguments"].as_array().unwrap().to_vec();
    let known = released().arguments.into_iter();
    let known: Vec<toml::Value> =
        known.map(|word| word.replace(&released().config, "{config}").into()).collect();
    assert_eq!(arguments, known);
}

/// The listeners of a second instance, beside the declared ones.
const SECOND_DATA: u16 = 18080;
const SECOND_ADMIN: u16 = 19464;

fn second_config(log: &str) -> String {
    format!(
        "[listeners.data]\nport = {SECOND_DATA}\n[listeners.admin]\nport = {SECOND_ADMIN}\n{log}"
    )
}

fn second_admin() -> SocketAddr {
    SocketAddr::new(listener("admin").ip(), SECOND_ADMIN)
}

/// Asserts what a verb printed first, and its exit code.
#[track_caller]
fn check(finished: &Finished, code: i32, said: &str) {
    assert_eq!(finished.code(), Some(code), "{finished}");
    let text =
        if code == 0 || !finished.stdout.is_empty() { &finished.stdout } else { &finished.stderr };
    let text = text.replace('\r', "");
    assert!(text.starts_with(said), "{said:?} is not the start of {finished}");
}

#[track_caller]
fn status(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished}"))
}

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

/// A container with the release's program where an administrator puts one.
fn linux() -> Systemd {
    let linux = Systemd::start();
    let bundle = tempfile::tempdir().unwrap();
    let folder = Release::built().unpack(&format!("{LINUX}.tar.gz"), bundle.path());
    let program = linux.path(&format!("/usr/local/bin/{}", declared::product()));
    std::fs::copy(folder.join(declared::product()), program).unwrap();
    std::fs::copy(
        folder.join(format!("{}.service", declared::product())),
        linux.path("/root/released.service"),
    )
    .unwrap();
    linux
}

fn verb(linux: &Systemd, arguments: &str) -> Finished {
    linux.run(&format!("edge-node service {arguments}"))
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
fn on_linux_each_verb_works_twice_and_an_uninstall_leaves_nothing() {
    needs_linux!();
    let linux = linux();
    let before = linux.files();
    check(&verb(&linux, "status"), NOT_INSTALLED, "edge-node: not installed\n");
    check(&verb(&linux, "start"), NOT_INSTALLED, "error: service edge-node is not installed\n");

    check(&verb(&linux, "install"), 0, "edge-node: installed\nnext: edge-node service start\n");
    let unit = std::fs::read(linux.path("/etc/systemd/system/edge-node.service")).unwrap();
    assert_eq!(unit, std::fs::read(linux.path("/root/released.service")).unwrap());
    let installed = linux.files();
    check(&verb(&linux, "install"), 0, "edge-node: already installed\n");
    assert_same(&installed, &linux.files());
    // Nothing behind anybody's back.
    assert_eq!(linux.unit_property("edge-node", "UnitFileState"), "disabled");
    check(&verb(&linux, "status"), NOT_RUNNING, "edge-node: stopped\n");

    check(&verb(&linux, "start"), 0, "edge-node: started\n");
    linux.network().wait_for(listener("admin"), "/readyz", 200, SOON);
    check(&verb(&linux, "start"), 0, "edge-node: already running\n");
    let process = linux.unit_property("edge-node", "MainPID");
    let told = status(&verb(&linux, "status --format json"));
    assert_eq!(told["state"], "running");
    assert_eq!(told["process"].to_string(), process);
    assert_eq!(told["config"], "/etc/edge-node/edge-node.toml");
    assert_eq!(told["account"], "edge-node");

    for _ in 0..2 {
        let process = linux.unit_property("edge-node", "MainPID");
        check(&verb(&linux, "restart"), 0, "edge-node: restarted\n");
        assert_ne!(linux.unit_property("edge-node", "MainPID"), process);
        linux.network().wait_for(listener("admin"), "/readyz", 200, SOON);
    }
    check(&verb(&linux, "install --start"), 0, "edge-node: updated");
    assert_eq!(linux.unit_property("edge-node", "UnitFileState"), "enabled");
    check(&verb(&linux, "stop"), 0, "edge-node: stopped\n");
    check(&verb(&linux, "stop"), 0, "edge-node: already stopped\n");
    check(&verb(&linux, "start"), 0, "edge-node: started\n");

    check(&verb(&linux, "uninstall"), 0, "edge-node: uninstalled\n");
    check(&verb(&linux, "uninstall"), 0, "edge-node: not installed\n");
    assert_same(&before, &linux.files());
    assert!(!linux.path("/var/log/edge-node").exists());
    assert_eq!(linux.unit_property("edge-node", "LoadState"), "not-found");
}

#[test]
fn on_linux_two_instances_serve_at_once_and_go_one_by_one() {
    needs_linux!();
    let linux = linux();
    let before = linux.files();
    check(&verb(&linux, "install --start"), 0, "edge-node: installed\nedge-node: started\n");
    check(&verb(&linux, "install --name edge-node-2"), 0, "edge-node-2: installed\n");
    let config = linux.path("/etc/edge-node-2/edge-node.toml");
    std::fs::write(&config, second_config("")).unwrap();
    check(&verb(&linux, "start --name edge-node-2"), 0, "edge-node-2: started\n");
    linux.network().wait_for(listener("admin"), "/readyz", 200, SOON);
    linux.network().wait_for(second_admin(), "/readyz", 200, SOON);
    let users = ["edge-node", "edge-node-2"].map(|unit| linux.unit_property(unit, "User"));
    assert_eq!(users, ["edge-node", "edge-node-2"]);

    check(&verb(&linux, "uninstall"), 0, "edge-node: uninstalled\n");
    assert!(linux.network().get(listener("admin"), "/readyz").is_err());
    linux.network().wait_for(second_admin(), "/readyz", 200, SOON);
    let told = verb(&linux, "uninstall --name edge-node-2");
    check(&told, 0, "edge-node-2: uninstalled\n");
    assert!(told.stderr.contains("kept /etc/edge-node-2"), "{told}");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), second_config(""));
    // What was kept serves the next install, and goes when that is asked for.
    check(&verb(&linux, "install --name edge-node-2"), 0, "edge-node-2: installed\n");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), second_config(""));
    check(&verb(&linux, "uninstall --name edge-node-2 --purge"), 0, "edge-node-2: uninstalled\n");
    assert_same(&before, &linux.files());
}

#[test]
fn on_linux_what_must_not_be_done_is_refused_and_nothing_changes() {
    needs_linux!();
    let linux = linux();
    linux.run("cp /usr/local/bin/edge-node /root/edge-node").success();
    let before = linux.files();
    for verb in ["install", "uninstall", "start", "stop", "restart"] {
        let command = format!("setpriv --reuid=nobody --clear-groups edge-node service {verb}");
        let told = linux.run(&command);
        check(&told, NOT_ELEVATED, "error: root is needed\n  help: ");
    }
    let command = "setpriv --reuid=nobody --clear-groups edge-node service status";
    check(&linux.run(command), NOT_INSTALLED, "edge-node: not installed\n");

    // A unit of another program, folders of another program, a program that no service can reach.
    for name_verb in ["install", "uninstall --purge"] {
        let told = verb(&linux, &format!("{name_verb} --name dbus"));
        check(&told, FAILED, "error: service dbus runs another program: ");
    }
    check(&verb(&linux, "install --name apt"), FAILED, "error: /etc/apt is there already");
    check(&verb(&linux, "install --name mail"), FAILED, "error: ");
    check(&verb(&linux, "uninstall --purge --name apt"), 0, "apt: not installed\n");
    let told = linux.run("/root/edge-node service install");
    check(&told, USAGE, "error: /root/edge-node is where a service cannot reach it");
    check(&verb(&linux, "install --name a.b"), USAGE, "error: ");
    assert_same(&before, &linux.files());
}

#[test]
fn on_linux_a_start_that_fails_says_why_and_the_status_remembers_it() {
    needs_linux!();
    let linux = linux();
    check(&verb(&linux, "install"), 0, "edge-node: installed\n");
    std::fs::write(linux.path("/etc/edge-node/edge-node.toml"), "[log]\nlevel = \"loud\"\n")
        .unwrap();
    let told = verb(&linux, "start");
    check(&told, FAILED, "error: `systemctl start -- edge-node.service` failed");
    assert!(told.stderr.contains("help: journalctl --unit=edge-node"), "{told}");
    let told = verb(&linux, "status --format json");
    assert_eq!(told.code(), Some(NOT_RUNNING));
    assert_eq!(status(&told)["exit-code"], 3);
    check(&verb(&linux, "uninstall --purge"), 0, "edge-node: uninstalled\n");
}

macro_rules! needs_windows {
    () => {
        needs!(
            Root,
            Tool("wine"),
            Tool("unshare"),
            Tool("nsenter"),
            Tool("ip"),
            Tool("bash"),
            Target("x86_64-pc-windows-msvc")
        );
    };
}

const PROGRAM: &str = r"C:\Program Files\edge-node\edge-node.exe";

/// A Windows with the release's program where an administrator puts one.
fn windows() -> Wine {
    let wine = Wine::start();
    let archive = std::fs::read(Release::built().artifact(&format!("{WINDOWS}.zip"))).unwrap();
    let members = archive::members(Format::Zip, &archive).unwrap();
    let program = members.iter().find(|member| member.path.ends_with("/edge-node.exe")).unwrap();
    let to: PathBuf = wine.path(PROGRAM);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::write(to, &program.contents).unwrap();
    wine
}

fn windows_verb(wine: &Wine, arguments: &str) -> Finished {
    let arguments: Vec<&str> = ["service"].into_iter().chain(arguments.split(' ')).collect();
    wine.run(PROGRAM, &arguments)
}

fn service_value(wine: &Wine, name: &str, value: &str) -> Option<String> {
    wine.registry_value(&format!(r"HKLM\System\CurrentControlSet\Services\{name}"), value)
}

#[track_caller]
fn assert_unchanged(wine: &Wine, before: &tests::wine::snapshot::Snapshot, may_stay: &[&str]) {
    let changes = before.changes_to(&wine.snapshot());
    let left: Vec<_> =
        changes.iter().filter(|line| !may_stay.iter().any(|part| line.contains(part))).collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn on_windows_each_verb_works_twice_and_an_uninstall_leaves_nothing() {
    needs_windows!();
    let mut wine = windows();
    let before = wine.snapshot();
    check(&windows_verb(&wine, "status"), NOT_INSTALLED, "edge-node: not installed\n");
    check(
        &windows_verb(&wine, "stop"),
        NOT_INSTALLED,
        "error: service edge-node is not installed\n",
    );

    check(
        &windows_verb(&wine, "install"),
        0,
        "edge-node: installed\nnext: edge-node service start",
    );
    check(&windows_verb(&wine, "install"), 0, "edge-node: already installed\n");
    let image = format!("\"{PROGRAM}\" run --config C:\\ProgramData\\edge-node\\edge-node.toml");
    assert_eq!(service_value(&wine, "edge-node", "ImagePath"), Some(image));
    let account = service_value(&wine, "edge-node", "ObjectName");
    assert_eq!(account.as_deref(), Some(r"NT SERVICE\edge-node"));
    assert_eq!(service_value(&wine, "edge-node", "Start").as_deref(), Some("0x2"));
    assert_eq!(service_value(&wine, "edge-node", "DisplayName").as_deref(), Some(DISPLAY_NAME));
    assert_eq!(service_value(&wine, "edge-node", "Description").as_deref(), Some(DESCRIPTION));
    let source = |value| service_value(&wine, r"EventLog\Application\edge-node", value);
    assert_eq!(
        source("EventMessageFile").as_deref(),
        Some(r"%SystemRoot%\System32\EventCreate.exe")
    );
    assert_eq!(source("TypesSupported").as_deref(), Some("0x7"));
    assert_eq!(wine.service_state("edge-node").as_deref(), Some("STOPPED"));
    check(&windows_verb(&wine, "status"), NOT_RUNNING, "edge-node: stopped\n");

    check(&windows_verb(&wine, "start"), 0, "edge-node: started\n");
    // It returned when the listeners were bound, so there is nothing to wait for.
    assert_eq!(wine.network().get(listener("admin"), "/readyz").unwrap().status, 200);
    check(&windows_verb(&wine, "start"), 0, "edge-node: already running\n");
    let told = status(&windows_verb(&wine, "status --format json"));
    assert_eq!(told["state"], "running");
    assert!(told["process"].as_u64().is_some_and(|process| process > 0), "{told}");
    assert_eq!(told["program"], PROGRAM);

    for _ in 0..2 {
        check(&windows_verb(&wine, "restart"), 0, "edge-node: restarted\n");
        assert_eq!(wine.network().get(listener("admin"), "/readyz").unwrap().status, 200);
    }
    check(&windows_verb(&wine, "stop"), 0, "edge-node: stopped\n");
    assert!(wine.network().get(listener("admin"), "/readyz").is_err());
    check(&windows_verb(&wine, "stop"), 0, "edge-node: already stopped\n");
    check(&windows_verb(&wine, "start"), 0, "edge-node: started\n");

    let told = windows_verb(&wine, "uninstall --purge");
    check(&told, 0, "edge-node: uninstalled\n");
    assert!(!told.stderr.contains("kept"), "{told}");
    check(&windows_verb(&wine, "uninstall"), 0, "edge-node: not installed\n");
    assert_eq!(wine.service_state("edge-node"), None);
    wine.restart();
    assert_unchanged(&wine, &before, &[]);
}

#[test]
fn on_windows_two_instances_serve_at_once_and_go_one_by_one() {
    needs_windows!();
    let wine = windows();
    let services = wine.services();
    check(&windows_verb(&wine, "install --start"), 0, "edge-node: installed\nedge-node: started\n");
    let second = "install --name edge-node-2 --account LocalService --start-type manual";
    check(&windows_verb(&wine, second), 0, "edge-node-2: installed\n");
    assert_eq!(service_value(&wine, "edge-node-2", "Start").as_deref(), Some("0x3"));
    let config = wine.path(r"C:\ProgramData\edge-node-2\edge-node.toml");
    let text = second_config("[log]\nfile = 'logs\\edge-node.log'\n");
    std::fs::write(&config, &text).unwrap();
    check(&windows_verb(&wine, "start --name edge-node-2"), 0, "edge-node-2: started\n");
    for address in [listener("admin"), second_admin()] {
        assert_eq!(wine.network().get(address, "/readyz").unwrap().status, 200);
    }

    check(&windows_verb(&wine, "uninstall"), 0, "edge-node: uninstalled\n");
    assert!(wine.network().get(listener("admin"), "/readyz").is_err());
    assert_eq!(wine.network().get(second_admin(), "/readyz").unwrap().status, 200);
    let told = windows_verb(&wine, "uninstall --name edge-node-2");
    check(&told, 0, "edge-node-2: uninstalled\n");
    assert!(told.stderr.contains(r"kept C:\ProgramData\edge-node-2"), "{told}");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), text);
    assert_eq!(wine.services(), services);
}

#[test]
fn on_windows_what_must_not_be_done_is_refused() {
    needs_windows!();
    let wine = windows();
    let service = "EventLog";
    let image = service_value(&wine, service, "ImagePath");
    for verb in ["install", "uninstall --purge"] {
        let told = windows_verb(&wine, &format!("{verb} --name {service}"));
        check(&told, FAILED, "error: service EventLog runs another program: ");
    }
    assert_eq!(service_value(&wine, service, "ImagePath"), image);

    let told = windows_verb(&wine, r"install --account .\somebody");
    check(&told, USAGE, r"error: the account is `NT SERVICE\edge-node`, LocalService");
    // Wine knows two owners: who runs it, and anybody else.
    let folder = wine.path(r"C:\ProgramData\edge-node");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(65534), None).unwrap();
    let told = windows_verb(&wine, "install");
    check(
        &told,
        FAILED,
        r"error: C:\ProgramData\edge-node is there already and was not made by an administrator",
    );
    assert_eq!(wine.service_state("edge-node"), None);
    assert!(Path::new(&folder).read_dir().unwrap().next().is_none());
}

#[test]
fn on_windows_a_start_that_fails_says_why_and_the_status_remembers_it() {
    needs_windows!();
    let wine = windows();
    check(&windows_verb(&wine, "install"), 0, "edge-node: installed\n");
    let config = wine.path(r"C:\ProgramData\edge-node\edge-node.toml");
    std::fs::write(config, "[log]\nlevel = \"loud\"\n").unwrap();
    let told = windows_verb(&wine, "start");
    check(
        &told,
        FAILED,
        "error: service edge-node did not start: it ended with exit code 3: config file",
    );
    let told = windows_verb(&wine, "status --format json");
    assert_eq!(told.code(), Some(NOT_RUNNING));
    assert_eq!(status(&told)["exit-code"], 3);
}
