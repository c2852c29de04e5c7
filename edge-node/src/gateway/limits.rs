//! Limits on what one client may take: connections of an address, requests a second.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, MonotonicClock};
use governor::{Quota, RateLimiter};
use http::header;
use http::request::Parts;

use self::clients::Clients;
use super::answer::Fault;
use super::exchange::Exchange;
use super::proxy;
use super::snapshot::RouteAtWork;
use crate::config::{RateLimit, RatePer};

mod clients;

/// Clients of which a rate limit knows how much they asked: beyond that, clients that it does not know are refused.
const CLIENTS_MAX: usize = 100_000;

/// From how many on it forgets those that have their whole allowance again, once a second.
const SWEEP_AT: usize = CLIENTS_MAX / 2;

/// A client is never told to wait for longer: by then, it may ask again or a place is free.
const WAIT_MAX: Duration = Duration::from_secs(1);

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

type Keyed = RateLimiter<IpAddr, Clients, MonotonicClock>;
type Direct = governor::RateLimiter<
    governor::state::direct::NotKeyed,
    governor::state::InMemoryState,
    MonotonicClock,
>;

/// A rate limit at work; shared by all workers.
pub struct Limiter {
    clock: MonotonicClock,
    start: std::time::Instant,
    kind: Kind,
}

enum Kind {
    Route(Direct),
    /// With the second of its life in which it was last swept.
    Client {
        limiter: Keyed,
        swept: AtomicU64,
    },
}

impl Limiter {
    /// A limit of which nothing is used.
    #[must_use]
    pub fn new(limit: &RateLimit) -> Self {
        Self::with_room(limit, CLIENTS_MAX)
    }

    fn with_room(limit: &RateLimit, clients_max: usize) -> Self {
        let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(limit.requests_per_second))
            .allow_burst(at_least_one(limit.burst));
        let clock = MonotonicClock;
        let kind = match limit.per {
            RatePer::Route => Kind::Route(RateLimiter::direct_with_clock(quota, clock.clone())),
            RatePer::Client => Kind::Client {
                limiter: RateLimiter::new(quota, Clients::new(clients_max), clock.clone()),
                swept: AtomicU64::new(0),
            },
        };
        Self { start: clock.now(), clock, kind }
    }

    /// Takes a request of a client.
    ///
    /// # Errors
    /// How long to wait where it is over the limit.
    pub fn take(&self, client: IpAddr) -> Result<(), Duration> {
        let now = self.clock.now();
        let taken = match &self.kind {
            Kind::Route(limiter) => limiter.check(),
            Kind::Client { limiter, swept } => {
                let second = now.duration_since(self.start).as_secs();
                if limiter.len() >= SWEEP_AT && swept.swap(second, Ordering::Relaxed) != second {
                    limiter.retain_recent();
                }
                limiter.check_key(&client_key(client))
            }
        };
        taken.map_err(|over| over.wait_time_from(now).min(WAIT_MAX))
    }
}

#[cfg(test)]
mod tests {
    use governor::middleware::NoOpMiddleware;

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
    fn who_is_known_may_ask_while_there_is_no_room_for_others() {
        let limit = RateLimit { requests_per_second: 1, burst: 2, per: RatePer::Client };
        let limiter = Limiter::with_room(&limit, 2);
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        assert!(limiter.take(address(1)).is_ok() && limiter.take(address(2)).is_ok());
        assert_eq!(limiter.take(address(3)), Err(WAIT_MAX));
        assert!(limiter.take(address(1)).is_ok(), "it is known, and has one more");
        assert!(limiter.take(address(1)).is_err());
    }

    #[test]
    fn who_has_its_whole_allowance_again_makes_room() {
        let clock = governor::clock::FakeRelativeClock::default();
        let quota = Quota::per_second(NonZeroU32::MIN);
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<_>> =
            RateLimiter::new(quota, Clients::new(2), clock.clone());
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        let second = Duration::from_secs(1);
        assert!(limiter.check_key(&address(1)).is_ok());
        clock.advance(2 * second);
        assert!(limiter.check_key(&address(2)).is_ok());
        assert!(limiter.check_key(&address(3)).is_err());
        limiter.retain_recent();
        assert_eq!(limiter.len(), 1);
        assert!(limiter.check_key(&address(3)).is_ok());
        assert!(limiter.check_key(&address(2)).is_err(), "it was not forgotten");
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
