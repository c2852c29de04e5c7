//! Stages "manifest", "checksum", "sign", "verify" and "publish": what turns files into a release.

use super::{Draft, codesign, gpg};
use crate::config::model::Signing;
use crate::manifest::{self, ArtifactKind};
use crate::plan::{Action, Artifact, Location, ManifestHead, Stage, Step};
use crate::signature::{SUFFIX, TrustedComment};

/// Adds the steps and returns all artifacts of the release.
pub(super) fn add(draft: &mut Draft<'_>) -> Vec<Artifact> {
    let mut artifacts: Vec<_> = draft.artifacts().cloned().collect();
    add_manifest(draft);
    artifacts.push(general(manifest::FILE_NAME.to_owned(), ArtifactKind::Manifest));
    let covered: Vec<_> =
        artifacts.iter().map(|artifact| Location::Release(artifact.name.clone())).collect();
    let mut signed = vec![(manifest::FILE_NAME.to_owned(), None)];
    for algorithm in &draft.config.algorithms {
        let name = algorithm.file_name().to_owned();
        let action = Action::Checksum { algorithm: *algorithm };
        draft.steps.push(step(Stage::Checksum, &name, covered.clone(), &name, action));
        artifacts.push(general(name.clone(), ArtifactKind::Checksums));
        signed.push((name, None));
    }
    // A package is handed on without the rest of its release, so it takes a signature of its own along.
    let packages = draft.artifacts().filter(|artifact| artifact.kind == ArtifactKind::Package);
    signed.extend(packages.map(|package| (package.name.clone(), package.target.clone())));
    for (name, target) in signed {
        let signature = format!("{name}{SUFFIX}");
        let inputs = vec![Location::Release(name.clone())];
        let action = Action::Sign { trusted_comment: trusted_comment(draft, &name) };
        let step = step(Stage::Sign, &name, inputs, &signature, action);
        draft.steps.push(Step { target: target.clone(), ..step });
        artifacts.push(Artifact { name: signature, kind: ArtifactKind::Signature, target });
    }
    let all: Vec<_> =
        artifacts.iter().map(|artifact| Location::Release(artifact.name.clone())).collect();
    for (stage, action) in [(Stage::Verify, Action::Verify), (Stage::Publish, Action::Publish)] {
        let id = format!("{stage}/{}", draft.base_name());
        draft.steps.push(Step {
            id,
            stage,
            target: None,
            inputs: all.clone(),
            outputs: Vec::new(),
            action,
        });
    }
    artifacts
}

fn add_manifest(draft: &mut Draft<'_>) {
    let head = ManifestHead {
        product: draft.config.product.name.clone(),
        version: draft.facts.version.to_string(),
        channel: draft.config.product.channel.clone(),
        commit: draft.facts.commit.clone(),
        epoch: draft.facts.epoch,
        rustc: draft.facts.toolchain.rustc.clone(),
        development: draft.config.signing == Signing::Development,
        stub: draft.selection.stub,
        algorithms: draft.config.algorithms.clone(),
        contents: draft.contents.clone(),
        code_signed: codesign::signed(draft),
        packages_signed: gpg::signs(draft),
    };
    let members = head.contents.iter().flat_map(|contents| &contents.members);
    let mut inputs: Vec<_> = head.contents.iter().map(|contents| contents.file.clone()).collect();
    inputs.extend(members.map(|member| member.source.clone()));
    inputs.extend(head.code_signed.iter().map(|file| file.unsigned.clone()));
    inputs.sort_unstable();
    inputs.dedup();
    draft.steps.push(step(
        Stage::Manifest,
        manifest::FILE_NAME,
        inputs,
        manifest::FILE_NAME,
        Action::Manifest(Box::new(head)),
    ));
}

fn trusted_comment(draft: &Draft<'_>, file: &str) -> TrustedComment {
    TrustedComment {
        product: draft.config.product.name.clone(),
        version: draft.facts.version.to_string(),
        channel: draft.config.product.channel.clone(),
        file: file.to_owned(),
        development: draft.config.signing == Signing::Development,
    }
}

fn general(name: String, kind: ArtifactKind) -> Artifact {
    Artifact { name, kind, target: None }
}

pub(super) fn step(
    stage: Stage,
    about: &str,
    inputs: Vec<Location>,
    output: &str,
    action: Action,
) -> Step {
    let outputs = vec![Location::Release(output.to_owned())];
    Step { id: format!("{stage}/{about}"), stage, target: None, inputs, outputs, action }
}
