//! TLS read from the files that a config names. What did not change since it was read is not read
//! again, so that a reload keeps sessions and connections.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{ClientTls, Config, Protocol, ServerTls};
use crate::tls::{self, Loaded, Stamp, TlsError, Warning};

/// TLS read from files.
#[derive(Clone, Default)]
pub struct Material {
    listeners: HashMap<Arc<str>, Read<ServerTls, Arc<Loaded>>>,
    pools: HashMap<Arc<str>, ReadClient>,
}

type ReadClient = Read<(ClientTls, Protocol), Arc<rustls::ClientConfig>>;

/// What was read, by which settings, and what the files looked like before.
#[derive(Clone)]
struct Read<S, T> {
    settings: S,
    stamp: Stamp,
    value: T,
}

impl<S: PartialEq + Clone, T: Clone> Read<S, T> {
    /// The same again where nothing changed, else what `load` makes.
    fn again(
        previous: Option<&Self>,
        settings: &S,
        files: &[PathBuf],
        load: impl FnOnce() -> Result<T, TlsError>,
    ) -> Result<Self, TlsError> {
        let stamp = Stamp::of(files);
        match previous {
            Some(same) if same.settings == *settings && same.stamp == stamp => Ok(same.clone()),
            Some(_) | None => Ok(Self { settings: settings.clone(), stamp, value: load()? }),
        }
    }
}

/// What all files of a config look like now; may block.
#[must_use]
pub fn look(config: &Config) -> Vec<Stamp> {
    let listeners = config.listeners.data.iter().filter_map(|listener| listener.tls.as_ref());
    let pools = config.pools.iter().filter_map(|pool| pool.tls.as_ref());
    let of_listeners = listeners.map(|tls| Stamp::of(&tls::server_files(tls)));
    let of_pools = pools.map(|tls| Stamp::of(&tls::client_files(tls)));
    of_listeners.chain(of_pools).collect()
}

impl Material {
    /// Reads the files that changed since `previous`; may block.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn read(config: &Config, previous: &Self) -> Result<Self, TlsError> {
        let mut material = Self::default();
        for listener in &config.listeners.data {
            let Some(settings) = &listener.tls else { continue };
            let before = previous.listeners.get(&listener.name);
            let files = tls::server_files(settings);
            let load = || tls::server(settings).map(Arc::new);
            let read = Read::again(before, settings, &files, load)?;
            material.listeners.insert(Arc::clone(&listener.name), read);
        }
        for pool in &config.pools {
            let Some(settings) = &pool.tls else { continue };
            for upstream in &pool.upstreams {
                tls::server_name(settings, &upstream.address)?;
            }
            let before = previous.pools.get(&pool.name);
            let files = tls::client_files(settings);
            let load = || tls::client(settings, pool.protocol);
            let settings = (settings.clone(), pool.protocol);
            let read = Read::again(before, &settings, &files, load)?;
            material.pools.insert(Arc::clone(&pool.name), read);
        }
        Ok(material)
    }

    /// True if nothing speaks TLS.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listeners.is_empty() && self.pools.is_empty()
    }

    /// True if nothing of the other was read anew.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let is_same_listener = |(name, read): (&Arc<str>, &Read<_, Arc<Loaded>>)| {
            other.listener(name).is_some_and(|other| Arc::ptr_eq(other, &read.value))
        };
        let is_same_pool = |(name, read): (&Arc<str>, &Read<_, Arc<rustls::ClientConfig>>)| {
            other.pool(name).is_some_and(|other| Arc::ptr_eq(other, &read.value))
        };
        self.listeners.iter().all(is_same_listener) && self.pools.iter().all(is_same_pool)
    }

    /// What a listener needs.
    pub(super) fn listener(&self, name: &str) -> Option<&Arc<Loaded>> {
        self.listeners.get(name).map(|read| &read.value)
    }

    /// What connections to the upstreams of a pool need.
    pub(super) fn pool(&self, name: &str) -> Option<&Arc<rustls::ClientConfig>> {
        self.pools.get(name).map(|read| &read.value)
    }

    /// What a person should know of the files at `now`.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        self.listeners.values().flat_map(|read| read.value.warnings(now)).collect()
    }
}
