//! Spans of time as text: `"30s"`, `"1h30m"`, `"250ms"`, `"14d"`.

use std::{borrow::Cow, fmt, str::FromStr, time};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{factor, split_digits, split_unit, without_blanks};
use crate::Invalid;

/// Units from the largest, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A span of time, to the millisecond, written as whole numbers with units: `1h30m`.
///
/// Units are `d`, `h`, `m`, `s`, `ms`, the largest first and each at most once. [`fmt::Display`]
/// writes the same value in its largest units: `90s` becomes `1m30s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    millis: u64,
}

impl Duration {
    /// The schema's `format` of this type; people are told "duration". JSON Schema's own format of that name is
    /// ISO 8601's (validation, section 7.3.1), which an editor that asserts formats would ask for.
    pub const FORMAT: &'static str = "time-span";

    /// A number of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// A number of seconds; one too large to count in milliseconds becomes the largest duration.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self { millis: seconds.saturating_mul(1000) }
    }

    /// The whole span in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    /// The whole seconds of the span, rounded up so that a short timeout never becomes none.
    #[must_use]
    pub const fn as_secs_ceil(self) -> u64 {
        self.millis.div_ceil(1000)
    }

    /// The span as the standard library counts it.
    #[must_use]
    pub const fn to_std(self) -> time::Duration {
        time::Duration::from_millis(self.millis)
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.to_std()
    }
}

impl FromStr for Duration {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let malformed = || {
            Invalid::new(format!("`{text}` is not a duration"))
                .help("write whole numbers with units, such as \"30s\", \"1h30m\" or \"250ms\"")
        };
        without_blanks::<Self>(text)?;
        let mut rest = text;
        let mut millis: u64 = 0;
        let mut previous = u64::MAX;
        while !rest.is_empty() || previous == u64::MAX {
            let (digits, after) = split_digits(rest);
            let (unit, after) = split_unit(after);
            if digits.is_empty() || unit.starts_with(['.', '-', '+', ',', ':', '_']) {
                return Err(malformed());
            }
            let factor = factor(text, unit, &UNITS)?;
            if factor >= previous {
                let help = "write the larger unit first and each unit once, such as \"1h30m\"";
                return Err(Invalid::new(format!("`{text}` has its units out of order")).help(help));
            }
            let part = digits.parse().ok().and_then(|count: u64| count.checked_mul(factor));
            millis = part
                .and_then(|part| millis.checked_add(part))
                .ok_or_else(|| Invalid::new(format!("`{text}` is too long a time")))?;
            (rest, previous) = (after, factor);
        }
        Ok(Self { millis })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis == 0 {
            return out.write_str("0s");
        }
        let mut rest = self.millis;
        for (unit, factor) in UNITS {
            if rest >= factor {
                write!(out, "{}{unit}", rest / factor)?;
            }
            rest %= factor;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|invalid: Invalid| D::Error::custom(invalid.reason))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "strict_toml::Duration".into()
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
    fn every_unit_reads_as_its_length() {
        let millis = |text: &str| text.parse::<Duration>().map(Duration::as_millis);
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("30s"), Ok(30_000));
        assert_eq!(millis("5m"), Ok(300_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("14d"), Ok(1_209_600_000));
        assert_eq!(millis("0s"), Ok(0));
    }

    #[track_caller]
    fn check_refused(text: &str, reason: &str, help: Option<&str>) {
        let invalid = text.parse::<Duration>().expect_err("refused");
        assert_eq!((invalid.reason.as_str(), invalid.help.as_deref()), (reason, help));
    }

    #[test]
    fn refusals_say_why_and_name_the_units() {
        let units = "the units are `d`, `h`, `m`, `s`, `ms`";
        let shape = "write whole numbers with units, such as \"30s\", \"1h30m\" or \"250ms\"";
        let order = "write the larger unit first and each unit once, such as \"1h30m\"";
        check_refused("30", "`30` has no unit", Some(units));
        check_refused(
            "30S",
            "`30S` has the unknown unit `S`",
            Some(&format!("did you mean `s`? {units}")),
        );
        check_refused("25 s", "`25 s` has a blank", Some("write \"25s\""));
        check_refused("1h 30m", "`1h 30m` has a blank", Some("write \"1h30m\""));
        check_refused("5 min", "`5 min` has a blank", Some(units));
        check_refused("", "`` is not a duration", Some(shape));
        check_refused("1.5h", "`1.5h` is not a duration", Some(shape));
        check_refused("-1s", "`-1s` is not a duration", Some(shape));
        check_refused("30m1h", "`30m1h` has its units out of order", Some(order));
        check_refused("1s1s", "`1s1s` has its units out of order", Some(order));
        check_refused(
            "999999999999999999999d",
            "`999999999999999999999d` is too long a time",
            None,
        );
    }

    proptest! {
        #[test]
        fn display_reads_back_as_the_same_value(millis: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn any_text_is_accepted_or_refused_without_panic(text in "\\PC{0,12}|[0-9dhms.]{0,12}") {
            let _ = text.parse::<Duration>();
        }
    }
}
