//! What a release says of the OpenPGP signatures of its packages, and whether they are there.
//!
//! Whether they are good, and whose, is for rpm and apt, which have the keys that they trust: this toolkit's own chain of
//! trust is the key that signs `release.json`.

use super::Finding;
use crate::apt;
use crate::archive::rpm;
use crate::config::model::Format;
use crate::manifest::{FILE_NAME, Manifest};

/// The files of apt's index. apt looks for these names, so that they cannot say of which release they are.
pub(super) const INDEX: [&str; 2] = [apt::INDEX, apt::SIGNED];

/// A release whose packages are signed has apt's index where it has a Debian package.
pub(super) fn consistency(manifest: &Manifest) -> Option<Finding> {
    let names: Vec<_> = manifest.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
    let has_deb = names.iter().any(|name| Format::of(name) == Some(Format::Deb));
    let has_index = INDEX.iter().all(|name| names.contains(name));
    match (manifest.packages_signed && has_deb, has_index) {
        (true, false) => {
            let problem = format!("says that packages are signed, but lists no {}", apt::SIGNED);
            Some(Finding::new(FILE_NAME, problem))
        }
        (true, true) | (false, _) => None,
    }
}

/// An RPM package carries a signature where the release says so, and nowhere else.
pub(super) fn check(
    manifest: &Manifest,
    name: &str,
    format: Format,
    package: &[u8],
) -> Option<Finding> {
    if format != Format::Rpm {
        return None;
    }
    let is_signed = rpm::signature(package).is_ok_and(|signature| signature.is_some());
    let problem = match (manifest.packages_signed, is_signed) {
        (true, false) => "carries no signature, and release.json says that packages do",
        (false, true) => "carries a signature of which release.json does not say",
        (true, true) | (false, false) => return None,
    };
    let hint = "it was released like this: report it to the publisher";
    Some(Finding::new(name, problem).hint(hint))
}
