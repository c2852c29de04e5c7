//! The Windows installer under Wine over the life of an installation: upgrades with requests flowing, what it refuses,
//! repairs, what it puts back, what it leaves, and every parameter.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod setups;

use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use setups::Workshop;
use tests::declared::{self, listener};
use tests::needs;
use tests::process::Finished;
use tests::wait;
use tests::wine::Wine;
use tests::wine::snapshot::Snapshot;

/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(120);
const PROGRAM_FILES: &str = r"C:\Program Files\edge-node";
const DATA: &str = r"C:\ProgramData\edge-node";
const UNINSTALL_KEY: &str = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall\edge-node";
const SERVICE_KEY: &str = r"HKLM\System\CurrentControlSet\Services\edge-node";

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

/// An installation of our product in a Windows of its own.
struct Site {
    wine: Wine,
    workshop: Workshop,
}

impl Site {
    fn new() -> Self {
        assert_eq!(declared::product(), "edge-node");
        Self { wine: Wine::start(), workshop: Workshop::new() }
    }

    fn run(&self, setup: &Path, arguments: &[&str]) -> Finished {
        let arguments: Vec<&str> = ["/S"].iter().chain(arguments).copied().collect();
        self.wine.run(setup, &arguments)
    }

    #[track_caller]
    fn install(&self, setup: &Path, arguments: &[&str]) {
        self.run(setup, arguments).success();
    }

    #[track_caller]
    fn serves(&self, version: &str) {
        self.wine.wait_for_service("edge-node", "RUNNING");
        self.wine.network().wait_for(listener("admin"), "/readyz", 200, SOON);
        self.is_version(version);
    }

    /// The files and what Windows shows of them are of one version.
    #[track_caller]
    fn is_version(&self, version: &str) {
        let program = std::fs::read(self.file(PROGRAM_FILES, "edge-node.exe")).unwrap();
        assert!(program.ends_with(version.as_bytes()), "another program than that of {version}");
        assert_eq!(self.registry("DisplayVersion").as_deref(), Some(version));
        for stage in [".new", ".old", ".gone"] {
            assert!(!self.file(PROGRAM_FILES, stage).exists(), "{stage} is left");
        }
    }

    fn registry(&self, name: &str) -> Option<String> {
        self.wine.registry_value(UNINSTALL_KEY, name)
    }

    fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.wine.path(&format!(r"{folder}\{name}"))
    }

    fn config(&self) -> PathBuf {
        self.file(DATA, "edge-node.toml")
    }

    fn uninstall(&mut self, arguments: &[&str]) {
        let program = format!(r"{PROGRAM_FILES}\uninstall.exe");
        let arguments: Vec<&str> = ["/S"].iter().chain(arguments).copied().collect();
        self.wine.run(&program, &arguments).success();
        self.wine.wait_for_uninstaller();
        assert!(!self.wine.path(&program).exists());
        assert_eq!(self.wine.service_state("edge-node"), None);
        self.wine.restart();
    }

    /// What is different from an earlier moment, without the values.
    fn changes(&self, before: &Snapshot) -> Vec<String> {
        let short = |line: String| match line.strip_prefix("changed: ") {
            Some(changed) => {
                let end = changed.find(": ").unwrap_or(changed.len());
                format!("changed: {}", &changed[..end])
            }
            None => line,
        };
        let mut changes: Vec<_> =
            before.changes_to(&self.wine.snapshot()).into_iter().map(short).collect();
        // It grows while the service runs.
        changes.retain(|line| line != &format!(r"changed: {DATA}\logs\edge-node.log"));
        changes.sort();
        changes
    }

    /// Runs a setup while one request follows the other, and tells how many were lost.
    #[track_caller]
    fn install_under_load(&self, setup: &Path) {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let traffic = scope.spawn(|| self.requests_until(&done));
            self.install(setup, &[]);
            done.store(true, Ordering::Relaxed);
            let Traffic { sent, lost, longest_outage } = traffic.join().unwrap();
            assert!(sent > lost, "all of {sent} requests were lost");
            // Written past the test harness, which would keep it from the reader of a passing run.
            let _ = writeln!(
                std::io::stderr(),
                "upgrade under load: {lost} of {sent} requests lost, longest outage {longest_outage:?}"
            );
            assert!(longest_outage < Duration::from_secs(20));
        });
    }

    fn requests_until(&self, done: &AtomicBool) -> Traffic {
        let mut traffic = Traffic::default();
        let mut answered = Instant::now();
        while !done.load(Ordering::Relaxed) {
            let answer = self.wine.network().get(listener("data"), "/");
            traffic.sent += 1;
            if answer.is_ok_and(|answer| answer.status == 200) {
                answered = Instant::now();
            } else {
                traffic.lost += 1;
                traffic.longest_outage = traffic.longest_outage.max(answered.elapsed());
            }
        }
        traffic
    }
}

#[derive(Default)]
struct Traffic {
    sent: usize,
    lost: usize,
    longest_outage: Duration,
}

/// Lines as `Snapshot` writes them, from a list in which `F` is the folder of the program, `D` that of its data, `U` the
/// uninstall key, `S` the service's and `E` that of its events.
fn listed(lines: &str) -> Vec<String> {
    const MACHINE: &str = "HKEY_LOCAL_MACHINE";
    let uninstall = UNINSTALL_KEY.replacen("HKLM", MACHINE, 1);
    let service = SERVICE_KEY.replacen("HKLM", MACHINE, 1);
    let events = service.replace("edge-node", r"Eventlog\Application");
    let mut listed: Vec<String> = lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (change, thing) = line.split_once(": ").unwrap();
            let thing = match thing.split_at(1) {
                ("F", rest) => format!("{PROGRAM_FILES}{rest}"),
                ("D", rest) => format!("{DATA}{rest}"),
                (key, rest) => {
                    let key = match key {
                        "U" => &uninstall,
                        "S" => &service,
                        "E" => &events,
                        _ => panic!("{line}"),
                    };
                    let (path, value) = rest.split_once(' ').unwrap_or((rest, ""));
                    format!("[{key}{path}] {value}").trim_end().to_owned()
                }
            };
            format!("{change}: {thing}")
        })
        .collect();
    listed.sort();
    listed
}

#[track_caller]
fn check(found: &[String], expected: &str) {
    let expected = listed(expected);
    assert!(found == expected, "found:\n{}\nexpected:\n{}", found.join("\n"), expected.join("\n"));
}

const INSTALLED: &str = r#"
    new: F\
    new: F\LICENSE.txt
    new: F\edge-node.exe
    new: F\edge-node.toml.shipped
    new: F\uninstall.exe
    new: D\
    new: D\edge-node.toml
    new: D\logs\
    new: D\logs\edge-node.log
    new: U
    new: U "Comments"
    new: U "DisplayIcon"
    new: U "DisplayName"
    new: U "DisplayVersion"
    new: U "EstimatedSize"
    new: U "InstallLocation"
    new: U "NoModify"
    new: U "NoRepair"
    new: U "Publisher"
    new: U "QuietUninstallString"
    new: U "URLInfoAbout"
    new: U "UninstallString"
    new: U "VersionKey"
    new: U "VersionMajor"
    new: U "VersionMinor"
    new: U\Files
    new: U\Files "LICENSE.txt"
    new: U\Files "edge-node.exe"
    new: U\Files "edge-node.toml.shipped"
    new: U\Files "uninstall.exe"
    new: S
    new: S "Description"
    new: S "DisplayName"
    new: S "ErrorControl"
    new: S "ImagePath"
    new: S "ObjectName"
    new: S "PreshutdownTimeout"
    new: S "Start"
    new: S "Type"
    new: E\edge-node
    new: E\edge-node "CustomSource"
    new: E\edge-node "EventMessageFile"
    new: E\edge-node "TypesSupported"
"#;

/// What an upgrade or a rollback writes anew.
const REPLACED: &str = r"
    changed: F\LICENSE.txt
    changed: F\edge-node.exe
    changed: F\edge-node.toml.shipped
    changed: F\uninstall.exe
";

#[test]
fn a_life_from_install_to_purge_changes_what_it_should_and_leaves_nothing() {
    needs_windows!();
    let mut site = Site::new();
    let workshop = &site.workshop;
    let [old, new] = ["1.0.0", "1.1.0"].map(|version| workshop.setup(version));
    let broken = workshop.setup_that_ends("1.2.0");
    // As long as the former version may take to start again under Wine.
    let mute = workshop.setup_never_ready("1.3.0-rc.1", Duration::from_secs(8));

    let empty = site.wine.snapshot();
    site.install(&old, &[]);
    site.serves("1.0.0");
    check(&site.changes(&empty), INSTALLED);
    let account = site.wine.registry_value(SERVICE_KEY, "ObjectName");
    assert_eq!(account.as_deref(), Some(r"NT SERVICE\edge-node"));

    let edited = format!("# Edited.\n{}", std::fs::read_to_string(site.config()).unwrap());
    std::fs::write(site.config(), &edited).unwrap();
    let before = site.wine.snapshot();
    site.install_under_load(&new);
    site.serves("1.1.0");
    let upgraded = r#"
        new: D\edge-node.toml.new
        changed: U "DisplayVersion"
        changed: U "VersionKey"
        changed: U "VersionMinor"
    "#;
    check(&site.changes(&before), &format!("{REPLACED}{upgraded}"));
    assert_eq!(std::fs::read_to_string(site.config()).unwrap(), edited);

    let before = site.wine.snapshot();
    let refused = site.run(&old, &[]);
    assert_eq!(refused.code(), Some(12), "{refused}");
    check(&site.changes(&before), "");

    std::fs::remove_file(site.file(PROGRAM_FILES, "LICENSE.txt")).unwrap();
    site.wine.run("reg", &["delete", UNINSTALL_KEY, "/v", "Publisher", "/f"]).success();
    site.wine.run("sc", &["stop", "edge-node"]);
    site.wine.wait_for_service("edge-node", "STOPPED");
    site.wine.run("sc", &["delete", "edge-node"]);
    site.install(&new, &[]);
    site.serves("1.1.0");
    check(&site.changes(&before), &format!(r"{REPLACED} changed: D\edge-node.toml.new"));

    let before = site.wine.snapshot();
    for setup in [&broken, &mute] {
        let undone = site.run(setup, &[]);
        assert_eq!(undone.code(), Some(15), "{undone}");
        site.serves("1.1.0");
        // The very files of before.
        check(&site.changes(&before), "");
    }

    site.uninstall(&[]);
    check(
        &site.changes(&empty),
        r"
            new: D\
            new: D\edge-node.toml
            new: D\logs\
            new: D\logs\edge-node.log
        ",
    );
    site.install(&new, &[]);
    site.serves("1.1.0");
    assert_eq!(std::fs::read_to_string(site.config()).unwrap(), edited);
    site.uninstall(&["/PURGE"]);
    check(&site.changes(&empty), "");
}

#[test]
fn an_upgrade_that_is_killed_in_the_middle_is_undone_by_the_next_setup() {
    needs_windows!();
    let site = Site::new();
    let [old, new] = ["1.0.0", "1.1.0"].map(|version| site.workshop.setup(version));
    let mute = site.workshop.setup_with("1.2.0", |config| {
        config.service.health = ["health", "--address", "127.0.0.1:1"].map(Into::into).into();
        config.service.start_timeout = Duration::from_secs(3600);
        config.service.arguments.push("--config={config}".into());
    });
    site.install(&old, &[]);
    site.serves("1.0.0");
    let running = site.wine.start_program(&mute, &["/S"]);
    wait::until("the files to be exchanged", SOON, || {
        let program = std::fs::read(site.file(PROGRAM_FILES, "edge-node.exe")).ok()?;
        program.ends_with(b"1.2.0").then_some(())
    });
    drop(running);
    assert!(site.file(PROGRAM_FILES, ".old").exists());

    site.install(&new, &[r"/LOG=C:\setup.log"]);
    site.serves("1.1.0");
    let log = utf16(&std::fs::read(site.wine.path(r"C:\setup.log")).unwrap());
    assert!(log.contains("An earlier setup was interrupted"), "{log}");
    let image = site.wine.registry_value(SERVICE_KEY, "ImagePath").unwrap();
    assert!(!image.contains("--config="), "{image}");
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> =
        bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).unwrap()
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_touched() {
    needs_windows!();
    let site = Site::new();
    let setup = site.workshop.setup("1.0.0");
    std::fs::write(site.wine.path(r"C:\bad.toml"), "[listeners.data]\nprot = 1\n").unwrap();
    std::fs::write(site.wine.path(r"C:\good.toml"), "").unwrap();
    let before = site.wine.snapshot();
    let long = format!("/CONFIG={}", "x".repeat(1100));
    for (arguments, code) in [
        (&["/WHAT"][..], 13),
        (&["/s"], 13),
        (&["/PORT=0"], 13),
        (&["/PORT=65536"], 13),
        (&["/PORT=080"], 13),
        (&["/PORT=80 "], 13),
        (&["/PORT="], 13),
        (&["/CONFIG="], 13),
        (&[r"/CONFIG=C:\none.toml"], 13),
        (&[r"/CONFIG=C:\windows"], 13),
        (&[r"/CONFIG=C:\good.toml", "/PORT=8081"], 13),
        (&[r"/LOG=C:\none\setup.log"], 13),
        (&[&long], 13),
        (&[r"/CONFIG=C:\bad.toml"], 14),
        (&[r"/D=Q:\nowhere"], 10),
    ] {
        let refused = site.run(&setup, arguments);
        assert_eq!(refused.code(), Some(code), "{arguments:?}: {refused}");
        check(&site.changes(&before), "");
    }
    let help = site.run(&setup, &["/?"]).success();
    assert!(help.contains("/PORT=NUMBER"), "{help}");
    check(&site.changes(&before), "");
}

#[test]
fn a_folder_that_anybody_made_is_installed_into_only_while_it_is_empty() {
    needs_windows!();
    let site = Site::new();
    let [old, new] = ["1.0.0", "1.1.0"].map(|version| site.workshop.setup(version));
    let into = r"/D=C:\Prepared";
    let folder = site.wine.path(r"C:\Prepared");
    // Wine knows two owners: who runs it, and anybody else.
    let give_away = || std::os::unix::fs::chown(&folder, Some(65534), None).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let planted = folder.join("version.dll");
    std::fs::write(&planted, "planted").unwrap();
    give_away();
    let before = site.wine.snapshot();
    let refused = site.run(&old, &[into]);
    assert_eq!(refused.code(), Some(6), "{refused}");
    check(&site.changes(&before), "");

    std::fs::remove_file(&planted).unwrap();
    site.install(&old, &[into]);
    site.wine.wait_for_service("edge-node", "RUNNING");
    assert_eq!(std::fs::metadata(&folder).unwrap().uid(), 0, "the folder was not made anew");
    // What is installed is upgraded where it is, whoever owns it by now.
    give_away();
    site.install(&new, &[]);
    assert!(std::fs::read(folder.join("edge-node.exe")).unwrap().ends_with(b"1.1.0"));
}

#[test]
fn paths_with_blanks_foreign_letters_and_200_characters_are_taken_as_they_are() {
    needs_windows!();
    let site = Site::new();
    let setup = site.workshop.setup("1.0.0");
    // 200 characters each, in UTF-16 as Windows counts.
    let config = long_path(r"C:\Konfig für $SYSDIR 'n' %TEMP% 😀", ".toml");
    let folder = long_path(r"C:\Ordner für $INSTDIR 'n' Ключ", "");
    let log = r"C:\Protokoll der Einrichtung.log";
    let file = site.wine.path(&config);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "# Given.\n").unwrap();
    let (given, log_to) = (format!("/CONFIG={config}"), format!("/LOG={log}"));
    let into = format!("/D={folder}");
    let words: Vec<&str> = [given.as_str(), &log_to].into_iter().chain(into.split(' ')).collect();
    site.install(&setup, &words);
    site.wine.wait_for_service("edge-node", "RUNNING");
    assert!(site.wine.path(&format!(r"{folder}\edge-node.exe")).is_file());
    assert_eq!(std::fs::read_to_string(site.config()).unwrap(), "# Given.\n");
    let told = utf16(&std::fs::read(site.wine.path(log)).unwrap());
    assert!(told.contains(&folder), "{told}");

    // An upgrade finds it there, keeps the configuration and takes another one only when it is given one.
    std::fs::write(&file, "# Given again.\n").unwrap();
    site.install(&site.workshop.setup("1.1.0"), &[]);
    assert_eq!(std::fs::read_to_string(site.config()).unwrap(), "# Given.\n");
    site.install(&site.workshop.setup("1.1.1"), &[&given]);
    assert_eq!(std::fs::read_to_string(site.config()).unwrap(), "# Given again.\n");
    let previous = site.file(DATA, "edge-node.toml.previous");
    assert_eq!(std::fs::read_to_string(previous).unwrap(), "# Given.\n");
    site.wine.wait_for_service("edge-node", "RUNNING");
}

/// A path of 200 characters whose last part is long.
fn long_path(begin: &str, end: &str) -> String {
    let units = |text: &str| text.encode_utf16().count();
    let fill = 200 - units(begin) - units(end) - 1;
    format!(r"{begin}\{}{end}", "x".repeat(fill))
}

#[test]
fn the_port_is_written_and_stays_and_a_service_that_was_stopped_stays_stopped() {
    needs_windows!();
    let mut site = Site::new();
    let old = site.workshop.setup("1.0.0-rc.9");
    let [new, newest] = ["1.0.0-rc.10", "1.0.0"].map(|version| site.workshop.setup(version));
    let port = |site: &Site| {
        let config = std::fs::read_to_string(site.config()).unwrap();
        config.matches("port = 18080").count()
    };
    site.install(&old, &["/PORT=18080", "/NOSTART"]);
    assert_eq!(site.wine.service_state("edge-node").as_deref(), Some("STOPPED"));
    assert_eq!(port(&site), 1);
    // Nobody edited it: it follows the release, but for the port.
    site.install(&new, &[]);
    site.is_version("1.0.0-rc.10");
    assert_eq!(site.wine.service_state("edge-node").as_deref(), Some("STOPPED"));
    assert_eq!(port(&site), 1);
    assert_eq!(site.run(&old, &[]).code(), Some(12));
    site.install(&old, &["/ALLOWDOWNGRADE"]);
    site.is_version("1.0.0-rc.9");
    site.wine.run("sc", &["start", "edge-node"]).success();
    site.serves("1.0.0-rc.9");
    let mut data = listener("data");
    data.set_port(18080);
    site.wine.network().wait_for(data, "/", 200, SOON);
    site.install(&newest, &[]);
    site.serves("1.0.0");
    site.wine.network().wait_for(data, "/", 200, SOON);
    site.uninstall(&["/PURGE"]);

    site.install(&newest, &["/NOSERVICE"]);
    assert_eq!(site.wine.service_state("edge-node"), None);
    site.install(&newest, &[]);
    assert_eq!(site.wine.service_state("edge-node"), None);
    site.is_version("1.0.0");

    // The configuration that is there already, which nobody edited.
    let before = std::fs::read_to_string(site.config()).unwrap();
    site.install(&newest, &[r"/CONFIG=c:\programdata\EDGE-NODE\edge-node.toml"]);
    site.is_version("1.0.0");
    assert_eq!(std::fs::read_to_string(site.config()).unwrap(), before);
    for left in ["edge-node.toml.old", "edge-node.toml.previous", "edge-node.toml.new"] {
        assert!(!site.file(DATA, left).exists(), "{left} is left");
    }
}
