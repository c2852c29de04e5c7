//! The Windows installer of the release under Wine: it installs a running service without asking, and its uninstaller
//! takes everything away again. Upgrades and parameters are in `windows_upgrade`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use tests::declared::{self, listener};
use tests::release::Release;
use tests::wine::Wine;
use tests::{metrics, needs, wait};

const TARGET: &str = "x86_64-pc-windows-msvc";
/// Only a test that fails waits this long.
const SOON: Duration = Duration::from_secs(120);

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

fn uninstall_key() -> String {
    format!(r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall\{}", declared::product())
}

/// What the service is started with.
fn command_line(wine: &Wine) -> String {
    let service = format!(r"HKLM\System\CurrentControlSet\Services\{}", declared::product());
    wine.registry_value(&service, "ImagePath").unwrap()
}

/// The configuration file that the service is started with, as a path of this machine.
fn configuration(wine: &Wine) -> PathBuf {
    let command_line = command_line(wine);
    let (_, file) = command_line.split_once("--config ").unwrap();
    wine.path(file.trim_matches('"'))
}

/// Installs; the exit code proves little, so that the tests look at the effects.
fn install(wine: &Wine, folder: &[&str]) {
    let setup = Release::built().artifact(&format!("{TARGET}-setup.exe"));
    let arguments: Vec<&str> = ["/S"].iter().chain(folder).copied().collect();
    wine.run(setup, &arguments).success();
    wine.wait_for_service(&declared::product(), "RUNNING");
    wine.network().wait_for(listener("admin"), "/readyz", 200, SOON);
}

/// Runs what Windows' own settings and deployment tools run, with more arguments.
fn uninstall(wine: &mut Wine, more: &[&str]) {
    let command = wine.registry_value(&uninstall_key(), "QuietUninstallString").unwrap();
    let (program, arguments) = command.strip_prefix('"').unwrap().split_once('"').unwrap();
    let uninstaller = wine.path(program);
    let arguments: Vec<&str> =
        arguments.split_ascii_whitespace().chain(more.iter().copied()).collect();
    wine.run(program, &arguments).success();
    wine.wait_for_uninstaller();
    assert!(!uninstaller.exists());
    assert_eq!(wine.service_state(&declared::product()), None);
    wine.restart();
}

#[test]
fn a_silent_install_runs_the_service_and_a_purge_leaves_nothing() {
    needs_windows!();
    let mut wine = Wine::start();
    let (before, services) = (wine.snapshot(), wine.services());
    install(&wine, &[]);
    let page = wine.network().get(listener("admin"), "/metrics").unwrap();
    let samples = metrics::parse(&page.body).unwrap();
    assert!(samples.iter().any(|sample| sample.name == "process_start_time_seconds"));
    assert_eq!(wine.network().get(listener("data"), "/").unwrap().status, 200);
    let added: Vec<_> = wine.services().difference(&services).cloned().collect();
    assert_eq!(added, [declared::product()]);

    uninstall(&mut wine, &["/PURGE"]);
    let left = before.changes_to(&wine.snapshot());
    assert!(left.is_empty(), "{}", left.join("\n"));
}

#[test]
fn an_install_into_a_folder_with_spaces_runs_from_there() {
    needs_windows!();
    let mut wine = Wine::start();
    let before = wine.snapshot();
    install(&wine, &[r"/D=C:\Edge", r"Apps\The", "Node"]);
    let program = format!(r"C:\Edge Apps\The Node\{}.exe", declared::product());
    assert!(wine.path(&program).is_file());
    let image = command_line(&wine);
    assert!(image.starts_with(&format!("\"{program}\" ")), "{image}");

    uninstall(&mut wine, &["/PURGE"]);
    let left = before.changes_to(&wine.snapshot());
    // The folder above the chosen one may hold other things.
    assert!(left.iter().all(|line| line == r"new: C:\Edge Apps\"), "{}", left.join("\n"));
}

#[test]
fn a_folder_that_cannot_be_installed_into_and_a_second_folder_are_refused() {
    needs_windows!();
    let wine = Wine::start();
    let before = wine.snapshot();
    let setup = Release::built().artifact(&format!("{TARGET}-setup.exe"));
    for folder in [r"/D=Q:\nowhere", r"/D=relative\x"] {
        assert_eq!(wine.run(&setup, &["/S", folder]).code(), Some(10), "{folder}");
    }
    let left = before.changes_to(&wine.snapshot());
    assert!(left.is_empty(), "{}", left.join("\n"));

    install(&wine, &[]);
    assert_eq!(wine.run(&setup, &["/S", r"/D=C:\Elsewhere"]).code(), Some(11));
    assert!(!wine.path(r"C:\Elsewhere").exists());
    wine.wait_for_service(&declared::product(), "RUNNING");
}

#[test]
fn the_service_stops_and_starts_again() {
    needs_windows!();
    let wine = Wine::start();
    install(&wine, &[]);
    let service = declared::product();
    wine.run("sc", &["stop", &service]).success();
    wine.wait_for_service(&service, "STOPPED");
    assert!(wine.network().get(listener("admin"), "/readyz").is_err());
    wine.run("sc", &["start", &service]).success();
    wine.wait_for_service(&service, "RUNNING");
    wine.network().wait_for(listener("admin"), "/readyz", 200, SOON);
}

#[test]
fn an_edited_configuration_survives_an_uninstall_and_serves_the_next_install() {
    needs_windows!();
    let mut wine = Wine::start();
    install(&wine, &[]);
    let file = configuration(&wine);
    let edited = format!("# Edited.\n{}", std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, &edited).unwrap();
    uninstall(&mut wine, &[]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), edited);
    install(&wine, &[]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), edited);
}

#[test]
fn a_configuration_with_a_mistake_ends_the_start_at_once_with_the_services_own_exit_code() {
    needs_windows!();
    let wine = Wine::start();
    install(&wine, &[]);
    let service = declared::product();
    wine.run("sc", &["stop", &service]).success();
    wine.wait_for_service(&service, "STOPPED");
    std::fs::write(configuration(&wine), "[listeners.data]\nprot = 1\n").unwrap();
    // Wine's `sc start` may tell of success or not; what the service says is what counts.
    wine.run("sc", &["start", &service]);
    let told = wait::until("the service to stop with exit code 3", SOON, || {
        let told = wine.run("sc", &["query", &service]).stdout;
        told.contains("SERVICE_EXIT_CODE  : 3").then_some(told)
    });
    assert!(told.contains("STOPPED"), "{told}");
}

#[test]
fn a_configuration_that_anybody_laid_before_the_first_install_is_moved_aside() {
    needs_windows!();
    let wine = Wine::start();
    let product = declared::product();
    let folder = wine.path(&format!(r"C:\ProgramData\{product}"));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join(format!("{product}.toml"));
    std::fs::write(&file, "planted").unwrap();
    // Wine knows two owners: who runs it, and anybody else.
    std::os::unix::fs::chown(&folder, Some(65534), None).unwrap();
    install(&wine, &[]);
    assert_eq!(configuration(&wine), file);
    assert_ne!(std::fs::read_to_string(&file).unwrap(), "planted");
    let aside = wine.path(&format!(r"C:\ProgramData\{product}.foreign-1\{product}.toml"));
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "planted");
}
