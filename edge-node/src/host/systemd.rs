//! The host under systemd: `sd_notify(3)` messages to the socket in `NOTIFY_SOCKET`. Asks are
//! signals, as in the foreground.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::{Announce, Status, Watchdog};
use crate::phase;

/// An ear at systemd's notification socket.
struct Notifier {
    socket: io::Result<UnixDatagram>,
    name: OsString,
}

/// systemd's watchdog, when the unit has `WatchdogSec=` and means this process.
///
/// Source: `sd_watchdog_enabled(3)`.
pub fn watchdog_from_environment() -> Option<Watchdog> {
    let [name, interval, process] =
        ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"].map(std::env::var_os);
    let interval = interval_for(interval.as_deref(), process.as_deref(), std::process::id())?;
    let notifier = Notifier::new(name?);
    Some(Watchdog { interval, pet: Box::new(move || notifier.send("WATCHDOG=1")) })
}

/// The interval, if the watchdog is on and watches the process `own`.
fn interval_for(
    microseconds: Option<&OsStr>,
    process: Option<&OsStr>,
    own: u32,
) -> Option<Duration> {
    let number = |text: &OsStr| text.to_str()?.parse::<u64>().ok();
    let is_other = process.is_some_and(|process| number(process) != Some(own.into()));
    let microseconds = number(microseconds?).filter(|microseconds| *microseconds > 0)?;
    (!is_other).then_some(Duration::from_micros(microseconds))
}

/// systemd's ear, when the program runs under a unit with `Type=notify`.
pub fn from_environment() -> Option<Box<dyn Announce>> {
    let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
    Some(Box::new(Notifier::new(name)))
}

impl Notifier {
    fn new(name: OsString) -> Self {
        let socket = UnixDatagram::unbound().and_then(|socket| {
            // A manager that does not read must not hold up the service.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        Self { socket, name }
    }
}

impl Notifier {
    /// Sends one message.
    fn send(&self, text: &str) -> io::Result<()> {
        let socket = self
            .socket
            .as_ref()
            .map_err(|error| io::Error::new(error.kind(), format!("NOTIFY_SOCKET: {error}")))?;
        address(&self.name)
            .and_then(|address| socket.send_to_addr(text.as_bytes(), &address))
            .map(|_sent| ())
            .map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", self.name.display()))
            })
    }
}

impl Announce for Notifier {
    fn announce(&mut self, status: Status) -> io::Result<()> {
        self.send(&if status.is_reloading {
            phase::reloading_text(monotonic())
        } else {
            status.phase.notify_text()
        })
    }
}

/// The time of `CLOCK_MONOTONIC`, which systemd reads as well; `Instant` does not give it away.
fn monotonic() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // Neither is ever negative: this clock counts from the machine's start.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A leading `@` stands for the abstract namespace. Source: `sd_notify(3)`, `unix(7)`.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        if let Some(name) = name.as_bytes().strip_prefix(b"@") {
            return SocketAddr::from_abstract_name(name);
        }
    }
    SocketAddr::from_pathname(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::Phase;

    #[track_caller]
    fn check(manager: &UnixDatagram, name: OsString) {
        let mut notifier = Notifier::new(name);
        notifier
            .announce(Status { phase: Phase::Serving, checkpoint: 0, is_reloading: false })
            .unwrap();
        let mut text = [0; 256];
        let length = manager.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"READY=1\nSTATUS=serving");
    }

    #[test]
    fn a_socket_in_the_file_system_hears_the_phase() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        check(&UnixDatagram::bind(&path).unwrap(), path.into());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_socket_hears_the_phase() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("edge-node-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        check(&UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}").into());
    }

    #[test]
    fn a_reload_is_told_with_the_time_of_the_monotonic_clock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut notifier = Notifier::new(path.into());
        let before = monotonic();
        let status = Status { phase: Phase::Serving, checkpoint: 0, is_reloading: true };
        notifier.announce(status).unwrap();
        let mut text = [0; 256];
        let length = manager.recv(&mut text).unwrap();
        let text = std::str::from_utf8(&text[..length]).unwrap();
        let told = text.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        let told = Duration::from_micros(told.parse().unwrap());
        assert!(text.starts_with("RELOADING=1\n"), "{text}");
        let microsecond = Duration::from_micros(1);
        assert!(told + microsecond > before && told <= monotonic(), "{told:?} after {before:?}");
    }

    #[test]
    fn the_watchdog_is_on_for_the_process_it_names_or_for_any() {
        let second = Some(Duration::from_secs(1));
        for (microseconds, process, expected) in [
            (Some("1000000"), Some("7"), second),
            (Some("1000000"), None, second),
            (Some("1000000"), Some("8"), None),
            (Some("1000000"), Some("x"), None),
            (Some("0"), Some("7"), None),
            (Some("soon"), Some("7"), None),
            (None, Some("7"), None),
        ] {
            let found = interval_for(microseconds.map(OsStr::new), process.map(OsStr::new), 7);
            assert_eq!(found, expected, "{microseconds:?} {process:?}");
        }
    }

    #[test]
    fn a_missing_socket_is_an_error_that_names_it() {
        let mut notifier = Notifier::new("/nonexistent/notify".into());
        let status = Status { phase: Phase::Starting, checkpoint: 1, is_reloading: false };
        let error = notifier.announce(status).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/nonexistent/notify: No such file or directory (os error 2)"
        );
    }
}
