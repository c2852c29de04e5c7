//! Stage "render": writes the rendered texts that some later step reads.

use super::{Draft, text_location};
use crate::plan::{Action, Location, Stage, Step};
use crate::render::Document;
use std::collections::BTreeSet;

/// A text that nothing reads, because its target is not built, is left out.
pub(super) fn add(draft: &mut Draft<'_>) {
    let read: BTreeSet<&Location> = draft.steps.iter().flat_map(|step| &step.inputs).collect();
    let wanted = draft.documents.iter().filter(|document| read.contains(&text_location(document)));
    let steps: Vec<_> = wanted.map(write).collect();
    draft.steps.extend(steps);
}

fn write(document: &Document) -> Step {
    Step {
        id: format!("render/{}", document.path),
        stage: Stage::Render,
        target: document.target.clone(),
        inputs: Vec::new(),
        outputs: vec![text_location(document)],
        action: Action::Write {
            contents: document.contents.clone(),
            executable: document.executable,
        },
    }
}
