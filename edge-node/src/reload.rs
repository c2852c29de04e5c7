//! Reading the config again: what changes from one config to the next, and what came of it. Pure;
//! `app/running.rs` does it.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::Failure;
use crate::config::{Config, DataListener, Listener, Log};
use crate::observe::logs::{self, OpenError, Sink};

/// What a reload does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What happens to the data listeners of the new config, in its order.
    pub data: Vec<Place>,
    /// The data listeners that are no more.
    pub removed: Vec<Arc<str>>,
    /// What happens to the admin listener.
    pub admin: Place,
    /// The tables that differ.
    pub changed: Vec<String>,
}

/// Where a listener is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it is: it is not bound again, new connections get the new limits.
    Stays,
    /// At another address: bound there, and the old one, if there is one, drains.
    Moves,
}

/// What is needed to get from one config to the other.
#[must_use]
pub fn plan(old: &Config, new: &Config) -> Plan {
    let (old_data, new_data) = (&old.listeners.data, &new.listeners.data);
    let was = |name: &Arc<str>| old_data.iter().find(|old| old.name == *name);
    let moves = |new: &DataListener| {
        was(&new.name).map_or(Place::Moves, |old| place(&old.listener, &new.listener))
    };
    let is_gone = |old: &&DataListener| !new_data.iter().any(|new| new.name == old.name);
    Plan {
        data: new_data.iter().map(moves).collect(),
        removed: old_data.iter().filter(is_gone).map(|old| Arc::clone(&old.name)).collect(),
        admin: place(&old.listeners.admin, &new.listeners.admin),
        changed: changed(old, new),
    }
}

/// The tables that differ, in the order in which the config has them.
fn changed(old: &Config, new: &Config) -> Vec<String> {
    let mut changed = Vec::new();
    let mut note = |name: &str, is_changed: bool| {
        if is_changed {
            changed.push(name.to_owned());
        }
    };
    note("workers", old.workers != new.workers);
    let (old_data, new_data) = (&old.listeners.data, &new.listeners.data);
    for name in differing(old_data, new_data, |listener| &listener.name) {
        note(&format!("listeners.{name}"), true);
    }
    note("listeners.admin", old.listeners.admin != new.listeners.admin);
    for name in differing(&old.routes, &new.routes, |route| &route.name) {
        note(&format!("routes.{name}"), true);
    }
    for name in differing(&old.pools, &new.pools, |pool| &pool.name) {
        note(&format!("pools.{name}"), true);
    }
    note("shutdown", old.shutdown != new.shutdown);
    note("log", old.log != new.log);
    changed
}

/// The names of what is in one only, or not the same in both; first the new ones.
fn differing<T: PartialEq>(old: &[T], new: &[T], name: impl Fn(&T) -> &Arc<str>) -> Vec<Arc<str>> {
    let is_same = |new: &&T| !old.contains(new);
    let is_gone = |old: &&T| !new.iter().any(|new| name(new) == name(old));
    let differing = new.iter().filter(is_same).chain(old.iter().filter(is_gone));
    differing.map(|one| Arc::clone(name(one))).collect()
}

/// What takes log lines from now on, opened; none where they go on where they go. A file that is
/// named as before is not opened: the rights to do so may be gone since the start. May block.
///
/// # Errors
/// When the file cannot be opened.
pub fn sink(old: &Log, new: &Log) -> Result<Option<Box<dyn Sink>>, OpenError> {
    let is_same = old.file == new.file && old.rotation == new.rotation;
    if is_same { Ok(None) } else { logs::open(new).map(Some) }
}

/// Addresses are compared as they are written: port 0, once a port was chosen, stays.
fn place(old: &Listener, new: &Listener) -> Place {
    if old.address == new.address { Place::Stays } else { Place::Moves }
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The tables that differed.
    pub changed: Vec<String>,
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
        assert_eq!((plan.data, plan.admin), (vec![Place::Stays], Place::Stays));
        assert!(plan.changed.is_empty() && plan.removed.is_empty(), "{:?}", plan.changed);
    }

    #[test]
    fn only_a_changed_address_moves_a_listener() {
        let limits = check("", "listeners.data.connections-max = 1");
        assert_eq!(limits.data, [Place::Stays]);
        assert_eq!(limits.changed, ["listeners.data"]);
        let port = check("", "listeners.data.port = 9000");
        assert_eq!((port.data, port.admin), (vec![Place::Moves], Place::Stays));
        let any = check("listeners.admin.port = 0", "listeners.admin.port = 0");
        assert_eq!(any.admin, Place::Stays);
    }

    #[test]
    fn a_log_is_opened_only_where_its_file_or_rotation_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let log = |text: &str| {
            let source = strict_toml::Source::new("test.toml", text);
            crate::config::parse(&source, folder.path()).unwrap().log
        };
        let (stdout, a) = (log(""), log("log.file = 'a.log'"));
        assert_eq!(check("", "log.file = 'a.log'").changed, ["log"]);
        assert!(sink(&stdout, &log("log.level = 'debug'")).unwrap().is_none());
        assert!(sink(&a, &log("log = { file = 'a.log', level = 'warn' }")).unwrap().is_none());
        assert!(!path.exists());
        assert!(sink(&stdout, &a).unwrap().is_some() && path.exists());
        assert!(sink(&a, &log("log = { file = 'a.log', keep = 1 }")).unwrap().is_some());
        assert!(sink(&a, &stdout).unwrap().is_some());
        assert!(sink(&a, &log("log.file = 'gone/b.log'")).is_err());
    }
}
