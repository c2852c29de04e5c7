//! `cargo xtask bench`: figures with their goals, as a table and as docs/benchmarks.md.
//!
//! Pure but for [`measure`] and what [`gateway`] runs.

#[cfg_attr(
    all(not(target_os = "linux"), not(test)),
    expect(dead_code, reason = "only Linux runs it; it is compiled and tested everywhere")
)]
pub mod gateway;
mod measure;

pub use measure::{cold_build, machine, plan, sizes, start};

use std::fmt::Write;
use std::time::Duration;
use thiserror::Error;

/// Why something could not be measured.
#[derive(Debug, Error)]
pub enum BenchError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] crate::exec::files::FileError),
    /// A command did not succeed.
    #[error("{0}")]
    Command(#[from] xshell::Error),
    /// A tool did not do what it is for.
    #[error(transparent)]
    Tool(#[from] crate::tool::ToolError),
    /// A service did not become ready.
    #[error("a service did not become ready: {0}")]
    NotReady(String),
}

/// A measured figure and the goal it is held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The unit of the two numbers.
    pub unit: Unit,
    /// What was found.
    pub found: f64,
    /// What is to be reached at most.
    pub goal: f64,
}

/// Units, each with the number of decimals that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// 10^6 bytes.
    Megabytes,
    /// 2^20 bytes.
    Mebibytes,
    /// One figure to another.
    Ratio,
}

impl Figure {
    /// A time of seconds.
    pub fn seconds(what: &str, found: Duration, goal: Duration) -> Self {
        let (found, goal) = (found.as_secs_f64(), goal.as_secs_f64());
        Self { what: what.to_owned(), unit: Unit::Seconds, found, goal }
    }

    /// A time of milliseconds.
    pub fn milliseconds(what: &str, found: Duration, goal: Duration) -> Self {
        let (found, goal) = (found.as_secs_f64() * 1e3, goal.as_secs_f64() * 1e3);
        Self { what: what.to_owned(), unit: Unit::Milliseconds, found, goal }
    }

    /// A size in bytes, with a goal in megabytes.
    pub fn megabytes(what: &str, bytes: u64, goal: f64) -> Self {
        Self { what: what.to_owned(), unit: Unit::Megabytes, found: bytes as f64 / 1e6, goal }
    }

    /// A size in bytes, with a goal in mebibytes.
    pub fn mebibytes(what: &str, bytes: u64, goal: f64) -> Self {
        Self {
            what: what.to_owned(),
            unit: Unit::Mebibytes,
            found: bytes as f64 / f64::from(1 << 20),
            goal,
        }
    }

    /// What was found here to what was found elsewhere.
    pub fn ratio(what: &str, found: f64, goal: f64) -> Self {
        Self { what: what.to_owned(), unit: Unit::Ratio, found, goal }
    }

    /// Whether the goal is reached.
    pub fn is_met(&self) -> bool {
        self.found <= self.goal
    }

    fn row(&self) -> [String; 4] {
        let (name, decimals) = match self.unit {
            Unit::Seconds => ("s", 2),
            Unit::Milliseconds => ("ms", 1),
            Unit::Megabytes => ("MB", 2),
            Unit::Mebibytes => ("MiB", 1),
            Unit::Ratio => ("×", 2),
        };
        let met = if self.is_met() { "met" } else { "MISSED" };
        [
            self.what.clone(),
            format!("{:.decimals$} {name}", self.found),
            format!("≤ {} {name}", self.goal),
            met.to_owned(),
        ]
    }
}

/// One line a figure.
pub fn table(figures: &[Figure]) -> String {
    let line = |figure: &Figure| {
        let [what, found, goal, met] = figure.row();
        format!("{what:<58}{found:>10}  {goal:<10}{met}\n")
    };
    figures.iter().map(line).collect()
}

/// The section of the page that keeps them.
pub fn section(figures: &[Figure], machine: &str) -> String {
    let mut text = format!(
        "## The toolkit and the service by itself\n\nMachine: {machine}\n\n| what | measured | goal | |\n|---|---:|---:|---|\n"
    );
    for figure in figures {
        let _infallible = writeln!(text, "| {} |", figure.row().join(" | "));
    }
    text
}

/// The page with a section put into the place of the one of that name, or at its end; what a person wrote between sections
/// stays. A page that has no section yet is begun anew.
pub fn with_section(page: &str, name: &str, section: &str) -> String {
    let (begin, end) =
        (format!("<!-- written by `cargo xtask bench {name} --write` -->\n"), "<!-- end -->\n");
    let whole = format!("{begin}\n{}\n\n{end}", section.trim_end());
    if let Some((before, rest)) = page.split_once(&begin)
        && let Some((_, after)) = rest.split_once(end)
    {
        return format!("{before}{whole}{after}");
    }
    let head = if page.contains(end) { page } else { HEAD };
    format!("{head}\n{whole}")
}

const HEAD: &str = "# Benchmarks\n\nMeasured on a shared machine: compare figures with one another, not with those of another \
                    machine.\n";

/// The middle of several measurements.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_met_up_to_its_goal() {
        let figure = |millis| {
            Figure::milliseconds("x", Duration::from_millis(millis), Duration::from_millis(50))
        };
        assert!(figure(50).is_met());
        assert!(!figure(51).is_met());
    }

    #[test]
    fn the_table_says_what_was_missed() {
        let figures = [
            Figure::megabytes("size of a", 9_000_000, 8.0),
            Figure::mebibytes("memory of b", 1 << 20, 15.0),
        ];
        let expected = "\
size of a                                                    9.00 MB  ≤ 8 MB    MISSED
memory of b                                                  1.0 MiB  ≤ 15 MiB  met
";
        assert_eq!(table(&figures), expected);
    }

    #[test]
    fn a_section_takes_the_place_of_the_one_of_its_name_and_of_nothing_else() {
        let first = with_section("whatever there was", "dist", "## A\n");
        assert!(first.starts_with("# Benchmarks\n"), "{first}");
        assert!(!first.contains("whatever"), "{first}");
        let both = with_section(&first, "gateway", "## B\n") + "\nBy hand.\n";
        let again = with_section(&both, "dist", "## C\n");
        assert_eq!(again, both.replace("## A", "## C"));
        assert!(again.contains("## B") && again.ends_with("By hand.\n"), "{again}");
    }

    #[test]
    fn the_median_is_not_moved_by_an_outlier() {
        let times = [9, 1, 2, 3, 1000].map(Duration::from_millis).to_vec();
        assert_eq!(median(times), Duration::from_millis(3));
    }
}
