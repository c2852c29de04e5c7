//! What names claim: the version in the name of a folder or a file must be the signed one, or something old is being
//! shown as something new. And which files have a signature of their own.

use crate::config::model::{Algorithm, Format};
use crate::manifest::FILE_NAME;

/// Whether files of this name have a signature of their own; all others are signed through the manifest.
pub(super) fn is_signed(name: &str) -> bool {
    speaks_for_others(name) || is_package(name)
}

/// Whether a file of this name says what the others must be.
pub(super) fn speaks_for_others(name: &str) -> bool {
    name == FILE_NAME || Algorithm::ALL.iter().any(|algorithm| algorithm.file_name() == name)
}

/// Whether a file of this name is a package for a Linux package manager, which travels without the rest of its release.
pub(super) fn is_package(name: &str) -> bool {
    Format::of(name).is_some_and(Format::has_package_manager)
}

/// The version that a folder's name claims and that is not the signed one.
///
/// Names like `v2.0.0`, `edge-node-2.0.0` and `edge-node-v2.0.0-mirror` claim one; `dist` does not, nor do bare numbers
/// like `2026.11.22` and `10.0.0.7`, which are dates and addresses as well.
pub(super) fn other_version<'a>(folder: &'a str, product: &str, signed: &str) -> Option<&'a str> {
    let of_product = folder.strip_prefix(product).and_then(|rest| rest.strip_prefix('-'));
    let marked = of_product.unwrap_or(folder).strip_prefix('v');
    let claimed = marked.or(of_product)?;
    let continued = claimed
        .strip_prefix(signed)
        .is_some_and(|tail| tail.is_empty() || tail.starts_with(['-', '_', '.']));
    (starts_with_version(claimed) && !continued).then_some(claimed)
}

/// Whether a text starts with three numbers, as a version does (<https://semver.org>, item 2).
fn starts_with_version(text: &str) -> bool {
    let mut parts = text.splitn(3, '.');
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next().is_some_and(number)
        && parts.next().is_some_and(number)
        && parts.next().is_some_and(|part| part.starts_with(|char: char| char.is_ascii_digit()))
}

/// What the name of every artifact of a release starts with.
pub(super) fn prefix(product: &str, version: &str) -> String {
    format!("{product}-{version}-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_named_for_another_version_is_noticed() {
        let claims = |folder| other_version(folder, "edge-node", "1.2.3");
        for folder in [
            "v2.0.0",
            "v1.2.4",
            "v1.2.30-mirror",
            "edge-node-1.2.2",
            "edge-node-v1.2.30",
            "edge-node-0.1.2.3",
        ] {
            assert!(claims(folder).is_some(), "{folder}");
        }
        for folder in [
            "dist",
            "1.2.3",
            "v1.2.3",
            "edge-node-1.2.3",
            "edge-node-1.2.3-mirror",
            "v",
            "v2",
            "1.2",
            "a-2.0.0",
            "",
        ] {
            assert_eq!(claims(folder), None, "{folder}");
        }
        assert_eq!(other_version("v1.2.3", "edge-node", "1.2.3-rc.1"), Some("1.2.3"));
    }

    #[test]
    fn a_date_or_an_address_is_no_version() {
        for folder in ["2026.11.22", "10.0.0.7", "2.0.0", "vault.2.0.0", "edge-node"] {
            assert_eq!(other_version(folder, "edge-node", "1.2.3"), None, "{folder}");
        }
    }
}
