//! What an instance of the service is, on either system: one value that both executors carry out.
//!
//! Pure: the command line and the facts of the host in, an [`Instance`] out. What is constant here
//! is declared in `packaging/release.toml` as well; a test compares the two.

use std::time::Duration;

use super::Refusal;
use super::account::Account;
use super::name::Name;
use super::verb::Service;
use crate::exit::Exit;

/// What people call the service.
pub const DISPLAY_NAME: &str = "Edge Node";
/// What the service is for, in one line.
pub const DESCRIPTION: &str = "Gateway in front of the services of an edge host";
/// The name of the configuration file in an instance's folder.
pub const CONFIG_FILE: &str = "edge-node.toml";
/// From an end that was not asked for to the next start.
pub const RESTART_DELAY: Duration = Duration::from_secs(5);
/// How long a stop may take, the drain included.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A system with a service manager, and where it keeps things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux with systemd.
    Linux,
    /// Windows.
    Windows {
        /// `%ProgramData%`.
        program_data: String,
    },
}

/// When the service manager starts an instance by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StartType {
    /// At each boot; on Windows delayed, after what the machine needs first.
    Automatic,
    /// Never: somebody starts it.
    Manual,
}

impl StartType {
    /// The word for people and for JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }
}

/// Where an instance has what, absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Folder of the configuration; written by administrators, read by the account.
    pub config_folder: String,
    /// The configuration file.
    pub config: String,
    /// Folder of the state.
    pub state: String,
    /// Folder of the logs; written by the account.
    pub logs: String,
}

impl Places {
    /// The default places of a name.
    #[must_use]
    pub fn of(system: &System, name: &Name) -> Self {
        match system {
            System::Linux => Self {
                config_folder: format!("/etc/{name}"),
                config: format!("/etc/{name}/{CONFIG_FILE}"),
                state: format!("/var/lib/{name}"),
                logs: format!("/var/log/{name}"),
            },
            System::Windows { program_data } => {
                let folder = format!(r"{program_data}\{name}");
                Self {
                    config: format!(r"{folder}\{CONFIG_FILE}"),
                    state: folder.clone(),
                    logs: format!(r"{folder}\logs"),
                    config_folder: folder,
                }
            }
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `--name`.
    pub name: Name,
    /// `--config`, absolute.
    pub config: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--start-type`.
    pub start: Option<StartType>,
}

/// An instance as it is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The name of its unit or service.
    pub name: Name,
    /// What people call it.
    pub display_name: String,
    /// What it is for, in one line.
    pub description: String,
    /// The program, absolute.
    pub program: String,
    /// The configuration file, absolute.
    pub config: String,
    /// The program's arguments.
    pub arguments: Vec<String>,
    /// Who it runs as.
    pub account: Account,
    /// Whether somebody chose the account, who then knows that it may be there already.
    pub account_is_asked: bool,
    /// When it starts by itself; `None` leaves an existing one as it is, and a new one as the
    /// system has it: delayed automatic on Windows, not enabled on Linux.
    pub start: Option<StartType>,
    /// From an end that was not asked for to the next start.
    pub restart_delay: Duration,
    /// How long a stop may take.
    pub stop_timeout: Duration,
    /// How long Windows waits for it before it shuts down.
    pub preshutdown_timeout: Duration,
    /// Its default places. State and logs are there even if `config` is elsewhere.
    pub places: Places,
}

impl Instance {
    /// The instance that is asked for, with `program`, an absolute path, as its program.
    ///
    /// # Errors
    /// When the account is none, or a path cannot be written into a unit.
    pub fn new(system: &System, asked: Asked, program: String) -> Result<Self, Refusal> {
        let Asked { name, config, account, start } = asked;
        let account_is_asked = account.is_some();
        let account = match account {
            Some(text) => Account::parse(system, &name, &text),
            None => Account::default_of(system, &name),
        }
        .map_err(|message| Refusal::new(Exit::Usage, message))?;
        let places = Places::of(system, &name);
        let config = config.unwrap_or_else(|| places.config.clone());
        for path in [&program, &config] {
            if path.chars().any(char::is_control) {
                let message = format!("{path:?} has control characters");
                return Err(Refusal::new(Exit::Usage, message));
            }
        }
        let named = |text: &str| match name.is_default() {
            true => text.to_owned(),
            false => format!("{text} ({name})"),
        };
        Ok(Self {
            display_name: named(DISPLAY_NAME),
            description: named(DESCRIPTION),
            arguments: vec!["run".to_owned(), "--config".to_owned(), config.clone()],
            name,
            program,
            config,
            account,
            account_is_asked,
            start,
            restart_delay: RESTART_DELAY,
            stop_timeout: STOP_TIMEOUT,
            preshutdown_timeout: STOP_TIMEOUT,
            places,
        })
    }

    /// What is registered already takes the place of what would be: for verbs that register nothing.
    pub fn adopt(&mut self, service: &Service) {
        if let (Account::User(user), Some(registered)) = (&mut self.account, &service.account) {
            user.clone_from(registered);
        }
        if let Some(config) = &service.config {
            self.config.clone_from(config);
        }
    }

    /// Whether the configuration is in the instance's own folder, which is then looked after.
    #[must_use]
    pub fn has_default_config(&self) -> bool {
        self.config == self.places.config
    }
}

/// The configuration that is laid where an instance has none. It sets what a service needs and a
/// program in a terminal does not.
#[must_use]
pub fn starter_config(system: &System) -> String {
    let log = match system {
        // journald takes what a service writes to its standard output.
        System::Linux => "",
        System::Windows { .. } => {
            "\n[log]\n# A Windows service has no standard output. Relative to the folder of this file.\nfile = 'logs\\edge-node.log'\n"
        }
    };
    format!(
        "# Configuration of {DISPLAY_NAME}. Every key is optional; an unknown key is an error.\n\
         # Several instances on one host need different ports: listeners.data.port, listeners.admin.port.\n\
         # Check it before a restart: edge-node check --config FILE\n{log}"
    )
}

/// The program and the configuration of a command line as this program registers it; `None` for
/// any other command line, which belongs to somebody else's service.
#[must_use]
pub fn registered(words: &[String]) -> Option<(&str, &str)> {
    match words {
        [program, run, option, config] if run == "run" && option == "--config" => {
            Some((program, config))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows() -> System {
        System::Windows { program_data: r"C:\ProgramData".to_owned() }
    }

    fn instance(system: &System, asked: Asked) -> Instance {
        Instance::new(system, asked, "/usr/local/bin/edge-node".to_owned()).unwrap()
    }

    #[test]
    fn names_tell_instances_apart_everywhere() {
        let second = Asked { name: "edge-node-2".parse().unwrap(), ..Asked::default() };
        let instance = instance(&System::Linux, second.clone());
        assert_eq!(instance.description, format!("{DESCRIPTION} (edge-node-2)"));
        assert_eq!(instance.config, "/etc/edge-node-2/edge-node.toml");
        assert_eq!(instance.places.state, "/var/lib/edge-node-2");
        assert_eq!(instance.account, Account::User("edge-node-2".to_owned()));

        let instance = Instance::new(&windows(), second, r"C:\edge-node.exe".to_owned()).unwrap();
        assert_eq!(instance.display_name, "Edge Node (edge-node-2)");
        assert_eq!(instance.config, r"C:\ProgramData\edge-node-2\edge-node.toml");
        assert_eq!(instance.places.logs, r"C:\ProgramData\edge-node-2\logs");
        assert_eq!(instance.account.as_text(), r"NT SERVICE\edge-node-2");
    }

    #[test]
    fn an_asked_config_is_used_and_is_not_looked_after() {
        let asked = Asked { config: Some("/srv/x.toml".to_owned()), ..Asked::default() };
        let instance = instance(&System::Linux, asked);
        assert_eq!(instance.arguments, ["run", "--config", "/srv/x.toml"]);
        assert!(!instance.has_default_config());
    }

    #[test]
    fn a_path_that_would_end_a_line_is_refused() {
        let program = "/bin/a\nExecStartPre=/bin/b".to_owned();
        let refusal = Instance::new(&System::Linux, Asked::default(), program).unwrap_err();
        assert_eq!(refusal.exit, Exit::Usage);
    }

    #[test]
    fn starter_configs_have_no_mistakes() {
        for system in [System::Linux, windows()] {
            let source = strict_toml::Source::new("starter", starter_config(&system));
            let config = crate::config::parse(&source, std::path::Path::new("")).unwrap();
            assert_eq!(config.log.file.is_some(), system != System::Linux);
        }
    }
}
