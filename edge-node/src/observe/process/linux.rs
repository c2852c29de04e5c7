//! Process figures from `/proc`. Source: `proc(5)`.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::Figures;

/// Reads `/proc/self`.
#[derive(Debug)]
pub struct Reader {
    /// Seconds since 1970 at which the machine started; the kernel counts from there.
    boot_seconds: Option<f64>,
}

impl Reader {
    /// Reads once what does not change.
    pub fn new() -> Self {
        Self { boot_seconds: fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot) }
    }

    /// The figures of now.
    pub fn read(&self) -> Figures {
        let stat = fs::read_to_string("/proc/self/stat").ok();
        let stat = stat.as_deref().and_then(|text| {
            Stat::parse(text, clock_ticks_per_second() as f64, page_size() as u64)
        });
        Figures {
            cpu_seconds: stat.as_ref().map(|stat| stat.cpu_seconds),
            resident_bytes: stat.as_ref().map(|stat| stat.resident_bytes),
            virtual_bytes: stat.as_ref().map(|stat| stat.virtual_bytes),
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
            start_time_seconds: stat.zip(self.boot_seconds).map(|(stat, boot)| boot + stat.start),
        }
    }
}

fn boot(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// The folder lists the descriptor it is read through as well.
fn open_fds() -> Option<u64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(count).ok()?.checked_sub(1)
}

/// The fields of `/proc/self/stat` that are used.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    /// Seconds after the machine's start.
    start: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Stat {
    /// Fields are numbered from 1 in `proc(5)`; the second, the program's name, may hold spaces
    /// and parentheses, so what follows is counted from the last one.
    fn parse(text: &str, ticks_per_second: f64, page_bytes: u64) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / ticks_per_second,
            start: field(22)? as f64 / ticks_per_second,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)?.checked_mul(page_bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_name_with_spaces_and_parentheses() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194304 99 0 0 0 150 50 0 0 20 0 2 0 12345 \
                    2097152 300 18446744073709551615 1 1 0\n";
        let stat = Stat::parse(text, 100.0, 4096).unwrap();
        assert_eq!(
            stat,
            Stat {
                cpu_seconds: 2.0,
                start: 123.45,
                virtual_bytes: 2_097_152,
                resident_bytes: 1_228_800
            }
        );
    }

    #[test]
    fn a_text_of_another_shape_gives_no_figures() {
        for text in ["", "7 (a)", "7 (a) S 1 2 3", "no parenthesis"] {
            assert_eq!(Stat::parse(text, 100.0, 4096), None, "{text:?}");
        }
    }
}
