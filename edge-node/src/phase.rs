//! The phases of the service's life and everything that follows from a phase: pure data, the
//! same on every system, so that what Windows is told is tested on Linux.
//!
//! Nothing here talks to a service manager; `host.rs` and its rooms do, with what they read here.

use std::time::Duration;

use crate::exit::Exit;

/// Where the service stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Config is read and listeners are bound; nothing answers yet.
    Starting,
    /// Requests are answered.
    Serving,
    /// Maintenance: not ready, the admin listener stays up.
    Paused,
    /// Asked to stop: not ready, requests in flight finish.
    Draining,
    /// Ended, and how.
    Stopped(Exit),
}

/// What can happen to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Every listener is bound and served.
    Bound,
    /// Maintenance was asked for.
    PauseAsked,
    /// The end of maintenance was asked for.
    ResumeAsked,
    /// A stop was asked for.
    StopAsked,
    /// Nothing of the service runs any more.
    Ended(Exit),
}

/// The controls a service manager may send in a phase.
///
/// Source: `SERVICE_STATUS`, `dwControlsAccepted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Controls {
    /// Stop the service, asked by a person or a program.
    pub stop: bool,
    /// Stop because the machine shuts down, within seconds.
    pub shutdown: bool,
    /// Stop because the machine is about to shut down and waits for a drain.
    pub preshutdown: bool,
    /// Begin maintenance, and end it.
    pub pause_continue: bool,
    /// Read the config again.
    pub param_change: bool,
}

impl Controls {
    const NONE: Self = Self {
        stop: false,
        shutdown: false,
        preshutdown: false,
        pause_continue: false,
        param_change: false,
    };
    const ALL: Self = Self {
        stop: true,
        shutdown: true,
        preshutdown: true,
        pause_continue: true,
        param_change: true,
    };
}

/// A service state in the words of the Windows service control manager.
///
/// Source: `SERVICE_STATUS`, `dwCurrentState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagerState {
    /// `SERVICE_START_PENDING`.
    StartPending,
    /// `SERVICE_RUNNING`.
    Running,
    /// `SERVICE_PAUSED`.
    Paused,
    /// `SERVICE_STOP_PENDING`.
    StopPending,
    /// `SERVICE_STOPPED`.
    Stopped,
}

/// How often a pending phase is announced again while it lasts.
pub const BEAT: Duration = Duration::from_secs(1);

/// What a service manager is asked to wait for the next beat of a pending phase.
///
/// Several beats long, so that a stalled scheduler does not make the manager give up.
const PATIENCE: Duration = Duration::from_secs(10);

impl Phase {
    /// The phase after an event, or `None` where the event does not apply and nothing changes.
    #[must_use]
    pub const fn after(self, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Starting, Event::Bound) | (Self::Paused, Event::ResumeAsked) => {
                Some(Self::Serving)
            }
            (Self::Serving, Event::PauseAsked) => Some(Self::Paused),
            (Self::Starting | Self::Serving | Self::Paused, Event::StopAsked) => {
                Some(Self::Draining)
            }
            (
                Self::Starting | Self::Serving | Self::Paused | Self::Draining,
                Event::Ended(exit),
            ) => Some(Self::Stopped(exit)),
            (Self::Starting, Event::PauseAsked | Event::ResumeAsked)
            | (Self::Serving, Event::Bound | Event::ResumeAsked)
            | (Self::Paused, Event::Bound | Event::PauseAsked)
            | (
                Self::Draining,
                Event::Bound | Event::PauseAsked | Event::ResumeAsked | Event::StopAsked,
            )
            | (Self::Stopped(_), _) => None,
        }
    }

    /// How long a service manager should wait for the next beat; `None` for a settled phase,
    /// which has no beats.
    #[must_use]
    pub const fn wait_hint(self) -> Option<Duration> {
        match self {
            Self::Starting | Self::Draining => Some(PATIENCE),
            Self::Serving | Self::Paused | Self::Stopped(_) => None,
        }
    }

    /// The controls that are accepted.
    #[must_use]
    pub const fn controls(self) -> Controls {
        match self {
            Self::Serving | Self::Paused => Controls::ALL,
            // A control sent to a pending service would only queue behind the phase it is in.
            Self::Starting | Self::Draining | Self::Stopped(_) => Controls::NONE,
        }
    }

    /// The phase in the words of the Windows service control manager.
    #[must_use]
    pub const fn manager_state(self) -> ManagerState {
        match self {
            Self::Starting => ManagerState::StartPending,
            Self::Serving => ManagerState::Running,
            Self::Paused => ManagerState::Paused,
            Self::Draining => ManagerState::StopPending,
            Self::Stopped(_) => ManagerState::Stopped,
        }
    }

    /// What systemd is told, one `KEY=VALUE` a line.
    ///
    /// `EXTEND_TIMEOUT_USEC` counts from the moment it is received, so each beat moves the
    /// deadline. `READY=1` ends a start and a reload, it does not speak of `/readyz`: a paused
    /// service says it too, or systemd would wait for the end of its reload. Source:
    /// `sd_notify(3)`.
    #[must_use]
    pub fn notify_text(self) -> String {
        let state = match self {
            Self::Starting => "STATUS=starting".to_owned(),
            Self::Serving => "READY=1\nSTATUS=serving".to_owned(),
            Self::Paused => "READY=1\nSTATUS=paused, not ready".to_owned(),
            Self::Draining => "STOPPING=1\nSTATUS=draining, requests in flight finish".to_owned(),
            Self::Stopped(exit) => format!("STATUS=stopped: {}", exit.meaning()),
        };
        match self.wait_hint() {
            Some(hint) => format!("{state}\nEXTEND_TIMEOUT_USEC={}", hint.as_micros()),
            None => state,
        }
    }

    /// Why the service is not ready; `None` when it is.
    #[must_use]
    pub const fn unready_reason(self) -> Option<&'static str> {
        match self {
            Self::Starting => Some("starting"),
            Self::Serving => None,
            Self::Paused => Some("paused"),
            Self::Draining => Some("draining"),
            Self::Stopped(_) => Some("stopped"),
        }
    }
}

/// What systemd is told when a reload begins; the text of the phase ends it.
///
/// `monotonic` is the time of `CLOCK_MONOTONIC` at which the request was taken up, by which
/// systemd tells an answer to its own request from an earlier one. Source: `sd_notify(3)`,
/// `systemd.service(5)` at `Type=notify-reload`.
#[must_use]
pub fn reloading_text(monotonic: Duration) -> String {
    format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reloading", monotonic.as_micros())
}

#[cfg(test)]
mod tests;
