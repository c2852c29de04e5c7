//! Every verb on everything that can be found.

use super::*;

const RUNNING: &[State] = &[State::Running, State::Paused];
const BETWEEN: &[State] = &[State::Starting, State::Stopping];
const DOWN: &[State] = &[State::Stopped, State::Failed];

fn service(state: State) -> Service {
    Service {
        owner: Owner::Ours,
        state,
        process: None,
        exit_code: None,
        start: "manual".to_owned(),
        program: Some("/usr/local/bin/edge-node".to_owned()),
        config: None,
        account: None,
        differences: vec![],
    }
}

fn found(state: State) -> Found {
    Found::Present(Box::new(service(state)))
}

#[track_caller]
fn check(verb: Verb, found: &Found, operations: &[Operation], outcomes: &[Outcome]) {
    let decision = decide(verb, &Name::default(), found).unwrap();
    assert_eq!(decision.operations, operations, "{verb:?} {found:?}");
    assert_eq!(decision.outcomes, outcomes, "{verb:?} {found:?}");
}

#[track_caller]
fn check_refused(verb: Verb, found: &Found, exit: Exit, help: &str) {
    let refusal = decide(verb, &Name::default(), found).unwrap_err();
    assert_eq!(refusal.exit, exit, "{refusal}");
    assert!(refusal.help.as_deref().is_some_and(|text| text.contains(help)), "{refusal:?}");
}

#[test]
fn an_install_registers_once_and_starts_only_when_asked() {
    let quiet = Verb::Install { start: false };
    check(quiet, &Found::Absent, &[Operation::Register], &[Outcome::Installed]);
    check(quiet, &found(State::Stopped), &[], &[Outcome::AlreadyInstalled]);
    let eager = Verb::Install { start: true };
    check(
        eager,
        &Found::Absent,
        &[Operation::Register, Operation::Start],
        &[Outcome::Installed, Outcome::Started],
    );
    check(
        eager,
        &found(State::Running),
        &[],
        &[Outcome::AlreadyInstalled, Outcome::AlreadyRunning],
    );
}

#[test]
fn an_install_over_one_that_differs_updates_it_and_leaves_it_running() {
    let mut differing = service(State::Running);
    differing.differences.push("unit".to_owned());
    check(
        Verb::Install { start: true },
        &Found::Present(Box::new(differing)),
        &[Operation::Register],
        &[Outcome::Updated { running: true }, Outcome::AlreadyRunning],
    );
}

#[test]
fn start_and_stop_can_be_asked_for_twice() {
    for state in RUNNING {
        check(Verb::Start, &found(*state), &[], &[Outcome::AlreadyRunning]);
        check(Verb::Stop, &found(*state), &[Operation::Stop], &[Outcome::Stopped]);
    }
    for state in BETWEEN {
        check(Verb::Start, &found(*state), &[Operation::Start], &[Outcome::Started]);
        check(Verb::Stop, &found(*state), &[Operation::Stop], &[Outcome::Stopped]);
    }
    for state in DOWN {
        check(Verb::Start, &found(*state), &[Operation::Start], &[Outcome::Started]);
        check(Verb::Stop, &found(*state), &[], &[Outcome::AlreadyStopped]);
        check(Verb::Restart, &found(*state), &[Operation::Restart], &[Outcome::Restarted]);
    }
}

#[test]
fn an_uninstall_stops_what_runs_and_succeeds_where_nothing_is() {
    let verb = Verb::Uninstall { purge: false };
    let unregister = Operation::Unregister { purge: false };
    check(verb, &Found::Absent, &[], &[Outcome::NotInstalled]);
    check(verb, &found(State::Failed), &[unregister], &[Outcome::Uninstalled]);
    check(verb, &found(State::Starting), &[Operation::Stop, unregister], &[Outcome::Uninstalled]);
    let purge = Operation::Unregister { purge: true };
    check(Verb::Uninstall { purge: true }, &Found::Absent, &[purge], &[Outcome::NotInstalled]);
}

#[test]
fn what_is_not_installed_cannot_be_started_stopped_or_restarted() {
    for verb in [Verb::Start, Verb::Stop, Verb::Restart] {
        check_refused(verb, &Found::Absent, Exit::NotInstalled, "edge-node service install");
    }
}

#[test]
fn what_others_installed_is_theirs_to_change() {
    let foreign = Service { owner: Owner::Foreign, ..service(State::Stopped) };
    let foreign = Found::Present(Box::new(foreign));
    let mut packaged = service(State::Running);
    packaged.owner = Owner::Installer("apt-get remove edge-node".to_owned());
    check(
        Verb::Install { start: false },
        &Found::Present(Box::new(packaged.clone())),
        &[],
        &[Outcome::AlreadyInstalled],
    );
    packaged.differences.push("unit".to_owned());
    let packaged = Found::Present(Box::new(packaged));
    for verb in [Verb::Install { start: false }, Verb::Uninstall { purge: true }] {
        check_refused(verb, &foreign, Exit::Failed, "--name");
        check_refused(verb, &packaged, Exit::Failed, "apt-get remove");
    }
    check(Verb::Stop, &packaged, &[Operation::Stop], &[Outcome::Stopped]);
}

#[test]
fn a_start_that_is_asked_for_at_install_is_one_at_each_boot() {
    assert_eq!(start_type(None, false), None);
    assert_eq!(start_type(None, true), Some(StartType::Automatic));
    assert_eq!(start_type(Some(StartType::Manual), true), Some(StartType::Manual));
}
