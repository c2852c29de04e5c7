//! Steps run after what they wait for, side by side where they may, and not at all after a failure.

use super::*;
use crate::plan::CargoBuild;
use proptest::prelude::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

fn file(number: usize) -> Location {
    Location::Work(number.to_string())
}

/// Step `number` writes the file of its number and reads those of other steps.
fn step(number: usize, reads: &[usize]) -> Step {
    Step {
        id: number.to_string(),
        stage: Stage::Build,
        target: None,
        inputs: reads.iter().copied().map(file).collect(),
        outputs: vec![file(number)],
        action: Action::Stub,
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        product: "p".to_owned(),
        version: "1.0.0".to_owned(),
        channel: "stable".to_owned(),
        steps,
        artifacts: Vec::new(),
        skipped: Vec::new(),
    }
}

/// Runs a plan and returns which steps were begun and ended, in that order.
fn watch(plan: &Plan, jobs: usize, failing: Option<usize>) -> (Vec<Happening>, Result<(), usize>) {
    let happenings = Mutex::new(Vec::new());
    let result = run(plan, jobs, &|step| {
        let number: usize = step.id.parse().unwrap();
        happenings.lock().unwrap().push(Happening::Begun(number));
        std::thread::yield_now();
        happenings.lock().unwrap().push(Happening::Ended(number));
        if failing == Some(number) { Err(number) } else { Ok(()) }
    });
    (happenings.into_inner().unwrap(), result)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    Begun(usize),
    Ended(usize),
}

fn position(happenings: &[Happening], wanted: Happening) -> Option<usize> {
    happenings.iter().position(|happening| *happening == wanted)
}

/// A plan whose steps read what any earlier ones write, and a number of jobs.
fn any_plan() -> impl Strategy<Value = (Plan, usize)> {
    let reads =
        prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 1..24);
    (reads, 1_usize..8).prop_map(|(reads, jobs)| {
        let step = |(number, reads): (usize, Vec<prop::sample::Index>)| {
            let earlier = |index: prop::sample::Index| index.index(number);
            let reads: Vec<_> =
                if number == 0 { Vec::new() } else { reads.into_iter().map(earlier).collect() };
            step(number, &reads)
        };
        (plan(reads.into_iter().enumerate().map(step).collect()), jobs)
    })
}

proptest! {
    #[test]
    fn every_step_runs_once_and_after_all_it_reads((plan, jobs) in any_plan()) {
        let (happenings, result) = watch(&plan, jobs, None);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(happenings.len(), 2 * plan.steps.len());
        for (number, needed) in dependencies(&plan).into_iter().enumerate() {
            let begun = position(&happenings, Happening::Begun(number));
            prop_assert!(begun.is_some());
            for other in needed {
                prop_assert!(position(&happenings, Happening::Ended(other)) < begun);
            }
        }
    }

    #[test]
    fn after_a_failure_nothing_that_waits_for_it_runs(
        (plan, jobs) in any_plan(),
        failing in any::<prop::sample::Index>(),
    ) {
        let failing = failing.index(plan.steps.len());
        let (happenings, result) = watch(&plan, jobs, Some(failing));
        prop_assert_eq!(result, Err(failing));
        for (number, needed) in dependencies(&plan).into_iter().enumerate() {
            if needed.contains(&failing) {
                prop_assert_eq!(position(&happenings, Happening::Begun(number)), None);
            }
        }
    }
}

#[test]
fn with_one_job_the_first_failure_is_the_last_step() {
    let plan = plan(vec![step(0, &[]), step(1, &[]), step(2, &[])]);
    let (happenings, result) = watch(&plan, 1, Some(1));
    assert_eq!(result, Err(1));
    let last = [Happening::Begun(1), Happening::Ended(1)];
    assert_eq!(happenings[2..], last);
}

#[test]
fn independent_steps_run_side_by_side() {
    let plan = plan((0..3).map(|number| step(number, &[])).collect());
    // Each waits for the others, so one after the other would take for ever.
    let all_here = Barrier::new(3);
    run(&plan, 3, &|_| {
        all_here.wait();
        Ok::<_, ()>(())
    })
    .unwrap();
}

#[test]
fn cargo_runs_wait_for_one_another() {
    let cargo = |number| Step {
        action: Action::Cargo(CargoBuild {
            triple: "t".to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            removed: Vec::new(),
            products: Vec::new(),
        }),
        ..step(number, &[])
    };
    let plan = plan(vec![cargo(0), step(1, &[]), cargo(2), cargo(3)]);
    let expected = [vec![], vec![], vec![0], vec![2]].map(BTreeSet::from_iter);
    assert_eq!(dependencies(&plan), expected);
}

#[test]
fn verifying_and_publishing_wait_for_everything() {
    let late = |number, stage| Step { stage, ..step(number, &[]) };
    let steps = vec![step(0, &[]), step(1, &[]), late(2, Stage::Verify), late(3, Stage::Publish)];
    let expected = [vec![], vec![], vec![0, 1], vec![0, 1, 2]].map(BTreeSet::from_iter);
    assert_eq!(dependencies(&plan(steps)), expected);
}

#[test]
fn a_panic_in_a_step_ends_the_run() {
    let plan = plan((0..4).map(|number| step(number, &[0])).collect());
    let begun = AtomicUsize::new(0);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        run(&plan, 3, &|_| -> Result<(), ()> {
            begun.fetch_add(1, Ordering::SeqCst);
            panic!("a bug")
        })
    }));
    assert!(ended.is_err());
    assert_eq!(begun.into_inner(), 1);
}
