//! A pool at work. Picking and reporting a success read and write a few atomics; a lock is taken where an upstream
//! changes its state, and by the one thread that then makes the next `view`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::balance::Candidates;
use super::budget::Budget;
use super::passive::{Counts, Window};
use super::state::{Cause, Machine, Reason, Transition};
use super::view::{View, ejected_max};
use super::{Outcome, Padded, Try, Upstream, Verdict, locked, tell};
use crate::config::{self, Balance};
use crate::observe::logs::Logs;

/// A pool at work.
#[derive(Debug)]
pub struct Pool {
    settings: config::Pool,
    upstreams: Vec<Arc<Upstream>>,
    /// Each upstream's successes and failures, where the config asks for them.
    windows: Option<Vec<Arc<Window>>>,
    view: ArcSwap<View>,
    /// Held by the thread that makes the next view.
    refreshing: Mutex<()>,
    /// Panic mode as the log last told it.
    told_panic: AtomicBool,
    lasting: Arc<Lasting>,
    telling: Telling,
}

/// What a pool passes on to the one that it is in the next config.
#[derive(Debug)]
struct Lasting {
    /// Since when time is counted in windows and budget.
    origin: Instant,
    /// Tries that were begun; the number of a turn.
    picks: Padded<AtomicU64>,
    /// Changes of upstreams, so that each pool that shares one sees them.
    generation: Padded<AtomicU64>,
    /// Of the picks, those for another try.
    picks_again: AtomicU64,
    budget: Mutex<Budget>,
    /// Held while an upstream is ejected, so that two threads do not eject more than the share together.
    ejecting: Mutex<()>,
}

impl Lasting {
    fn new(origin: Instant) -> Self {
        Self {
            origin,
            picks: Padded::default(),
            generation: Padded::default(),
            picks_again: AtomicU64::new(0),
            budget: Mutex::new(Budget::new()),
            ejecting: Mutex::new(()),
        }
    }
}

/// Where changes are told.
#[derive(Clone, Default)]
struct Telling(Option<Logs>);

impl std::fmt::Debug for Telling {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "Telling" } else { "Silent" })
    }
}

impl Pool {
    /// A pool; upstreams that `previous` has too keep their state, and are the same values. Changes are told where
    /// `previous` tells them, else nowhere.
    #[must_use]
    pub fn new(settings: &config::Pool, previous: Option<&Self>) -> Arc<Self> {
        let telling = previous.map(|previous| previous.telling.clone()).unwrap_or_default();
        Self::build(settings, previous, telling)
    }

    /// [`Pool::new`] of a pool that tells the log of changes.
    #[must_use]
    pub fn logged(settings: &config::Pool, previous: Option<&Self>, logs: &Logs) -> Arc<Self> {
        Self::build(settings, previous, Telling(Some(logs.clone())))
    }

    fn build(settings: &config::Pool, previous: Option<&Self>, telling: Telling) -> Arc<Self> {
        let now = Instant::now();
        let new =
            |address| Arc::new(Upstream::new(address, Machine::new(now, settings.probe.is_some())));
        let upstreams = settings.upstreams.iter().map(|wanted| {
            let known = previous.and_then(|previous| previous.position(&wanted.address));
            known.map_or_else(|| new(&wanted.address), |(_, upstream)| Arc::clone(upstream))
        });
        let upstreams: Vec<_> = upstreams.collect();
        let lasting = previous.map(|previous| Arc::clone(&previous.lasting));
        let lasting = lasting.unwrap_or_else(|| Arc::new(Lasting::new(now)));
        let told_panic = previous.is_some_and(|pool| pool.told_panic.load(Ordering::Relaxed));
        // Nothing is changed yet: the config that this is for may still be refused.
        let generation = lasting.generation.load(Ordering::Acquire);
        let weights = settings.upstreams.iter().map(|upstream| upstream.weight);
        let machines = upstreams.iter().map(|upstream| upstream.machine().clone());
        let members: Vec<_> = weights.zip(machines).collect();
        let mut view = View::new(&members, settings, now, generation);
        if view.is_panicking != told_panic {
            // The next look at it tells.
            view.until = Some(now);
        }
        Arc::new(Self {
            windows: windows(settings, previous),
            view: ArcSwap::from_pointee(view),
            settings: settings.clone(),
            upstreams,
            refreshing: Mutex::new(()),
            told_panic: told_panic.into(),
            lasting,
            telling,
        })
    }

    /// What it was made of.
    #[must_use]
    pub fn settings(&self) -> &config::Pool {
        &self.settings
    }

    /// Its upstreams, in the order of the config.
    #[must_use]
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    fn position(&self, address: &config::UpstreamAddress) -> Option<(usize, &Arc<Upstream>)> {
        self.upstreams.iter().enumerate().find(|(_, upstream)| upstream.address == *address)
    }

    /// Picks an upstream, if possible none of `tried`; `hash` is of the key for consistent hashing, as
    /// [`hash`](super::hash) makes it. None where none may be picked.
    #[must_use]
    pub fn pick(self: &Arc<Self>, hash: u64, tried: &[Arc<Upstream>]) -> Option<Try> {
        let mut view = self.view.load();
        let generation = self.lasting.generation.load(Ordering::Acquire);
        if !view.is_current(generation, Instant::now) {
            self.refresh(Instant::now());
            view = self.view.load();
        }
        let turn = self.lasting.picks.fetch_add(1, Ordering::Relaxed);
        let index = if tried.is_empty() {
            self.choose(&view.candidates, turn, hash)
        } else {
            self.lasting.picks_again.fetch_add(1, Ordering::Relaxed);
            let is_tried =
                |index: usize| tried.iter().any(|it| Arc::ptr_eq(it, &self.upstreams[index]));
            let others = view.candidates.without(is_tried);
            self.choose(&others, turn, hash).or_else(|| self.choose(&view.candidates, turn, hash))
        };
        index.map(|index| Try::begin(Arc::clone(self), index))
    }

    fn choose(&self, candidates: &Candidates, turn: u64, hash: u64) -> Option<usize> {
        match &self.settings.balance {
            Balance::RoundRobin => candidates.in_turn(turn),
            Balance::LeastRequests => {
                candidates.of_two(turn, |index| self.upstreams[index].in_flight())
            }
            Balance::ConsistentHash(_) => {
                candidates.by_hash(hash, |index| self.upstreams[index].seed)
            }
        }
    }

    /// Whether a retry is within the budget; counted if so.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        let Lasting { origin, picks, picks_again, budget, .. } = &*self.lasting;
        let again = picks_again.load(Ordering::Relaxed);
        let requests = picks.load(Ordering::Relaxed).saturating_sub(again);
        let share_max = self.settings.retry_share_max;
        locked(budget).spend(origin.elapsed(), requests, share_max)
    }

    /// Whether all are picked from because too few are well.
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.view.load().is_panicking
    }

    /// Takes what became of a try.
    pub(crate) fn note(&self, index: usize, outcome: Outcome) {
        let upstream = &self.upstreams[index];
        upstream.counters.tries[outcome.index()].fetch_add(1, Ordering::Relaxed);
        match outcome.verdict() {
            Verdict::Good => {
                upstream.streak.end();
                if let Some(windows) = &self.windows {
                    windows[index].count(self.time(Instant::now()), true);
                }
            }
            Verdict::Bad => self.note_error(index, Instant::now()),
            Verdict::Nothing => {}
        }
    }

    fn note_error(&self, index: usize, now: Instant) {
        let errors = self.upstreams[index].streak.lengthen();
        let window = self.windows.as_ref().map(|windows| &windows[index]);
        if let Some(window) = window {
            window.count(self.time(now), false);
        }
        if self.settings.ejection.consecutive_errors.is_some_and(|max| errors >= max) {
            self.eject(index, Cause::ConsecutiveErrors, now);
        } else if window.is_some_and(|window| window.is_bad(self.time(now))) {
            self.eject(index, Cause::SuccessRate, now);
        }
    }

    /// Ejects an upstream, unless too many are already.
    fn eject(&self, index: usize, cause: Cause, now: Instant) {
        let max = ejected_max(self.upstreams.len(), self.settings.ejection.share_max);
        // Those of a pool with nobody to spare go no further, nor do late errors of one that is ejected already.
        if max == 0 || !self.upstreams[index].state().is_available() {
            return;
        }
        let _alone = locked(&self.lasting.ejecting);
        let is_other = |(other, upstream): &(usize, &Arc<Upstream>)| {
            *other != index && upstream.machine().is_ejected(now)
        };
        let others = self.upstreams.iter().enumerate().filter(is_other).count();
        if others < max {
            self.change(index, now, None, |machine| machine.eject(cause, now, &self.settings));
        }
    }

    /// Takes the result of a probe of one of its upstreams; `detail` says more of a failure.
    pub(crate) fn probed(&self, upstream: &Upstream, is_success: bool, detail: Option<&str>) {
        let now = Instant::now();
        if let Some((index, _)) = self.position(&upstream.address) {
            let probed = |machine: &mut Machine| machine.probed(is_success, now, &self.settings);
            self.change(index, now, detail, probed);
        }
    }

    /// Lets go of what only probes could change, in a pool that has none.
    pub(super) fn unprobed(&self) {
        let now = Instant::now();
        for (index, upstream) in self.upstreams.iter().enumerate() {
            upstream.history().expect_at(None);
            self.change(index, now, None, |machine| machine.unprobed(now, &self.settings));
        }
    }

    /// Does what time alone does, so that it is told when it happens even where there is no traffic.
    pub fn settle(&self, now: Instant) {
        let generation = self.lasting.generation.load(Ordering::Acquire);
        if !self.view.load().is_current(generation, || now) {
            self.refresh(now);
        }
    }

    /// Changes the state of an upstream, tells, and has the next pick see it.
    fn change(
        &self,
        index: usize,
        now: Instant,
        detail: Option<&str>,
        change: impl FnOnce(&mut Machine) -> Option<Transition>,
    ) {
        let upstream = &self.upstreams[index];
        let (settled, changed) = {
            let mut machine = upstream.machine();
            (settled(&mut machine, now, &self.settings), change(&mut machine))
        };
        for transition in settled {
            self.follow(index, &transition, None);
        }
        if let Some(transition) = changed {
            self.follow(index, &transition, detail);
        }
    }

    /// Does what a change entails.
    fn follow(&self, index: usize, transition: &Transition, detail: Option<&str>) {
        let upstream = &self.upstreams[index];
        upstream.counters.changes[transition.to.index()].fetch_add(1, Ordering::Relaxed);
        if let Reason::Traffic(cause) = transition.reason {
            upstream.counters.ejections[cause.index()].fetch_add(1, Ordering::Relaxed);
        }
        if !(transition.from.is_available() && transition.to.is_available()) {
            // It is not judged twice by the same requests.
            upstream.streak.end();
            if let Some(windows) = &self.windows {
                windows[index].clear();
            }
        }
        self.lasting.generation.fetch_add(1, Ordering::Release);
        if let Some(logs) = &self.telling.0 {
            tell::change(logs, &self.settings.name, upstream, transition, detail);
        }
    }

    /// Makes the next view, unless another thread does; this one then takes the old one once more.
    fn refresh(&self, now: Instant) {
        let Ok(_alone) = self.refreshing.try_lock() else { return };
        let (view, changes) = self.look(now);
        for (index, transition) in changes {
            self.follow(index, &transition, None);
        }
        let is_panicking = view.is_panicking;
        self.view.store(Arc::new(view));
        if self.told_panic.swap(is_panicking, Ordering::Relaxed) != is_panicking
            && let Some(logs) = &self.telling.0
        {
            tell::panic_mode(logs, &self.settings.name, is_panicking);
        }
    }

    /// What is, and what time has changed.
    fn look(&self, now: Instant) -> (View, Vec<(usize, Transition)>) {
        let generation = self.lasting.generation.load(Ordering::Acquire);
        let mut changes = Vec::new();
        let mut members = Vec::with_capacity(self.upstreams.len());
        let weights = self.settings.upstreams.iter().map(|upstream| upstream.weight);
        for (index, (upstream, weight)) in self.upstreams.iter().zip(weights).enumerate() {
            let mut machine = upstream.machine();
            let settled = settled(&mut machine, now, &self.settings);
            changes.extend(settled.into_iter().map(|transition| (index, transition)));
            members.push((weight, machine.clone()));
        }
        (View::new(&members, &self.settings, now, generation), changes)
    }

    /// What the window of an upstream holds, where the config asks for one.
    pub(super) fn window(&self, index: usize, now: Instant) -> Option<Counts> {
        Some(self.windows.as_ref()?.get(index)?.counts(self.time(now)))
    }

    fn time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.lasting.origin)
    }
}

/// What time has changed in an upstream.
fn settled(machine: &mut Machine, now: Instant, settings: &config::Pool) -> Vec<Transition> {
    std::iter::from_fn(|| machine.settle(now, settings)).collect()
}

/// The windows that the config asks for; those of `previous` where they are of the same kind.
fn windows(settings: &config::Pool, previous: Option<&Pool>) -> Option<Vec<Arc<Window>>> {
    let wanted = settings.ejection.success_rate.as_ref()?;
    let window = |upstream: &config::Upstream| {
        let known = previous.and_then(|previous| {
            let (index, _) = previous.position(&upstream.address)?;
            previous.windows.as_ref()?.get(index).filter(|window| window.settings() == wanted)
        });
        known.map_or_else(|| Arc::new(Window::new(wanted)), Arc::clone)
    };
    Some(settings.upstreams.iter().map(window).collect())
}

#[cfg(test)]
pub(crate) mod tests;
