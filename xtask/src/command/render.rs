//! `cargo xtask render`.

use super::Project;
use crate::cli::{Render, RenderGroup};
use crate::error::Error;
use crate::exec::files;
use crate::render::{Document, Group};
use crate::report;
use similar::TextDiff;
use std::fs;
use std::path::Path;

pub(super) fn run(arguments: &Render) -> Result<(), Error> {
    let project = Project::load()?;
    let documents = project.documents()?;
    let out = arguments.out.clone().unwrap_or_else(|| project.facts.target_dir.join("render"));
    let wanted = documents.iter().filter(|document| is_wanted(arguments.group, document.group));
    if !arguments.check {
        for document in wanted {
            let mode = if document.executable { 0o755 } else { 0o644 };
            let path = out.join(&document.path);
            files::write_if_changed(&path, document.contents.as_bytes(), mode)?;
            report::data(&path.display().to_string());
        }
        return Ok(());
    }
    let diffs: Vec<_> = wanted.filter_map(|document| diff(&out, document)).collect();
    if diffs.is_empty() {
        return Ok(());
    }
    report::data(&diffs.concat());
    let command = "run `cargo xtask render` to write them";
    Err(Error::Findings(format!("{} files differ in {}; {command}", diffs.len(), out.display())))
}

fn is_wanted(wanted: RenderGroup, group: Group) -> bool {
    match wanted {
        RenderGroup::All => true,
        RenderGroup::Configuration => group == Group::Configuration,
        RenderGroup::Nsis => group == Group::Nsis,
        RenderGroup::Systemd => group == Group::Systemd,
        RenderGroup::Package => group == Group::Package,
        RenderGroup::Prometheus => group == Group::Prometheus,
    }
}

/// What would change in the file there; a file that is not there counts as empty.
fn diff(out: &Path, document: &Document) -> Option<String> {
    let path = out.join(&document.path);
    let found = fs::read(&path).ok();
    if found.as_deref() == Some(document.contents.as_bytes()) {
        return None;
    }
    let old = String::from_utf8_lossy(found.as_deref().unwrap_or_default()).into_owned();
    let old_name =
        if found.is_some() { path.display().to_string() } else { "/dev/null".to_owned() };
    let diff = TextDiff::from_lines(&old, &document.contents);
    Some(diff.unified_diff().header(&old_name, &path.display().to_string()).to_string())
}
