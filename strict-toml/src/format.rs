//! What a string may look like: the checks behind the schema's `format` keyword.
//!
//! The crate brings the formats of its own types and of `std::net`; a caller registers others.

use std::{collections::BTreeMap, net};

/// Why a string does not have its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// A lowercase fragment that can follow "`key`: ", such as "`30sec` has the unknown unit `sec`".
    pub reason: String,
    /// What a person can do.
    pub help: Option<String>,
}

impl Invalid {
    /// A reason without advice.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), help: None }
    }

    /// The same reason with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Accepts a string or says why it is not of the format.
pub type FormatCheck = fn(&str) -> Result<(), Invalid>;

/// The formats known to a reading. A format nobody registered is left to serde.
#[derive(Clone, Debug)]
pub struct Formats {
    checks: BTreeMap<&'static str, FormatCheck>,
}

impl Default for Formats {
    /// `time-span`, `byte-size`, `ip`, `ipv4` and `ipv6`.
    fn default() -> Self {
        let formats = Self { checks: BTreeMap::new() };
        formats
            .with(crate::Duration::FORMAT, |text| text.parse::<crate::Duration>().map(drop))
            .with(crate::ByteSize::FORMAT, |text| text.parse::<crate::ByteSize>().map(drop))
            .with("ip", |text| address::<net::IpAddr>(text, "an IP address", "127.0.0.1"))
            .with("ipv4", |text| address::<net::Ipv4Addr>(text, "an IPv4 address", "127.0.0.1"))
            .with("ipv6", |text| address::<net::Ipv6Addr>(text, "an IPv6 address", "::1"))
    }
}

impl Formats {
    /// Adds a format, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: &'static str, check: FormatCheck) -> Self {
        self.checks.insert(name, check);
        self
    }

    pub(crate) fn check(&self, format: &str, text: &str) -> Result<(), Invalid> {
        self.checks.get(format).map_or(Ok(()), |check| check(text))
    }
}

fn address<T: std::str::FromStr>(text: &str, what: &str, example: &str) -> Result<(), Invalid> {
    text.parse::<T>().map(drop).map_err(|_| {
        Invalid::new(format!("`{text}` is not {what}")).help(format!("for example \"{example}\""))
    })
}
