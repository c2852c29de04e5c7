//! Checks a release folder, or one bundle of it, as a downloader would: offline, with a public key.
//!
//! [`snapshot`] notes what is there and reads the small signed files; [`judge`] compares it with what was signed, and reads
//! only those artifacts whose name and size the signature vouches for. The chain of
//! trust: the key signs `release.json`; that names every file with size and digests, and every file inside each archive;
//! the checksum files, signed too, say the same for the stock tools. The trusted comments bind product, version, channel
//! and file name into each signature, so nothing old or renamed passes for something new. Every mistake is reported, each
//! with the file it is in.

mod artifact;
mod checksums;
mod code_signed;
mod judge;
mod names;
mod packages_signed;
mod printable;
mod report;
mod signed;
mod snapshot;

#[cfg(test)]
mod tests;

pub use judge::{bundle, expected_names, release};
pub use printable::printable;
pub use report::{Finding, Verified, to_json};
pub use snapshot::{Found, Snapshot};

use crate::signature::PublicKey;
use std::path::{Path, PathBuf};

/// The key that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// Where it came from.
    pub origin: KeyOrigin,
}

/// Where a trusted key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyOrigin {
    /// Given by whoever verifies.
    Given,
    /// Declared in the release declaration.
    Declared,
    /// Made on this machine, which proves nothing.
    Development,
}

/// What is to be verified against.
#[derive(Clone, Debug)]
pub struct Options {
    /// The key that must have signed.
    pub trusted: TrustedKey,
    /// The product it must be, where that is known.
    pub expected_product: Option<String>,
    /// The version it must have, where that is known: a whole older release is intact as well.
    pub expected_version: Option<String>,
    /// The channel it must be of, where that is known.
    pub expected_channel: Option<String>,
    /// Whether a release that a development key signed is refused.
    pub refuse_development: bool,
    /// Whether a release whose programs are stand-ins is refused.
    pub refuse_stub: bool,
    /// Whether a release is refused that was built from an unknown commit, or from files that differ from it.
    pub refuse_dirty: bool,
    /// The `release.json` of a single bundle, where it does not lie beside it; its signature lies beside it.
    pub manifest: Option<PathBuf>,
}

impl Options {
    /// Expects nothing but the signature of a key.
    pub fn new(trusted: TrustedKey) -> Self {
        Self {
            trusted,
            expected_product: None,
            expected_version: None,
            expected_channel: None,
            refuse_development: false,
            refuse_stub: false,
            refuse_dirty: false,
            manifest: None,
        }
    }
}

/// Verifies a release folder, or one file of a release with the `release.json` that lies beside it.
///
/// A whole older release is intact. It is noticed where `expected_version` says which one it must be, or where the name
/// of its folder or of the file claims another version.
///
/// # Errors
///
/// Everything that is wrong, by file.
pub fn verify(subject: &Path, options: &Options) -> Result<Verified, Vec<Finding>> {
    if subject.is_dir() {
        let snapshot = snapshot::folder(subject).map_err(|finding| vec![finding])?;
        return release(&snapshot, options);
    }
    let subject = snapshot::signed_by(subject);
    let (snapshot, name) =
        snapshot::around(&subject, options.manifest.as_deref()).map_err(|finding| vec![finding])?;
    bundle(&snapshot, &name, options)
}
