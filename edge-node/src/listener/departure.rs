//! How a listener goes away, in stages that its connections follow.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Where a listener stands on its way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It takes connections, or waits for the last of them to leave by themselves.
    #[default]
    Open,
    /// Connections end as soon as they are idle.
    Ending,
    /// Time is nearly up: what lasts takes its leave.
    Closing,
    /// Time is up: connections end.
    Cut,
}

/// The way out of a listener.
#[derive(Debug)]
pub struct Departure {
    is_leaving: AtomicBool,
    stage: watch::Sender<Stage>,
}

impl Default for Departure {
    fn default() -> Self {
        Self { is_leaving: AtomicBool::new(false), stage: watch::Sender::new(Stage::Open) }
    }
}

impl Departure {
    /// True once each answer is to close its connection.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// The stages, as they come; the one it stands at is the first.
    #[must_use]
    pub fn stages(&self) -> watch::Receiver<Stage> {
        let mut stages = self.stage.subscribe();
        stages.mark_changed();
        stages
    }

    pub(super) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    pub(super) fn end_idle(&self) {
        self.stage.send_replace(Stage::Ending);
    }

    pub(super) fn close_lasting(&self) {
        self.stage.send_replace(Stage::Closing);
    }

    pub(super) fn cut(&self) {
        self.stage.send_replace(Stage::Cut);
    }
}
