//! Archives, manifest, checksum files, signatures, and reading the finished folder back.

use super::Cause;
use super::files;
use super::keys::KeyPair;
use crate::archive::{self, Entry};
use crate::checksum;
use crate::config::model::{Algorithm, Format};
use crate::manifest::{Commit, Manifest, ManifestArtifact, ManifestFile, SCHEMA_VERSION, SignedBy};
use crate::plan::{Contents, Location, ManifestHead, Member, Plan, Roots, Step};
use crate::signature::{self, TrustedComment};
use crate::verify::{self, Options};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Unix permission bits of the files of a release themselves.
const MODE: u32 = 0o644;

pub(super) fn archive(
    step: &Step,
    format: Format,
    members: &[Member],
    epoch: u64,
    roots: &Roots,
) -> Result<(), Cause> {
    let contents: Vec<_> = members
        .iter()
        .map(|member| files::read(&member.source.resolve(roots)))
        .collect::<Result<_, _>>()?;
    let entry = |(member, contents): (&'_ Member, _)| (member.path.clone(), member.mode, contents);
    let owned: Vec<(String, u32, Vec<u8>)> = members.iter().zip(contents).map(entry).collect();
    let entries: Vec<_> =
        owned.iter().map(|(path, mode, contents)| Entry { path, mode: *mode, contents }).collect();
    write(step, &archive::pack(format, &entries, epoch)?, roots)
}

pub(super) fn compress(step: &Step, roots: &Roots) -> Result<(), Cause> {
    for input in &step.inputs {
        let bytes = files::read(&input.resolve(roots))?;
        write(step, &archive::gzip(&bytes)?, roots)?;
    }
    Ok(())
}

pub(super) fn manifest(
    step: &Step,
    head: &ManifestHead,
    tools: &BTreeMap<String, String>,
    roots: &Roots,
) -> Result<(), Cause> {
    let artifacts = head
        .contents
        .iter()
        .map(|contents| artifact(contents, head, roots))
        .collect::<Result<_, _>>()?;
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        product: head.product.clone(),
        version: head.version.clone(),
        channel: head.channel.clone(),
        signed_by: if head.development { SignedBy::Development } else { SignedBy::Release },
        stub: head.stub,
        code_signed: !head.code_signed.is_empty(),
        packages_signed: head.packages_signed,
        commit: Commit {
            hash: head.commit.hash.clone(),
            time: rfc3339(head.commit.time),
            dirty: head.commit.dirty,
        },
        timestamp: rfc3339(head.epoch),
        tools: tools.clone(),
        artifacts,
    };
    let mut text = serde_json::to_string_pretty(&manifest).expect("a manifest is plain data");
    text.push('\n');
    write(step, text.as_bytes(), roots)
}

fn artifact(
    contents: &Contents,
    head: &ManifestHead,
    roots: &Roots,
) -> Result<ManifestArtifact, Cause> {
    let algorithms = &head.algorithms;
    let bytes = files::read(&contents.file.resolve(roots))?;
    let file = |member: &Member| -> Result<ManifestFile, Cause> {
        let bytes = files::read(&member.source.resolve(roots))?;
        Ok(ManifestFile {
            path: member.path.clone(),
            mode: ManifestFile::mode_text(member.mode),
            size: bytes.len() as u64,
            digests: checksum::digests(algorithms, &bytes),
            unsigned_digests: unsigned_digests(&member.source, head, roots)?,
        })
    };
    let mut members = contents.members.iter().map(file).collect::<Result<Vec<_>, _>>()?;
    members.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok(ManifestArtifact {
        name: contents.artifact.name.clone(),
        kind: contents.artifact.kind,
        target: contents.artifact.target.clone(),
        size: bytes.len() as u64,
        digests: checksum::digests(algorithms, &bytes),
        unsigned_digests: unsigned_digests(&contents.file, head, roots)?,
        files: members,
    })
}

/// The digests of a file before it was code-signed; none where it was not.
fn unsigned_digests(
    file: &Location,
    head: &ManifestHead,
    roots: &Roots,
) -> Result<BTreeMap<Algorithm, String>, Cause> {
    match head.code_signed.iter().find(|it| it.signed == *file) {
        Some(it) => {
            let bytes = files::read(&it.unsigned.resolve(roots))?;
            Ok(checksum::digests(&head.algorithms, &bytes))
        }
        None => Ok(BTreeMap::new()),
    }
}

/// RFC 3339 in UTC, to the second.
fn rfc3339(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |timestamp| timestamp.to_string())
}

pub(super) fn checksums(step: &Step, algorithm: Algorithm, roots: &Roots) -> Result<(), Cause> {
    let mut digests = BTreeMap::new();
    for input in &step.inputs {
        let bytes = files::read(&input.resolve(roots))?;
        digests.insert(input.base_name().to_owned(), checksum::digest(algorithm, &bytes));
    }
    write(step, checksum::render(&digests).as_bytes(), roots)
}

pub(super) fn sign(
    step: &Step,
    comment: &TrustedComment,
    keys: &KeyPair,
    roots: &Roots,
) -> Result<(), Cause> {
    for input in &step.inputs {
        let bytes = files::read(&input.resolve(roots))?;
        write(step, signature::sign(&keys.signing, &bytes, comment)?.as_bytes(), roots)?;
    }
    Ok(())
}

fn write(step: &Step, contents: &[u8], roots: &Roots) -> Result<(), Cause> {
    for output in &step.outputs {
        files::write_if_changed(&output.resolve(roots), contents, MODE)?;
    }
    Ok(())
}

/// Reads the folder back as a downloader would who knows which release this is meant to be.
pub(super) fn verify(plan: &Plan, keys: &KeyPair, roots: &Roots) -> Result<(), Cause> {
    let options = Options {
        expected_product: Some(plan.product.clone()),
        expected_version: Some(plan.version.clone()),
        expected_channel: Some(plan.channel.clone()),
        ..Options::new(keys.trusted.clone())
    };
    match verify::verify(&roots.release, &options) {
        Ok(_) => Ok(()),
        Err(findings) => Err(Cause::Verify(findings.iter().map(ToString::to_string).collect())),
    }
}
