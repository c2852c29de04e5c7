//! Limits on what one client may take: connections of an address, requests a second.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, MonotonicClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use http::header;
use http::request::Parts;

use super::answer::Fault;
use super::exchange::Exchange;
use super::proxy;
use super::snapshot::RouteAtWork;
use crate::config::{RateLimit, RatePer};

/// Clients of which a rate limit knows how much they asked; beyond that, those that have their
/// whole allowance again are forgotten, and while none has, unknown clients are refused.
const CLIENTS_MAX: usize = 100_000;

/// Refuses a request that its client may not make, or not now.
pub fn refuse(exchange: &Exchange, route: &RouteAtWork, parts: &Parts) -> Option<Fault> {
    if let Some(rules) = &route.settings.clients {
        match &exchange.context.identity {
            None if rules.is_required => return Some(Fault::NoCertificate),
            Some(identity) if !identity.is_allowed(rules) => return Some(Fault::NotAllowed),
            None | Some(_) => {}
        }
    }
    if let Some(limiter) = &route.limiter
        && let Err(wait) = limiter.take(proxy::client_address(exchange, &parts.headers))
    {
        return Some(Fault::RateLimited(wait));
    }
    let bytes_max = route.settings.body_bytes_max.or(exchange.site.settings.body_bytes_max)?;
    let length = parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    (length > bytes_max).then_some(Fault::BodyTooLarge)
}

/// The address by which a client is known: of IPv6, everybody has at least a /64.
#[must_use]
pub fn client_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The connections of each address.
#[derive(Debug, Default)]
pub struct Shares(Mutex<HashMap<IpAddr, usize>>);

/// One connection of an address, given back when dropped.
#[derive(Debug)]
pub struct Share {
    shares: Arc<Shares>,
    key: IpAddr,
}

impl Shares {
    /// Takes one more connection of an address; none where it has `max` already.
    #[must_use]
    pub fn take(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<Share> {
        let key = client_key(address);
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = shares.entry(key).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Share { shares: Arc::clone(self), key })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = shares.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                shares.remove(&self.key);
            }
        }
    }
}

type Keyed = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, MonotonicClock>;
type Direct = governor::RateLimiter<
    governor::state::direct::NotKeyed,
    governor::state::InMemoryState,
    MonotonicClock,
>;

/// A rate limit at work; shared by all workers.
pub struct Limiter {
    clock: MonotonicClock,
    kind: Kind,
}

enum Kind {
    Route(Direct),
    Client { limiter: Keyed, sweep_at: AtomicUsize },
}

impl Limiter {
    /// A limit of which nothing is used.
    #[must_use]
    pub fn new(limit: &RateLimit) -> Self {
        let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(limit.requests_per_second))
            .allow_burst(at_least_one(limit.burst));
        let clock = MonotonicClock;
        let kind = match limit.per {
            RatePer::Route => Kind::Route(RateLimiter::direct_with_clock(quota, clock.clone())),
            RatePer::Client => Kind::Client {
                limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()),
                sweep_at: AtomicUsize::new(CLIENTS_MAX / 2),
            },
        };
        Self { clock, kind }
    }

    /// Takes a request of a client.
    ///
    /// # Errors
    /// How long to wait where it is over the limit.
    pub fn take(&self, client: IpAddr) -> Result<(), Duration> {
        let now = self.clock.now();
        match &self.kind {
            Kind::Route(limiter) => limiter.check().map_err(|over| over.wait_time_from(now)),
            Kind::Client { limiter, sweep_at } => {
                if limiter.len() >= sweep_at.load(Ordering::Relaxed) {
                    limiter.retain_recent();
                    // Swept again only once it has grown by half of what there may be.
                    let next = (limiter.len() + CLIENTS_MAX / 2).min(CLIENTS_MAX);
                    sweep_at.store(next, Ordering::Relaxed);
                    if limiter.len() >= CLIENTS_MAX {
                        return Err(Duration::from_secs(1));
                    }
                }
                let key = client_key(client);
                limiter.check_key(&key).map_err(|over| over.wait_time_from(now))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per: RatePer) -> Limiter {
        Limiter::new(&RateLimit { requests_per_second: 1, burst: 2, per })
    }

    #[test]
    fn a_client_over_its_rate_is_told_how_long_to_wait_and_others_are_not() {
        let limiter = limiter(RatePer::Client);
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert!(limiter.take(one).is_ok() && limiter.take(one).is_ok());
        let wait = limiter.take(one).unwrap_err();
        assert!(wait <= Duration::from_secs(1) && wait > Duration::ZERO, "{wait:?}");
        assert!(limiter.take(other).is_ok());
    }

    #[test]
    fn a_route_over_its_rate_refuses_everybody() {
        let limiter = limiter(RatePer::Route);
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        assert!(limiter.take(address(1)).is_ok() && limiter.take(address(2)).is_ok());
        assert!(limiter.take(address(3)).is_err());
    }

    #[test]
    fn an_address_has_its_share_of_connections_and_a_network_of_ipv6_one_together() {
        let shares = Arc::new(Shares::default());
        let (one, neighbour, other) = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1");
        let take = |address: &str| shares.take(address.parse().unwrap(), 1);
        let first = take(one);
        assert!(first.is_some() && take(neighbour).is_none() && take(other).is_some());
        drop(first);
        assert!(take(neighbour).is_some());
        assert!(shares.0.lock().unwrap().is_empty());
    }
}
