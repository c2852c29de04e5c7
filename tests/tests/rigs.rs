//! The rigs themselves, put through their paces with things made by hand, so that a failing end-to-end test can be
//! believed.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::network::Network;
use tests::prometheus::Prometheus;
use tests::systemd::Systemd;
use tests::wine::Wine;
use tests::{metrics, needs, process, wait};

/// Only a test that fails waits this long.
const LIMIT: Duration = Duration::from_secs(120);

const INSTALLER: &str = r#"
Target amd64-unicode
Name "Rig"
OutFile "rig-setup.exe"
InstallDir "$PROGRAMFILES64\Rig"
RequestExecutionLevel admin
Section
  SetOutPath $INSTDIR
  WriteUninstaller "$INSTDIR\uninstall.exe"
  SetRegView 64
  WriteRegStr HKLM "Software\Rig" "Folder" "$INSTDIR"
SectionEnd
Section Uninstall
  SetRegView 64
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "Software\Rig"
SectionEnd
"#;

fn compile_installer(folder: &Path) -> PathBuf {
    let script = folder.join("rig.nsi");
    std::fs::write(&script, INSTALLER).unwrap();
    let mut command = Command::new("makensis");
    process::run(command.args(["-V2", "-WX"]).arg(&script), LIMIT).success();
    folder.join("rig-setup.exe")
}

#[test]
fn wine_shows_what_an_installer_added_and_that_its_uninstaller_left_nothing() {
    needs!(
        Root,
        Tool("wine"),
        Tool("makensis"),
        Tool("unshare"),
        Tool("ip"),
        Target("x86_64-pc-windows-msvc")
    );
    let folder = tempfile::tempdir().unwrap();
    let setup = compile_installer(folder.path());
    let mut wine = Wine::start();
    let before = wine.snapshot();

    wine.run(&setup, &["/S", r"/D=C:\My", r"Apps\The", "Rig"]).success();
    let uninstaller = wine.path(r"C:\My Apps\The Rig\uninstall.exe");
    assert!(uninstaller.is_file());
    assert_eq!(
        wine.registry_value(r"HKLM\Software\Rig", "Folder").as_deref(),
        Some(r"C:\My Apps\The Rig")
    );
    let changes = before.changes_to(&wine.snapshot()).join("\n");
    for expected in [
        r"new: C:\My Apps\The Rig\uninstall.exe",
        r#"new: [HKEY_LOCAL_MACHINE\Software\Rig] "Folder""#,
    ] {
        assert!(changes.contains(expected), "{changes}");
    }

    wine.run(&uninstaller, &["/S"]).success();
    wine.wait_for_uninstaller();
    assert!(!uninstaller.parent().unwrap().exists());
    wine.restart();
    let left = before.changes_to(&wine.snapshot());
    // The folder above the chosen one was not this installer's to remove.
    assert_eq!(left, [r"new: C:\My Apps\"]);
}

#[test]
fn wine_starts_and_stops_services_and_keeps_them_running() {
    needs!(Root, Tool("wine"), Tool("unshare"), Tool("ip"), Target("x86_64-pc-windows-msvc"));
    let wine = Wine::start();
    assert!(wine.services().contains("MSIServer"));
    assert_eq!(wine.service_state("MSIServer").as_deref(), Some("STOPPED"));
    assert_eq!(wine.service_state("no-such-service"), None);
    wine.run("sc", &["start", "MSIServer"]).success();
    wine.wait_for_service("MSIServer", "RUNNING");
    wine.run("sc", &["stop", "MSIServer"]).success();
    wine.wait_for_service("MSIServer", "STOPPED");
}

#[test]
fn a_container_runs_units_and_shows_what_changed() {
    needs!(Root, Tool("systemd-nspawn"), Tool("debootstrap"), Tool("apt-get"), Tool("nsenter"));
    let linux = Systemd::start();
    let before = linux.files();
    std::fs::write(
        linux.path("/etc/systemd/system/rig.service"),
        "[Service]\nExecStart=/bin/sleep infinity\nDynamicUser=yes\nProtectSystem=strict\n",
    )
    .unwrap();
    linux.run("systemctl daemon-reload && systemctl start rig").success();
    assert_eq!(linux.unit_property("rig", "ActiveState"), "active");
    let after = linux.files();
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    let file = "/etc/systemd/system/rig.service";
    assert_eq!(new.len(), 2, "a file and its checksum: {new:?}");
    assert_eq!(*new[0], format!("{file} -rw-r--r-- root:root 77"));
    assert!(new[1].ends_with(&format!(" 77 {file}")), "{new:?}");
    assert_eq!(linux.run("exit 3").code(), Some(3));
}

#[test]
fn two_containers_share_nothing() {
    needs!(Root, Tool("systemd-nspawn"), Tool("debootstrap"), Tool("apt-get"), Tool("nsenter"));
    let [one, two] = [Systemd::start(), Systemd::start()];
    one.run("touch /opt/mine").success();
    assert!(one.path("/opt/mine").exists());
    assert!(!two.path("/opt/mine").exists());
}

#[test]
fn prometheus_scrapes_itself_in_a_network_of_its_own() {
    needs!(Root, Tool("prometheus"), Tool("unshare"), Tool("nsenter"), Tool("ip"), Tool("bash"));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prometheus.yml");
    std::fs::write(
        &config,
        "scrape_configs:\n- job_name: itself\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['127.0.0.1:9090']\n",
    )
    .unwrap();
    let [network, empty] = [Network::new(), Network::new()];
    let prometheus = Prometheus::start(&network, &config);
    let up = wait::until("a scrape", LIMIT, || prometheus.value("up{job=\"itself\"}"));
    assert_eq!(up, "1");
    let address = "127.0.0.1:9090".parse().unwrap();
    let samples = metrics::parse(&network.get(address, "/metrics").unwrap().body).unwrap();
    assert!(samples.iter().any(|sample| sample.name == "prometheus_build_info"));
    assert!(empty.get(address, "/metrics").is_err());
}
