//! The rules of `[listeners]`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Range, RangeInclusive};

use strict_toml::{ByteSize, Diagnostic, Duration, Spanned, suggest};

use super::{Rules, network};
use crate::config::model::{
    CertificateFiles, ClientCertificates, DataListener, Listener, Listeners, ServerTls, TlsVersion,
};
use crate::config::raw;

const HEADER_READ_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(600);
const WRITE_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
const IDLE_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const HEADER_BYTES: RangeInclusive<ByteSize> =
    ByteSize::from_bytes(8 * 1024)..=ByteSize::from_bytes(1024 * 1024);
pub(super) const BODY_BYTES: RangeInclusive<ByteSize> =
    ByteSize::from_bytes(0)..=ByteSize::from_bytes(1 << 40);
const BODY_RATE: RangeInclusive<ByteSize> = ByteSize::from_bytes(1)..=ByteSize::from_bytes(1 << 30);

/// Data listeners by name.
pub(super) type DataListeners = BTreeMap<Spanned<String>, raw::DataListener>;

/// The data listener of a name, with the place where the name is written.
pub(super) fn named<'a>(
    listeners: &'a DataListeners,
    name: &str,
) -> Option<(&'a Spanned<String>, &'a raw::DataListener)> {
    listeners.get_key_value(&Spanned::from(name.to_owned()))
}

impl Rules<'_> {
    pub(super) fn listeners(
        &mut self,
        data: &DataListeners,
        admin: &raw::AdminListener,
    ) -> Listeners {
        self.apart(data, admin);
        Listeners {
            data: data.iter().map(|(name, raw)| self.data(name, raw)).collect(),
            admin: self.admin(admin),
        }
    }

    fn data(&mut self, name: &Spanned<String>, raw: &raw::DataListener) -> DataListener {
        let raw::DataListener {
            address,
            port,
            connections_max,
            header_read_timeout,
            write_timeout,
            header_bytes_max,
            connections_per_address_max,
            idle_timeout,
            body_bytes_max,
            body_rate_min,
            http2_streams_max,
            trusted_proxies,
            tls,
        } = raw;
        self.listener_name(name);
        let key = |key: &str| format!("listeners.{name}.{key}");
        let listener = Listener {
            address: SocketAddr::new(address.to_canonical(), *port.get()),
            connections_max: *connections_max as usize,
            header_read_timeout: self.header_read_timeout(name, header_read_timeout),
            write_timeout: self.write_timeout(name, write_timeout),
            header_bytes_max: self.header_bytes_max(name, header_bytes_max),
        };
        DataListener {
            name: name.as_str().into(),
            listener,
            connections_per_address_max: connections_per_address_max.map(|max| max as usize),
            idle_timeout: self.duration(&key("idle-timeout"), idle_timeout, &IDLE_TIMEOUT),
            body_bytes_max: body_bytes_max
                .as_ref()
                .map(|max| self.within(&key("body-bytes-max"), max, &BODY_BYTES).as_u64()),
            body_rate_min: body_rate_min
                .as_ref()
                .map(|min| self.within(&key("body-rate-min"), min, &BODY_RATE).as_u64()),
            http2_streams_max: *http2_streams_max,
            trusted_proxies: self.each_parsed(
                &key("trusted-proxies[]"),
                trusted_proxies,
                "an address or a network",
                network::network,
            ),
            tls: tls.as_ref().map(|tls| self.server_tls(tls)),
        }
    }

    /// A data listener that was meant to be the other one would take its place unseen.
    fn listener_name(&mut self, name: &Spanned<String>) {
        self.name("listener", name);
        if suggest(name, [raw::Listeners::ADMIN]).is_some() {
            self.broken.push(
                Diagnostic::error(format!("a listener named `{name}` is easily taken for `admin`"))
                    .at(name.span(), "too near to `admin`")
                    .help("did you mean `admin`? If not, choose another name"),
            );
        }
    }

    fn admin(&mut self, raw: &raw::AdminListener) -> Listener {
        let raw::AdminListener {
            address,
            port,
            connections_max,
            header_read_timeout,
            write_timeout,
            header_bytes_max,
        } = raw;
        let name = raw::Listeners::ADMIN;
        Listener {
            address: SocketAddr::new(address.to_canonical(), *port.get()),
            connections_max: *connections_max as usize,
            header_read_timeout: self.header_read_timeout(name, header_read_timeout),
            write_timeout: self.write_timeout(name, write_timeout),
            header_bytes_max: self.header_bytes_max(name, header_bytes_max),
        }
    }

    fn header_read_timeout(
        &mut self,
        listener: &str,
        timeout: &Spanned<Duration>,
    ) -> std::time::Duration {
        let key = format!("listeners.{listener}.header-read-timeout");
        self.duration(&key, timeout, &HEADER_READ_TIMEOUT)
    }

    fn write_timeout(
        &mut self,
        listener: &str,
        timeout: &Spanned<Duration>,
    ) -> std::time::Duration {
        let key = format!("listeners.{listener}.write-timeout");
        self.duration(&key, timeout, &WRITE_TIMEOUT)
    }

    fn header_bytes_max(&mut self, listener: &str, size: &Spanned<ByteSize>) -> usize {
        let key = format!("listeners.{listener}.header-bytes-max");
        let bytes = self.within(&key, size, &HEADER_BYTES).as_u64();
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    fn server_tls(&self, raw: &raw::ServerTls) -> ServerTls {
        let raw::ServerTls { certificates, version_min, clients } = raw;
        ServerTls {
            certificates: certificates.iter().map(|files| self.certificate(files)).collect(),
            version_min: match version_min {
                raw::TlsVersion::Tls12 => TlsVersion::Tls12,
                raw::TlsVersion::Tls13 => TlsVersion::Tls13,
            },
            clients: clients.as_ref().map(|clients| {
                let raw::ClientCertificates { authorities, revoked, demand } = clients;
                ClientCertificates {
                    authorities: self.file(authorities),
                    revoked: revoked.iter().map(|list| self.file(list)).collect(),
                    is_required: *demand == raw::Demand::Required,
                }
            }),
        }
    }

    fn certificate(&self, raw: &raw::CertificateFiles) -> CertificateFiles {
        let raw::CertificateFiles { chain, key, ocsp } = raw;
        CertificateFiles {
            chain: self.file(chain),
            key: self.file(key),
            ocsp: ocsp.as_ref().map(|ocsp| self.file(ocsp)),
        }
    }

    /// Two listeners cannot have one port of one address. Port 0 is another each time.
    fn apart(&mut self, data: &DataListeners, admin: &raw::AdminListener) {
        let data = data.iter().map(|(name, listener)| Place {
            name: name.get(),
            written: name.span(),
            address: *listener.address.get(),
            port: &listener.port,
        });
        let admin = Place {
            name: raw::Listeners::ADMIN,
            written: 0..0,
            address: *admin.address.get(),
            port: &admin.port,
        };
        let places: Vec<_> = data.chain([admin]).collect();
        for (index, second) in places.iter().enumerate() {
            let meets = places[..index].iter().filter(|first| first.meets(second));
            self.broken.extend(meets.map(|first| one_port(first, second)));
        }
    }
}

/// Where a listener is bound, and where that is written.
struct Place<'a> {
    name: &'a str,
    written: Range<usize>,
    address: IpAddr,
    port: &'a Spanned<u16>,
}

impl Place<'_> {
    fn meets(&self, other: &Self) -> bool {
        let same_port = self.port == other.port && *self.port.get() != 0;
        same_port && overlap(self.address, other.address)
    }
}

fn one_port(first: &Place<'_>, second: &Place<'_>) -> Diagnostic {
    let mistake = Diagnostic::error(format!(
        "`listeners.{}` and `listeners.{}` both bind port {}",
        first.name, second.name, first.port
    ))
    .help("give one of them another `port`");
    // A default has no place. Of two that have it both are named in the text.
    let is_written = |place: &Place<'_>| !place.port.span().is_empty();
    let default_of = |place: &Place<'_>| format!("the default of `listeners.{}.port`", place.name);
    match (is_written(second), is_written(first)) {
        (true, true) => {
            let mut ports = [first.port.span(), second.port.span()];
            ports.sort_by_key(|span| span.start);
            let [first, again] = ports;
            mistake.at(again, "bound here again").related(first, "bound here first")
        }
        (true, false) => mistake.at(second.port.span(), default_of(first)),
        (false, true) => mistake.at(first.port.span(), default_of(second)),
        (false, false) => mistake
            .at(second.written.clone(), "has the default port")
            .related(first.written.clone(), "has the default port"),
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
