//! The texts that make an instance a service of systemd: the release's own, with the instance's
//! name, paths and account in the places of the default ones.
//!
//! The texts beside this file are made from `templates/systemd` by a test in
//! `tests/tests/service_verbs.rs`, which also compares them; nothing but that test writes them.
//! What is done with the texts is in `linux.rs`.

use super::instance::{Instance, System, registered, starter_config};
use super::verb::{Owner, Service, State};

const UNIT: &str = include_str!("unit.service");
const SYSUSERS: &str = include_str!("sysusers.conf");
const TMPFILES: &str = include_str!("tmpfiles.conf");

/// Where units of the administrator are. Source: `systemd.unit(5)`, "Unit File Load Path".
const UNITS: &str = "/etc/systemd/system";

/// Folders a service with this unit cannot see (`ProtectHome=`, `PrivateTmp=`).
const HIDDEN: [&str; 5] = ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"];

/// A file of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it goes.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Its permission bits.
    pub mode: u32,
}

/// The name systemd knows an instance by.
#[must_use]
pub fn unit_name(instance: &Instance) -> String {
    format!("{}.service", instance.name)
}

/// The unit.
#[must_use]
pub fn unit(instance: &Instance) -> File {
    File {
        path: format!("{UNITS}/{}", unit_name(instance)),
        text: fill(UNIT, instance),
        mode: 0o644,
    }
}

/// What makes the user, for `systemd-sysusers(8)`.
#[must_use]
pub fn sysusers(instance: &Instance) -> File {
    let path = format!("/etc/sysusers.d/{}.conf", instance.name);
    File { path, text: fill(SYSUSERS, instance), mode: 0o644 }
}

/// What makes the folder of the configuration, for `systemd-tmpfiles(8)`; it has no say over a
/// configuration that is elsewhere.
#[must_use]
pub fn tmpfiles(instance: &Instance) -> File {
    let path = format!("/etc/tmpfiles.d/{}.conf", instance.name);
    File { path, text: fill(TMPFILES, instance), mode: 0o644 }
}

/// The configuration that is laid where there is none.
#[must_use]
pub fn starter(instance: &Instance) -> File {
    let text = starter_config(&System::Linux);
    File { path: instance.places.config.clone(), text, mode: 0o640 }
}

/// Whether a service could not reach `path`, however readable it is.
#[must_use]
pub fn is_hidden(path: &str) -> bool {
    HIDDEN.iter().any(|folder| path.starts_with(folder))
}

fn fill(text: &str, instance: &Instance) -> String {
    // Names and accounts stand for themselves everywhere; paths come last, so that nothing in them
    // is taken for a mark.
    text.replace("@NAME@", instance.name.as_str())
        .replace("@USER@", &instance.account.as_text())
        .replace("@DESCRIPTION@", &instance.description)
        .split('@')
        .fold((String::new(), false), |(filled, is_mark), part| match (is_mark, part) {
            (true, "PROGRAM") => (filled + &argument(&instance.program), false),
            (true, "CONFIG") => (filled + &argument(&instance.config), false),
            (true, _) => (filled + "@" + part, true),
            (false, _) => (filled + part, true),
        })
        .0
}

/// One word of a command line, quoted where it must be. Source: `systemd.service(5)`, "Command
/// lines"; `systemd.syntax(7)`, "Quoting". Control characters were refused before.
fn argument(text: &str) -> String {
    let text = text.replace('%', "%%").replace('$', "$$");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%$".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// The words of a command line as [`argument`] writes them; enough of systemd's syntax to know
/// our own again.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let (mut is_quoted, mut chars) = (false, line.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            ' ' | '\t' if !is_quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words.iter().map(|word| word.replace("%%", "%").replace("$$", "$")).collect()
}

/// The command line of a unit.
fn command(unit: &str) -> Vec<String> {
    unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).map(words).unwrap_or_default()
}

/// The properties of a unit that [`service`] reads, as `systemctl show --property=` takes them.
pub const PROPERTIES: &str = "LoadState,ActiveState,SubState,MainPID,UnitFileState,FragmentPath,ExecMainCode,ExecMainStatus,NeedDaemonReload,User";

/// `CLD_EXITED`: the process ended by itself. Source: `sigaction(2)`.
const EXITED: &str = "1";

/// One property of `systemctl show`.
#[must_use]
pub fn property<'a>(shown: &'a str, key: &str) -> &'a str {
    let of = |line: &'a str| line.strip_prefix(key)?.strip_prefix('=');
    shown.lines().find_map(of).unwrap_or_default()
}

/// A service out of what `systemctl show` tells and the text of its unit, without differences.
#[must_use]
pub fn service(shown: &str, unit: &str, owner: Option<Owner>) -> Service {
    let of = |key| property(shown, key);
    let command = command(unit);
    let ours = registered(&command);
    let (program, config) = match ours {
        Some((program, config)) => (Some(program.to_owned()), Some(config.to_owned())),
        None => (command.first().cloned(), None),
    };
    let exit_code = of("ExecMainStatus").parse().ok();
    let start = match of("UnitFileState") {
        "enabled" => "automatic",
        "" | "disabled" => "manual",
        other => other,
    };
    let state = state(of("ActiveState"));
    Service {
        owner: match ours {
            Some(_) => owner.unwrap_or(Owner::Ours),
            None => Owner::Foreign,
        },
        state,
        process: of("MainPID").parse().ok().filter(|process| *process != 0),
        exit_code: exit_code
            .filter(|code| *code != 0 && of("ExecMainCode") == EXITED && !state.is_up()),
        start: start.to_owned(),
        program,
        config,
        account: Some(of("User").to_owned()).filter(|user| !user.is_empty()),
        differences: vec![],
    }
}

/// Source: `systemctl(1)`, the states of `org.freedesktop.systemd1`.
fn state(active: &str) -> State {
    match active {
        "active" | "reloading" | "refreshing" => State::Running,
        "activating" => State::Starting,
        "deactivating" => State::Stopping,
        "failed" => State::Failed,
        _ => State::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::instance::Asked;
    use crate::service::name::Name;

    fn instance(program: &str) -> Instance {
        Instance::new(&System::Linux, Asked::default(), program.to_owned()).unwrap()
    }

    #[test]
    fn every_mark_is_filled() {
        let instance = instance("/usr/local/bin/edge-node");
        for file in [unit(&instance), sysusers(&instance), tmpfiles(&instance)] {
            assert!(
                !file.text.contains("@NAME") && !file.text.contains("@CONFIG"),
                "{}",
                file.text
            );
            assert!(!file.text.contains("@USER") && !file.text.contains("@DESC"), "{}", file.text);
        }
        let line =
            "ExecStart=/usr/local/bin/edge-node run --config /etc/edge-node/edge-node.toml\n";
        assert!(unit(&instance).text.contains(line));
        assert!(unit(&instance).text.contains("\nUser=edge-node\n"));
        assert!(unit(&instance).text.contains("\nSystemCallFilter=~@privileged @resources\n"));
    }

    #[test]
    fn a_program_is_known_again_whatever_its_path_holds() {
        for program in ["/a b/c\"d\\e", "/x/%h/$HOME/@CONFIG@/@", "/usr/bin/é;"] {
            let text = unit(&instance(program)).text;
            let shown = "ActiveState=active\nMainPID=7\nUnitFileState=enabled\n";
            let service = service(shown, &text, None);
            assert_eq!(service.program.as_deref(), Some(program), "{text}");
            assert_eq!(service.config.as_deref(), Some("/etc/edge-node/edge-node.toml"));
            assert_eq!(service.owner, Owner::Ours);
            assert_eq!((service.state, service.process), (State::Running, Some(7)));
        }
    }

    #[test]
    fn a_unit_that_runs_something_else_is_somebody_elses() {
        let shown = "ActiveState=inactive\nMainPID=0\nUnitFileState=masked\n";
        let service = service(shown, "[Service]\nExecStart=/usr/sbin/sshd -D $OPTIONS\n", None);
        assert_eq!(service.owner, Owner::Foreign);
        assert_eq!(service.program.as_deref(), Some("/usr/sbin/sshd"));
        assert_eq!((service.start.as_str(), service.process), ("masked", None));
    }

    #[test]
    fn the_exit_code_is_told_of_what_ended_by_itself() {
        let shown =
            |code: u32| format!("ActiveState=failed\nExecMainCode={code}\nExecMainStatus=3\n");
        assert_eq!(service(&shown(1), "", None).exit_code, Some(3));
        assert_eq!(service(&shown(2), "", None).exit_code, None);
    }

    #[test]
    fn what_a_hardened_service_cannot_see_is_known() {
        assert!(is_hidden("/root/edge-node") && is_hidden("/home/me/bin/edge-node"));
        assert!(!is_hidden("/usr/local/bin/edge-node") && !is_hidden("/roots/edge-node"));
    }

    #[test]
    fn a_second_instance_has_files_of_its_own() {
        let name: Name = "two".parse().unwrap();
        let asked = Asked { name, ..Asked::default() };
        let instance =
            Instance::new(&System::Linux, asked, "/usr/local/bin/edge-node".to_owned()).unwrap();
        assert_eq!(unit(&instance).path, "/etc/systemd/system/two.service");
        assert!(sysusers(&instance).text.contains("u \"two\" - "));
        assert!(tmpfiles(&instance).text.contains("z /etc/two/edge-node.toml 0640 root two -"));
        assert!(unit(&instance).text.contains("\nStateDirectory=two\n"));
    }
}
