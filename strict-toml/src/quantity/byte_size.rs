//! Amounts of data as text: `"8MB"`, `"16KiB"`, `"4096B"`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{factor, split_digits, without_blanks};
use crate::Invalid;

/// Decimal and binary units (IEC 80000-13), in bytes.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A number of bytes, written as one whole number with one unit: `16KiB`.
///
/// [`fmt::Display`] writes the same value with the unit that needs the smallest number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize {
    bytes: u64,
}

impl ByteSize {
    /// The schema's `format` of this type.
    pub const FORMAT: &'static str = "byte-size";

    /// A number of bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self { bytes }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.bytes
    }
}

impl From<ByteSize> for u64 {
    fn from(size: ByteSize) -> Self {
        size.bytes
    }
}

impl FromStr for ByteSize {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        without_blanks::<Self>(text)?;
        let (digits, unit) = split_digits(text);
        if digits.is_empty() || unit.starts_with(['.', ',', '_']) {
            let help =
                "write one whole number with a unit, such as \"8MB\", \"16KiB\" or \"4096B\"";
            return Err(Invalid::new(format!("`{text}` is not a byte size")).help(help));
        }
        let factor = factor(text, unit, &UNITS)?;
        let bytes = digits.parse().ok().and_then(|count: u64| count.checked_mul(factor));
        bytes
            .map(|bytes| Self { bytes })
            .ok_or_else(|| Invalid::new(format!("`{text}` is more than 64 bits can count")))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS
            .iter()
            .filter(|(_, factor)| self.bytes != 0 && self.bytes.is_multiple_of(*factor));
        let (unit, factor) = exact.max_by_key(|(_, factor)| *factor).unwrap_or(&UNITS[0]);
        write!(out, "{}{unit}", self.bytes / factor)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|invalid: Invalid| D::Error::custom(invalid.reason))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "strict_toml::ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimal_and_binary_units_differ() {
        let bytes = |text: &str| text.parse::<ByteSize>().map(ByteSize::as_u64);
        assert_eq!(bytes("8MB"), Ok(8_000_000));
        assert_eq!(bytes("8MiB"), Ok(8_388_608));
        assert_eq!(bytes("4096B"), Ok(4096));
        assert_eq!(ByteSize::from_bytes(4096).to_string(), "4KiB");
        assert_eq!(ByteSize::from_bytes(1_500_000).to_string(), "1500KB");
        assert_eq!(ByteSize::from_bytes(0).to_string(), "0B");
    }

    #[track_caller]
    fn check_refused(text: &str, reason: &str, help: Option<&str>) {
        let invalid = text.parse::<ByteSize>().expect_err("refused");
        assert_eq!((invalid.reason.as_str(), invalid.help.as_deref()), (reason, help));
    }

    #[test]
    fn refusals_say_why_and_name_the_units() {
        let units = "the units are `B`, `KB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB`, `TiB`";
        let shape = "write one whole number with a unit, such as \"8MB\", \"16KiB\" or \"4096B\"";
        check_refused("4096", "`4096` has no unit", Some(units));
        check_refused(
            "16kib",
            "`16kib` has the unknown unit `kib`",
            Some(&format!("did you mean `KiB`? {units}")),
        );
        check_refused("16 MiB", "`16 MiB` has a blank", Some("write \"16MiB\""));
        check_refused("1.5MB", "`1.5MB` is not a byte size", Some(shape));
        check_refused("MB", "`MB` is not a byte size", Some(shape));
        check_refused("99999999TiB", "`99999999TiB` is more than 64 bits can count", None);
    }

    proptest! {
        #[test]
        fn display_reads_back_as_the_same_value(bytes: u64) {
            let size = ByteSize::from_bytes(bytes);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn any_text_is_accepted_or_refused_without_panic(text in "\\PC{0,12}|[0-9BKMGTib.]{0,12}") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
