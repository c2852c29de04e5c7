//! A version as a text whose order by characters is the order of versions (Semantic Versioning 2.0.0, 11), because an
//! installer script can compare texts and cannot parse versions.

use semver::{Prerelease, Version};
use std::fmt::Write as _;

/// Stands behind the numbers of a version that is no pre-release.
const FINAL: char = '9';
/// Stands in front of a number in a pre-release, which comes before a word.
const NUMBER: char = '2';
const WORD: char = '3';
/// Ends a word; no character of one is as small.
const WORD_END: &str = "00";
/// Ends a pre-release; a longer one comes later.
const END: char = '0';

/// The key of a version: digits and `a` to `f` only, so that no collation orders them in another way. Build metadata
/// is left out, as in the precedence of versions.
pub(super) fn key(version: &Version) -> String {
    let mut key = format!("{:020}{:020}{:020}", version.major, version.minor, version.patch);
    if version.pre == Prerelease::EMPTY {
        key.push(FINAL);
        return key;
    }
    for identifier in version.pre.split('.') {
        if identifier.bytes().all(|byte| byte.is_ascii_digit()) {
            // Of any length, without leading zeros: the longer is the larger.
            let _ = write!(key, "{NUMBER}{:03}{identifier}", identifier.len());
        } else {
            key.push(WORD);
            for byte in identifier.bytes() {
                let _ = write!(key, "{byte:02x}");
            }
            key += WORD_END;
        }
    }
    key.push(END);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_in_the_order_of_the_specification() {
        let versions = [
            "0.9.10",
            "1.0.0-1",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-alpha-",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.9.0",
            "1.10.0-0",
            "1.10.0",
            "2.0.0",
        ];
        let keys: Vec<String> =
            versions.iter().map(|version| key(&Version::parse(version).unwrap())).collect();
        for (index, pair) in keys.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{} {}", versions[index], versions[index + 1]);
        }
    }

    /// Versions that are often alike in their first parts.
    fn version() -> impl Strategy<Value = String> {
        const IDENTIFIER: &str = "(0|[1-9][0-9]{0,2}|[a-c-][0-9A-C-]{0,2})";
        let version =
            format!(r"[0-2]\.[0-9]\.1[0-9]{{0,2}}(-{IDENTIFIER}(\.{IDENTIFIER}){{0,2}})?");
        proptest::string::string_regex(&version).unwrap()
    }

    proptest! {
        #[test]
        fn a_key_orders_as_its_version(
            left in version(), right in version(), build in "(\\+x)?",
        ) {
            let right = format!("{right}{build}");
            let [left, right] = [left, right].map(|text| Version::parse(&text).unwrap());
            prop_assert_eq!(key(&left).cmp(&key(&right)), left.cmp_precedence(&right));
        }
    }
}
