//! The verbs on a manager of memory: each twice, in every order that people use.

use std::cell::RefCell;

use clap::Parser as _;

use super::verb::{Owner, Service, State};
use super::*;
use crate::cli::{Cli, Command};

/// A manager that does what it is told.
#[derive(Default)]
struct Memory {
    service: RefCell<Option<Service>>,
    applied: RefCell<Vec<Operation>>,
}

impl Manager for &Memory {
    fn admit(&self, _verb: Option<Verb>) -> Result<(), Refusal> {
        Ok(())
    }

    fn look(&self, instance: &Instance) -> Result<Found, Refusal> {
        let Some(mut service) = self.service.borrow().clone() else { return Ok(Found::Absent) };
        if service.config.as_deref() != Some(&instance.config) {
            service.differences.push("config".to_owned());
        }
        Ok(Found::Present(Box::new(service)))
    }

    fn apply(&self, operation: Operation, instance: &Instance) -> Result<Vec<String>, Refusal> {
        self.applied.borrow_mut().push(operation);
        let mut service = self.service.borrow_mut();
        match operation {
            Operation::Register => {
                let state = service.as_ref().map_or(State::Stopped, |service| service.state);
                *service = Some(Service {
                    owner: Owner::Ours,
                    state,
                    process: None,
                    exit_code: None,
                    start: "manual".to_owned(),
                    program: Some(instance.program.clone()),
                    config: Some(instance.config.clone()),
                    account: None,
                    differences: vec![],
                });
            }
            Operation::Start | Operation::Restart => set(&mut service, State::Running),
            Operation::Stop => set(&mut service, State::Stopped),
            Operation::Unregister { .. } => *service = None,
        }
        Ok(vec![])
    }
}

fn set(service: &mut Option<Service>, state: State) {
    service.as_mut().expect("only what is installed is started").state = state;
}

/// Says `line` to the program, whose manager is `memory`: what it prints, and its exit code.
fn say(memory: &Memory, line: &str) -> (String, Exit) {
    let words = ["edge-node", "service"].into_iter().chain(line.split_ascii_whitespace());
    let Command::Service(command) = Cli::try_parse_from(words).unwrap().command else {
        panic!("a service verb");
    };
    carry_out(&System::Linux, memory, command)
        .unwrap_or_else(|refusal| (report::refusal(&refusal), refusal.exit))
}

#[track_caller]
fn check(memory: &Memory, line: &str, expected: &str, exit: Exit) {
    let (text, code) = say(memory, line);
    assert_eq!(text.lines().next(), Some(expected), "{line}: {text}");
    assert_eq!(code, exit, "{line}: {text}");
}

#[test]
fn each_verb_can_be_used_twice() {
    let memory = Memory::default();
    for (line, expected) in [
        ("install", "edge-node: installed"),
        ("install", "edge-node: already installed"),
        ("start", "edge-node: started"),
        ("start", "edge-node: already running"),
        (
            "install --config /etc/other.toml",
            "edge-node: updated; it runs as it was until it is restarted",
        ),
        ("restart", "edge-node: restarted"),
        ("restart", "edge-node: restarted"),
        ("stop", "edge-node: stopped"),
        ("stop", "edge-node: already stopped"),
        ("uninstall", "edge-node: uninstalled"),
        ("uninstall", "edge-node: not installed"),
    ] {
        check(&memory, line, expected, Exit::Clean);
    }
    use Operation::{Register, Restart, Start, Stop, Unregister};
    let applied = [Register, Start, Register, Restart, Restart, Stop, Unregister { purge: false }];
    assert_eq!(*memory.applied.borrow(), applied);
}

#[test]
fn what_is_not_installed_is_a_refusal_with_a_hint_and_a_code_of_its_own() {
    let memory = Memory::default();
    for verb in ["start", "stop", "restart"] {
        let (text, exit) = say(&memory, &format!("{verb} --name edge-node-2"));
        assert_eq!(exit, Exit::NotInstalled);
        assert_eq!(
            text,
            "error: service edge-node-2 is not installed\n  help: edge-node service install --name edge-node-2\n"
        );
    }
    check(&memory, "status", "edge-node: not installed", Exit::NotInstalled);
}

#[test]
fn a_status_answers_by_its_exit_code() {
    let memory = Memory::default();
    say(&memory, "install");
    check(&memory, "status", "edge-node: stopped", Exit::NotRunning);
    say(&memory, "start");
    check(&memory, "status", "edge-node: running", Exit::Clean);
    let (json, _) = say(&memory, "status --format json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["state"], "running");
}

#[test]
fn a_name_that_is_no_user_can_be_asked_about_and_is_installed_with_another() {
    let memory = Memory::default();
    let name = "7".repeat(40);
    check(
        &memory,
        &format!("status --name {name}"),
        &format!("{name}: not installed"),
        Exit::NotInstalled,
    );
    let (text, exit) = say(&memory, &format!("install --name {name}"));
    assert!(text.contains("--account") && exit == Exit::Usage, "{text}");
    check(
        &memory,
        &format!("install --name {name} --account web"),
        &format!("{name}: installed"),
        Exit::Clean,
    );
}

#[test]
fn a_bad_name_is_a_wrong_command_line() {
    let error = Cli::try_parse_from(["edge-node", "service", "stop", "--name", "a b"]).unwrap_err();
    assert!(error.to_string().contains("letters, digits"), "{error}");
}
