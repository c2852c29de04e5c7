//! `cargo xtask repro`.

use super::Project;
use crate::cli::{OutputFormat, Repro};
use crate::error::Error;
use crate::report;
use crate::repro::{compare, twice};
use serde_json::json;

pub(super) fn run(arguments: &Repro) -> Result<(), Error> {
    let project = Project::load()?;
    let mut passed: Vec<String> = arguments
        .selection
        .targets
        .iter()
        .flat_map(|target| ["--target".to_owned(), target.clone()])
        .collect();
    // The key plays no part in what is compared but for the signatures, and those of any key prove the point.
    passed.push("--development-key".to_owned());
    passed.extend(arguments.selection.stub_build.then(|| "--stub-build".to_owned()));
    if project.config.codesign.is_some() {
        eprintln!(
            "compared without code signatures: the key is not for trying out, and a time stamp is never the same; \
             the program is the one whose `unsigned-digests` release.json states"
        );
    }
    if project.config.gpg().is_some() {
        eprintln!(
            "compared without the signatures of packages: their key is not for trying out either"
        );
    }
    let [first, second] = twice::build(&project.facts, &passed)?;
    let differences = compare(&first, &second);
    match arguments.format {
        OutputFormat::Json => report::json(
            &json!({ "files": first.keys().collect::<Vec<_>>(), "differences": differences }),
        ),
        OutputFormat::Text => {
            for name in first
                .keys()
                .filter(|name| differences.iter().all(|difference| difference.file != **name))
            {
                report::data(&format!("identical  {name}"));
            }
            for difference in &differences {
                report::data(&format!("DIFFERENT  {difference}"));
            }
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Findings(format!(
        "{} of {} files differ between the two builds",
        differences.len(),
        first.len()
    )))
}
