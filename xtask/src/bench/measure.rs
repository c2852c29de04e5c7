//! Runs what is measured.

use super::{BenchError, Figure, median};
use crate::config::model::{Config, Metrics, System};
use crate::exec::files;
use crate::facts::Facts;
use crate::render::{Document, Group, nsis};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use xshell::{Shell, cmd};

/// Runs of what takes milliseconds.
const RUNS: usize = 21;

/// `cargo xtask plan`, as a process of its own.
///
/// # Errors
/// It fails.
pub fn plan(facts: &Facts) -> Result<Figure, BenchError> {
    let shell = Shell::new()?;
    shell.change_dir(&facts.root);
    let xtask = &facts.xtask;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        cmd!(shell, "{xtask} plan").quiet().ignore_stdout().run()?;
        times.push(start.elapsed());
    }
    Ok(Figure::milliseconds(
        "`plan`, start of the process included",
        median(times),
        Duration::from_millis(50),
    ))
}

/// The programs and installers of the release that was made last, held against the goals in the issue tracker, which
/// the declaration's limits repeat.
///
/// # Errors
/// They are not there.
pub fn sizes(config: &Config, facts: &Facts) -> Result<Vec<Figure>, BenchError> {
    let mut figures = Vec::new();
    for target in config.targets_of(System::Windows) {
        let program = config.product.program(target.system);
        let path = facts.work_dir().join("build").join(&target.triple).join(&program);
        figures.push(Figure::megabytes(&program, size(&path)?, target.size_max as f64 / 1e6));
        let name = nsis::installer_name(config, facts, target);
        let path = facts.work_dir().join("release").join(&name);
        if target.installer_size_max > 0 {
            let goal = target.installer_size_max as f64 / 1e6;
            figures.push(Figure::megabytes("its installer", size(&path)?, goal));
        }
    }
    Ok(figures)
}

fn size(path: &Path) -> Result<u64, BenchError> {
    Ok(fs::metadata(path).map_err(files::at("cannot read", path))?.len())
}

/// A build of xtask in an empty target folder.
///
/// # Errors
/// It fails.
pub fn cold_build(facts: &Facts) -> Result<Figure, BenchError> {
    let folder = tempfile::tempdir_in(facts.work_dir())
        .map_err(files::at("cannot make a folder in", &facts.work_dir()))?;
    let shell = Shell::new()?;
    shell.change_dir(&facts.root);
    let start = Instant::now();
    cmd!(shell, "cargo build --quiet --locked --package xtask")
        .quiet()
        .env("CARGO_TARGET_DIR", folder.path())
        .run()?;
    Ok(Figure::seconds("a cold build of xtask", start.elapsed(), Duration::from_secs(60)))
}

/// From starting the service with its own configuration to its first answer that it is ready, and its memory then.
///
/// # Errors
/// It does not start, its ports are taken, or this machine cannot run the program.
pub fn start(
    config: &Config,
    facts: &Facts,
    documents: &[Document],
) -> Result<Vec<Figure>, BenchError> {
    let architecture = facts.toolchain.host.split('-').next().unwrap_or_default();
    let mut targets = config.targets_of(System::Linux);
    let Some(target) = targets.find(|target| target.triple.starts_with(architecture)) else {
        return Ok(Vec::new());
    };
    let program = facts.work_dir().join("build").join(&target.triple).join(&config.product.binary);
    let folder =
        tempfile::tempdir().map_err(files::at("cannot make a folder in", &std::env::temp_dir()))?;
    let settings = folder.path().join(&config.configuration.file_name);
    let serves = |document: &&Document| {
        document.group == Group::Configuration && document.serves(&target.triple)
    };
    let configuration = documents.iter().find(serves).map_or("", |document| &document.contents);
    files::write(&settings, configuration.as_bytes(), 0o644)?;
    let word = |word: &String| word.replace("{config}", &settings.display().to_string());
    let arguments: Vec<_> = config.service.arguments.iter().map(word).collect();
    let (mut times, mut memory) = (Vec::new(), 0);
    for _ in 0..RUNS {
        let start = Instant::now();
        let service = Running::start(&program, &arguments)?;
        service.wait_ready(&config.metrics)?;
        times.push(start.elapsed());
        memory = memory.max(service.resident_bytes()?);
    }
    Ok(vec![
        Figure::milliseconds("from exec to ready, Linux", median(times), Duration::from_millis(50)),
        Figure::mebibytes("resident when idle, Linux", memory, 15.0),
    ])
}

/// The service, ended when dropped.
struct Running(Child);

impl Running {
    #[expect(
        clippy::disallowed_methods,
        reason = "xshell cannot run a command beside this program"
    )]
    fn start(program: &Path, arguments: &[String]) -> Result<Self, BenchError> {
        let child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stdin(Stdio::null())
            .spawn();
        Ok(Self(child.map_err(files::at("cannot run", program))?))
    }

    /// Asks until the answer is "ready", every half millisecond, which is the resolution of the figure.
    fn wait_ready(&self, metrics: &Metrics) -> Result<(), BenchError> {
        let address = SocketAddr::new(metrics.listener.address, metrics.listener.port);
        let start = Instant::now();
        while !answers(address, &metrics.ready_path) {
            if start.elapsed() > Duration::from_secs(10) {
                return Err(BenchError::NotReady(format!("{address}{}", metrics.ready_path)));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(())
    }

    /// `VmRSS` of proc_pid_status(5).
    fn resident_bytes(&self) -> Result<u64, BenchError> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = files::read_text(Path::new(&path))?;
        let kib = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        });
        kib.map(|kib| kib * 1024).ok_or_else(|| BenchError::NotReady(format!("no VmRSS in {path}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Whether a GET of the path is answered with 200.
pub(super) fn answers(address: SocketAddr, path: &str) -> bool {
    use std::io::{Read, Write};
    let exchange = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(1 << 16).read_to_string(&mut answer)?;
        Ok(answer)
    };
    exchange().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// What the figures were taken on.
pub fn machine() -> String {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let value = text.lines().find_map(|line| {
            Some(line.strip_prefix(key)?.trim_start_matches([' ', '\t', ':', '=']).to_owned())
        });
        value.map(|value| value.trim_matches('"').to_owned())
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let processor =
        first("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let system =
        first("/etc/os-release", "PRETTY_NAME").unwrap_or_else(|| std::env::consts::OS.to_owned());
    let memory = first("/proc/meminfo", "MemTotal").unwrap_or_default();
    format!("{processors} processors ({processor}), {memory} memory, {system}")
}
