//! Versions as package managers order them, and where files go.

use super::*;
use crate::render::tests::fixture;
use crate::stock_tools::run;

/// Ascending (<https://semver.org>, item 11).
const VERSIONS: [&str; 10] = [
    "1.0.0-1",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
];

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn a_version_is_written_as_the_package_manager_writes_it() {
    assert_eq!(deb_version(&version("1.2.0")), "1.2.0-1");
    assert_eq!(deb_version(&version("1.2.0-rc.1+build.5")), "1.2.0~rc.1+build.5-1");
    assert_eq!(rpm_version(&version("1.2.0")), "1.2.0");
    assert_eq!(rpm_version(&version("1.2.0-rc-2.1+build.5")), "1.2.0~rc_2.1+build.5");
    assert_eq!(rpm_version(&version("1.2.0-1")), "1.2.0~1");
}

#[test]
fn dpkg_orders_versions_as_semver_does() {
    let folder = tempfile::tempdir().unwrap();
    for pair in VERSIONS.windows(2) {
        let [older, newer] = [0, 1].map(|at| deb_version(&version(pair[at])));
        let words = ["--compare-versions", &older, "lt", &newer];
        let Some(answer) = run(folder.path(), "dpkg", &words, "") else { return };
        assert!(answer.success, "{older} is not before {newer}");
    }
}

#[test]
fn rpm_orders_versions_as_semver_does_but_for_numbers_beside_words() {
    let folder = tempfile::tempdir().unwrap();
    let numbers_behind_words = ["1.0.0-1", "1.0.0-alpha.1"];
    let known: Vec<_> =
        VERSIONS.into_iter().filter(|version| !numbers_behind_words.contains(version)).collect();
    for pair in known.windows(2) {
        let [older, newer] = [0, 1].map(|at| rpm_version(&version(pair[at])));
        let macro_call = format!("%{{lua:print(rpm.vercmp(\"{older}\", \"{newer}\"))}}");
        let Some(answer) = run(folder.path(), "rpm", &["--eval", &macro_call], "") else { return };
        assert_eq!(answer.text.trim(), "-1", "{older} is not before {newer}");
    }
}

#[test]
fn every_file_of_a_package_has_a_place_of_its_own() {
    let config = fixture::config();
    for target in config.targets_of(System::Linux) {
        for format in target.bundles.iter().map(|bundle| bundle.format) {
            if !format.is_package() {
                continue;
            }
            let files = files(&config, target, format);
            let paths: std::collections::BTreeSet<_> =
                files.iter().map(|file| &file.path).collect();
            assert_eq!(paths.len(), files.len());
            assert!(paths.iter().all(|path| !path.starts_with('/')), "{paths:?}");
            assert!(paths.iter().any(|path| path.ends_with("usr/bin/acmed")), "{paths:?}");
        }
    }
}
