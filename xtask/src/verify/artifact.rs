//! One artifact against what the manifest says of it: size, digests, and every file inside.

use super::{Finding, Found, code_signed, packages_signed};
use crate::archive::{self, ArchiveError, Member};
use crate::checksum;
use crate::config::model::{Algorithm, Format};
use crate::manifest::{ArtifactKind, FILE_NAME, Manifest, ManifestArtifact, ManifestFile};
use std::collections::BTreeMap;
use std::io;

/// How many differing members of an archive are named.
const MEMBERS_NAMED_MAX: usize = 5;
/// Bytes that all archives of a release may have together, packed and unpacked. They are held while they are compared.
const ARCHIVES_BYTES_MAX: u64 = 2 << 30;
/// Bytes by which an archive may exceed what its manifest says of it, for a difference to be named and not only refused.
const EXCESS_BYTES_MAX: u64 = 1 << 20;

/// Checks the file found under an artifact's name. It is read only if it has the signed size, and unpacked only if it
/// has the signed digests, and `unpack` says so.
pub(super) fn check(
    artifact: &ManifestArtifact,
    manifest: &Manifest,
    found: &Found,
    unpack: bool,
) -> Vec<Finding> {
    examine(artifact, manifest, found, unpack)
        .unwrap_or_else(|source| vec![Finding::unreadable(&artifact.name, &source)])
}

fn examine(
    artifact: &ManifestArtifact,
    manifest: &Manifest,
    found: &Found,
    unpack: bool,
) -> io::Result<Vec<Finding>> {
    let ManifestArtifact { name, digests: stated, .. } = artifact;
    if found.size() != Some(artifact.size) {
        return Ok(vec![of_another_size(artifact, manifest, found)?]);
    }
    let format = format(artifact);
    let is_code_signed = !artifact.unsigned_digests.is_empty();
    let read = is_code_signed || format.is_some() && unpack;
    let packed = if read { Some(found.read()?) } else { None };
    let digests = match &packed {
        Some(bytes) => checksum::digests(&algorithms(stated), bytes),
        None => found.digests(&algorithms(stated))?,
    };
    if digests.is_empty() {
        return Ok(vec![Finding::new(FILE_NAME, format!("states no digest of {name}"))]);
    }
    if digests != *stated {
        return Ok(vec![changed(artifact, manifest, &digests)]);
    }
    Ok(match (format, packed) {
        (Some(format), Some(bytes)) if unpack => {
            let mut findings = contents(artifact, format, &bytes);
            findings.extend(packages_signed::check(manifest, name, format, &bytes));
            findings
        }
        (Some(_), _) => Vec::new(),
        (None, Some(bytes)) if is_code_signed => {
            code_signed::check(name, &bytes).into_iter().collect()
        }
        (None, _) if matches!(artifact.kind, ArtifactKind::Installer | ArtifactKind::Index) => {
            Vec::new()
        }
        (None, _) => {
            let problem = format!("states that {name} is an archive, which its name does not say");
            vec![Finding::new(FILE_NAME, problem)]
        }
    })
}

/// Whether the archives of a release are small enough, by what the manifest says of them, to be unpacked.
pub(super) fn can_unpack(manifest: &Manifest) -> Result<(), Finding> {
    let archives = manifest.artifacts.iter().filter(|artifact| format(artifact).is_some());
    let bytes = archives.fold(0_u64, |bytes, artifact| bytes.saturating_add(bytes_held(artifact)));
    if bytes <= ARCHIVES_BYTES_MAX {
        return Ok(());
    }
    let problem =
        "lists archives that are too large to be unpacked: what is in them was not checked";
    Err(Finding::new(FILE_NAME, problem)
        .expected(format_args!("at most {ARCHIVES_BYTES_MAX} bytes"), bytes))
}

/// Bytes that an artifact has packed and unpacked together, by the manifest: what is held while it is checked.
pub(super) fn bytes_held(artifact: &ManifestArtifact) -> u64 {
    artifact.size.saturating_add(contents_size(artifact))
}

/// Bytes that the members of an archive have together, by the manifest.
fn contents_size(artifact: &ManifestArtifact) -> u64 {
    artifact.files.iter().fold(0, |bytes, file| bytes.saturating_add(file.size))
}

/// Whether a file is this artifact, whatever its name. Only one of the same size is read.
pub(super) fn is(artifact: &ManifestArtifact, found: &Found) -> bool {
    let same = || found.digests(&algorithms(&artifact.digests));
    found.size() == Some(artifact.size)
        && !artifact.digests.is_empty()
        && same().is_ok_and(|digests| digests == artifact.digests)
}

/// The algorithms that a digest is stated for.
pub(super) fn algorithms(digests: &BTreeMap<Algorithm, String>) -> Vec<Algorithm> {
    digests.keys().copied().collect()
}

/// Says what a file of another size is, without reading it unless it may be another artifact.
fn of_another_size(
    artifact: &ManifestArtifact,
    manifest: &Manifest,
    found: &Found,
) -> io::Result<Finding> {
    let name = &artifact.name;
    if let Some(other) = manifest.artifacts.iter().find(|other| is(other, found)) {
        return Ok(swapped(name, &other.name));
    }
    let (size, stated) = (found.size().unwrap_or_default(), artifact.size);
    let problem = match size {
        0 => "is empty".to_owned(),
        size if size < stated => format!("was changed: it has {} bytes fewer", stated - size),
        size => format!("was changed: it has {} bytes more", size - stated),
    };
    let sizes = [stated, size].map(|size| format!("{size} bytes"));
    Ok(Finding::new(name, problem)
        .expected(&sizes[0], &sizes[1])
        .hint(format!("download {name} again")))
}

fn swapped(name: &str, other: &str) -> Finding {
    Finding::new(name, format!("holds the bytes of {other}"))
        .hint("the files were swapped or renamed")
}

/// Says how bytes of the right number differ from those that were released, as precisely as can be told.
fn changed(
    artifact: &ManifestArtifact,
    manifest: &Manifest,
    digests: &BTreeMap<Algorithm, String>,
) -> Finding {
    let name = &artifact.name;
    let different = digests
        .iter()
        .filter(|(algorithm, digest)| artifact.digests.get(algorithm) != Some(digest));
    let different: Vec<_> = different.collect();
    if different.len() < digests.len() {
        let problem = format!("states digests of {name} that are not all of the same bytes");
        return Finding::new(FILE_NAME, problem);
    }
    if let Some(other) = manifest.artifacts.iter().find(|other| other.digests == *digests) {
        return swapped(name, &other.name);
    }
    let (algorithm, digest) = different[0];
    let stated = artifact.digests.get(algorithm).map_or("", String::as_str);
    Finding::new(name, format!("was changed: its {} digest is another", algorithm.name()))
        .expected(
            format_args!("{} {stated}", algorithm.name()),
            format_args!("{} {digest}", algorithm.name()),
        )
        .hint(format!("download {name} again"))
}

/// Checks what is inside an archive whose bytes are those that were signed.
fn contents(artifact: &ManifestArtifact, format: Format, bytes: &[u8]) -> Vec<Finding> {
    let name = &artifact.name;
    let max = contents_size(artifact).saturating_add(EXCESS_BYTES_MAX);
    match archive::members_within(format, bytes, max) {
        Ok(members) => differences(name, &members, &artifact.files),
        Err(error) => vec![unpackable(name, &error)],
    }
}

fn unpackable(name: &str, error: &ArchiveError) -> Finding {
    Finding::new(name, error).hint("it was released like this: report it to the publisher")
}

/// The format of an artifact that can be unpacked.
fn format(artifact: &ManifestArtifact) -> Option<Format> {
    match artifact.kind {
        ArtifactKind::Archive
        | ArtifactKind::Package
        | ArtifactKind::Image
        | ArtifactKind::Symbols
        | ArtifactKind::Prometheus => {}
        ArtifactKind::Installer
        | ArtifactKind::Index
        | ArtifactKind::Manifest
        | ArtifactKind::Checksums
        | ArtifactKind::Signature => {
            return None;
        }
    }
    Format::of(&artifact.name)
}

fn differences(name: &str, members: &[Member], stated: &[ManifestFile]) -> Vec<Finding> {
    let found: BTreeMap<&str, &Member> =
        members.iter().map(|member| (member.path.as_str(), member)).collect();
    let expected: BTreeMap<&str, &ManifestFile> =
        stated.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut findings = Vec::new();
    for (path, file) in &expected {
        match found.get(path) {
            None => findings.push(Finding::new(name, format!("has no member {path}"))),
            Some(member) => findings.extend(difference(name, member, file)),
        }
    }
    let unknown = found.keys().filter(|path| !expected.contains_key(*path));
    findings.extend(unknown.map(|path| {
        Finding::new(name, format!("has a member {path}, which is not of this release"))
    }));
    findings.truncate(MEMBERS_NAMED_MAX);
    let hint = format!("{FILE_NAME} was released like this: report it to the publisher");
    findings.into_iter().map(|finding| finding.hint(&hint)).collect()
}

/// How a member differs from what is stated of it.
fn difference(name: &str, member: &Member, file: &ManifestFile) -> Option<Finding> {
    let mode = ManifestFile::mode_text(member.mode);
    let size = member.contents.len() as u64;
    let finding = |what: &str| Finding::new(name, format!("member {} has {what}", file.path));
    if mode != file.mode {
        Some(finding("another mode").expected(&file.mode, mode))
    } else if size != file.size {
        Some(finding("another size").expected(file.size, size))
    } else if file.digests.is_empty()
        || checksum::digests(&algorithms(&file.digests), &member.contents) != file.digests
    {
        Some(finding("other bytes"))
    } else if !file.unsigned_digests.is_empty() {
        code_signed::check(name, &member.contents)
            .map(|found| Finding::new(name, format!("member {} {}", file.path, found.problem)))
    } else {
        None
    }
}
