//! Stage "sign-packages": OpenPGP signatures as package managers check them. In each RPM package, and for apt, which
//! checks none on a package, over an index of the Debian packages.

use super::{Draft, finish};
use crate::apt;
use crate::config::model::{Format, Target};
use crate::manifest::ArtifactKind;
use crate::plan::{Action, Artifact, Contents, GpgSigning, Location, Stage, Step};

/// How packages are signed, if they are.
fn how(draft: &Draft<'_>) -> Option<GpgSigning> {
    let declared = draft.config.gpg()?.clone();
    let (epoch, removed) = (draft.facts.epoch, draft.config.secret_variables());
    Some(GpgSigning { declared, epoch, removed })
}

/// Where an archive is packed to: where it is released, or where it waits for its signature.
pub(super) fn packed(draft: &Draft<'_>, format: Format, name: &str) -> Location {
    match format {
        Format::Rpm if draft.config.gpg().is_some() => Location::Work(format!("unsigned/{name}")),
        Format::Zip | Format::TarGz | Format::Nsis | Format::Deb | Format::Rpm | Format::Oci => {
            Location::Release(name.to_owned())
        }
    }
}

/// Adds the signature of an RPM package that waits for it.
pub(super) fn add_rpm(
    draft: &mut Draft<'_>,
    target: Option<&Target>,
    unsigned: Location,
    to: Location,
) {
    let Some(how) = how(draft).filter(|_| unsigned != to) else { return };
    draft.steps.push(Step {
        id: format!("{}/{}", Stage::SignPackages, to.base_name()),
        stage: Stage::SignPackages,
        target: target.map(|target| target.triple.clone()),
        inputs: vec![unsigned.clone(), public_key(&how)],
        outputs: vec![to],
        action: Action::SignRpm { unsigned, how: Box::new(how) },
    });
}

/// Adds the index of all Debian packages, and what vouches for it.
pub(super) fn add_index(draft: &mut Draft<'_>) {
    let is_deb = |contents: &&Contents| Format::of(&contents.artifact.name) == Some(Format::Deb);
    let packages: Vec<_> =
        draft.contents.iter().filter(is_deb).map(|contents| contents.file.clone()).collect();
    let Some(how) = how(draft).filter(|_| !packages.is_empty()) else { return };
    let [index, signed] = [apt::INDEX, apt::SIGNED].map(|name| Location::Release(name.to_owned()));
    let product = &draft.config.product;
    let repository = apt::Repository {
        origin: product.publisher.clone(),
        label: product.display_name.clone(),
        description: product.description.clone(),
        epoch: draft.facts.epoch,
    };
    let inputs = vec![index.clone(), public_key(&how)];
    let sign = Action::SignIndex { index: index.clone(), repository, how: Box::new(how) };
    for (file, inputs, action) in [(index, packages, Action::IndexDebs), (signed, inputs, sign)] {
        let name = file.base_name().to_owned();
        draft.steps.push(finish::step(Stage::SignPackages, &name, inputs, &name, action));
        let artifact = Artifact { name, kind: ArtifactKind::Index, target: None };
        draft.add_artifact(Contents { artifact, file, members: Vec::new() });
    }
}

fn public_key(how: &GpgSigning) -> Location {
    Location::Workspace(how.declared.public_key.clone())
}

/// Whether anything is signed, for `release.json`.
pub(super) fn signs(draft: &Draft<'_>) -> bool {
    draft.steps.iter().any(|step| step.stage == Stage::SignPackages)
}
