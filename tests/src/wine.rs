//! A Windows to install on: Wine, with a drive and registry of its own for each test and a network of its own for
//! its services.
//!
//! What Wine cannot do is in its `sc`: `qc`, `config`, `sdshow` are missing, so that a service's settings are read from
//! the registry. Wine's exit codes prove nothing either; look at the effects.

pub mod recorder;
pub mod snapshot;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::network::Network;
use crate::process::{self, Background, Finished};
use crate::{cache, tools, wait};
use snapshot::Snapshot;

/// The longest a Windows program of a test may take.
const LIMIT: Duration = Duration::from_secs(600);
/// The longest its end may take.
const END_LIMIT: Duration = Duration::from_secs(20);
/// Where the registry keeps services.
const SERVICES: &str = r"HKLM\System\CurrentControlSet\Services";

/// A running Windows; its drive vanishes and its programs end when it is dropped.
#[derive(Debug)]
pub struct Wine {
    prefix: TempDir,
    network: Network,
    /// The services of a prefix end with its last ordinary process; this is one.
    keep_alive: Option<Background>,
    /// The debug channel of Wine that is written to the trace.
    channel: Option<&'static str>,
}

impl Wine {
    /// A freshly installed Windows. Needs root, `wine`, `unshare`, `nsenter`, `ip` and the target
    /// `x86_64-pc-windows-msvc`.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start() -> Self {
        Self::with_channel(None)
    }

    /// The same, with what Wine and its services say on a debug channel kept for [`Wine::trace`].
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start_traced(channel: &'static str) -> Self {
        Self::with_channel(Some(channel))
    }

    #[track_caller]
    fn with_channel(channel: Option<&'static str>) -> Self {
        let template = cache::once("wine-template", make_template);
        let prefix = tempfile::Builder::new().prefix("wine-").tempdir_in(cache::folder()).unwrap();
        copy_prefix(&template, prefix.path());
        let mut wine = Self { prefix, network: Network::new(), keep_alive: None, channel };
        wine.boot();
        wine
    }

    fn boot(&mut self) {
        let mut command = self.command();
        command.arg("cmd");
        // Services inherit the standard error of the program that brings them up, so it must be this one.
        self.keep_alive = Some(match self.channel {
            Some(channel) => {
                let mut options = std::fs::File::options();
                let trace = options.append(true).create(true).open(self.trace_file()).unwrap();
                let program = Background::start_reading_and_telling(&mut command, trace);
                wait::until(&format!("a trace of {channel}"), LIMIT, || {
                    (!self.trace().is_empty()).then_some(())
                });
                program
            }
            None => Background::start_reading(&mut command),
        });
        // The first ordinary program returns when services.exe is up.
        self.run("cmd", &["/c", "ver"]).success();
    }

    /// What was written to the trace so far; empty for one that is not traced.
    pub fn trace(&self) -> String {
        std::fs::read(self.trace_file())
            .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn trace_file(&self) -> PathBuf {
        self.prefix.path().join("trace")
    }

    /// A command that will run a Windows program.
    fn command(&self) -> Command {
        let mut command = in_prefix(self.network.command("wine"), self.prefix.path());
        if let Some(channel) = self.channel {
            command.env("WINEDEBUG", format!("-all,+{channel}"));
        }
        command
    }

    /// Ends everything and starts again, as a restart of the machine does.
    ///
    /// # Panics
    /// When it does not come back.
    #[track_caller]
    pub fn restart(&mut self) {
        end_server(self.prefix.path());
        self.keep_alive = None;
        self.boot();
    }

    /// Runs a program: a name that Windows knows, a Windows path, or a path of this machine.
    ///
    /// Wine quotes an argument that has spaces. NSIS wants `/D=C:\A B` last and unquoted: pass its words one by one.
    ///
    /// # Panics
    /// When it does not end within three minutes.
    #[track_caller]
    pub fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Finished {
        let mut command = self.command();
        process::run(command.arg(program.as_ref()).args(arguments), LIMIT)
    }

    /// Starts a program as [`run`](Self::run) does, and ends it, but nothing that it started, when the value is dropped.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start_program(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Background {
        let mut command = in_prefix(self.network.command("wine"), self.prefix.path());
        Background::start_reading(command.arg(program.as_ref()).args(arguments))
    }

    /// The network its programs and services live in.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The path on this machine of a path on drive C (`C:\Program Files\…`).
    ///
    /// # Panics
    /// When `windows` is not on drive C.
    pub fn path(&self, windows: &str) -> PathBuf {
        let relative = windows.strip_prefix(r"C:\").expect("there is only drive C");
        self.prefix.path().join("drive_c").join(relative.replace('\\', "/"))
    }

    /// The names of all registered services.
    ///
    /// # Panics
    /// When the registry cannot be asked.
    #[track_caller]
    pub fn services(&self) -> BTreeSet<String> {
        let keys = self.run("reg", &["query", SERVICES]).success();
        keys.lines()
            .filter_map(|line| line.trim().rsplit_once('\\'))
            .map(|(_, name)| name.to_owned())
            .collect()
    }

    /// The state that `sc query` tells: `RUNNING`, `STOPPED` …, or `None` where there is no such service.
    pub fn service_state(&self, name: &str) -> Option<String> {
        let output = self.run("sc", &["query", name]).stdout;
        let state = output.lines().find_map(|line| line.trim().strip_prefix("STATE"))?;
        state.split_ascii_whitespace().last().map(str::to_owned)
    }

    /// Waits until the service is in `state`.
    ///
    /// # Panics
    /// When it is not within three minutes.
    #[track_caller]
    pub fn wait_for_service(&self, name: &str, state: &str) {
        wait::until(&format!("service {name} to be {state}"), LIMIT, || {
            (self.service_state(name)? == state).then_some(())
        });
    }

    /// Waits until an uninstaller made by NSIS is done: what is started copies itself to a temporary folder (`~nsu…`),
    /// goes on from there, and ends at once.
    ///
    /// # Panics
    /// When one still runs after three minutes.
    #[track_caller]
    pub fn wait_for_uninstaller(&self) {
        let prefix = format!("WINEPREFIX={}\0", self.prefix.path().display());
        wait::until("the uninstaller to end", LIMIT, || (!runs("~nsu", &prefix)).then_some(()));
    }

    /// The value `name` of a registry key (`HKLM\…`), in the 64-bit view.
    pub fn registry_value(&self, key: &str, name: &str) -> Option<String> {
        let output = self.run("reg", &["query", key, "/v", name]).stdout;
        let line = output.lines().find_map(|line| line.trim().strip_prefix(name))?;
        let (_, value) = line.trim().split_once("REG_")?;
        value.split_once(char::is_whitespace).map(|(_, value)| value.trim().to_owned())
    }

    /// The processes of this Windows whose command line holds `text`, as this machine numbers them.
    pub fn processes(&self, text: &str) -> Vec<u32> {
        processes(text, &format!("WINEPREFIX={}\0", self.prefix.path().display()))
    }

    /// All files, services and registry values, for a comparison.
    ///
    /// # Panics
    /// When they cannot be read.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        let export = self.path(r"C:\rig-export.reg");
        self.run("regedit", &["/E", r"C:\rig-export.reg"]).success();
        let registry = std::fs::read(&export).unwrap();
        std::fs::remove_file(&export).unwrap();
        Snapshot::new(&self.prefix.path().join("drive_c"), &registry)
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        end_server(self.prefix.path());
    }
}

/// Whether a process runs whose command line holds `command` and whose environment holds `variable`.
fn runs(command: &str, variable: &str) -> bool {
    !processes(command, variable).is_empty()
}

/// The processes whose command line holds `command` and whose environment holds `variable` (`proc(5)`).
fn processes(command: &str, variable: &str) -> Vec<u32> {
    let holds = |file: &Path, text: &str| {
        std::fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
    };
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let matching = entries.filter(|entry| {
        holds(&entry.path().join("cmdline"), command)
            && holds(&entry.path().join("environ"), variable)
    });
    matching.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Ends every process of the prefix, and waits for that. Also done while a test fails, so it never panics.
fn end_server(prefix: &Path) {
    for option in ["--kill", "--wait"] {
        tell_server(prefix, option);
    }
}

/// Runs `wineserver` with an option; with `--wait` it ends once every process of the prefix has ended by itself.
fn tell_server(prefix: &Path, option: &str) {
    let mut command = in_prefix(Command::new("wineserver"), prefix);
    let child = command.arg(option).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else { return };
    if wait::within(END_LIMIT, || child.try_wait().ok().flatten()).is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Sets what every Wine program of a rig runs with: no offers to download Mono or Gecko, no window.
fn in_prefix(mut command: Command, prefix: &Path) -> Command {
    command
        .env("WINEPREFIX", prefix)
        .env("WINEARCH", "win64")
        .env("WINEDEBUG", "-all")
        .env("WINEDLLOVERRIDES", "mscoree=;mshtml=")
        .env_remove("DISPLAY");
    command
}

/// Installs Windows 10 with the DLL that old Wines lack.
fn make_template(prefix: &Path) {
    for arguments in [["wineboot", "--init"], ["winecfg", "/v win10"]] {
        let arguments = arguments.iter().flat_map(|argument| argument.split(' '));
        let mut command = in_prefix(Command::new("wine"), prefix);
        process::run(command.args(arguments), 3 * LIMIT).success();
        // On a busy machine `wineboot` may return while programs are still being installed.
        tell_server(prefix, "--wait");
    }
    end_server(prefix);
    let system32 = prefix.join("drive_c/windows/system32");
    if !system32.join("bcryptprimitives.dll").exists() {
        compile_bcryptprimitives(&system32.join("bcryptprimitives.dll"));
    }
}

/// Compiles the one DLL that Wine 8 lacks.
fn compile_bcryptprimitives(to: &Path) {
    let folder = to.parent().expect("a file has a folder");
    compile("bcryptprimitives.rs", "cdylib", "/NODEFAULTLIB /NOENTRY", folder);
}

/// Compiles a source of the rigs with what rustup brings: it needs no C runtime.
fn compile(source: &str, kind: &str, link: &str, to: &Path) {
    let mut command = Command::new("rustc");
    command
        .current_dir(tools::workspace())
        .args(["--edition", "2024", "--target", "x86_64-pc-windows-msvc", "--crate-type", kind])
        .args(["-O", "-C", "panic=abort", "-C", "linker=rust-lld", "-C", "linker-flavor=lld-link"])
        .args(["-C", &format!("link-args={link}")])
        .args(["--out-dir".as_ref(), to.as_os_str()])
        .arg(tools::workspace().join("tests/rigs").join(source));
    process::run(&mut command, LIMIT).success();
}

/// Copies a prefix. Programs and libraries, 95 % of its bytes, are hard links: nothing writes to them.
fn copy_prefix(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            std::fs::create_dir(&copy).unwrap();
            copy_prefix(&source, &copy);
        } else if kind.is_symlink() {
            copy_link(&source, &copy);
        } else if is_program(&source) {
            std::fs::hard_link(&source, &copy).unwrap();
        } else {
            std::fs::copy(&source, &copy).unwrap();
        }
    }
}

/// Copies a drive letter; a link into the home of whoever runs the tests becomes a folder.
#[cfg(unix)]
fn copy_link(source: &Path, copy: &Path) {
    let target = std::fs::read_link(source).unwrap();
    if source.parent().is_some_and(|folder| folder.ends_with("dosdevices")) {
        std::os::unix::fs::symlink(target, copy).unwrap();
    } else {
        std::fs::create_dir(copy).unwrap();
    }
}

#[cfg(not(unix))]
fn copy_link(_: &Path, _: &Path) {
    unreachable!("Wine makes prefixes on Unix only")
}

fn is_program(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default();
    ["dll", "exe", "drv", "sys", "ocx", "cpl", "ax", "acm", "ds"]
        .iter()
        .any(|known| extension == *known)
}
