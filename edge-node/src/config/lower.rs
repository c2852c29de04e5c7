//! From the mirror of the TOML to the validated model: every rule a type cannot say.
//!
//! All rules are tried, so that all mistakes are reported at once.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;

use strict_toml::{ByteSize, Diagnostic, Duration, Spanned};

use super::model::{Config, DataListener, Listener, Listeners, Log, Shutdown};
use super::raw;
use crate::observe::logs::Rotation;

const HEADER_READ_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(600);
const WRITE_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
const HEADER_BYTES: RangeInclusive<ByteSize> =
    ByteSize::from_bytes(8 * 1024)..=ByteSize::from_bytes(1024 * 1024);
const UNREADY_WAIT: RangeInclusive<Duration> = Duration::from_secs(0)..=Duration::from_secs(300);
const DRAIN_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(0)..=Duration::from_secs(3600);
/// The smallest holds a few of the longest lines.
const ROTATE_SIZE: RangeInclusive<ByteSize> =
    ByteSize::from_bytes(64 * 1024)..=ByteSize::from_bytes(1024 * 1024 * 1024);
const ROTATE_AGE: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(366 * 24 * 3600);

/// Lowers a config; `folder` is where its relative paths start.
///
/// # Errors
/// Every rule that is broken.
pub fn lower(raw: raw::Config, folder: &Path) -> Result<Config, Vec<Diagnostic>> {
    let raw::Config { listeners: raw::Listeners { data, admin }, shutdown, log } = raw;
    let mut rules = Rules::default();
    rules.apart(&data, &admin);
    let config = Config {
        listeners: Listeners { data: vec![rules.data(data)], admin: rules.admin(admin) },
        routes: Vec::new(),
        pools: Vec::new(),
        workers: 1,
        shutdown: rules.shutdown(shutdown),
        log: rules.log(log, folder),
    };
    if rules.broken.is_empty() { Ok(config) } else { Err(rules.broken) }
}

/// Checks rules and keeps the diagnostics of those that are broken.
#[derive(Default)]
struct Rules {
    broken: Vec<Diagnostic>,
}

impl Rules {
    fn data(&mut self, raw: raw::DataListener) -> DataListener {
        let raw::DataListener {
            address,
            port,
            connections_max,
            header_read_timeout,
            write_timeout,
            header_bytes_max,
        } = raw;
        let listener = Listener {
            address: SocketAddr::new(address.to_canonical(), *port),
            connections_max: connections_max as usize,
            header_read_timeout: self.header_read_timeout("data", &header_read_timeout),
            write_timeout: self.write_timeout("data", &write_timeout),
            header_bytes_max: self.header_bytes_max("data", &header_bytes_max),
        };
        DataListener {
            name: "data".into(),
            listener,
            connections_per_address_max: None,
            idle_timeout: std::time::Duration::from_secs(60),
            body_bytes_max: None,
            body_rate_min: None,
            http2_streams_max: 128,
            trusted_proxies: Vec::new(),
            tls: None,
        }
    }

    fn admin(&mut self, raw: raw::AdminListener) -> Listener {
        let raw::AdminListener {
            address,
            port,
            connections_max,
            header_read_timeout,
            write_timeout,
            header_bytes_max,
        } = raw;
        Listener {
            address: SocketAddr::new(address.to_canonical(), *port),
            connections_max: connections_max as usize,
            header_read_timeout: self.header_read_timeout("admin", &header_read_timeout),
            write_timeout: self.write_timeout("admin", &write_timeout),
            header_bytes_max: self.header_bytes_max("admin", &header_bytes_max),
        }
    }

    fn header_read_timeout(
        &mut self,
        listener: &str,
        timeout: &Spanned<Duration>,
    ) -> std::time::Duration {
        let key = format!("listeners.{listener}.header-read-timeout");
        self.within(&key, timeout, &HEADER_READ_TIMEOUT).to_std()
    }

    fn write_timeout(
        &mut self,
        listener: &str,
        timeout: &Spanned<Duration>,
    ) -> std::time::Duration {
        let key = format!("listeners.{listener}.write-timeout");
        self.within(&key, timeout, &WRITE_TIMEOUT).to_std()
    }

    fn header_bytes_max(&mut self, listener: &str, size: &Spanned<ByteSize>) -> usize {
        let key = format!("listeners.{listener}.header-bytes-max");
        let bytes = self.within(&key, size, &HEADER_BYTES).as_u64();
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    fn shutdown(&mut self, raw: raw::Shutdown) -> Shutdown {
        let raw::Shutdown { unready_wait, drain_timeout } = raw;
        Shutdown {
            unready_wait: self
                .within("shutdown.unready-wait", &unready_wait, &UNREADY_WAIT)
                .to_std(),
            drain_timeout: self
                .within("shutdown.drain-timeout", &drain_timeout, &DRAIN_TIMEOUT)
                .to_std(),
        }
    }

    fn log(&mut self, raw: raw::Log, folder: &Path) -> Log {
        let raw::Log { level, file, rotate_size, rotate_age, keep } = raw;
        let rotation = Rotation {
            bytes_max: self.within("log.rotate-size", &rotate_size, &ROTATE_SIZE).as_u64(),
            age_max: rotate_age
                .map(|age| self.within("log.rotate-age", &age, &ROTATE_AGE).to_std()),
            keep,
        };
        Log { level, access: true, file: file.map(|file| folder.join(file)), rotation }
    }

    /// The value, with a diagnostic if it is out of range.
    fn within<T>(&mut self, key: &str, value: &Spanned<T>, range: &RangeInclusive<T>) -> T
    where
        T: Copy + PartialOrd + std::fmt::Display,
    {
        if !range.contains(value.get()) {
            let label = format!("must be {} to {}", range.start(), range.end());
            self.broken.push(
                Diagnostic::error(format!("`{key}` is out of range: {value}"))
                    .at(value.span(), label),
            );
        }
        *value.get()
    }

    /// Two listeners cannot have one port of one address. Port 0 is another each time.
    fn apart(&mut self, data: &raw::DataListener, admin: &raw::AdminListener) {
        let same_port = *data.port == *admin.port && *data.port != 0;
        if !same_port || !overlap(*data.address, *admin.address) {
            return;
        }
        let mistake = Diagnostic::error(format!(
            "`listeners.data` and `listeners.admin` both bind port {}",
            data.port
        ))
        .help("give one of them another `port`");
        // A default has no place; at least one of the two was written, or they would differ.
        let is_written = |port: &Spanned<u16>| !port.span().is_empty();
        self.broken.push(match (is_written(&admin.port), is_written(&data.port)) {
            (true, true) => mistake
                .at(admin.port.span(), "bound here again")
                .related(data.port.span(), "bound here first"),
            (true, false) => mistake.at(admin.port.span(), "the default of `listeners.data.port`"),
            (false, true) => mistake.at(data.port.span(), "the default of `listeners.admin.port`"),
            (false, false) => mistake,
        });
    }
}

/// True if binding both to one port must fail. `::` is bound for IPv6 and IPv4 (`listener.rs`), so
/// it takes every address of the port; an IPv4 address in IPv6 form is that IPv4 address.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    let (one, other) = (one.to_canonical(), other.to_canonical());
    let takes = |wide: IpAddr, narrow: IpAddr| {
        wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
    };
    one == other || takes(one, other) || takes(other, one)
}
