//! Archives, manifest, checksum files, signatures, and reading the finished folder back.

use super::Cause;
use super::files;
use super::keys::KeyPair;
use crate::archive::{self, ArchiveError, Entry};
use crate::checksum;
use crate::config::model::{Algorithm, Format};
use crate::manifest::{Commit, Manifest, ManifestArtifact, ManifestFile, SCHEMA_VERSION, SignedBy};
use crate::plan::{Contents, Deflated, Location, ManifestHead, Member, Plan, Roots, Step};
use crate::side_by_side;
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
    deflated: Option<&Deflated>,
    roots: &Roots,
) -> Result<(), Cause> {
    let read = |location: &Location| files::read(&location.resolve(roots));
    let contents: Vec<_> =
        members.iter().map(|member| read(&member.source)).collect::<Result<_, _>>()?;
    let stream = deflated.map(|it| read(&it.stream)).transpose()?;
    let stream_of = |member: &Member| {
        let has_one = deflated.is_some_and(|it| it.source == member.source);
        stream.as_deref().filter(|_| has_one)
    };
    let entries: Vec<_> = std::iter::zip(members, &contents)
        .map(|(member, contents)| Entry {
            deflated: stream_of(member),
            ..Entry::new(&member.path, member.mode, contents)
        })
        .collect();
    write(step, &archive::pack(format, &entries, epoch)?, roots)
}

/// Writes what [`archive::gzip`] or [`archive::deflate`] makes of the only input.
pub(super) fn compress(
    step: &Step,
    how: fn(&[u8]) -> Result<Vec<u8>, ArchiveError>,
    roots: &Roots,
) -> Result<(), Cause> {
    for input in &step.inputs {
        let bytes = files::read(&input.resolve(roots))?;
        write(step, &how(&bytes)?, roots)?;
    }
    Ok(())
}

pub(super) fn manifest(
    step: &Step,
    head: &ManifestHead,
    tools: &BTreeMap<String, String>,
    workers: usize,
    roots: &Roots,
) -> Result<(), Cause> {
    let digested = digested(step, head, workers, roots)?;
    let artifacts =
        head.contents.iter().map(|contents| artifact(contents, head, &digested)).collect();
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

/// What the manifest says of a file, whatever its name there.
struct Digested {
    size: u64,
    digests: BTreeMap<Algorithm, String>,
}

/// Every file that the manifest speaks of, each read once, some side by side.
fn digested<'a>(
    step: &'a Step,
    head: &ManifestHead,
    workers: usize,
    roots: &Roots,
) -> Result<BTreeMap<&'a Location, Digested>, Cause> {
    let digest = |input: &Location| -> Result<Digested, Cause> {
        let bytes = files::read(&input.resolve(roots))?;
        let digests = checksum::digests(&head.algorithms, &bytes);
        Ok(Digested { size: bytes.len() as u64, digests })
    };
    let size = |input: &Location| {
        std::fs::metadata(input.resolve(roots)).map_or(0, |metadata| metadata.len())
    };
    let digested = side_by_side::map(&step.inputs, workers, size, digest);
    std::iter::zip(&step.inputs, digested).map(|(input, made)| Ok((input, made?))).collect()
}

fn artifact(
    contents: &Contents,
    head: &ManifestHead,
    digested: &BTreeMap<&Location, Digested>,
) -> ManifestArtifact {
    let of = |file: &Location| {
        digested.get(file).expect("each file that the manifest speaks of is an input of its step")
    };
    let unsigned_digests = |file: &Location| {
        let code_signed = head.code_signed.iter().find(|it| it.signed == *file);
        code_signed.map(|it| of(&it.unsigned).digests.clone()).unwrap_or_default()
    };
    let file = |member: &Member| ManifestFile {
        path: member.path.clone(),
        mode: ManifestFile::mode_text(member.mode),
        size: of(&member.source).size,
        digests: of(&member.source).digests.clone(),
        unsigned_digests: unsigned_digests(&member.source),
    };
    let mut members: Vec<_> = contents.members.iter().map(file).collect();
    members.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    ManifestArtifact {
        name: contents.artifact.name.clone(),
        kind: contents.artifact.kind,
        target: contents.artifact.target.clone(),
        size: of(&contents.file).size,
        digests: of(&contents.file).digests.clone(),
        unsigned_digests: unsigned_digests(&contents.file),
        files: members,
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
