//! Found versions in, judgements out; and the versions in what tools print.

use super::*;
use crate::toolchain::requirement::{KnownBad, Packages, Probe};

fn requirement() -> Requirement {
    Requirement {
        name: "tool".to_owned(),
        purpose: "a test",
        need: Need::Tests,
        probe: Probe::Command(&["tool", "--version"]),
        minimum: Some("3.8"),
        known_bad: &[KnownBad { below: "3.11", reason: "it bites" }],
        packages: Packages::default(),
    }
}

#[track_caller]
fn check(found: Option<&str>, expected: State) {
    let probed = found.map_or(Probed::Missing, |version| Probed::Present(Some(version.to_owned())));
    let finding = examine(requirement(), &probed, Some("install tool".to_owned()));
    assert_eq!(finding.state, expected, "{found:?}");
    assert_eq!(finding.install.is_some(), matches!(expected, State::Missing | State::TooOld));
}

#[test]
fn versions_are_compared_as_numbers() {
    check(None, State::Missing);
    check(Some("3.7.9"), State::TooOld);
    check(Some("3.8"), State::KnownBad("below 3.11: it bites".to_owned()));
    check(Some("3.10.4"), State::KnownBad("below 3.11: it bites".to_owned()));
    check(Some("3.11.0"), State::Good);
    check(Some("10"), State::Good);
}

#[test]
fn a_missing_tool_blocks_only_what_needs_it() {
    let missing = examine(requirement(), &Probed::Missing, None);
    assert!(missing.blocks(Need::Tests));
    assert!(!missing.blocks(Need::Release));
}

#[test]
fn the_version_is_found_in_what_tools_print() {
    let cases = [
        ("v3.08-3+deb12u1", "3.08"),
        ("git version 2.47.3", "2.47.3"),
        ("wine-8.0 (Debian 8.0~repack-4)", "8.0"),
        ("systemd 252 (252.38-1~deb12u1)", "252.38"),
        ("promtool, version 2.42.0+ds (branch: debian/sid)", "2.42.0"),
        ("minisign 0.11", "0.11"),
        ("Debian clang version 14.0.6", "14.0.6"),
        ("release 7", "7"),
    ];
    for (printed, version) in cases {
        assert_eq!(version_in(printed).as_deref(), Some(version), "{printed}");
    }
    assert_eq!(version_in("no number"), None);
}
