//! The rules of `[pools.<name>]`, but for those of probes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

use strict_toml::{Diagnostic, Duration, Spanned};

use super::route::Pools;
use super::{Rules, header, host, upstream};
use crate::config::model::{
    Balance, CertificateFiles, ClientTls, Ejection, HashKey, Pool, Protocol, SuccessRate, Upstream,
    UpstreamAddress,
};
use crate::config::raw;

const CONNECT_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(300);
const IDLE_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(3600);
const SLOW_START: RangeInclusive<Duration> = Duration::from_secs(0)..=Duration::from_secs(3600);
const TIME_BASE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const TIME_MAX: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// Warnings of pools that no route sends requests to.
pub(super) fn unused(
    pools: &Pools,
    routes: &BTreeMap<Spanned<String>, raw::Route>,
) -> Vec<Diagnostic> {
    let forwards = routes.values().filter_map(|route| route.forward.as_ref());
    let used: HashSet<&str> = forwards.map(|forward| forward.get().pool.as_str()).collect();
    let unused = pools.keys().filter(|name| !used.contains(name.as_str()));
    let warning = |name: &Spanned<String>| {
        Diagnostic::warning(format!("pool `{name}` is used by no route"))
            .at(name.span(), "no request goes there")
            .help(format!("`forward = {{ pool = \"{name}\" }}` in a route sends some there"))
    };
    unused.map(warning).collect()
}

impl Rules<'_> {
    pub(super) fn pools(&mut self, raw: &Pools) -> Vec<Pool> {
        raw.iter().map(|(name, raw)| self.pool(name, raw)).collect()
    }

    fn pool(&mut self, name: &Spanned<String>, raw: &raw::Pool) -> Pool {
        let raw::Pool {
            upstreams,
            balance,
            protocol,
            tls,
            connect_timeout,
            idle_timeout,
            connections_max,
            pending_max,
            retry_share_max,
            slow_start,
            probe,
            ejection,
        } = raw;
        self.name("pool", name);
        let at = format!("pools.{name}");
        let key = |key: &str| format!("{at}.{key}");
        let upstreams = self.upstreams(&key("upstreams"), upstreams, tls.as_ref());
        Pool {
            name: name.as_str().into(),
            upstreams,
            balance: self.balance(&key("balance"), balance),
            protocol: match protocol {
                raw::Protocol::Http1 => Protocol::Http1,
                raw::Protocol::Http2 => Protocol::Http2,
            },
            tls: tls.as_ref().map(|tls| self.client_tls(&key("tls"), tls)),
            connect_timeout: self.duration(
                &key("connect-timeout"),
                connect_timeout,
                &CONNECT_TIMEOUT,
            ),
            idle_timeout: self.duration(&key("idle-timeout"), idle_timeout, &IDLE_TIMEOUT),
            connections_max: *connections_max as usize,
            pending_max: *pending_max as usize,
            retry_share_max: *retry_share_max,
            slow_start: self.duration(&key("slow-start"), slow_start, &SLOW_START),
            probe: probe.as_ref().map(|probe| self.probe(&at, probe, *protocol)),
            ejection: self.ejection(&key("ejection"), ejection),
        }
    }

    fn upstreams(
        &mut self,
        key: &str,
        raw: &[raw::Upstream],
        tls: Option<&Spanned<raw::ClientTls>>,
    ) -> Vec<Upstream> {
        let has_name = tls.is_none_or(|tls| tls.server_name.is_some());
        let mut places: HashMap<UpstreamAddress, &Spanned<String>> = HashMap::new();
        let mut upstreams = Vec::new();
        for raw::Upstream { address: text, weight } in raw {
            let expected = "the address of an upstream";
            let parse = |text: &str| upstream::address(text, cfg!(unix));
            let address = self.parsed(&format!("{key}[].address"), text, expected, parse);
            let Some(address) = address else { continue };
            if matches!(address, UpstreamAddress::Unix(_)) && !has_name {
                self.broken.push(nameless(key, text, tls));
            }
            if let Some(first) = places.insert(address.clone(), text) {
                self.broken.push(
                    Diagnostic::error(format!("`{key}` has `{address}` twice"))
                        .at(text.span(), "listed again here")
                        .related(first.span(), "first listed here")
                        .help("for a greater share of requests give it a `weight`"),
                );
            }
            upstreams.push(Upstream { address, weight: *weight });
        }
        upstreams
    }

    fn balance(&mut self, key: &str, raw: &raw::Balance) -> Balance {
        match raw {
            raw::Balance::RoundRobin => Balance::RoundRobin,
            raw::Balance::LeastRequests => Balance::LeastRequests,
            raw::Balance::ConsistentHash(raw::HashKey::ClientAddress) => {
                Balance::ConsistentHash(HashKey::ClientAddress)
            }
            raw::Balance::ConsistentHash(raw::HashKey::Header(name)) => {
                let key = format!("{key}.consistent-hash.header");
                let name = self.parsed(&key, name, "a header's name", header::name);
                Balance::ConsistentHash(name.map_or(HashKey::ClientAddress, HashKey::Header))
            }
        }
    }

    fn client_tls(&mut self, key: &str, raw: &raw::ClientTls) -> ClientTls {
        let raw::ClientTls { authorities, server_name, certificate } = raw;
        ClientTls {
            authorities: self.file(authorities),
            server_name: server_name.as_ref().and_then(|name| {
                let key = format!("{key}.server-name");
                self.parsed(&key, name, "the name of a certificate", host::certificate_name)
            }),
            certificate: certificate.as_ref().map(|files| {
                let raw::ClientCertificate { chain, key } = files;
                CertificateFiles { chain: self.file(chain), key: self.file(key), ocsp: None }
            }),
        }
    }

    fn ejection(&mut self, key: &str, raw: &raw::Ejection) -> Ejection {
        let raw::Ejection { consecutive_errors, success_rate, time_base, time_max, share_max } =
            raw;
        let (base_key, max_key) = (format!("{key}.time-base"), format!("{key}.time-max"));
        if time_base.get() > time_max.get() {
            self.broken.push(not_growing(&base_key, time_base, &max_key, time_max));
        }
        Ejection {
            consecutive_errors: Some(*consecutive_errors).filter(|errors| *errors > 0),
            success_rate: success_rate.as_ref().map(|raw| {
                let raw::SuccessRate { share_min, window, requests_min } = raw;
                let key = format!("{key}.success-rate.window");
                SuccessRate {
                    share_min: *share_min,
                    window: self.duration(&key, window, &WINDOW),
                    requests_min: *requests_min,
                }
            }),
            time_base: self.duration(&base_key, time_base, &TIME_BASE),
            time_max: self.duration(&max_key, time_max, &TIME_MAX),
            share_max: *share_max,
        }
    }
}

/// A socket's path is no name that a certificate could have.
fn nameless(
    key: &str,
    address: &Spanned<String>,
    tls: Option<&Spanned<raw::ClientTls>>,
) -> Diagnostic {
    let mistake = Diagnostic::error(format!(
        "`{key}` has a Unix socket, whose certificate has no known name"
    ))
    .at(address.span(), "is no name")
    .help("set `server-name` of the pool's `tls`");
    match tls {
        Some(tls) => mistake.related(tls.span(), "has no `server-name`"),
        None => mistake,
    }
}

/// Of two durations, the first is longer than the last.
fn not_growing(
    first_key: &str,
    first: &Spanned<Duration>,
    last_key: &str,
    last: &Spanned<Duration>,
) -> Diagnostic {
    // At least one of the two was written: the defaults keep the rule.
    if first.span().is_empty() {
        return Diagnostic::error(format!("`{last_key}` is shorter than `{first_key}`: {last}"))
            .at(last.span(), format!("the default of `{first_key}` is {first}"));
    }
    super::action::longer(first_key, first, last_key, last)
}
