//! The host of a terminal, a container or any other parent that speaks signals: nobody is told
//! the phase, signals ask. On Windows the console's events stand for signals.

use std::io;

use tokio::sync::mpsc;

use super::{ASKS_MAX, Announce, Ask, Hup, Status, Stop};

/// An ear where nobody listens.
pub struct Nobody;

impl Announce for Nobody {
    fn announce(&mut self, _status: Status) -> io::Result<()> {
        Ok(())
    }
}

/// Turns signals into asks; must be called inside the runtime.
///
/// # Errors
/// When the system refuses a signal handler.
#[cfg(unix)]
pub fn signals(hup: Hup) -> io::Result<mpsc::Receiver<Ask>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (asks, receiver) = mpsc::channel(ASKS_MAX);
    let hangup = match hup {
        Hup::Reloads => Some((SignalKind::hangup(), Ask::Reload)),
        Hup::Stops => Some((SignalKind::hangup(), Ask::Stop(Stop::Hangup))),
        Hup::Ignored => None,
    };
    for (kind, ask) in [
        (SignalKind::terminate(), Ask::Stop(Stop::Terminate)),
        (SignalKind::interrupt(), Ask::Stop(Stop::Interrupt)),
    ]
    .into_iter()
    .chain(hangup)
    {
        let mut signal = signal(kind)?;
        let asks = asks.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() && asks.send(ask).await.is_ok() {}
        });
    }
    Ok(receiver)
}

/// What `SIGHUP` will mean to a process that no service manager started; asked once, at the
/// start, because a terminal that was closed is no longer there to be asked about.
#[cfg(unix)]
pub fn meaning_of_hup() -> Hup {
    if hangup_is_ignored() {
        Hup::Ignored
    } else if std::fs::File::open("/dev/tty").is_ok() {
        // This opens only where the process has a controlling terminal. Source: `tty(4)`.
        Hup::Stops
    } else {
        Hup::Reloads
    }
}

/// Windows has no such signal.
#[cfg(windows)]
pub fn meaning_of_hup() -> Hup {
    Hup::Ignored
}

/// True if the parent left `SIGHUP` ignored; where the system does not tell, it is not.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// Reads the mask of ignored signals; its lowest bit is signal 1, `SIGHUP`. Source: `proc(5)`.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

/// Turns console events into asks; must be called inside the runtime.
///
/// # Errors
/// When the system refuses a console handler.
#[cfg(windows)]
pub fn signals(_hup: Hup) -> io::Result<mpsc::Receiver<Ask>> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    /// The events are five types with the same method.
    macro_rules! forward {
        ($event:expr, $ask:expr, $asks:expr) => {
            let (mut event, asks) = ($event?, $asks.clone());
            tokio::spawn(async move {
                while event.recv().await.is_some() && asks.send($ask).await.is_ok() {}
            });
        };
    }
    let (asks, receiver) = mpsc::channel(ASKS_MAX);
    forward!(ctrl_c(), Ask::Stop(Stop::Interrupt), asks);
    forward!(ctrl_break(), Ask::Stop(Stop::Interrupt), asks);
    forward!(ctrl_close(), Ask::Stop(Stop::ConsoleClose), asks);
    forward!(ctrl_logoff(), Ask::Stop(Stop::ConsoleClose), asks);
    forward!(ctrl_shutdown(), Ask::Stop(Stop::MachineShutdown), asks);
    Ok(receiver)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read_bit_by_bit() {
        for (status, is_ignored) in [
            ("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n", true),
            ("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n", false),
            ("SigIgn:\tnone\n", false),
            ("", false),
        ] {
            assert_eq!(ignores_hangup(status), is_ignored, "{status:?}");
        }
    }
}
