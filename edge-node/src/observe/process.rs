//! The `process_*` families: what the operating system counts of this process, read at each
//! scrape. Names and meaning are those of the Prometheus client libraries; where a figure cannot
//! be had, its family is left out.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux::Reader;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows::Reader;

/// The figures of a moment; seconds and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Figures {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    open_fds: Option<u64>,
    max_fds: Option<u64>,
    /// Seconds since 1970.
    start_time_seconds: Option<f64>,
}

/// A system whose figures we cannot read.
#[cfg(not(any(target_os = "linux", windows)))]
#[derive(Debug)]
struct Reader;

#[cfg(not(any(target_os = "linux", windows)))]
impl Reader {
    fn new() -> Self {
        Self
    }

    fn read(&self) -> Figures {
        Figures::default()
    }
}

/// Reads the figures whenever metrics are scraped.
#[derive(Debug)]
pub struct ProcessCollector(Reader);

impl ProcessCollector {
    /// A collector for the process that calls.
    #[must_use]
    pub fn new() -> Self {
        Self(Reader::new())
    }
}

impl Default for ProcessCollector {
    fn default() -> Self {
        Self::new()
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Figures {
            cpu_seconds,
            resident_bytes,
            virtual_bytes,
            open_fds,
            max_fds,
            start_time_seconds,
        } = self.0.read();
        let out = &mut encoder;
        let count = |value: Option<u64>| value.map(ConstGauge::new);
        let cpu = cpu_seconds.map(ConstCounter::new);
        add(out, "process_cpu_seconds", "User and system CPU time spent.", cpu)?;
        let resident = count(resident_bytes);
        add(out, "process_resident_memory_bytes", "Memory held in RAM.", resident)?;
        let all = count(virtual_bytes);
        add(out, "process_virtual_memory_bytes", "Memory asked for.", all)?;
        add(out, "process_open_fds", "Open file descriptors or handles.", count(open_fds))?;
        add(out, "process_max_fds", "Limit of open file descriptors.", count(max_fds))?;
        let start = start_time_seconds.map(ConstGauge::new);
        add(out, "process_start_time_seconds", "Start of the process, since 1970.", start)
    }
}

fn add<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    metric: Option<M>,
) -> fmt::Result {
    let Some(metric) = metric else { return Ok(()) };
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(target_os = "linux", windows))]
    #[test]
    fn the_figures_of_this_process_are_plausible() {
        let figures = Reader::new().read();
        assert!(figures.cpu_seconds.unwrap() >= 0.0);
        let (resident, all) = (figures.resident_bytes.unwrap(), figures.virtual_bytes.unwrap());
        assert!(resident > 100_000, "{resident}");
        assert!(all >= 100_000, "{all}");
        assert!(figures.open_fds.is_some() || cfg!(windows), "only Wine does not count them");
        let (open, max) = (figures.open_fds.unwrap_or(1), figures.max_fds.unwrap());
        assert!(open >= 1 && open <= max, "{open} of {max}");
        let now = jiff::Timestamp::now().as_second() as f64;
        let start = figures.start_time_seconds.unwrap();
        assert!(start > now - 86_400.0 && start < now + 2.0, "{start} is not shortly before {now}");
    }
}
