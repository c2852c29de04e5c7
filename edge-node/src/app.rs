//! The service put together: `build` binds, `run` serves, does what it is asked, and drains.
//!
//! The only file that knows all parts. Who asks and who is told is the host's business.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::admin::{self, Guard};
use crate::config::{Config, Shutdown};
use crate::exit::Exit;
use crate::gateway;
use crate::host::{Ask, Herald, Stop};
use crate::listener::{self, BindError, Bound, Cut, Serving};
use crate::observe::logs::{Level, Logs};
use crate::observe::metrics::{HttpMetrics, Metrics};
use crate::phase::{Event, Phase};

/// How long the admin listener may take to end its connections once all else is done.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// The service, bound and not yet answering.
pub struct App {
    data: (Bound, Router),
    admin: (Bound, Router),
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    logs: Logs,
}

impl App {
    /// Puts the service together and binds its listeners; must be called inside the runtime.
    ///
    /// # Errors
    /// The first listener that cannot be bound.
    pub fn build(
        config: &Config,
        phases: watch::Receiver<Phase>,
        logs: &Logs,
    ) -> Result<Self, BindError> {
        Self::build_with(config, phases, logs, gateway::routes)
    }

    /// [`App::build`] with other routes behind the data listener, for tests.
    fn build_with(
        config: &Config,
        phases: watch::Receiver<Phase>,
        logs: &Logs,
        data_routes: impl FnOnce(&Arc<str>, &HttpMetrics, watch::Receiver<Phase>) -> Router,
    ) -> Result<Self, BindError> {
        let mut metrics = Metrics::new(logs.dropped());
        metrics.add_logs(&logs.counters());
        let metrics = Arc::new(metrics);
        let data = listener::bind("data", &config.listeners.data)?;
        let admin = listener::bind("admin", &config.listeners.admin)?;
        let guard = Guard::of(admin.address().ip());
        let data_routes = data_routes(data.name(), &metrics.http(), phases.clone());
        let admin_routes = admin::routes(admin.name(), guard, &metrics, phases);
        Ok(Self {
            data: (data, data_routes),
            admin: (admin, admin_routes),
            metrics,
            shutdown: config.shutdown,
            logs: logs.clone(),
        })
    }

    /// Serves until asked to stop, then drains; a second request to stop cuts the drain short.
    pub async fn run(self, mut asks: mpsc::Receiver<Ask>, herald: &mut Herald) -> Exit {
        let Self { data, admin, metrics, shutdown, logs } = self;
        let serve = |(bound, routes): (Bound, Router)| {
            logs.record(Level::Info, "app", "listening")
                .field("listener", bound.name())
                .field("address", bound.address())
                .emit();
            bound.serve(routes, &metrics.http(), &logs)
        };
        let (data, admin) = (serve(data), serve(admin));
        herald.advance(Event::Bound);
        logs.record(Level::Info, "app", "serving").emit();

        let asked_by = serve_until_stopped(&mut asks, herald, &logs).await;
        herald.advance(Event::StopAsked);
        logs.record(Level::Info, "app", "draining")
            .field("asked-by", asked_by)
            .value("unready-wait-seconds", shutdown.unready_wait.as_secs_f64())
            .value("drain-timeout-seconds", shutdown.drain_timeout.as_secs_f64())
            .emit();
        tokio::select! {
            () = drain(data, admin, shutdown, &logs) => Exit::Clean,
            Some(stop) = next_stop(&mut asks) => {
                logs.record(Level::Warn, "app", "drain cut short by a second request to stop")
                    .field("asked-by", stop.as_str())
                    .emit();
                Exit::Forced
            }
            never = herald.beat_on() => match never {},
        }
    }
}

/// Does what is asked until that is to stop; the word for who asked.
async fn serve_until_stopped(
    asks: &mut mpsc::Receiver<Ask>,
    herald: &mut Herald,
    logs: &Logs,
) -> &'static str {
    loop {
        let ask = tokio::select! {
            ask = asks.recv() => ask,
            never = herald.tell_until_heard() => match never {},
        };
        match ask {
            None => return "host-gone",
            Some(Ask::Stop(stop)) => return stop.as_str(),
            Some(Ask::Pause) => {
                herald.advance(Event::PauseAsked);
                logs.record(Level::Info, "app", "paused, requests are refused").emit();
            }
            Some(Ask::Resume) => {
                herald.advance(Event::ResumeAsked);
                logs.record(Level::Info, "app", "serving").emit();
            }
            Some(Ask::Reload) => {
                logs.record(Level::Warn, "app", "the config is read at the start only").emit();
            }
        }
    }
}

/// The next request to stop; whatever else is asked of a service that drains comes too late.
async fn next_stop(asks: &mut mpsc::Receiver<Ask>) -> Option<Stop> {
    loop {
        if let Ask::Stop(stop) = asks.recv().await? {
            return Some(stop);
        }
    }
}

/// Lets watchers of `/readyz` go away, then drains the data listener, and last the admin
/// listener, which tells of all that until its end.
async fn drain(data: Serving, admin: Serving, shutdown: Shutdown, logs: &Logs) {
    tokio::time::sleep(shutdown.unready_wait).await;
    let start = Instant::now();
    match data.drain(start + shutdown.drain_timeout).await {
        Ok(()) => logs
            .record(Level::Info, "app", "drained")
            .value("seconds", start.elapsed().as_secs_f64())
            .emit(),
        Err(Cut(connections)) => logs
            .record(Level::Warn, "app", "drain timeout passed, connections are cut")
            .value("connections", connections)
            .emit(),
    }
    // A scraper that reads too slowly is no reason to stop late.
    let _ = admin.drain(Instant::now() + ADMIN_DRAIN).await;
}

#[cfg(test)]
mod tests;
