//! How a run of the program can end, and the process exit code of each ending.
//!
//! The codes are an interface: units, installers and scripts read them. Nothing here decides
//! which ending it was; `lib.rs`, `app.rs` and `cli.rs` do.

use std::fmt::Write as _;

use crate::observe::event_log::EventId;

/// The table of all endings, for a page of documentation, in Markdown.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = "| Code | Meaning |\n|---|---|\n".to_owned();
    for exit in Exit::ALL {
        let _infallible = writeln!(table, "| {} | {} |", exit.code(), exit.meaning());
    }
    table
}

/// An ending, with its process exit code as discriminant.
///
/// The Windows service control manager is told the same number as service-specific exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The work is done, or the service drained and stopped as asked.
    Clean = 0,
    /// The service failed at run time for a reason that is not in this table.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The config file cannot be read or has mistakes, or the log file cannot be opened.
    Config = 3,
    /// A listener cannot be bound.
    Bind = 4,
    /// A second request to stop came during the drain: requests were cut. Two signals sent at
    /// once may be one to the system.
    Forced = 5,
    /// A service verb was refused: root or an elevated administrator is needed.
    NotElevated = 6,
    /// A service verb names a service that is not installed.
    NotInstalled = 7,
    /// `service status`: the service is installed and does not run.
    NotRunning = 8,
}

impl Exit {
    /// Every ending, by code.
    pub const ALL: [Self; 9] = [
        Self::Clean,
        Self::Failed,
        Self::Usage,
        Self::Config,
        Self::Bind,
        Self::Forced,
        Self::NotElevated,
        Self::NotInstalled,
        Self::NotRunning,
    ];

    /// What the Event Log calls a service that ran and ended so.
    #[must_use]
    pub const fn event(self) -> EventId {
        match self {
            Self::Clean => EventId::Stopped,
            Self::Forced => EventId::Forced,
            Self::Config => EventId::ConfigRefused,
            Self::Bind => EventId::BindRefused,
            Self::Failed
            | Self::Usage
            | Self::NotElevated
            | Self::NotInstalled
            | Self::NotRunning => EventId::Failed,
        }
    }

    /// The process exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// One line for the table in `--help` and for logs.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Clean => "done, or drained and stopped as asked",
            Self::Failed => "failed at run time",
            Self::Usage => "wrong command line",
            Self::Config => "config file unreadable or wrong, or log file not writable",
            Self::Bind => "a listener cannot be bound",
            Self::Forced => {
                "stopped at once by a second signal during the drain, requests were cut"
            }
            Self::NotElevated => "service verb: root or an elevated administrator is needed",
            Self::NotInstalled => "service verb: the service is not installed",
            Self::NotRunning => "service status: installed, but not running",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_are_the_positions_in_the_table() {
        for (position, exit) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(exit.code()), position);
        }
    }
}
