//! The checksum files: signed, and saying the same as the manifest.

use super::{Finding, Options, Snapshot, signed};
use crate::checksum;
use crate::config::model::Algorithm;
use crate::manifest::{FILE_NAME, Manifest};
use std::collections::BTreeMap;

/// Checks one checksum file that is there.
pub(super) fn check(
    algorithm: Algorithm,
    snapshot: &Snapshot,
    manifest: &Manifest,
    options: &Options,
) -> Vec<Finding> {
    let name = algorithm.file_name();
    let mut findings =
        signed::signature(snapshot, name, Some(manifest), options).err().unwrap_or_default();
    let Some(bytes) = snapshot.bytes(name) else { return findings };
    match checksum::parse(algorithm, bytes) {
        Ok(stated) => {
            findings.extend(compare(name, &stated, &expected(algorithm, snapshot, manifest)))
        }
        Err(error) => findings.push(Finding::new(name, error)),
    }
    findings
}

/// What it must say: the manifest's digests, and the manifest's own.
fn expected(
    algorithm: Algorithm,
    snapshot: &Snapshot,
    manifest: &Manifest,
) -> BTreeMap<String, String> {
    let mut digests: BTreeMap<_, _> = manifest
        .artifacts
        .iter()
        .filter_map(|artifact| {
            Some((artifact.name.clone(), artifact.digests.get(&algorithm)?.clone()))
        })
        .collect();
    if let Some(bytes) = snapshot.bytes(FILE_NAME) {
        digests.insert(FILE_NAME.to_owned(), checksum::digest(algorithm, bytes));
    }
    digests
}

fn compare(
    name: &str,
    stated: &BTreeMap<String, String>,
    expected: &BTreeMap<String, String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, digest) in expected {
        match stated.get(file) {
            None => findings.push(Finding::new(name, format!("does not list {file}"))),
            Some(found) if found != digest => {
                let problem = format!("states another digest of {file} than {FILE_NAME}");
                findings.push(Finding::new(name, problem).expected(digest, found));
            }
            Some(_) => {}
        }
    }
    let unknown = stated.keys().filter(|file| !expected.contains_key(*file));
    findings.extend(
        unknown
            .map(|file| Finding::new(name, format!("lists {file}, which is not of this release"))),
    );
    findings
}
