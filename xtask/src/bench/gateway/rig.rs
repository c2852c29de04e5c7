//! The proxies and what stands behind them, as processes of this machine, each on its processor.

use super::super::BenchError;
use super::{HELPERS, Job, Port, RIGS};
use crate::exec::files;
use crate::tool;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use xshell::cmd;

/// Times in `/proc/PID/stat` are in these parts of a second on every architecture (`sysconf(3)`, `_SC_CLK_TCK`).
const TICKS: f64 = 100.0;

/// Ports of what stands behind the proxies; the network is one of this run's own.
const UPSTREAM: u16 = 9001;
const CALLS_UPSTREAM: u16 = 9002;

/// One of those that are compared.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    /// Its name.
    pub(super) name: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// File name of its configuration.
    configuration: String,
    /// The first of its ports.
    port: u16,
}

/// Those that were chosen, the product last.
pub(super) fn proxies(job: &Job) -> Vec<Proxy> {
    let other = |name: &str, arguments: &str, configuration: &str, port| Proxy {
        name: name.to_owned(),
        program: name.into(),
        arguments: arguments.split(' ').map(str::to_owned).collect(),
        configuration: configuration.to_owned(),
        port,
    };
    let all = [
        other("nginx", "-e nginx-error.log -c {config}", "nginx.conf", 8000),
        other("haproxy", "-db -f {config}", "haproxy.cfg", 8010),
        other("caddy", "run --adapter caddyfile --config {config}", "Caddyfile", 8020),
        Proxy {
            name: job.product.clone(),
            program: job.program.clone(),
            arguments: job.arguments.clone(),
            configuration: job.configuration.clone(),
            port: 8030,
        },
    ];
    let is_chosen = |proxy: &Proxy| job.proxies.is_empty() || job.proxies.contains(&proxy.name);
    all.into_iter().filter(is_chosen).collect()
}

impl Proxy {
    /// Where it listens.
    pub(super) fn address(&self, port: Port) -> SocketAddr {
        let offset = match port {
            Port::Plain => 0,
            Port::Tls => 1,
            Port::Calls => 2,
        };
        SocketAddr::from(([127, 0, 0, 1], self.port + offset))
    }

    /// Writes its configuration into the folder.
    fn configure(&self, job: &Job) -> Result<(), BenchError> {
        let template = files::read_text(&job.root.join(RIGS).join(&self.configuration))?;
        let values = [
            ("@folder@", job.folder.display().to_string()),
            ("@plain@", self.port.to_string()),
            ("@tls@", (self.port + 1).to_string()),
            ("@calls@", (self.port + 2).to_string()),
            ("@admin@", (self.port + 3).to_string()),
            ("@upstream@", UPSTREAM.to_string()),
            ("@calls-upstream@", CALLS_UPSTREAM.to_string()),
        ];
        let text = values.iter().fold(template, |text, (key, value)| text.replace(key, value));
        files::write(&job.folder.join(&self.configuration), text.as_bytes(), 0o644)?;
        Ok(())
    }

    /// Starts it on the first processor.
    fn start(&self, job: &Job, site: &Site) -> Result<Running, BenchError> {
        let config = job.folder.join(&self.configuration).display().to_string();
        let arguments = self.arguments.iter().map(|word| word.replace("{config}", &config));
        let log = job.folder.join(format!("{}.log", self.name));
        let output = fs::File::options().create(true).append(true).open(&log);
        let output = output.map_err(files::at("cannot make", &log))?;
        let errors = output.try_clone().map_err(files::at("cannot share", &log))?;
        let mut command = pinned(site.proxies_on, &self.program, &job.folder);
        command.args(arguments).stdout(output).stderr(errors);
        // A Go program would else have a thread for each processor; the others are told in their configurations.
        command.env("GOMAXPROCS", "1").env("HOME", &job.folder).env_remove("XDG_CONFIG_HOME");
        Running::spawn(command, &self.program)
    }

    /// Starts it and waits until it answers; says how long that took.
    pub(super) fn started(
        &self,
        job: &Job,
        site: &Site,
    ) -> Result<(Running, Duration), BenchError> {
        let running = self.start(job, site)?;
        let address = self.address(Port::Plain);
        match running.wait_for(address) {
            Some(took) => Ok((running, took)),
            None => {
                let said = files::read_text(&job.folder.join(format!("{}.log", self.name)))?;
                let end: Vec<_> = said.lines().rev().take(5).collect();
                let end = end.into_iter().rev().collect::<Vec<_>>().join("\n");
                Err(BenchError::NotReady(format!("{} at {address}\n{end}", self.name)))
            }
        }
    }
}

/// What the proxies run on and against.
pub(super) struct Site {
    proxies_on: usize,
    load_on: usize,
    _upstream: Running,
}

impl Site {
    /// Writes configurations and a certificate, and starts what stands behind the proxies.
    pub(super) fn open(job: &Job, proxies: &[Proxy]) -> Result<Self, BenchError> {
        let [proxies_on, load_on] = processors()?;
        for proxy in proxies {
            proxy.configure(job)?;
        }
        certificate(&job.folder)?;
        let program = job.helpers.join(HELPERS[0]);
        let mut command = pinned(load_on, &program, &job.folder);
        command.args([UPSTREAM, CALLS_UPSTREAM].map(|port| format!("127.0.0.1:{port}")));
        command.stdout(Stdio::piped());
        let mut upstream = Running::spawn(command, &program)?;
        let output = upstream.child.stdout.take().expect("it was made a pipe");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        read.map_err(files::at("cannot read from", &program))?;
        if line != "ready\n" {
            return Err(BenchError::NotReady(program.display().to_string()));
        }
        Ok(Self { proxies_on, load_on, _upstream: upstream })
    }

    /// Runs a program that makes load to its end, on the second processor, and gives what it printed.
    pub(super) fn load(&self, job: &Job, words: &[String]) -> Result<String, BenchError> {
        let shell = tool::shell_in(&job.folder)?;
        let processor = self.load_on.to_string();
        let answer = tool::run(cmd!(shell, "taskset --cpu-list {processor} {words...}"))?;
        Ok(answer.printed)
    }
}

#[expect(clippy::disallowed_methods, reason = "xshell cannot run a command beside this program")]
fn pinned(processor: usize, program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(processor.to_string()).arg(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// The first two processors that this process may use (`Cpus_allowed_list` of proc_pid_status(5)).
fn processors() -> Result<[usize; 2], BenchError> {
    let status = files::read_text(Path::new("/proc/self/status"))?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let mut all = list.unwrap_or_default().trim().split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse().unwrap_or(0)..=last.parse().unwrap_or(0)
    });
    match (all.next(), all.next()) {
        (Some(first), Some(second)) => Ok([first, second]),
        _ => Err(BenchError::NotReady("two processors are needed, one for the proxy".to_owned())),
    }
}

/// A certificate for `localhost` and 127.0.0.1; HAProxy wants it and its key in one file.
fn certificate(folder: &Path) -> Result<(), BenchError> {
    let shell = tool::shell_in(folder)?;
    let options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
                   -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout site.key -out site.pem";
    let options = options.split_whitespace();
    tool::run(cmd!(shell, "openssl {options...}"))?;
    let [pem, key] = ["site.pem", "site.key"].map(|name| files::read_text(&folder.join(name)));
    files::write(&folder.join("site.both"), [pem?, key?].concat().as_bytes(), 0o600)?;
    Ok(())
}

/// A process and those it starts, all ended when this is dropped.
pub(super) struct Running {
    child: Child,
    since: Instant,
}

impl Running {
    fn spawn(mut command: Command, program: &Path) -> Result<Self, BenchError> {
        let since = Instant::now();
        let child = command.spawn().map_err(files::at("cannot run", program))?;
        Ok(Self { child, since })
    }

    /// Asks until it answers with 200, and says how long after its start that was; for ten seconds.
    fn wait_for(&self, address: SocketAddr) -> Option<Duration> {
        while !super::super::measure::answers(address, "/1024") {
            if self.since.elapsed() > Duration::from_secs(10) {
                return None;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Some(self.since.elapsed())
    }

    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.child.id()];
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            // proc(5): children of the main thread, which is what starts workers.
            let path = format!("/proc/{parent}/task/{parent}/children");
            let children = fs::read_to_string(path).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            next += 1;
        }
        family
    }

    /// CPU time so far, of user and system, of all its processes (proc_pid_stat(5), fields 14 and 15).
    pub(super) fn cpu(&self) -> Duration {
        let ticks = |id: u32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // The name in the second field may have spaces.
            let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            let times = rest.split_whitespace().skip(11).take(2);
            times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        };
        Duration::from_secs_f64(self.family().into_iter().map(ticks).sum::<f64>() / TICKS)
    }

    /// MiB of memory, what processes share counted once (`Pss` of proc_pid_smaps(5)).
    pub(super) fn memory(&self) -> Result<f64, BenchError> {
        let mut kib = 0.0;
        for id in self.family() {
            let path = PathBuf::from(format!("/proc/{id}/smaps_rollup"));
            let text = files::read_text(&path)?;
            let pss =
                text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB"));
            kib += pss.and_then(|kib| kib.trim().parse::<f64>().ok()).unwrap_or_default();
        }
        Ok(kib / 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for id in self.family() {
            let id = i32::try_from(id).ok().and_then(Pid::from_raw);
            let _gone = id.map(|id| kill_process(id, Signal::KILL));
        }
        let _ended = self.child.wait();
    }
}
