//! What the service verbs print, as text: results and `status` for stdout, refusals for stderr.
//!
//! Pure; `service.rs` writes it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Refusal;
use super::instance::System;
use super::name::Name;
use super::verb::{Found, Outcome, Service, option};
use crate::exit::Exit;

/// The lines of a verb that succeeded.
#[must_use]
pub fn outcomes(system: &System, name: &Name, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let said = match outcome {
            Outcome::Installed => "installed",
            Outcome::AlreadyInstalled => "already installed",
            Outcome::Updated { running: false } => "updated",
            Outcome::Updated { running: true } => {
                "updated; it runs as it was until it is restarted"
            }
            Outcome::Started => "started",
            Outcome::AlreadyRunning => "already running",
            Outcome::Stopped => "stopped",
            Outcome::AlreadyStopped => "already stopped",
            Outcome::Restarted => "restarted",
            Outcome::Uninstalled => "uninstalled",
            Outcome::NotInstalled => "not installed",
        };
        let _infallible = writeln!(text, "{name}: {said}");
    }
    if outcomes == [Outcome::Installed] {
        text.push_str(&next(system, name));
    }
    text
}

/// The next command after an install that started nothing.
fn next(system: &System, name: &Name) -> String {
    let option = option(name);
    match system {
        System::Linux => format!(
            "next: edge-node service start{option}\n      systemctl enable {name}  (to start it at each boot)\n"
        ),
        System::Windows { .. } => {
            format!("next: edge-node service start{option}  (each boot starts it as well)\n")
        }
    }
}

/// The lines of `status`.
#[must_use]
pub fn status_text(name: &Name, found: &Found) -> String {
    let Found::Present(service) = found else { return format!("{name}: not installed\n") };
    let Service { state, process, exit_code, start, program, config, account, .. } = &**service;
    let mut text = format!("{name}: {}", state.as_str());
    if let Some(process) = process {
        let _ = write!(text, ", process {process}");
    }
    if let Some(code) = exit_code {
        let _ = write!(text, ", last exit code {code}");
        if let Some(meaning) = meaning(*code) {
            let _ = write!(text, " ({meaning})");
        }
    }
    text.push('\n');
    let unknown = "unknown";
    for (key, value) in [
        ("start", start.as_str()),
        ("program", program.as_deref().unwrap_or(unknown)),
        ("config", config.as_deref().unwrap_or(unknown)),
        ("account", account.as_deref().unwrap_or(unknown)),
    ] {
        let _ = writeln!(text, "  {key:8} {value}");
    }
    text
}

/// `status` as JSON: every key is always there, `null` where nothing is known.
#[must_use]
pub fn status_json(name: &Name, found: &Found) -> Value {
    let service = match found {
        Found::Absent => None,
        Found::Present(service) => Some(&**service),
    };
    json!({
        "name": name.as_str(),
        "installed": service.is_some(),
        "state": service.map(|service| service.state.as_str()),
        "process": service.and_then(|service| service.process),
        "exit-code": service.and_then(|service| service.exit_code),
        "exit-meaning": service.and_then(|service| service.exit_code).and_then(meaning),
        "start": service.map(|service| service.start.as_str()),
        "program": service.and_then(|service| service.program.as_deref()),
        "config": service.and_then(|service| service.config.as_deref()),
        "account": service.and_then(|service| service.account.as_deref()),
    })
}

/// The exit code of `status`, by which a script asks whether the service is up.
#[must_use]
pub fn status_exit(found: &Found) -> Exit {
    match found {
        Found::Absent => Exit::NotInstalled,
        Found::Present(service) if service.state.is_up() => Exit::Clean,
        Found::Present(_) => Exit::NotRunning,
    }
}

/// The lines of a refusal.
#[must_use]
pub fn refusal(refusal: &Refusal) -> String {
    let mut text = format!("error: {}\n", refusal.message);
    if let Some(help) = &refusal.help {
        let _ = writeln!(text, "  help: {help}");
    }
    text
}

/// What an exit code of the service says.
#[must_use]
pub fn meaning(code: u32) -> Option<&'static str> {
    let exit = Exit::ALL.into_iter().find(|exit| u32::from(exit.code()) == code)?;
    Some(exit.meaning())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::verb::{Owner, State};

    fn failed() -> Found {
        Found::Present(Box::new(Service {
            owner: Owner::Ours,
            state: State::Failed,
            process: None,
            exit_code: Some(3),
            start: "automatic".to_owned(),
            program: Some("/usr/local/bin/edge-node".to_owned()),
            config: Some("/etc/edge-node/edge-node.toml".to_owned()),
            account: None,
            differences: vec![],
        }))
    }

    #[test]
    fn a_status_says_why_a_service_ended() {
        let text = status_text(&Name::default(), &failed());
        assert_eq!(
            text,
            "edge-node: failed, last exit code 3 (config file unreadable or wrong, or log file not writable)\n  \
               start    automatic\n  \
               program  /usr/local/bin/edge-node\n  \
               config   /etc/edge-node/edge-node.toml\n  \
               account  unknown\n"
        );
        assert_eq!(status_json(&Name::default(), &failed())["exit-code"], 3);
    }

    #[test]
    fn a_script_can_tell_running_stopped_and_absent_apart() {
        assert_eq!(status_exit(&Found::Absent), Exit::NotInstalled);
        assert_eq!(status_exit(&failed()), Exit::NotRunning);
        let absent = status_json(&Name::default(), &Found::Absent);
        assert_eq!(absent["installed"], false);
        assert_eq!(absent.as_object().unwrap().len(), 10);
    }

    #[test]
    fn an_install_that_starts_nothing_says_what_does() {
        let name: Name = "edge-node-2".parse().unwrap();
        let text = outcomes(&System::Linux, &name, &[Outcome::Installed]);
        assert!(text.contains("next: edge-node service start --name edge-node-2\n"), "{text}");
        assert!(text.contains("systemctl enable edge-node-2"), "{text}");
        let text = outcomes(&System::Linux, &name, &[Outcome::Installed, Outcome::Started]);
        assert_eq!(text, "edge-node-2: installed\nedge-node-2: started\n");
    }
}
