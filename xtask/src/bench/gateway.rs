//! `cargo xtask bench gateway`: the product and other proxies doing the same job side by side, as tables with ratios.
//!
//! Pure: what is asked, what came of it, and how that is told. [`run`] does it, on Linux.

mod load;
mod report;
#[cfg(target_os = "linux")]
mod rig;
#[cfg(target_os = "linux")]
mod run;

pub use report::{goals, section};
#[cfg(target_os = "linux")]
pub use run::run;

use std::path::PathBuf;

/// Folder of the proxies' configurations, in the workspace.
pub const RIGS: &str = "tests/rigs/gateway";

/// The programs of the package `tests` that take part: what stands behind the proxies, and requests at a fixed rate.
pub const HELPERS: [&str; 2] = ["bench_upstream", "bench_load"];

/// The share of a rate that latencies are taken at.
const SHARE: f64 = 0.7;

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// By which it is chosen on the command line.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    port: Port,
    path: &'static str,
    /// What saturates the proxy.
    saturate: Saturate,
    /// The word of `bench_load` for it.
    kind: &'static str,
    connections: u32,
    /// Requests at a time on each.
    streams: u32,
}

/// Which of a proxy's listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Plain,
    Tls,
    Calls,
}

/// The program that sends as much as is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saturate {
    /// wrk, HTTP/1.1; with a connection for each request, if `close`.
    Wrk { close: bool },
    /// h2load, HTTP/2; unary calls with a message in the body, if `calls`.
    H2load { calls: bool },
}

/// All kinds, in the order of the tables.
pub const ROWS: [Row; 6] = [
    Row {
        name: "http1-1k",
        title: "HTTP/1.1 keep-alive, 1 KiB",
        port: Port::Plain,
        path: "/1024",
        saturate: Saturate::Wrk { close: false },
        kind: "http1",
        connections: 64,
        streams: 1,
    },
    Row {
        name: "http1-64k",
        title: "HTTP/1.1 keep-alive, 64 KiB",
        port: Port::Plain,
        path: "/65536",
        saturate: Saturate::Wrk { close: false },
        kind: "http1",
        connections: 64,
        streams: 1,
    },
    Row {
        name: "tls-1k",
        title: "TLS, HTTP/1.1 keep-alive, 1 KiB",
        port: Port::Tls,
        path: "/1024",
        saturate: Saturate::Wrk { close: false },
        kind: "https1",
        connections: 64,
        streams: 1,
    },
    Row {
        name: "handshakes",
        title: "TLS handshakes: a connection for each request, 1 KiB",
        port: Port::Tls,
        path: "/1024",
        saturate: Saturate::Wrk { close: true },
        kind: "connect",
        connections: 64,
        streams: 1,
    },
    Row {
        name: "http2-1k",
        title: "TLS, HTTP/2, 1 KiB",
        port: Port::Tls,
        path: "/1024",
        saturate: Saturate::H2load { calls: false },
        kind: "http2",
        connections: 16,
        streams: 8,
    },
    Row {
        name: "grpc",
        title: "TLS, gRPC unary, 16 bytes",
        port: Port::Calls,
        path: "/bench.Echo/Unary",
        saturate: Saturate::H2load { calls: true },
        kind: "calls",
        connections: 16,
        streams: 8,
    },
];

/// What is to be compared, and how thoroughly.
#[derive(Clone, Debug)]
pub struct Job {
    /// Name of the product, by which its row in the tables is called.
    pub product: String,
    /// Its program.
    pub program: PathBuf,
    /// Its arguments; `{config}` stands for its configuration.
    pub arguments: Vec<String>,
    /// File name of its configuration, in [`RIGS`] too.
    pub configuration: String,
    /// The workspace root.
    pub root: PathBuf,
    /// The folder of [`HELPERS`].
    pub helpers: PathBuf,
    /// A folder of this run's own.
    pub folder: PathBuf,
    /// Kinds of traffic.
    pub rows: Vec<Row>,
    /// Names of proxies to leave out all others; empty for all.
    pub proxies: Vec<String>,
    /// Repeats of everything, interleaved.
    pub repeats: usize,
    /// Seconds of each measurement.
    pub seconds: u32,
    /// Idle connections whose memory is measured.
    pub idle_connections: usize,
}

impl Job {
    /// Repeats, seconds and idle connections for figures that may be kept, or for trying the thing.
    pub const fn thoroughness(quick: bool) -> (usize, u32, usize) {
        if quick { (1, 1, 1000) } else { (3, 5, 10_000) }
    }
}

/// One run of a proxy at its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// Requests a second.
    pub rate: f64,
    /// Microseconds of the proxy's CPU time for each.
    pub cpu: f64,
    /// Share of its processor that the proxy was busy for.
    pub busy: f64,
}

/// One run at a fixed rate; microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Requests a second.
    pub rate: f64,
    /// Half are not above.
    pub p50: f64,
    /// 99 % are not above.
    pub p99: f64,
    /// 99.9 % are not above.
    pub p999: f64,
}

/// A proxy in one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// At its limit.
    pub throughput: Vec<Throughput>,
    /// At the fixed rate.
    pub latency: Vec<Latency>,
    /// What went wrong, at last.
    pub failure: Option<String>,
}

/// What a proxy is when nothing happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Footprint {
    /// Milliseconds from exec to the first answer.
    pub start: f64,
    /// MiB when it has answered once.
    pub idle: f64,
    /// MiB with the idle connections.
    pub connected: f64,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The product's name, whether or not it is among the proxies.
    pub product: String,
    /// Names.
    pub proxies: Vec<String>,
    /// For each kind of traffic its title, and a cell for each proxy.
    pub rows: Vec<(&'static str, Vec<Cell>)>,
    /// For each proxy.
    pub footprints: Vec<Vec<Footprint>>,
    /// Idle connections that the footprints are about.
    pub idle_connections: usize,
    /// Repeats and seconds of each measurement.
    pub runs: (usize, u32),
}

impl Outcome {
    /// The place of the product among the proxies.
    fn ours(&self) -> Option<usize> {
        self.proxies.iter().position(|proxy| *proxy == self.product)
    }
}

/// The middle of several numbers and half of what lies between the outermost, as a share of it.
fn median(numbers: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let mut numbers: Vec<_> = numbers.into_iter().collect();
    numbers.sort_unstable_by(f64::total_cmp);
    let (first, last) = (*numbers.first()?, *numbers.last()?);
    let upper = numbers[numbers.len() / 2];
    let middle =
        if numbers.len() % 2 == 0 { (numbers[numbers.len() / 2 - 1] + upper) / 2.0 } else { upper };
    Some((middle, if middle > 0.0 { (last - first) / 2.0 / middle } else { 0.0 }))
}

/// The rate at which each proxy's latencies are taken: [`SHARE`] of what the slowest manages. One that manages less than
/// half of what the fastest does gets a share of its own, or the others would be measured nearly idle.
fn fixed_rates(cells: &[Cell]) -> Vec<Option<f64>> {
    let rate = |cell: &Cell| median(cell.throughput.iter().map(|run| run.rate)).map(|it| it.0);
    let rates: Vec<_> = cells.iter().map(rate).collect();
    let fastest = rates.iter().flatten().copied().fold(0.0, f64::max);
    let is_near = |rate: &f64| *rate * 2.0 >= fastest;
    let common = rates.iter().flatten().copied().filter(is_near).fold(f64::INFINITY, f64::min);
    rates
        .into_iter()
        .map(|rate| rate.map(|rate| if is_near(&rate) { common } else { rate } * SHARE))
        .collect()
}

/// Lowers a rate for all that share it.
fn lower(rates: &mut [Option<f64>], rate: f64) {
    for one in rates.iter_mut().flatten().filter(|one| **one == rate) {
        *one *= SHARE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(rates: &[f64]) -> Cell {
        let run = |rate: &f64| Throughput { rate: *rate, cpu: 10.0, busy: 1.0 };
        Cell { throughput: rates.iter().map(run).collect(), ..Cell::default() }
    }

    #[test]
    fn a_median_comes_with_half_the_range_as_a_share_of_it() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some((2.0, 0.5)));
        assert_eq!(median([4.0, 2.0]), Some((3.0, 1.0 / 3.0)));
        assert_eq!(median([]), None);
    }

    #[test]
    fn latencies_are_taken_at_a_common_rate_unless_one_is_far_slower() {
        let cells = [cell(&[50.0]), cell(&[40.0, 42.0, 41.0]), cell(&[10.0]), Cell::default()];
        let rates = fixed_rates(&cells);
        let shown: Vec<_> = rates.iter().map(|rate| rate.map(|rate| rate.round())).collect();
        assert_eq!(shown, [Some(29.0), Some(29.0), Some(7.0), None]);
        let mut rates = rates;
        let common = rates[0].unwrap();
        lower(&mut rates, common);
        let shown: Vec<_> = rates.iter().map(|rate| rate.map(|rate| rate.round())).collect();
        assert_eq!(shown, [Some(20.0), Some(20.0), Some(7.0), None]);
    }
}
