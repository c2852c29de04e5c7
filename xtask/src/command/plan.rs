//! `cargo xtask plan`.

use super::Project;
use crate::cli::{OutputFormat, PlanArgs};
use crate::error::Error;
use crate::report;

pub(super) fn run(arguments: &PlanArgs) -> Result<(), Error> {
    let project = Project::load_for(&arguments.selection)?;
    let plan = project.plan(&project.selection(&arguments.selection))?;
    match arguments.format {
        OutputFormat::Text => report::data(&report::plan(&plan)),
        OutputFormat::Json => report::json(&plan),
    }
    Ok(())
}
