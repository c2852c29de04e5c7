//! How much each client asked of late, of a bounded number of clients: what a rate limit by client counts in. When
//! nothing more is needed of one is the limiter's to say.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::direct::NotKeyed;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::state::{InMemoryState, StateStore};

/// The clients of which is known how much they asked.
pub struct Clients {
    max: usize,
    states: Mutex<HashMap<IpAddr, InMemoryState>>,
}

/// When a client without a place will have asked little enough: never, as far as the limiter can see.
const NEVER: Nanos = Nanos::new(u64::MAX / 2);

impl Clients {
    /// None, of `max` at most.
    pub fn new(max: usize) -> Self {
        Self { max, states: Mutex::default() }
    }

    /// What is known is whole between any two statements, so a panic elsewhere is no reason for another one.
    fn states(&self) -> MutexGuard<'_, HashMap<IpAddr, InMemoryState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Clients {
    type Key = IpAddr;

    /// A client that is not known while there is no room is treated as one that used up all it may.
    fn measure_and_replace<T, F, E>(&self, client: &IpAddr, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.states();
        if !states.contains_key(client) && states.len() >= self.max {
            return decide(Some(NEVER)).map(|(allowed, _)| allowed);
        }
        states.entry(*client).or_default().measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

impl ShrinkableKeyedStateStore<IpAddr> for Clients {
    fn retain_recent(&self, drop_below: Nanos) {
        self.states().retain(|_, state| {
            // The only way to see what a state holds; refused, it stays as it is.
            let seen = state.measure_and_replace(&NotKeyed::NonKey, Err::<((), _), _>);
            seen.is_err_and(|since| since.is_some_and(|since| since > drop_below))
        });
    }

    fn len(&self) -> usize {
        self.states().len()
    }

    fn is_empty(&self) -> bool {
        self.states().is_empty()
    }
}
