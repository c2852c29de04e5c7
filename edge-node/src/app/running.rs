//! The service at work: it does what it is asked until that is to stop. Reloads happen here.
//!
//! A reload reads the file beside the event loop, binds what moved, and only when nothing can
//! fail any more changes anything.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::certificates::Certificates;
use super::{Parts, drain_and_tell};
use crate::config::{self, Config, DataListener, Listener, Log};
use crate::gateway::Material;
use crate::host::{Ask, Herald, Watchdog};
use crate::listener::{self, BindError, Bound, CLOSE_MAX, LAST_CALL, Serving};
use crate::observe::event_log::EventId;
use crate::observe::logs::{Level, Sink};
use crate::phase::Event;
use crate::reload::{self, Applied, Outcome, Place, Plan, Request};
use crate::tls::TlsError;
use crate::watchdog::{self, Probed, Probing, Target};
use crate::{Failure, report};

/// Former listeners that may drain at a time; a further move has to wait.
const RETIRING_MAX: usize = 8;

/// The service at work.
pub(super) struct Running {
    /// The config in force.
    pub config: Config,
    /// The certificates in force.
    certificates: Certificates,
    /// The file it came from.
    pub path: PathBuf,
    pub data: Vec<Serving>,
    pub admin: Serving,
    pub parts: Parts,
    /// Listeners that were replaced and drain.
    pub retiring: VecDeque<JoinHandle<()>>,
    /// What a self-probe asks at the moment.
    targets: watch::Sender<Vec<Target>>,
}

/// A config, what its files hold, and what takes log lines under it if that changes.
type Read = (Config, Material, Option<Box<dyn Sink>>);

/// A config on its way from the disk.
struct Reading {
    load: JoinHandle<Result<Read, Failure>>,
    /// Who waits for what comes of it.
    answer: Option<oneshot::Sender<Outcome>>,
    /// Asked for again since the file was opened, so it may have been written since.
    again: bool,
}

impl Reading {
    fn begin(
        path: &Path,
        log: &Log,
        material: &Material,
        answer: Option<oneshot::Sender<Outcome>>,
    ) -> Self {
        let (path, log, material) = (path.to_owned(), log.clone(), material.clone());
        // A disk may be slow: requests do not wait for it.
        let load = tokio::task::spawn_blocking(move || {
            let config = config::load(&path)?;
            let material = Material::read(&config, &material)?;
            let sink = reload::sink(&log, &config.log)?;
            Ok((config, material, sink))
        });
        Self { load, answer, again: false }
    }
}

/// The config that is being read; waits for ever where none is.
async fn arrival(reading: &mut Option<Reading>) -> Result<Result<Read, Failure>, JoinError> {
    match reading {
        Some(reading) => (&mut reading.load).await,
        None => std::future::pending().await,
    }
}

impl Running {
    pub fn new(
        config: Config,
        material: Material,
        path: PathBuf,
        data: Vec<Serving>,
        admin: Serving,
        parts: Parts,
    ) -> Self {
        let targets = watch::Sender::new(Vec::new());
        let certificates = Certificates::new(material);
        let retiring = VecDeque::new();
        let running = Self { config, certificates, path, data, admin, parts, retiring, targets };
        running.probe_all();
        running
    }

    /// Starts the self-probe for a watchdog; without its thread the service runs unwatched and
    /// the manager restarts it, so that is said.
    pub fn probe_for(&self, watchdog: Option<Watchdog>) -> Option<Probing> {
        let workers = self.parts.gateway.event_loops().iter().cloned();
        let probed = Probed {
            events: [Handle::current()].into_iter().chain(workers).collect(),
            targets: self.targets.subscribe(),
            own: self.parts.own.clone(),
        };
        let logs = &self.parts.logs;
        watchdog::start(watchdog?, probed, logs.clone())
            .inspect_err(|error| {
                logs.record(Level::Error, "app", "self-probe cannot be started")
                    .field("error", error)
                    .emit();
            })
            .ok()
    }

    /// Probes and tells of the pools that the gateway has now, and no others.
    pub fn look_at_pools(&mut self) {
        let Parts { gateway, pools, probes, .. } = &mut self.parts;
        let current = gateway.pools();
        probes.set(&current, |pool| gateway.client_tls(&pool.settings().name));
        pools.set(current);
    }

    fn probe_all(&self) {
        // `*` is no path, so no route of the world's ever gets this request.
        let data = self.data.iter().map(|data| data.target("OPTIONS *"));
        self.targets.send_replace(data.chain([self.admin.target("GET /livez")]).collect());
    }

    /// The data listeners are about to close.
    pub fn probe_admin_only(&self) {
        self.targets.send_replace(vec![self.admin.target("GET /livez")]);
    }

    /// Does what is asked until that is to stop; the word for who asked.
    pub async fn until_stopped(
        &mut self,
        asks: &mut mpsc::Receiver<Ask>,
        requests: &mut mpsc::Receiver<Request>,
        herald: &mut Herald,
    ) -> &'static str {
        let mut reading: Option<Reading> = None;
        loop {
            tokio::select! {
                ask = asks.recv() => match ask {
                    None => return "host-gone",
                    Some(Ask::Stop(stop)) => return stop.as_str(),
                    Some(Ask::Pause) => self.turn(herald, Event::PauseAsked),
                    Some(Ask::Resume) => self.turn(herald, Event::ResumeAsked),
                    Some(Ask::Reload) => match &mut reading {
                        Some(reading) => reading.again = true,
                        None => reading = Some(self.begin(herald, None)),
                    },
                },
                Some(request) = requests.recv(), if reading.is_none() => {
                    reading = Some(self.begin(herald, Some(request.answer)));
                }
                loaded = arrival(&mut reading) => {
                    let Some(Reading { answer, again, .. }) = reading.take() else { continue };
                    let outcome = self.reload(loaded).await;
                    herald.reload_ends();
                    if let Some(answer) = answer {
                        // Who asked may have gone away.
                        let _ = answer.send(outcome);
                    }
                    if again {
                        reading = Some(self.begin(herald, None));
                    }
                }
                looked = self.certificates.looked(&self.config) => self.renew(looked),
                never = herald.tell_until_heard() => match never {},
            }
        }
    }

    /// Puts certificates in force that were read again; where they cannot be, the old ones go on.
    fn renew(&mut self, looked: Result<Material, TlsError>) {
        let logs = &self.parts.logs;
        match looked {
            Ok(material) => {
                self.parts.gateway.apply(&self.config, &material);
                self.certificates.set(material);
                logs.record(Level::Info, "app", "certificates reloaded").emit();
                self.look_at_pools();
            }
            Err(error) => logs
                .record(Level::Error, "app", "certificates refused, the old ones go on")
                .field("error", error)
                .emit(),
        }
    }

    /// Begins or ends maintenance; asked for twice, it is done once.
    fn turn(&self, herald: &mut Herald, event: Event) {
        let logs = &self.parts.logs;
        if !herald.advance(event) {
            return;
        }
        let reason = herald.phase().unready_reason();
        self.parts.gateway.pause(reason.is_some());
        match reason {
            Some(reason) => logs
                .event(EventId::Paused, "app", "not serving, requests are refused")
                .field("reason", reason),
            None => logs.event(EventId::Resumed, "app", "serving"),
        }
        .emit();
    }

    fn begin(&self, herald: &mut Herald, answer: Option<oneshot::Sender<Outcome>>) -> Reading {
        herald.reload_begins();
        Reading::begin(&self.path, &self.config.log, self.certificates.material(), answer)
    }

    /// Applies what was read, and says and counts what came of it.
    async fn reload(&mut self, loaded: Result<Result<Read, Failure>, JoinError>) -> Outcome {
        let outcome = match loaded {
            Ok(Ok((config, material, sink))) => match self.apply(config, material, sink) {
                Ok((applied, former)) => {
                    self.retire(former).await;
                    Ok(applied)
                }
                Err(failure) => Err(failure),
            },
            Ok(Err(failure)) => Err(failure),
            Err(panicked) => {
                Err(Failure::System { what: "config cannot be loaded", source: panicked.into() })
            }
        };
        let logs = &self.parts.logs;
        self.parts.metrics.reloads().count(outcome.is_ok());
        match &outcome {
            Ok(applied) => {
                logs.event(EventId::Reloaded, "app", "config reloaded")
                    .value("changed", &applied.changed)
                    .emit();
            }
            Err(failure) => logs
                .event(EventId::ReloadRefused, "app", "config refused, the old one goes on")
                .field("diagnostics", report::failure_text(failure, false))
                .emit(),
        }
        outcome
    }

    /// Puts a config in force, or changes nothing; gives the listeners that it replaced or removed.
    fn apply(
        &mut self,
        new: Config,
        material: Material,
        sink: Option<Box<dyn Sink>>,
    ) -> Result<(Applied, Vec<Serving>), Failure> {
        let plan = reload::plan(&self.config, &new);
        self.make_room(&plan)?;
        let listeners = &new.listeners;
        let data = plan.data.iter().zip(&listeners.data);
        let data = data
            .map(|(place, data)| self.bind(&data.name, *place, &data.listener))
            .collect::<Result<Vec<_>, _>>()?;
        let admin = self.bind("admin", plan.admin, &listeners.admin)?;

        // From here on nothing can fail.
        self.parts.gateway.apply(&new, &material);
        self.certificates.set(material);
        self.look_at_pools();
        let mut former = Vec::new();
        for (bound, settings) in data.into_iter().zip(&listeners.data) {
            former.extend(self.place_data(bound, settings));
        }
        former.extend(plan.removed.iter().filter_map(|name| self.take_data(name)));
        self.parts.admin_limits.send_replace(listeners.admin.clone());
        match admin {
            Some(bound) => {
                let serving = self.parts.serve_admin(bound);
                former.push(std::mem::replace(&mut self.admin, serving));
            }
            None => self.admin.resize(listeners.admin.connections_max),
        }
        self.probe_all();
        self.parts.logs.set_level(new.log.level);
        if let Some(sink) = sink {
            self.parts.logs.redirect(sink);
        }
        self.config = new;
        Ok((Applied { changed: plan.changed }, former))
    }

    /// Serves a data listener that was bound anew in the place of the old one, or gives the one
    /// that stays its new limits; gives the old one where it was replaced.
    fn place_data(&mut self, bound: Option<Bound>, settings: &DataListener) -> Option<Serving> {
        let Some(bound) = bound else {
            if let Some(data) = self.data.iter().find(|data| *data.name() == settings.name) {
                data.resize(settings.listener.connections_max);
            }
            return None;
        };
        let old = self.take_data(&settings.name);
        self.data.extend(self.parts.serve_data(bound));
        old
    }

    fn take_data(&mut self, name: &Arc<str>) -> Option<Serving> {
        let index = self.data.iter().position(|data| data.name() == name)?;
        Some(self.data.remove(index))
    }

    /// Forgets listeners that have drained, and refuses to move on where too many have not.
    fn make_room(&mut self, plan: &Plan) -> Result<(), Failure> {
        self.retiring.retain(|retiring| !retiring.is_finished());
        let places = plan.data.iter().chain([&plan.admin]);
        let moves = places.filter(|place| **place == Place::Moves).count() + plan.removed.len();
        if moves > 0 && self.retiring.len() + moves > RETIRING_MAX.max(moves) {
            let why = format!("{} former listeners still drain", self.retiring.len());
            return Err(Failure::System {
                what: "listeners cannot be moved now",
                source: io::Error::other(why),
            });
        }
        Ok(())
    }

    /// Binds a listener that moves.
    fn bind(
        &self,
        name: &str,
        place: Place,
        settings: &Listener,
    ) -> Result<Option<Bound>, BindError> {
        match place {
            Place::Stays => Ok(None),
            Place::Moves => listener::bind(name, settings).map(Some).map_err(|mut error| {
                let mut own = self.data.iter().chain([&self.admin]).map(Serving::address);
                error.is_held_by_us = own.any(|own| own.port() == error.address.port());
                error
            }),
        }
    }

    /// Lets listeners that were replaced drain in the background, once their addresses are free for
    /// the next reload; a shortage that keeps them from it is not waited for.
    async fn retire(&mut self, mut former: Vec<Serving>) {
        former.iter_mut().for_each(Serving::stop);
        let closed = async {
            for old in &mut former {
                old.close().await;
            }
        };
        let _ = tokio::time::timeout(CLOSE_MAX, closed).await;
        let shutdown = self.config.shutdown;
        // Clients that stay busy leave with their next answer; those that do not may still send.
        let last_call = shutdown.unready_wait.max(LAST_CALL);
        for old in former {
            let logs = self.parts.logs.clone();
            self.retiring.push_back(tokio::spawn(async move {
                logs.record(Level::Info, "app", "former listener drains")
                    .field("listener", old.name())
                    .field("address", old.address())
                    .emit();
                drain_and_tell(old, last_call, shutdown.drain_timeout, logs).await;
            }));
        }
    }

    /// Waits for the listeners that were replaced, each of which has a deadline.
    pub async fn join_retiring(retiring: VecDeque<JoinHandle<()>>, until: Instant) {
        let all = async {
            for retiring in retiring {
                let _ = retiring.await;
            }
        };
        let _ = tokio::time::timeout_at(until, all).await;
    }
}
