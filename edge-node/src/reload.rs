//! Reading the config again: what changes from one config to the next, and what came of it. Pure;
//! `app/running.rs` does it.

use tokio::sync::oneshot;

use crate::Failure;
use crate::config::{Config, Listener, Log};

/// What a reload does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The config that will be in force: the new one, but for what needs a restart.
    pub config: Config,
    /// What happens to the data listener.
    pub data: Place,
    /// What happens to the admin listener.
    pub admin: Place,
    /// The tables that differ and are applied.
    pub changed: Vec<&'static str>,
    /// The settings that differ and are not applied.
    pub needs_restart: Vec<&'static str>,
}

/// Where a listener is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it is: it is not bound again, new connections get the new limits.
    Stays,
    /// At another address: bound there, and the old one drains.
    Moves,
}

/// What is needed to get from one config to the other.
#[must_use]
pub fn plan(old: &Config, new: &Config) -> Plan {
    // The log's sink was opened at the start, possibly with rights that are gone.
    let log = Log { level: new.log.level, ..old.log.clone() };
    let mut changed = Vec::new();
    let mut note = |name, is_changed: bool| {
        if is_changed {
            changed.push(name);
        }
    };
    note("listeners.data", old.listeners.data != new.listeners.data);
    note("listeners.admin", old.listeners.admin != new.listeners.admin);
    note("shutdown", old.shutdown != new.shutdown);
    note("log.level", old.log.level != log.level);
    let needs_restart =
        if log == new.log { vec![] } else { vec!["keys of `log` other than `level`"] };
    Plan {
        data: place(&old.listeners.data, &new.listeners.data),
        admin: place(&old.listeners.admin, &new.listeners.admin),
        changed,
        needs_restart,
        config: Config { log, ..new.clone() },
    }
}

/// Addresses are compared as they are written: port 0, once a port was chosen, stays.
fn place(old: &Listener, new: &Listener) -> Place {
    if old.address == new.address { Place::Stays } else { Place::Moves }
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The tables that differed and are applied.
    pub changed: Vec<&'static str>,
    /// The settings that differed and are not applied.
    pub needs_restart: Vec<&'static str>,
}

/// What came of a reload; on a failure nothing was changed.
pub type Outcome = Result<Applied, Failure>;

/// A request to reload whose sender waits for the outcome.
#[derive(Debug)]
pub struct Request {
    /// Where the outcome goes; dropped by a service that drains.
    pub answer: oneshot::Sender<Outcome>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let source = strict_toml::Source::new("test.toml", text);
        crate::config::parse(&source, std::path::Path::new("")).unwrap()
    }

    #[track_caller]
    fn check(old: &str, new: &str) -> Plan {
        plan(&config(old), &config(new))
    }

    #[test]
    fn the_same_config_changes_nothing() {
        let plan = check("log.level = 'warn'", "log.level = 'warn'");
        assert_eq!((plan.data, plan.admin), (Place::Stays, Place::Stays));
        assert!(plan.changed.is_empty() && plan.needs_restart.is_empty(), "{plan:?}");
    }

    #[test]
    fn only_a_changed_address_moves_a_listener() {
        let limits = check("", "listeners.data.connections-max = 1");
        assert_eq!((limits.data, limits.changed), (Place::Stays, vec!["listeners.data"]));
        let port = check("", "listeners.data.port = 9000");
        assert_eq!((port.data, port.admin), (Place::Moves, Place::Stays));
        let any = check("listeners.admin.port = 0", "listeners.admin.port = 0");
        assert_eq!(any.admin, Place::Stays);
    }

    #[test]
    fn a_changed_log_file_waits_for_a_restart_and_is_said_again_each_time() {
        let new = config("log = { file = 'x.log', level = 'debug' }");
        let first = plan(&config(""), &new);
        assert_eq!(first.needs_restart, ["keys of `log` other than `level`"]);
        assert_eq!(first.changed, ["log.level"]);
        assert_eq!(first.config.log.file, None, "what is in force is what is written to");
        assert_eq!(plan(&first.config, &new).needs_restart, first.needs_restart);
    }

    #[test]
    fn the_other_settings_are_in_force_afterwards() {
        let new = config("shutdown.drain-timeout = '3s'\nlisteners.data.write-timeout = '7s'");
        assert_eq!(plan(&config(""), &new).config, new);
    }
}
