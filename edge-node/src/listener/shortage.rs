//! What to do when accepting fails: a connection that went wrong before it was taken is nothing,
//! a shortage of descriptors or memory is said once when it begins and once when it ends.

use std::io;

/// How accepting goes on after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The error was that connection's own: the next may be taken at once.
    Retry,
    /// The system is short of something: at once, it would fail again.
    Rest {
        /// True for the first error of a run, the one that is worth a line.
        is_first: bool,
    },
}

/// Counts a run of errors.
#[derive(Debug, Default)]
pub struct Shortage {
    errors: u64,
}

impl Shortage {
    /// Takes note of an error.
    pub fn failed(&mut self, error: &io::Error) -> Reaction {
        if is_of_one_connection(error.kind()) {
            return Reaction::Retry;
        }
        self.errors += 1;
        Reaction::Rest { is_first: self.errors == 1 }
    }

    /// Takes note of a connection; the number of errors in the run that it ends, if there was one.
    pub fn accepted(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.errors)).filter(|errors| *errors > 0)
    }
}

/// Linux hands over errors of the connection as those of `accept`. Source: `accept(2)`.
fn is_of_one_connection(kind: io::ErrorKind) -> bool {
    [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::Interrupted,
        io::ErrorKind::NetworkDown,
        io::ErrorKind::NetworkUnreachable,
        io::ErrorKind::HostUnreachable,
    ]
    .contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_one_connection_costs_the_next_one_no_time() {
        let mut shortage = Shortage::default();
        for kind in [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset] {
            assert_eq!(shortage.failed(&kind.into()), Reaction::Retry);
        }
        assert_eq!(shortage.accepted(), None);
    }

    #[test]
    fn of_a_run_of_errors_the_first_is_said_and_the_end_counts_them() {
        let mut shortage = Shortage::default();
        // EMFILE on Unix; some number that is no connection error elsewhere.
        let full = || io::Error::from_raw_os_error(24);
        for is_first in [true, false, false] {
            assert_eq!(shortage.failed(&full()), Reaction::Rest { is_first });
        }
        assert_eq!(shortage.accepted(), Some(3));
        assert_eq!(shortage.accepted(), None);
        assert_eq!(shortage.failed(&full()), Reaction::Rest { is_first: true });
    }
}
