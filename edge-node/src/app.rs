//! The service put together: `build` binds, `run` serves, does what it is asked, and drains.
//!
//! The only file that knows all parts. Who asks and who is told is the host's business.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::running::Running;
use crate::admin::{self, Guard};
use crate::config::{Config, Shutdown};
use crate::exit::Exit;
use crate::gateway;
use crate::host::{Ask, Herald, Stop, Watchdog};
use crate::listener::{self, BindError, Bound, Cut, LAST_CALL, Serving};
use crate::observe::event_log::EventId;
use crate::observe::logs::{Level, Logs};
use crate::observe::metrics::{HttpMetrics, Metrics};
use crate::phase::{Event, Phase};
use crate::probe::Own;
use crate::reload;
use crate::upstream::Pools;

mod running;

/// How long the admin listener may take to end its connections once all else is done.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// Requests to reload that may wait for their turn.
const RELOADS_MAX: usize = 8;

/// The service, bound and not yet answering.
pub struct App {
    config: Config,
    path: PathBuf,
    data: Bound,
    admin: Bound,
    parts: Parts,
    requests: mpsc::Receiver<reload::Request>,
}

/// What listeners are served with, whenever they are bound.
struct Parts {
    data_routes: Router,
    metrics: Arc<Metrics>,
    phases: watch::Receiver<Phase>,
    requests: mpsc::Sender<reload::Request>,
    path: Arc<Path>,
    own: Own,
    logs: Logs,
    pools: Pools,
}

impl Parts {
    fn serve_data(&self, bound: Bound) -> Serving {
        let routes = self.data_routes.clone();
        self.serve(bound, routes)
    }

    fn serve_admin(&self, bound: Bound) -> Serving {
        let routes = admin::routes(
            bound.name(),
            Guard::of(bound.address().ip()),
            admin::Admin {
                metrics: Arc::clone(&self.metrics),
                phases: self.phases.clone(),
                reloads: self.requests.clone(),
                config: Arc::clone(&self.path),
                logs: self.logs.clone(),
                pools: self.pools.clone(),
            },
        );
        self.serve(bound, routes)
    }

    fn serve(&self, bound: Bound, routes: Router) -> Serving {
        self.logs
            .record(Level::Info, "app", "listening")
            .field("listener", bound.name())
            .field("address", bound.address())
            .emit();
        bound.serve(routes, &self.metrics.http(), &self.own, &self.logs)
    }
}

impl App {
    /// Puts the service together and binds its listeners; must be called inside the runtime.
    ///
    /// `path` is where a reload reads the config again.
    ///
    /// # Errors
    /// The first listener that cannot be bound.
    pub fn build(
        path: &Path,
        config: &Config,
        phases: watch::Receiver<Phase>,
        logs: &Logs,
    ) -> Result<Self, BindError> {
        Self::build_with(path, config, phases, logs, gateway::routes)
    }

    /// [`App::build`] with other routes behind the data listener, for tests.
    fn build_with(
        path: &Path,
        config: &Config,
        phases: watch::Receiver<Phase>,
        logs: &Logs,
        data_routes: impl FnOnce(&Arc<str>, &HttpMetrics, watch::Receiver<Phase>) -> Router,
    ) -> Result<Self, BindError> {
        let mut metrics = Metrics::new(logs.dropped());
        metrics.add_logs(&logs.counters());
        let pools = Pools::default();
        metrics.add_upstreams(&pools);
        let metrics = Arc::new(metrics);
        let data = listener::bind("data", &config.listeners.data[0].listener)?;
        let admin = listener::bind("admin", &config.listeners.admin)?;
        let (sender, requests) = mpsc::channel(RELOADS_MAX);
        let parts = Parts {
            data_routes: data_routes(data.name(), &metrics.http(), phases.clone()),
            metrics,
            phases,
            requests: sender,
            path: path.into(),
            own: Own::default(),
            logs: logs.clone(),
            pools,
        };
        Ok(Self { config: config.clone(), path: path.to_owned(), data, admin, parts, requests })
    }

    /// Serves and does what it is asked until that is to stop, then drains; a second request to
    /// stop cuts the drain short.
    ///
    /// The watchdog is told as long as the listeners answer, until the very end.
    pub async fn run(
        self,
        mut asks: mpsc::Receiver<Ask>,
        herald: &mut Herald,
        watchdog: Option<Watchdog>,
    ) -> Exit {
        let Self { config, path, data, admin, parts, mut requests } = self;
        let (data, admin) = (parts.serve_data(data), parts.serve_admin(admin));
        let logs = parts.logs.clone();
        let mut running = Running::new(config, path, data, admin, parts);
        let _probing = running.probe_for(watchdog);
        herald.advance(Event::Bound);
        logs.event(EventId::Serving, "app", "serving").emit();

        let asked_by = running.until_stopped(&mut asks, &mut requests, herald).await;
        // Whoever still waits for a reload is told that none comes.
        drop(requests);
        herald.advance(Event::StopAsked);
        let Shutdown { unready_wait, drain_timeout } = running.config.shutdown;
        logs.event(EventId::Draining, "app", "draining")
            .field("asked-by", asked_by)
            .value("unready-wait-seconds", unready_wait.as_secs_f64())
            .value("drain-timeout-seconds", drain_timeout.as_secs_f64())
            .emit();
        tokio::select! {
            () = drain(running, &logs) => Exit::Clean,
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
async fn drain(running: Running, logs: &Logs) {
    running.probe_admin_only();
    let Running { config, data, admin, retiring, .. } = running;
    let Shutdown { unready_wait, drain_timeout } = config.shutdown;
    // New connections are still taken, and left again with their first answer.
    data.leave();
    tokio::time::sleep(unready_wait).await;
    let retired = Running::join_retiring(retiring, Instant::now() + drain_timeout);
    tokio::join!(drain_and_tell("data", data, LAST_CALL, drain_timeout, logs), retired);
    // A scraper that reads too slowly is no reason to stop late.
    let _ = admin.drain(Duration::ZERO, ADMIN_DRAIN).await;
}

/// Drains a listener and says what came of it.
async fn drain_and_tell(
    name: &str,
    serving: Serving,
    last_call: Duration,
    timeout: Duration,
    logs: &Logs,
) {
    let start = Instant::now();
    match serving.drain(last_call, timeout).await {
        Ok(()) => logs
            .record(Level::Info, "app", "drained")
            .field("listener", name)
            .value("seconds", start.elapsed().as_secs_f64()),
        Err(Cut(connections)) => logs
            .record(Level::Warn, "app", "drain timeout passed, connections are cut")
            .field("listener", name)
            .value("connections", connections),
    }
    .emit();
}

#[cfg(test)]
mod tests;
