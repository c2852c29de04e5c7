//! Measures, everything interleaved, so that what disturbs the machine for a while disturbs all alike.

use super::super::BenchError;
use super::rig::{Proxy, Running, Site, proxies};
use super::{
    Cell, Footprint, HELPERS, Job, Latency, Outcome, Port, Row, Throughput, fixed_rates, load,
    lower,
};
use crate::exec::files;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A unary call's message with its head, as `bench_load` sends it.
const MESSAGE: &[u8] = b"\0\0\0\0\x10sixteen bytes !!";

/// Compares. `progress` is told what is being done.
///
/// # Errors
/// A program cannot be started or does not answer. What goes wrong under load is part of the outcome.
pub fn run(job: &Job, progress: &dyn Fn(&str)) -> Result<Outcome, BenchError> {
    let proxies = proxies(job);
    files::write(&job.folder.join("message"), MESSAGE, 0o644)?;
    let site = Site::open(job, &proxies)?;
    let mut footprints = vec![Vec::new(); proxies.len()];
    for repeat in 1..=job.repeats {
        for (proxy, found) in proxies.iter().zip(&mut footprints) {
            progress(&format!("{repeat}/{}  start and memory  {}", job.repeats, proxy.name));
            found.push(footprint(job, &site, proxy)?);
        }
    }
    let running: Vec<_> = proxies
        .iter()
        .map(|proxy| Ok::<_, BenchError>(proxy.started(job, &site)?.0))
        .collect::<Result<_, _>>()?;
    let mut bench = Bench { job, site, proxies, running, progress };
    let rows = job.rows.iter().map(|row| (row.title, bench.row(row))).collect();
    Ok(Outcome {
        product: job.product.clone(),
        proxies: bench.proxies.iter().map(|proxy| proxy.name.clone()).collect(),
        rows,
        footprints,
        idle_connections: job.idle_connections,
        runs: (job.repeats, job.seconds),
    })
}

/// Starts a proxy, and looks at its memory before and after clients came that have nothing more to ask.
fn footprint(job: &Job, site: &Site, proxy: &Proxy) -> Result<Footprint, BenchError> {
    let address = proxy.address(Port::Plain);
    let (running, took) = proxy.started(job, site)?;
    let idle = running.memory()?;
    let connections: Result<Vec<_>, _> =
        (0..job.idle_connections).map(|_| idle_connection(address)).collect();
    let connections = connections.map_err(|error| {
        BenchError::NotReady(format!("{address} with many connections: {error}"))
    })?;
    let connected = running.memory()?;
    drop(connections);
    Ok(Footprint { start: took.as_secs_f64() * 1e3, idle, connected })
}

/// A connection on which a request was answered.
fn idle_connection(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    // In one piece: a second one would wait for the acknowledgement of the first, which HAProxy delays by 40 ms.
    stream.write_all(format!("GET /1 HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let (mut buffer, mut filled) = ([0; 2048], 0);
    // The body is one byte, so an answer ends one after its head.
    while !buffer[..filled].windows(5).any(|end| end == b"\r\n\r\nx") {
        match stream.read(&mut buffer[filled..])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(stream)
}

/// Microseconds that half of the requests take longer than where they queue up: load, upstream and proxy do not manage
/// that rate together, and what is measured is the queue.
const QUEUE_MIN: f64 = 50_000.0;

/// How often a rate is lowered at most.
const LOWERINGS_MAX: usize = 8;

struct Bench<'a> {
    job: &'a Job,
    site: Site,
    proxies: Vec<Proxy>,
    running: Vec<Running>,
    progress: &'a dyn Fn(&str),
}

impl Bench<'_> {
    /// All repeats of a row: first at the limit, then at the rate that follows from it.
    fn row(&mut self, row: &Row) -> Vec<Cell> {
        let mut cells = vec![Cell::default(); self.proxies.len()];
        for repeat in 1..=self.job.repeats {
            for (at, cell) in cells.iter_mut().enumerate() {
                self.tell(repeat, row, at, "at its limit");
                match self.saturate(row, at) {
                    Ok(run) => cell.throughput.push(run),
                    Err(failure) => cell.failure = Some(failure),
                }
            }
        }
        let mut rates = fixed_rates(&cells);
        for _ in 0..LOWERINGS_MAX {
            let Some(rate) = self.latencies(row, &rates, &mut cells) else { break };
            lower(&mut rates, rate);
        }
        cells
    }

    /// All repeats at these rates; gives one of them at which requests queued up, if there is one, and then stops.
    fn latencies(&mut self, row: &Row, rates: &[Option<f64>], cells: &mut [Cell]) -> Option<f64> {
        cells.iter_mut().for_each(|cell| cell.latency.clear());
        for repeat in 1..=self.job.repeats {
            for (at, cell) in cells.iter_mut().enumerate() {
                let Some(rate) = rates[at] else { continue };
                self.tell(repeat, row, at, "at a fixed rate");
                match self.at_rate(row, at, rate) {
                    Ok(run) if run.p50 > QUEUE_MIN => {
                        cell.latency.push(run);
                        return Some(rate);
                    }
                    Ok(run) => cell.latency.push(run),
                    Err(failure) => cell.failure = Some(failure),
                }
            }
        }
        None
    }

    fn tell(&self, repeat: usize, row: &Row, at: usize, what: &str) {
        let name = &self.proxies[at].name;
        (self.progress)(&format!("{repeat}/{}  {}  {name} {what}", self.job.repeats, row.name));
    }

    fn saturate(&self, row: &Row, at: usize) -> Result<Throughput, String> {
        let address = self.proxies[at].address(row.port);
        let words = load::saturating(row, address, self.job.seconds, "message");
        let (before, start) = (self.running[at].cpu(), Instant::now());
        let printed = self.load(&words)?;
        let took = start.elapsed().as_secs_f64();
        let cpu = (self.running[at].cpu() - before).as_secs_f64();
        let answered = load::answered(row, &printed)? as f64;
        let rate = answered / f64::from(self.job.seconds);
        Ok(Throughput { rate, cpu: cpu / answered * 1e6, busy: cpu / took })
    }

    fn at_rate(&self, row: &Row, at: usize, rate: f64) -> Result<Latency, String> {
        let program = self.job.helpers.join(HELPERS[1]).display().to_string();
        let address = self.proxies[at].address(row.port);
        let mut words = vec![program];
        words.extend(load::at_rate(row, address, rate, self.job.seconds));
        load::latency(&self.load(&words)?, rate)
    }

    fn load(&self, words: &[String]) -> Result<String, String> {
        let printed = self.site.load(self.job, words).map_err(|error| error.to_string());
        self.empty_logs();
        printed
    }

    /// Minutes of full load fill a disk. All write at the end of the file, wherever that is.
    fn empty_logs(&self) {
        let entries = fs::read_dir(&self.job.folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "log") {
                let file = fs::File::options().write(true).open(path);
                let _still_large = file.and_then(|file| file.set_len(0));
            }
        }
    }
}
