//! Stage "archive", for packages: what [`crate::render::package`] lists, with the places of its bytes.

use super::archive::{EXECUTABLE, PLAIN, push};
use super::{Draft, text_location};
use crate::archive::PATH_BYTES_MAX;
use crate::config::model::{Format, Target};
use crate::manifest::ArtifactKind;
use crate::plan::{Action, Location, Member, Stage, Step};
use crate::render::Document;
use crate::render::package::{self, PackageFile, Source};

pub(super) fn add(draft: &mut Draft<'_>, target: &Target, format: Format) {
    let files = package::files(draft.config, target, format);
    debug_assert!(files.iter().all(|file| file.path.len() <= PATH_BYTES_MAX));
    let mut members: Vec<_> = files.iter().map(|file| member(draft, target, file)).collect();
    members.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    for file in &files {
        if let Source::Compressed(path) = &file.source {
            compress(draft, target, path);
        }
    }
    let stem = format!("{}-{}", draft.base_name(), target.triple);
    let kind = match format {
        Format::Oci => ArtifactKind::Image,
        Format::Zip | Format::TarGz | Format::Nsis | Format::Deb | Format::Rpm => {
            ArtifactKind::Package
        }
    };
    push(draft, &stem, kind, Some(target), format, members);
}

fn member(draft: &Draft<'_>, target: &Target, file: &PackageFile) -> Member {
    let source = match &file.source {
        Source::Program => draft.program(target),
        Source::Text(text) => text_location(document(draft, |document| {
            document.text == Some(*text) && document.serves(&target.triple)
        })),
        Source::Document(path) => text_location(document(draft, |document| document.path == *path)),
        Source::Compressed(path) => compressed(path),
        Source::Workspace(path) => Location::Workspace(path.clone()),
    };
    let mode = if file.executable { EXECUTABLE } else { PLAIN };
    Member { source, path: file.path.clone(), mode }
}

fn document<'a>(draft: &Draft<'a>, wanted: impl Fn(&Document) -> bool) -> &'a Document {
    draft
        .documents
        .iter()
        .find(|document| wanted(document))
        .expect("what a package holds is rendered for its target")
}

fn compressed(path: &str) -> Location {
    Location::Work(format!("compressed/{path}.gz"))
}

fn compress(draft: &mut Draft<'_>, target: &Target, path: &str) {
    let input = text_location(document(draft, |document| document.path == path));
    draft.steps.push(Step {
        id: format!("archive/{path}.gz"),
        stage: Stage::Archive,
        target: Some(target.triple.clone()),
        inputs: vec![input],
        outputs: vec![compressed(path)],
        action: Action::Compress,
    });
}
