//! Stage "installer": one `makensis` run in a folder that holds the script and its payload, nothing else.

use super::archive::{EXECUTABLE, PLAIN, mode};
use super::{Draft, codesign, text_location};
use crate::config::model::{Target, Text};
use crate::manifest::ArtifactKind;
use crate::plan::{Action, Artifact, Codesign, Contents, Location, Member, Stage, Step};
use crate::render::Document;
use crate::render::nsis::{self, PayloadFile, PayloadSource};

pub(super) fn add(draft: &mut Draft<'_>, target: &Target) {
    let files = nsis::payload(draft.config, target).expect("the target has an installer");
    let script = document(draft, target, Text::NsisScript);
    let configuration = document(draft, target, Text::Configuration);
    let member = |file: &PayloadFile| {
        let (source, mode) = match &file.source {
            PayloadSource::Program => (draft.program(target), EXECUTABLE),
            PayloadSource::Configuration => {
                (text_location(configuration), mode(configuration.executable))
            }
            PayloadSource::File(path) => (Location::Workspace(path.clone()), PLAIN),
        };
        Member { source, path: file.name.clone(), mode }
    };
    let installed = files.iter().filter(|file| file.installed).map(member).collect();
    let beside = Member { source: text_location(script), path: script.name.clone(), mode: PLAIN };
    let payload: Vec<_> = files.iter().map(member).chain([beside]).collect();
    let artifact = Artifact {
        name: nsis::installer_name(draft.config, draft.facts, target),
        kind: ArtifactKind::Installer,
        target: Some(target.triple.clone()),
    };
    let file = Location::Release(artifact.name.clone());
    let how = codesign::how(draft, target);
    let compiled = match how {
        Some(_) => Location::Work(format!("unsigned/{}", artifact.name)),
        None => file.clone(),
    };
    let sources = payload.iter().map(|member| member.source.clone());
    let step = Step {
        id: format!("installer/{}", target.triple),
        stage: Stage::Installer,
        target: artifact.target.clone(),
        inputs: sources.chain(how.iter().flat_map(codesign::inputs)).collect(),
        outputs: vec![compiled.clone()],
        action: Action::Makensis {
            script: script.name.clone(),
            payload,
            installer: artifact.name.clone(),
            size_max: target.installer_size_max,
            uninstaller: how.clone().map(Box::new),
        },
    };
    draft.steps.push(step);
    if let Some(how) = how {
        let (signed, size_max) = (file.clone(), target.installer_size_max);
        let codesign = Codesign { unsigned: compiled, signed, how, size_max };
        codesign::add(draft, Stage::CodesignInstaller, target, codesign);
    }
    draft.add_artifact(Contents { artifact, file, members: installed });
}

fn document<'a>(draft: &Draft<'a>, target: &Target, text: Text) -> &'a Document {
    draft
        .documents
        .iter()
        .find(|document| document.text == Some(text) && document.serves(&target.triple))
        .expect("script and configuration are rendered for each target with an installer")
}
