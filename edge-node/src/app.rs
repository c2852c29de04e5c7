//! The service put together: `build` binds, `run` serves, does what it is asked, and drains.
//!
//! The only file that knows all parts. Who asks and who is told is the host's business.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::running::Running;
use crate::Failure;
use crate::admin::{self, Guard};
use crate::config::{Config, DataListener, Listener, Shutdown};
use crate::exit::Exit;
use crate::gateway::{Gateway, Material};
use crate::host::{Ask, Herald, Stop, Watchdog};
use crate::listener::routed::Routed;
use crate::listener::{self, Answer, Bound, Cut, LAST_CALL, Serving};
use crate::memory;
use crate::observe::event_log::EventId;
use crate::observe::logs::{Level, Logs};
use crate::observe::metrics::Metrics;
use crate::phase::{Event, Phase};
use crate::probe::Own;
use crate::reload;
use crate::upstream::Pools;
use crate::upstream::probe::Probes;

mod certificates;
mod running;

/// How long the admin listener may take to end its connections once all else is done and its last call is over.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// How long the workers may take to hand over the last lines of the access log.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// Requests to reload that may wait for their turn.
const RELOADS_MAX: usize = 8;

/// The service, bound and not yet answering.
pub struct App {
    config: Config,
    material: Material,
    path: PathBuf,
    data: Vec<Bound>,
    admin: Bound,
    parts: Parts,
    requests: mpsc::Receiver<reload::Request>,
}

/// What listeners are served with, whenever they are bound.
struct Parts {
    gateway: Gateway,
    metrics: Arc<Metrics>,
    phases: watch::Receiver<Phase>,
    requests: mpsc::Sender<reload::Request>,
    path: Arc<Path>,
    /// The limits of the admin listener.
    admin_limits: watch::Sender<Listener>,
    own: Own,
    logs: Logs,
    pools: Pools,
    probes: Probes,
}

impl Parts {
    /// Serves a data listener, which the gateway knows.
    fn serve_data(&self, bound: Bound) -> Option<Serving> {
        let answer = self.gateway.answer(bound.name())?;
        Some(self.serve(bound, answer))
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
        let limits = self.admin_limits.subscribe();
        let routed = Routed::new(bound.name(), routes, limits, &self.logs);
        self.serve(bound, routed)
    }

    fn serve(&self, bound: Bound, answer: Box<dyn Answer>) -> Serving {
        self.logs
            .record(Level::Info, "app", "listening")
            .field("listener", bound.name())
            .field("address", bound.address())
            .emit();
        bound.serve(answer, &self.metrics.http(), &self.own, &self.logs)
    }
}

impl App {
    /// Puts the service together and binds its listeners; must be called inside the runtime.
    ///
    /// `path` is where a reload reads the config again.
    ///
    /// # Errors
    /// The first listener that cannot be bound, or when the system refuses a thread.
    pub fn build(
        path: &Path,
        config: &Config,
        material: &Material,
        phases: watch::Receiver<Phase>,
        logs: &Logs,
    ) -> Result<Self, Failure> {
        let mut metrics = Metrics::new(logs.dropped());
        metrics.add_logs(&logs.counters());
        let pools = Pools::default();
        metrics.add_upstreams(&pools);
        let metrics = Arc::new(metrics);
        let bind = |data: &DataListener| listener::bind(&data.name, &data.listener);
        let data = config.listeners.data.iter().map(bind).collect::<Result<_, _>>()?;
        let admin = listener::bind("admin", &config.listeners.admin)?;
        let (sender, requests) = mpsc::channel(RELOADS_MAX);
        let parts = Parts {
            gateway: Gateway::start(config, material, metrics.http(), logs)
                .map_err(Failure::system("workers cannot be started"))?,
            metrics,
            phases,
            requests: sender,
            path: path.into(),
            admin_limits: watch::Sender::new(config.listeners.admin.clone()),
            own: Own::default(),
            logs: logs.clone(),
            pools,
            probes: Probes::default(),
        };
        let (config, material, path) = (config.clone(), material.clone(), path.to_owned());
        Ok(Self { config, material, path, data, admin, parts, requests })
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
        let Self { config, material, path, data, admin, parts, mut requests } = self;
        let data = data.into_iter().filter_map(|bound| parts.serve_data(bound)).collect();
        let admin = parts.serve_admin(admin);
        let logs = parts.logs.clone();
        let mut running = Running::new(config, material, path, data, admin, parts);
        running.look_at_pools();
        let _probing = running.probe_for(watchdog);
        herald.advance(Event::Bound);
        logs.event(EventId::Serving, "app", "serving").emit();
        memory::use_large_pages(true);

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

/// Lets watchers of `/readyz` go away, then drains the data listeners, and last the admin
/// listener, which tells of all that until its end.
async fn drain(running: Running, logs: &Logs) {
    running.probe_admin_only();
    // The gateway's threads live until the end.
    let Running { config, data, admin, retiring, parts, .. } = running;
    let Shutdown { unready_wait, drain_timeout } = config.shutdown;
    // New connections are still taken, and left again with their first answer.
    data.iter().for_each(Serving::leave);
    tokio::time::sleep(unready_wait).await;
    let retired = Running::join_retiring(retiring, Instant::now() + drain_timeout);
    let mut draining: JoinSet<()> = data
        .into_iter()
        .map(|data| drain_and_tell(data, LAST_CALL, drain_timeout, logs.clone()))
        .collect();
    let drained = async { while draining.join_next().await.is_some() {} };
    tokio::join!(drained, retired);
    // A scraper that reads too slowly is no reason to stop late.
    let _ = admin.drain(LAST_CALL, ADMIN_DRAIN).await;
    // The log is closed next; a worker that is stuck is no reason to stop late either.
    let _ = tokio::time::timeout(FLUSH_PATIENCE, parts.gateway.flush()).await;
}

/// Drains a listener and says what came of it.
async fn drain_and_tell(serving: Serving, last_call: Duration, timeout: Duration, logs: Logs) {
    let (start, name) = (Instant::now(), Arc::clone(serving.name()));
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
