//! What makes an instance a service of Windows: command line, rights, privileges and the entries
//! of the registry, as values; and what of it is not so yet.
//!
//! Pure, and so tested on any system; `windows.rs` hands it to Windows.

use std::time::Duration;

use super::instance::{Instance, StartType, registered};
use super::verb::Owner;

/// The privileges the process keeps: to pass through folders, without which nothing opens.
/// Windows takes all others away before the program starts.
///
/// Source: Win32, `SERVICE_REQUIRED_PRIVILEGES_INFO`.
pub const PRIVILEGES: [&str; 1] = ["SeChangeNotifyPrivilege"];

/// After a day without one, a failure counts as the first again.
pub const RESET_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// How many restarts are listed; Windows repeats the last for ever.
pub const RESTARTS: usize = 3;

/// Where the registry has the sources of the Event Log's application channel, below
/// `HKEY_LOCAL_MACHINE`. Source: Win32, "Eventlog Key".
const EVENT_SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";

/// Where the registry has services, below `HKEY_LOCAL_MACHINE`.
const SERVICES: &str = r"SYSTEM\CurrentControlSet\Services";

/// A value of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// `REG_EXPAND_SZ`.
    Expanded(&'static str),
    /// `REG_DWORD`.
    Number(u32),
}

/// The values of an event source. `EventCreate.exe`, which is part of Windows, has a message for
/// each id from 1 to 1000 that is the event's own text, so no message DLL has to be shipped.
pub const EVENT_SOURCE: [(&str, Value); 3] = [
    ("EventMessageFile", Value::Expanded(r"%SystemRoot%\System32\EventCreate.exe")),
    // Error, warning and information.
    ("TypesSupported", Value::Number(7)),
    ("CustomSource", Value::Number(1)),
];

/// The key of the instance's event source.
#[must_use]
pub fn event_source_key(instance: &Instance) -> String {
    format!(r"{EVENT_SOURCES}\{}", instance.name)
}

/// The key of the instance's service.
#[must_use]
pub fn service_key(instance: &Instance) -> String {
    format!(r"{SERVICES}\{}", instance.name)
}

/// A folder and who may what in it, as a security descriptor string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub path: String,
    /// Owner and list of rights, nothing inherited.
    pub rights: String,
}

/// The folders of an instance, the outer first: administrators may do everything, the account
/// reads the configuration and writes logs, nobody else may anything.
///
/// Source: Win32, "Security Descriptor String Format"; the rights are the installer's.
#[must_use]
pub fn folders(instance: &Instance) -> Vec<Folder> {
    let trustee = instance.account.trustee().unwrap_or_default();
    let folder = |path: &str, mask: &str| Folder {
        path: path.to_owned(),
        rights: format!("O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;{mask};;;{trustee})"),
    };
    vec![
        // Read and execute; that and everything but changing rights and owner.
        folder(&instance.places.config_folder, "0x1200a9"),
        folder(&instance.places.logs, "0x1301bf"),
    ]
}

/// The command line of the service. The program is always quoted: of `C:\Program Files\…` without
/// quotes, Windows would try `C:\Program.exe` first.
#[must_use]
pub fn image_path(instance: &Instance) -> String {
    let mut line = format!("\"{}\"", instance.program);
    for argument in &instance.arguments {
        line.push(' ');
        line.push_str(&quoted(argument));
    }
    line
}

/// One argument, quoted where it must be. Source: Win32, `CommandLineToArgvW`.
fn quoted(argument: &str) -> String {
    if !argument.is_empty() && !argument.contains([' ', '\t', '"']) {
        return argument.to_owned();
    }
    let mut text = String::from("\"");
    let mut backslashes = 0;
    for c in argument.chars() {
        match c {
            '\\' => backslashes += 1,
            // Backslashes before a quote are doubled, and one more takes its meaning.
            '"' => {
                text.push_str(&"\\".repeat(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        text.push(c);
    }
    text.push_str(&"\\".repeat(backslashes));
    text.push('"');
    text
}

/// The words of a command line. Source: Win32, `CommandLineToArgvW`; in the first word, the
/// program, a backslash is only that.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    let mut rest = line.trim_start();
    if let Some((program, after)) = rest.strip_prefix('"').and_then(|line| line.split_once('"')) {
        words.push(program.to_owned());
        rest = after;
    }
    let mut word: Option<String> = None;
    let (mut is_quoted, mut backslashes) = (false, 0);
    for c in rest.chars() {
        if c == '\\' {
            backslashes += 1;
            continue;
        }
        let taken = if c == '"' { backslashes / 2 } else { backslashes };
        let is_literal = c == '"' && backslashes % 2 == 1;
        if backslashes > 0 {
            word.get_or_insert_default().push_str(&"\\".repeat(taken));
            backslashes = 0;
        }
        match c {
            '"' if !is_literal => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !is_quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if backslashes > 0 {
        word.get_or_insert_default().push_str(&"\\".repeat(backslashes));
    }
    words.extend(word);
    words
}

/// What Windows tells of a service; `None` where it does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// The command line.
    pub image_path: String,
    /// What people call it.
    pub display_name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who it runs as.
    pub account: Option<String>,
    /// When it starts; `None` for never (disabled) as well.
    pub start: Option<StartType>,
    /// The delays of its restarts after failures.
    pub restarts: Option<Vec<Duration>>,
    /// Whether an end with an exit code other than 0 is a failure.
    pub counts_exit_codes: Option<bool>,
    /// Whether its event source is as it should be.
    pub has_event_source: bool,
    /// Whether its folders are there.
    pub has_folders: bool,
}

/// The program and the configuration of a service, and whose service it is.
#[must_use]
pub fn command(image_path: &str) -> (Option<String>, Option<String>, Owner) {
    let words = words(image_path);
    match registered(&words) {
        Some((program, config)) => (Some(program.to_owned()), Some(config.to_owned()), Owner::Ours),
        None => (words.first().cloned(), None, Owner::Foreign),
    }
}

/// What is not as `instance` wants it, a line each.
#[must_use]
pub fn differences(instance: &Instance, found: &Registered) -> Vec<String> {
    let mut differences = vec![];
    let mut compare = |what: &str, is: Option<&str>, wanted: &str| {
        // Names of accounts are compared as Windows does.
        if let Some(is) = is.filter(|is| !is.eq_ignore_ascii_case(wanted)) {
            differences.push(format!("{what}: {is} -> {wanted}"));
        }
    };
    compare("command line", Some(&found.image_path), &image_path(instance));
    compare("display name", Some(&found.display_name), &instance.display_name);
    compare("description", found.description.as_deref(), &instance.description);
    compare("account", found.account.as_deref(), &instance.account.as_text());
    if let Some(start) = instance.start.map(StartType::as_str) {
        compare("start", Some(found.start.map_or("disabled", StartType::as_str)), start);
    }
    let wanted = vec![instance.restart_delay; RESTARTS];
    if found.restarts.as_ref().is_some_and(|restarts| *restarts != wanted) {
        differences.push("restarts after a failure".to_owned());
    }
    for (is, what) in [
        (found.counts_exit_codes.unwrap_or(true), "restarts after an end with an exit code"),
        (found.has_event_source, "source of the Event Log"),
        (found.has_folders, "folders"),
    ] {
        if !is {
            differences.push(what.to_owned());
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::instance::{Asked, System};

    fn instance(asked: Asked) -> Instance {
        let system = System::Windows { program_data: r"C:\ProgramData".to_owned() };
        let program = r"C:\Program Files\edge-node\edge-node.exe".to_owned();
        Instance::new(&system, asked, program).unwrap()
    }

    fn found(instance: &Instance) -> Registered {
        Registered {
            image_path: image_path(instance),
            display_name: instance.display_name.clone(),
            account: Some(r"nt service\EDGE-NODE".to_owned()),
            start: Some(StartType::Manual),
            has_event_source: true,
            has_folders: true,
            ..Registered::default()
        }
    }

    #[test]
    fn the_program_is_quoted_and_the_line_is_read_back() {
        for config in [r"C:\a\b.toml", r"C:\a b\c.toml", r#"C:\x "y\z".toml"#, r"C:\end here\"] {
            let asked = Asked { config: Some(config.to_owned()), ..Asked::default() };
            let line = image_path(&instance(asked));
            let start = "\"C:\\Program Files\\edge-node\\edge-node.exe\" run --config ";
            assert!(line.starts_with(start), "{line}");
            let (program, read, owner) = command(&line);
            assert_eq!(program.as_deref(), Some(r"C:\Program Files\edge-node\edge-node.exe"));
            assert_eq!(read.as_deref(), Some(config), "{line}");
            assert_eq!(owner, Owner::Ours);
        }
    }

    #[test]
    fn any_other_service_is_somebody_elses() {
        for line in [r"C:\Windows\system32\svchost.exe -k netsvcs", "\"C:\\x.exe\"", ""] {
            assert_eq!(command(line).2, Owner::Foreign, "{line}");
        }
    }

    #[test]
    fn what_the_manager_does_not_tell_and_nobody_asked_for_is_no_difference() {
        let instance = instance(Asked::default());
        assert_eq!(differences(&instance, &found(&instance)), [""; 0]);
    }

    #[test]
    fn each_setting_that_differs_is_named() {
        let asked = Asked { start: Some(StartType::Automatic), ..Asked::default() };
        let instance = instance(asked);
        let found = Registered {
            display_name: "Old".to_owned(),
            description: Some("Old".to_owned()),
            account: Some("LocalSystem".to_owned()),
            restarts: Some(vec![]),
            counts_exit_codes: Some(false),
            has_folders: false,
            ..found(&instance)
        };
        assert_eq!(
            differences(&instance, &found),
            [
                "display name: Old -> Edge Node",
                "description: Old -> Gateway in front of the services of an edge host",
                r"account: LocalSystem -> NT SERVICE\edge-node",
                "start: manual -> automatic",
                "restarts after a failure",
                "restarts after an end with an exit code",
                "folders",
            ]
        );
    }

    #[test]
    fn only_administrators_write_the_configuration_and_only_the_service_the_logs() {
        let account = Some("LocalService".to_owned());
        let [config, logs] = &folders(&instance(Asked { account, ..Asked::default() }))[..] else {
            panic!("two folders");
        };
        assert_eq!(config.path, r"C:\ProgramData\edge-node");
        assert_eq!(config.rights, "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;LS)");
        assert_eq!(logs.path, r"C:\ProgramData\edge-node\logs");
        assert_eq!(logs.rights, "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;LS)");
        let own = &folders(&instance(Asked::default()))[0];
        assert!(own.rights.contains(";;;S-1-5-80-"), "{}", own.rights);
    }
}
