//! The mirror of `[listeners]`: the admin listener by its name, every other one for data.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};
use strict_toml::{ByteSize, Duration, Spanned};

/// Where connections are taken.
///
/// Not derived: a map beside a field would need `flatten`, which loses the places of mistakes.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The listener for supervisors and scrapers.
    pub admin: AdminListener,
    /// The listeners for the world, by name.
    pub data: BTreeMap<Spanned<String>, DataListener>,
}

impl Listeners {
    /// The name that is not for data.
    pub const ADMIN: &str = "admin";
}

impl<'de> Deserialize<'de> for Listeners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;
        impl<'de> Visitor<'de> for ByName {
            type Value = Listeners;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a table of listeners")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listeners, A::Error> {
                let mut listeners = Listeners::default();
                while let Some(name) = map.next_key::<Spanned<String>>()? {
                    if *name.get() == Listeners::ADMIN {
                        listeners.admin = map.next_value()?;
                    } else {
                        listeners.data.insert(name, map.next_value()?);
                    }
                }
                Ok(listeners)
            }
        }
        deserializer.deserialize_map(ByName)
    }
}

impl Serialize for Listeners {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.data.len() + 1))?;
        map.serialize_entry(Self::ADMIN, &self.admin)?;
        for (name, listener) in &self.data {
            map.serialize_entry(name, listener)?;
        }
        map.end()
    }
}

impl JsonSchema for Listeners {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Listeners".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let admin = generator.subschema_for::<AdminListener>();
        let data = generator.subschema_for::<DataListener>();
        json_schema!({
            "type": "object",
            "properties": { "admin": admin },
            "additionalProperties": data,
        })
    }
}

/// A listener for the world, by a name of your choice: lower-case letters, digits and dashes, at most
/// 40 of them, and not nearly `admin`. Without any, one named `data` has all the defaults.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DataListener {
    /// The address bound; `0.0.0.0` for every interface by IPv4, `::` by IPv6 and IPv4.
    pub address: Spanned<IpAddr>,
    /// The port bound; 0 for any free port.
    pub port: Spanned<u16>,
    /// Connections at a time; more of them wait.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_max: u32,
    /// How long a client may take to send a request's head, the first one after connecting included,
    /// and for the handshake before it; 1s to 10m.
    pub header_read_timeout: Spanned<Duration>,
    /// How long a client may leave an answer unread before its connection is cut, or of HTTP/2 the
    /// answer's stream; 1s to 10m.
    pub write_timeout: Spanned<Duration>,
    /// Size of a request's head at most; 8KiB to 1MiB.
    pub header_bytes_max: Spanned<ByteSize>,
    /// Connections at a time from one client address; more of them are closed. Without it only
    /// `connections-max` counts.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_per_address_max: Option<u32>,
    /// How long a connection may be open without a request after the last one, and of HTTP/2 before
    /// the first one; 1s to 1h.
    pub idle_timeout: Spanned<Duration>,
    /// Size of a request's body at most, unless its route says otherwise; up to 1TiB. A larger one is
    /// answered 413. Without it there is no limit.
    pub body_bytes_max: Option<Spanned<ByteSize>>,
    /// What a client must send of a body each second, on average, once `header-read-timeout` has
    /// passed; 1B to 1GiB. A slower one is answered 408. Without it there is no minimum.
    pub body_rate_min: Option<Spanned<ByteSize>>,
    /// Requests at a time on one HTTP/2 connection.
    #[schemars(range(min = 1, max = 10_000))]
    pub http2_streams_max: u32,
    /// Peers whose `Forwarded` and `X-Forwarded-*` are believed: addresses, and networks such as
    /// `10.0.0.0/8`. What others send there is replaced or taken away.
    #[schemars(extend("uniqueItems" = true))]
    pub trusted_proxies: Vec<Spanned<String>>,
    /// TLS; without it the listener is plain. The port stays what `port` says.
    pub tls: Option<ServerTls>,
}

impl Default for DataListener {
    fn default() -> Self {
        Self {
            address: IpAddr::from(Ipv4Addr::UNSPECIFIED).into(),
            port: 8080.into(),
            connections_max: 4096,
            header_read_timeout: Duration::from_secs(10).into(),
            write_timeout: Duration::from_secs(30).into(),
            header_bytes_max: ByteSize::from_bytes(16 * 1024).into(),
            connections_per_address_max: None,
            idle_timeout: Duration::from_secs(60).into(),
            body_bytes_max: None,
            body_rate_min: None,
            http2_streams_max: 128,
            trusted_proxies: Vec::new(),
            tls: None,
        }
    }
}

/// The listener for supervisors and scrapers: `/livez`, `/readyz`, `/metrics`. It knows no
/// authentication, so keep it on loopback or in a network of your own.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AdminListener {
    /// The address bound, `::` for every interface by IPv6 and IPv4; on loopback, requests must name
    /// an address or `localhost` as host.
    pub address: Spanned<IpAddr>,
    /// The port bound; 0 for any free port.
    pub port: Spanned<u16>,
    /// Connections at a time; more of them wait.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_max: u32,
    /// How long a client may take to send a request's head, and keep a connection idle; 1s to 10m.
    pub header_read_timeout: Spanned<Duration>,
    /// How long a client may leave an answer unread before its connection is cut; 1s to 10m.
    pub write_timeout: Spanned<Duration>,
    /// Size of a request's head at most; 8KiB to 1MiB.
    pub header_bytes_max: Spanned<ByteSize>,
}

impl Default for AdminListener {
    fn default() -> Self {
        Self {
            address: IpAddr::from(Ipv4Addr::LOCALHOST).into(),
            port: 9464.into(),
            connections_max: 64,
            header_read_timeout: Duration::from_secs(10).into(),
            write_timeout: Duration::from_secs(30).into(),
            header_bytes_max: ByteSize::from_bytes(16 * 1024).into(),
        }
    }
}

/// How a listener speaks TLS. Files are relative to the folder of the config file, and are read
/// again when they change.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerTls {
    /// What clients are shown: the one whose names fit the name that they ask for, else the first.
    #[schemars(length(min = 1, max = 256))]
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version of TLS that is spoken.
    #[serde(default)]
    pub version_min: TlsVersion,
    /// What clients are asked for; without it no certificate.
    pub clients: Option<ClientCertificates>,
}

/// A certificate and its key, by file.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertificateFiles {
    /// PEM: the certificate, then those that lead to its authority.
    #[schemars(length(min = 1))]
    pub chain: String,
    /// PEM: its private key, in PKCS #8, SEC 1 or PKCS #1.
    #[schemars(length(min = 1))]
    pub key: String,
    /// DER: an OCSP response that is shown with it.
    #[schemars(length(min = 1))]
    pub ocsp: Option<String>,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

/// What clients are asked for in the handshake.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientCertificates {
    /// PEM: the authorities that clients' certificates must lead to.
    #[schemars(length(min = 1))]
    pub authorities: String,
    /// PEM: certificate revocation lists.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    #[serde(default)]
    pub revoked: Vec<String>,
    /// With `required` a client without a certificate is refused in the handshake, with `optional`
    /// routes say who may use them.
    #[serde(default)]
    pub demand: Demand,
}

/// Whether something must be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// It must.
    #[default]
    Required,
    /// It may.
    Optional,
}
