//! Tables with ratios, and which goals of the issue tracker they reach.
//!
//! Pure.

use super::super::Figure;
use super::{Cell, Footprint, Latency, Outcome, Throughput, median};
use std::fmt::Write;

/// The section of docs/benchmarks.md, which is also what is printed.
pub fn section(outcome: &Outcome, machine: &str) -> String {
    let (repeats, seconds) = outcome.runs;
    let mut text = format!(
        "## The gateway beside others\n\n\
         Machine: {machine}. All proxies do the same job (`tests/rigs/gateway`) in one run on loopback: one worker on one \
         processor; the\nload and the upstream share another. Access logs go to files, connections to the upstream are kept. \
         Medians of {repeats} interleaved runs of\n{seconds} s, ± half of the range; CPU is the proxy's own, by \
         `/proc/PID/stat`. Latencies are those at the rate stated: 70 % of what the slowest proxy\nof the row manages, or \
         of its own limit where that is less than half of the fastest one's; and 70 % of that again while \
         requests queue up, as\nload and upstream manage less at a fixed rate.\n\
         A ratio is {product}'s figure to that of the proxy in its line.\n",
        product = outcome.product,
    );
    for (title, cells) in &outcome.rows {
        row(&mut text, outcome, title, cells);
    }
    footprints(&mut text, outcome);
    text
}

fn row(text: &mut String, outcome: &Outcome, title: &str, cells: &[Cell]) {
    let head = [
        "requests/s",
        "ratio",
        "CPU µs/request",
        "ratio",
        "processor busy",
        "at requests/s",
        "p50 µs",
        "p99 µs",
        "ratio",
        "p99.9 µs",
    ];
    table(text, title, &head);
    let ours = outcome.ours().map(|at| &cells[at]);
    for (proxy, cell) in outcome.proxies.iter().zip(cells) {
        let of_limit = |field: fn(&Throughput) -> f64| {
            move |cell: &Cell| median(cell.throughput.iter().map(field))
        };
        let at_rate =
            |field: fn(&Latency) -> f64| move |cell: &Cell| median(cell.latency.iter().map(field));
        let is_ours = *proxy == outcome.product;
        let ratio = |figure: &dyn Fn(&Cell) -> Option<(f64, f64)>| {
            ours.filter(|_| !is_ours).and_then(|ours| Some(figure(ours)?.0 / figure(cell)?.0))
        };
        let (rate, cpu) = (of_limit(|run| run.rate), of_limit(|run| run.cpu));
        let p99 = at_rate(|run| run.p99);
        let columns = [
            shown(rate(cell), 0),
            shown_ratio(ratio(&rate)),
            shown(cpu(cell), 1),
            shown_ratio(ratio(&cpu)),
            of_limit(|run| run.busy)(cell)
                .map_or("-".to_owned(), |(busy, _)| format!("{:.0} %", busy * 100.0)),
            at_rate(|run| run.rate)(cell).map_or("-".to_owned(), |(rate, _)| format!("{rate:.0}")),
            shown(at_rate(|run| run.p50)(cell), 0),
            shown(p99(cell), 0),
            shown_ratio(ratio(&p99)),
            shown(at_rate(|run| run.p999)(cell), 0),
        ];
        line(text, proxy, &columns);
    }
    for (proxy, cell) in outcome.proxies.iter().zip(cells) {
        if let Some(failure) = &cell.failure {
            let _infallible = write!(text, "\n{proxy} failed: {failure}\n");
        }
    }
}

fn footprints(text: &mut String, outcome: &Outcome) {
    let connected = format!("MiB with {} idle connections", outcome.idle_connections);
    let head = ["ms from exec to the first answer", "MiB idle", &connected];
    table(text, "Start and memory (proportional set size of all its processes)", &head);
    for (proxy, found) in outcome.proxies.iter().zip(&outcome.footprints) {
        let of = |field: fn(&Footprint) -> f64| median(found.iter().map(field));
        let columns = [
            shown(of(|it| it.start), 1),
            shown(of(|it| it.idle), 1),
            shown(of(|it| it.connected), 1),
        ];
        line(text, proxy, &columns);
    }
}

fn table(text: &mut String, title: &str, head: &[&str]) {
    let rule = "---:|".repeat(head.len());
    let _infallible = write!(text, "\n### {title}\n\n| | {} |\n|---|{rule}\n", head.join(" | "));
}

fn line(text: &mut String, proxy: &str, columns: &[String]) {
    let _infallible = writeln!(text, "| {proxy} | {} |", columns.join(" | "));
}

fn shown(found: Option<(f64, f64)>, decimals: usize) -> String {
    found.map_or("-".to_owned(), |(middle, spread)| {
        format!("{middle:.decimals$} ±{:.0} %", spread * 100.0)
    })
}

fn shown_ratio(ratio: Option<f64>) -> String {
    ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"))
}

/// The goals that hold whatever is compared: the product at least as good as the best of those that are written in C, three
/// times as fast as Caddy, small, and soon ready. Ratios are turned so that less is better.
pub fn goals(outcome: &Outcome) -> Vec<Figure> {
    let mut goals = Vec::new();
    let Some(at) = outcome.ours() else { return goals };
    for (title, cells) in &outcome.rows {
        let ours = &cells[at];
        for (proxy, cell) in outcome.proxies.iter().zip(cells).filter(|it| *it.0 != outcome.product)
        {
            goals.extend(against(title, proxy, ours, cell));
        }
    }
    if let Some(ours) = outcome.footprints.get(at) {
        let of = |field: fn(&Footprint) -> f64| median(ours.iter().map(field)).map(|it| it.0);
        let mebibytes = |bytes: f64| (bytes * f64::from(1 << 20)) as u64;
        let start = of(|it| it.start).map(|ms| std::time::Duration::from_secs_f64(ms / 1e3));
        let limit = std::time::Duration::from_millis(50);
        let what = "from exec to the first answer";
        goals.extend(start.map(|start| Figure::milliseconds(what, start, limit)));
        let idle = of(|it| it.idle).map(mebibytes);
        goals.extend(idle.map(|bytes| Figure::mebibytes("memory when idle", bytes, 15.0)));
        let what = format!("memory with {} connections", outcome.idle_connections);
        let connected = of(|it| it.connected).map(mebibytes);
        goals.extend(connected.map(|bytes| Figure::mebibytes(&what, bytes, 100.0)));
    }
    goals
}

fn against(title: &str, proxy: &str, ours: &Cell, theirs: &Cell) -> Vec<Figure> {
    let ratio = |what: &str, found: Option<f64>, goal: f64| {
        found.map(|found| Figure::ratio(&format!("{title}: {what}, {proxy}"), found, goal))
    };
    let both =
        |figure: &dyn Fn(&Cell) -> Option<(f64, f64)>| Some((figure(ours)?.0, figure(theirs)?.0));
    let rate = both(&|cell| median(cell.throughput.iter().map(|run| run.rate)));
    let cpu = both(&|cell| median(cell.throughput.iter().map(|run| run.cpu)));
    let p99 = both(&|cell| median(cell.latency.iter().map(|run| run.p99)));
    let found = if proxy == "caddy" {
        vec![ratio("its requests/s to ours", rate.map(|(a, b)| b / a), 1.0 / 3.0)]
    } else {
        vec![
            ratio("its requests/s to ours", rate.map(|(a, b)| b / a), 1.0),
            ratio("our CPU to its", cpu.map(|(a, b)| a / b), 1.0),
            ratio("our p99 to its", p99.map(|(a, b)| a / b), 1.0),
        ]
    };
    found.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(rate: f64, cpu: f64, p99: f64) -> Cell {
        let throughput = vec![Throughput { rate, cpu, busy: 0.98 }];
        let latency = vec![Latency { rate: 700.0, p50: 80.0, p99, p999: 2.0 * p99 }];
        Cell { throughput, latency, failure: None }
    }

    fn outcome() -> Outcome {
        let footprint = |idle| vec![Footprint { start: 3.0, idle, connected: 90.0 }];
        Outcome {
            product: "node".to_owned(),
            proxies: ["nginx", "caddy", "node"].map(str::to_owned).to_vec(),
            rows: vec![(
                "Plain",
                vec![
                    cell(1000.0, 16.0, 200.0),
                    cell(400.0, 80.0, 900.0),
                    cell(1100.0, 20.0, 150.0),
                ],
            )],
            footprints: vec![footprint(5.0), footprint(40.0), footprint(16.0)],
            idle_connections: 10_000,
            runs: (3, 5),
        }
    }

    #[test]
    fn a_table_has_the_products_ratio_to_each_of_the_others() {
        let text = section(&outcome(), "a machine");
        for line in [
            "### Plain",
            "| nginx | 1000 ±0 % | 1.10 | 16.0 ±0 % | 1.25 | 98 % | 700 | 80 ±0 % | 200 ±0 % | 0.75 | 400 ±0 % |",
            "| node | 1100 ±0 % |  | 20.0 ±0 % |  | 98 % | 700 | 80 ±0 % | 150 ±0 % |  | 300 ±0 % |",
            "| node | 3.0 ±0 % | 16.0 ±0 % | 90.0 ±0 % |",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_goal_that_is_missed_is_named() {
        let missed: Vec<_> = goals(&outcome())
            .into_iter()
            .filter(|goal| !goal.is_met())
            .map(|goal| goal.what)
            .collect();
        assert_eq!(
            missed,
            [
                "Plain: our CPU to its, nginx",
                "Plain: its requests/s to ours, caddy",
                "memory when idle"
            ]
        );
    }

    #[test]
    fn what_failed_is_told_below_its_table() {
        let mut outcome = outcome();
        outcome.rows[0].1[2] = Cell { failure: Some("502".to_owned()), ..Cell::default() };
        let text = section(&outcome, "a machine");
        assert!(text.contains("\nnode failed: 502\n"), "{text}");
        assert!(text.contains("| node | - |  | - |"), "{text}");
    }
}
