//! Process figures from the Windows API, in the terms the Prometheus client libraries use there.

use super::Figures;
use crate::win32;

/// The handle limit of a Windows process. Source: "Pushing the Limits of Windows: Handles"; the
/// same number is exposed by the Go client.
const HANDLES_MAX: u64 = 16 * 1024 * 1024;

/// `FILETIME` counts units of 100 ns since 1601.
const UNITS_PER_SECOND: f64 = 10_000_000.0;

/// Seconds from 1601 to 1970.
const EPOCH_SECONDS: f64 = 11_644_473_600.0;

/// Asks the system about the current process.
#[derive(Debug)]
pub struct Reader;

impl Reader {
    /// Nothing is kept.
    pub fn new() -> Self {
        Self
    }

    /// The figures of now.
    pub fn read(&self) -> Figures {
        let (memory, times) = (win32::memory(), win32::times());
        Figures {
            cpu_seconds: times.map(|times| (times.kernel + times.user) as f64 / UNITS_PER_SECOND),
            resident_bytes: memory.map(|memory| memory.working_set_bytes),
            virtual_bytes: memory.map(|memory| memory.commit_bytes),
            open_fds: win32::handles().map(u64::from),
            max_fds: Some(HANDLES_MAX),
            start_time_seconds: times
                .map(|times| times.creation as f64 / UNITS_PER_SECOND - EPOCH_SECONDS),
        }
    }
}
