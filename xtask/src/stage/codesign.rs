//! Stages "codesign" and "codesign-installer": Authenticode signatures on what runs on Windows.
//!
//! The program is signed before anything carries it, the uninstaller while the installer is compiled, the installer last.

use super::Draft;
use crate::config::model::{Gpg, Signer, System, Target};
use crate::plan::{Action, CodeSigned, Codesign, Codesigning, Location, Stage, Step};

/// How the programs of a target are code-signed, if they are.
pub(super) fn how(draft: &Draft<'_>, target: &Target) -> Option<Codesigning> {
    let declared = draft.config.codesign.as_ref()?;
    if target.system != System::Windows {
        return None;
    }
    let removed = match declared.signer {
        Signer::Osslsigncode { .. } | Signer::Signtool { .. } => draft.config.secret_variables(),
        // A command takes its own secrets from the environment.
        Signer::Command { .. } => {
            let gpg = draft.config.gpg().into_iter().flat_map(Gpg::variables);
            draft.config.signing.variables().chain(gpg).map(str::to_owned).collect()
        }
    };
    Some(Codesigning {
        declared: declared.clone(),
        description: draft.config.product.display_name.clone(),
        homepage: draft.config.product.homepage.clone(),
        epoch: draft.facts.epoch,
        removed,
    })
}

/// The files of the workspace that signing reads.
pub(super) fn inputs(how: &Codesigning) -> impl Iterator<Item = Location> {
    how.declared.files().map(|file| Location::Workspace(file.to_owned()))
}

pub(super) fn add_program(draft: &mut Draft<'_>, target: &Target) {
    let Some(how) = how(draft, target) else { return };
    let (unsigned, signed) = (draft.built(target), draft.program(target));
    let codesign = Codesign { unsigned, signed, how, size_max: target.size_max };
    add(draft, Stage::Codesign, target, codesign);
}

pub(super) fn add(draft: &mut Draft<'_>, stage: Stage, target: &Target, codesign: Codesign) {
    draft.steps.push(Step {
        id: format!("{stage}/{}", target.triple),
        stage,
        target: Some(target.triple.clone()),
        inputs: std::iter::once(codesign.unsigned.clone()).chain(inputs(&codesign.how)).collect(),
        outputs: vec![codesign.signed.clone()],
        action: Action::Codesign(Box::new(codesign)),
    });
}

/// What was code-signed, for `release.json`.
pub(super) fn signed(draft: &Draft<'_>) -> Vec<CodeSigned> {
    let pair = |step: &Step| {
        let Action::Codesign(codesign) = &step.action else { return None };
        let (signed, unsigned) = (codesign.signed.clone(), codesign.unsigned.clone());
        Some(CodeSigned { signed, unsigned })
    };
    draft.steps.iter().filter_map(pair).collect()
}
