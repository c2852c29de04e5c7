//! Which step waits for which, and running what is ready side by side.
//!
//! Knows nothing of what a step does: [`run`] is given a function.

use crate::plan::{Action, Location, Plan, Stage, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// For each step the indices of the steps that must be finished before it.
///
/// A step waits for those that write what it reads. Verifying and publishing wait for everything before them, because
/// they are about the release as a whole. Cargo runs wait for one another: they share a target folder and its lock.
pub fn dependencies(plan: &Plan) -> Vec<BTreeSet<usize>> {
    let mut producers: BTreeMap<&Location, usize> = BTreeMap::new();
    let mut previous_cargo = None;
    let mut all = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let mut needed: BTreeSet<usize> =
            step.inputs.iter().filter_map(|input| producers.get(input).copied()).collect();
        if step.stage >= Stage::Verify {
            needed.extend(0..index);
        }
        if matches!(step.action, Action::Cargo(_)) {
            needed.extend(previous_cargo.replace(index));
        }
        producers.extend(step.outputs.iter().map(|output| (output, index)));
        all.push(needed);
    }
    all
}

/// What the workers share.
struct Board<E> {
    waiting: BTreeMap<usize, BTreeSet<usize>>,
    running: usize,
    failure: Option<E>,
    panicked: bool,
}

/// Runs all steps with `jobs` workers; after the first failure nothing new is started.
///
/// # Errors
/// The first failure.
///
/// # Panics
/// Where `work` does; the other workers finish what they have begun.
pub fn run<E: Send>(
    plan: &Plan,
    jobs: usize,
    work: &(dyn Fn(&Step) -> Result<(), E> + Sync),
) -> Result<(), E> {
    let waiting = dependencies(plan).into_iter().enumerate().collect();
    let board = Mutex::new(Board { waiting, running: 0, failure: None, panicked: false });
    let changed = Condvar::new();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| worker(plan, &board, &changed, work));
        }
    });
    match board.into_inner().unwrap_or_else(PoisonError::into_inner).failure {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn worker<E>(
    plan: &Plan,
    board: &Mutex<Board<E>>,
    changed: &Condvar,
    work: &(dyn Fn(&Step) -> Result<(), E> + Sync),
) {
    let mut state = lock(board);
    loop {
        if state.failure.is_some() || state.panicked || state.waiting.is_empty() {
            return;
        }
        let Some(index) =
            state.waiting.iter().find(|(_, needed)| needed.is_empty()).map(|(index, _)| *index)
        else {
            debug_assert!(state.running > 0, "the steps of a plan wait for earlier steps only");
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        state.waiting.remove(&index);
        state.running += 1;
        drop(state);
        // A worker that dies without a word would leave the others waiting for ever.
        let result = catch_unwind(AssertUnwindSafe(|| work(&plan.steps[index])));
        state = lock(board);
        state.running -= 1;
        match result {
            Ok(Ok(())) => state.waiting.values_mut().for_each(|needed| {
                needed.remove(&index);
            }),
            Ok(Err(failure)) => {
                state.failure.get_or_insert(failure);
            }
            Err(panic) => {
                state.panicked = true;
                drop(state);
                changed.notify_all();
                resume_unwind(panic);
            }
        }
        changed.notify_all();
    }
}

fn lock<E>(board: &Mutex<Board<E>>) -> MutexGuard<'_, Board<E>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
