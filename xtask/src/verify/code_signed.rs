//! What a release says of its Authenticode signatures, and whether they are there.
//!
//! Who signed, and whether Windows trusts that, is for `signtool` or `osslsigncode`: this toolkit's own chain of trust is
//! the key that signs `release.json`.

use super::Finding;
use crate::authenticode;
use crate::manifest::{ArtifactKind, FILE_NAME, Manifest};

/// A manifest says once, and of each file, what is code-signed: an installer always where anything is.
pub(super) fn consistency(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong = |problem: String| findings.push(Finding::new(FILE_NAME, problem));
    for artifact in &manifest.artifacts {
        let files = artifact.files.iter().map(|file| (&file.digests, &file.unsigned_digests));
        let own = (&artifact.digests, &artifact.unsigned_digests);
        let signed = std::iter::once(own).chain(files).filter(|(_, unsigned)| !unsigned.is_empty());
        let signed: Vec<_> = signed.collect();
        let name = &artifact.name;
        if !manifest.code_signed && !signed.is_empty() {
            wrong(format!("states unsigned digests in {name}, but not that it is code-signed"));
        }
        if signed.iter().any(|(digests, unsigned)| !digests.keys().eq(unsigned.keys())) {
            wrong(format!("does not state every unsigned digest in {name}"));
        }
        let is_installer = artifact.kind == ArtifactKind::Installer;
        if manifest.code_signed && is_installer && artifact.unsigned_digests.is_empty() {
            wrong(format!("says that it is code-signed, but states no unsigned digest of {name}"));
        }
    }
    findings
}

/// A program that is said to be code-signed carries a signature of all its bytes.
pub(super) fn check(name: &str, bytes: &[u8]) -> Option<Finding> {
    let error = authenticode::signature(bytes).err()?;
    Some(Finding::new(name, error).hint("it was released like this: report it to the publisher"))
}
