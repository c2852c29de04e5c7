//! Compares a snapshot with what was signed. Pure but for reading the artifacts that the manifest vouches for.

use super::{
    Finding, Found, Options, Snapshot, Verified, artifact, checksums, code_signed, names,
    packages_signed, signed,
};
use crate::checksum::is_base_name;
use crate::config::model::Algorithm;
use crate::manifest::{
    ArtifactKind, FILE_NAME, Manifest, ManifestArtifact, ManifestFile, SignedBy,
};
use crate::side_by_side;
use crate::signature::SUFFIX;
use crate::verify::KeyOrigin;
use std::collections::{BTreeMap, BTreeSet};

/// Artifacts that are checked side by side: what is held of them at a time is bounded by this.
const CHECKERS_MAX: usize = 4;

/// Judges a whole release folder.
///
/// # Errors
///
/// Everything that is wrong, by file.
pub fn release(snapshot: &Snapshot, options: &Options) -> Result<Verified, Vec<Finding>> {
    let (manifest, mut findings) = match manifest(snapshot, options) {
        Ok(manifest) => manifest,
        Err(findings) => return Err([findings, other_signatures(snapshot, options)].concat()),
    };
    findings.extend(folder_name(snapshot, &manifest));
    let algorithms = algorithms(&manifest);
    let expected = expected_names(&manifest);
    let renamed = renamed(snapshot, &manifest, &expected);
    for name in &expected {
        if snapshot.file(name).is_none() && !renamed.values().any(|artifact| artifact.name == *name)
        {
            findings.push(signed::absent(snapshot, name));
        }
    }
    findings.extend(extra(snapshot, &manifest, &expected, &renamed));
    findings.extend(artifacts(snapshot, &manifest, options));
    for algorithm in algorithms {
        if snapshot.file(algorithm.file_name()).is_some() {
            findings.extend(checksums::check(algorithm, snapshot, &manifest, options));
        }
    }
    conclude(findings, || {
        Verified::new(&manifest, &options.trusted, expected.into_iter().collect())
    })
}

/// Judges one file of a release by the manifest beside it.
///
/// # Errors
///
/// Everything that is wrong with the file or the manifest.
pub fn bundle(
    snapshot: &Snapshot,
    name: &str,
    options: &Options,
) -> Result<Verified, Vec<Finding>> {
    let found = snapshot.file(name).ok_or_else(|| vec![signed::absent(snapshot, name)])?;
    let (manifest, mut findings) =
        manifest(snapshot, options).map_err(|findings| to_download(findings, name))?;
    let checksums = Algorithm::ALL.into_iter().find(|algorithm| algorithm.file_name() == name);
    if let Some(algorithm) = checksums {
        findings.extend(checksums::check(algorithm, snapshot, &manifest, options));
    } else if let Some(artifact) = manifest.artifacts.iter().find(|artifact| artifact.name == name)
    {
        let unpack = artifact::can_unpack(&manifest).is_ok();
        let checked = artifact::check(artifact, &manifest, found, unpack);
        // The manifest vouches for it; its own signature need not have been downloaded as well.
        if snapshot.files.contains_key(&format!("{name}{SUFFIX}")) {
            findings.extend(own_signature(snapshot, &manifest, options, artifact, &checked));
        }
        findings.extend(checked);
    } else if name != FILE_NAME {
        findings.push(unknown(name, found, &manifest));
    }
    conclude(findings, || Verified::new(&manifest, &options.trusted, vec![name.to_owned()]))
}

/// Nothing found is what makes a release verified. Findings are not repeated.
fn conclude(
    findings: Vec<Finding>,
    verified: impl FnOnce() -> Verified,
) -> Result<Verified, Vec<Finding>> {
    let mut unique = Vec::new();
    for finding in findings {
        if !unique.contains(&finding) {
            unique.push(finding);
        }
    }
    if unique.is_empty() { Ok(verified()) } else { Err(unique) }
}

/// The manifest, once its signature was found to hold, and what is wrong with it all the same.
fn manifest(
    snapshot: &Snapshot,
    options: &Options,
) -> Result<(Manifest, Vec<Finding>), Vec<Finding>> {
    let comment = signed::signature(snapshot, FILE_NAME, None, options)?;
    let parsed = signed::present(snapshot, FILE_NAME)
        .and_then(|bytes| Manifest::parse(bytes).map_err(|error| Finding::new(FILE_NAME, error)));
    let manifest = parsed.map_err(|finding| vec![finding])?;
    let mut findings = signed::comment(&format!("{FILE_NAME}{SUFFIX}"), &comment, &manifest);
    findings.extend(signed::expectations(&manifest, options));
    findings.extend(kind_of_key(&manifest, options));
    findings.extend(consistency(&manifest));
    Ok((manifest, findings))
}

/// Without a manifest nothing can be compared, but the signatures of the checksum files can still be judged, and of a
/// package's what it says.
fn other_signatures(snapshot: &Snapshot, options: &Options) -> Vec<Finding> {
    let present = Algorithm::ALL.iter().map(|algorithm| algorithm.file_name());
    let present = present.filter(|name| snapshot.files.contains_key(*name));
    let of_checksums =
        present.filter_map(|name| signed::signature(snapshot, name, None, options).err()).flatten();
    let signed = snapshot.files.keys().filter_map(|name| name.strip_suffix(SUFFIX));
    let of_packages = signed
        .filter(|name| names::is_package(name))
        .flat_map(|name| signed::package(snapshot, name, None, None, options));
    of_checksums.chain(of_packages).collect()
}

/// What is wrong with the signature that a package has of its own, where the artifact is one and was checked.
fn own_signature(
    snapshot: &Snapshot,
    manifest: &Manifest,
    options: &Options,
    artifact: &ManifestArtifact,
    checked: &[Finding],
) -> Vec<Finding> {
    let ManifestArtifact { name, .. } = artifact;
    let Some(found) = snapshot.file(name).filter(|_| names::is_package(name)) else {
        return Vec::new();
    };
    // Another file than the listed one is not held against the signature, nor read again. Nor is one that is too large.
    let is_listed = checked.is_empty() && artifact::can_unpack(manifest).is_ok();
    match is_listed.then(|| found.read()).transpose() {
        Ok(listed) => signed::package(snapshot, name, listed.as_deref(), Some(manifest), options),
        Err(source) => vec![Finding::unreadable(name, &source)],
    }
}

/// Tells which files a single bundle is checked with.
fn to_download(findings: Vec<Finding>, name: &str) -> Vec<Finding> {
    let hint = format!(
        "download {FILE_NAME} and {FILE_NAME}{SUFFIX} from where {name} came from and lay them beside it, \
         or say where they are with --manifest"
    );
    let missing = |finding: &Finding| finding.problem == "is missing";
    findings
        .into_iter()
        .map(|finding| if missing(&finding) { finding.hint(&hint) } else { finding })
        .collect()
}

/// A key must be of the kind that the manifest says it is.
fn kind_of_key(manifest: &Manifest, options: &Options) -> Option<Finding> {
    let expected = match options.trusted.origin {
        KeyOrigin::Given => return None,
        KeyOrigin::Declared => SignedBy::Release,
        KeyOrigin::Development => SignedBy::Development,
    };
    let name = |kind| match kind {
        SignedBy::Release => "a release key",
        SignedBy::Development => "a development key",
    };
    let finding =
        Finding::new(FILE_NAME, "says that another kind of key signs it than the one that did");
    (manifest.signed_by != expected)
        .then(|| finding.expected(name(expected), name(manifest.signed_by)))
}

/// The manifest must make sense in itself, whoever signed it.
fn consistency(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let prefix = names::prefix(&manifest.product, &manifest.version);
    let algorithms: BTreeSet<_> = algorithms(manifest).into_iter().collect();
    let mut wrong = |problem: String| findings.push(Finding::new(FILE_NAME, problem));
    if !algorithms.contains(&Algorithm::Sha256) {
        wrong("states no sha256 digest".to_owned());
    }
    for ManifestArtifact { name, kind, digests, files, .. } in &manifest.artifacts {
        if !seen.insert(name) {
            wrong(format!("lists {name} twice"));
        }
        let is_index = *kind == ArtifactKind::Index && packages_signed::INDEX.contains(&&**name);
        if !is_base_name(name) || !name.starts_with(&prefix) && !is_index {
            wrong(format!(
                "lists {name:?}, which is not the name of a file of this release: {prefix}…"
            ));
        }
        if matches!(
            kind,
            ArtifactKind::Manifest | ArtifactKind::Checksums | ArtifactKind::Signature
        ) {
            wrong(format!("lists {name} as a file that cannot be listed"));
        }
        if digests.keys().copied().collect::<BTreeSet<_>>() != algorithms {
            wrong(format!("does not state every digest of {name}"));
        }
        let mut paths = BTreeSet::new();
        for ManifestFile { path, .. } in files.iter().filter(|file| !paths.insert(&file.path)) {
            wrong(format!("lists {path:?} in {name} twice"));
        }
    }
    findings.extend(code_signed::consistency(manifest));
    findings.extend(packages_signed::consistency(manifest));
    findings.extend(artifact::can_unpack(manifest).err());
    findings
}

/// The algorithms that a release uses.
fn algorithms(manifest: &Manifest) -> Vec<Algorithm> {
    let used: BTreeSet<_> =
        manifest.artifacts.iter().flat_map(|artifact| artifact.digests.keys().copied()).collect();
    used.into_iter().collect()
}

/// The base names that a release folder holds by its manifest, no more and no fewer.
pub fn expected_names(manifest: &Manifest) -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        manifest.artifacts.iter().map(|artifact| artifact.name.clone()).collect();
    names.extend(algorithms(manifest).iter().map(|algorithm| algorithm.file_name().to_owned()));
    names.insert(FILE_NAME.to_owned());
    let signed = names.iter().filter(|name| names::is_signed(name));
    let signatures: Vec<_> = signed.map(|name| format!("{name}{SUFFIX}")).collect();
    names.extend(signatures);
    names
}

/// A folder that is named for another version than the signed one.
fn folder_name(snapshot: &Snapshot, manifest: &Manifest) -> Option<Finding> {
    let claimed = names::other_version(&snapshot.folder, &manifest.product, &manifest.version)?;
    let finding = Finding::new(
        FILE_NAME,
        format!("is of another version than its folder {} says", snapshot.folder),
    );
    Some(
        finding
            .expected(claimed, &manifest.version)
            .hint("this may be an older release, served as a new one"),
    )
}

/// Files that lie under a name which is not of the release, but have the bytes of an artifact that is missing.
fn renamed<'a>(
    snapshot: &Snapshot,
    manifest: &'a Manifest,
    expected: &BTreeSet<String>,
) -> BTreeMap<String, &'a ManifestArtifact> {
    let extra = snapshot.files.keys().filter(|name| !expected.contains(*name));
    let missing = |artifact: &&ManifestArtifact| !snapshot.files.contains_key(&artifact.name);
    extra
        .filter_map(|name| {
            let found = snapshot.file(name)?;
            let same =
                |artifact: &&ManifestArtifact| missing(artifact) && artifact::is(artifact, found);
            Some((name.clone(), manifest.artifacts.iter().find(same)?))
        })
        .collect()
}

/// What is in the folder but not of the release.
fn extra(
    snapshot: &Snapshot,
    manifest: &Manifest,
    expected: &BTreeSet<String>,
    renamed: &BTreeMap<String, &ManifestArtifact>,
) -> Vec<Finding> {
    let extra = snapshot.files.iter().filter(|(name, _)| !expected.contains(*name));
    extra
        .map(|(name, found)| match (renamed.get(name), found) {
            (Some(artifact), _) => under_another_name(name, artifact, manifest),
            (None, Found::File(_) | Found::Unread { .. }) => {
                Finding::new(name, "is not of this release").hint("remove it; nobody signed it")
            }
            (None, Found::Other(kind)) => {
                Finding::new(name, format!("is {kind}, and not of this release"))
            }
        })
        .collect()
}

fn under_another_name(name: &str, artifact: &ManifestArtifact, manifest: &Manifest) -> Finding {
    Finding::new(name, format!("is {} under another name", artifact.name))
        .expected(&artifact.name, name)
        .hint(format!(
            "it is of version {}; an older file may have been served as a new one",
            manifest.version
        ))
}

/// A single file whose name the manifest does not know.
fn unknown(name: &str, found: &Found, manifest: &Manifest) -> Finding {
    let same = |artifact: &&ManifestArtifact| artifact::is(artifact, found);
    if let Some(artifact) = manifest.artifacts.iter().find(same) {
        return under_another_name(name, artifact, manifest);
    }
    let Manifest { product, version, .. } = manifest;
    Finding::new(name, format!("is not of {product} {version}, which {FILE_NAME} describes"))
        .hint(format!("check it with the {FILE_NAME} of its own release"))
}

/// Checks every artifact that is there, side by side: digests and decompression are all the time this takes.
fn artifacts(snapshot: &Snapshot, manifest: &Manifest, options: &Options) -> Vec<Finding> {
    let unpack = artifact::can_unpack(manifest).is_ok();
    let present = manifest
        .artifacts
        .iter()
        .filter_map(|artifact| Some((artifact, snapshot.file(&artifact.name)?)));
    let present: Vec<_> = present.collect();
    let check = |(artifact, found): &(&ManifestArtifact, &Found)| {
        let mut findings = artifact::check(artifact, manifest, found, unpack);
        findings.extend(own_signature(snapshot, manifest, options, artifact, &findings));
        findings
    };
    let size = |(artifact, _): &(&ManifestArtifact, &Found)| artifact::bytes_held(artifact);
    side_by_side::map(&present, CHECKERS_MAX, size, check).into_iter().flatten().collect()
}
