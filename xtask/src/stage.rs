//! Turns a declaration and facts into a plan. Pure: one file a stage, each adds its steps.
//!
//! In order: **build** compiles and links each program; **inspect** refuses bytes that are not as they should be;
//! **codesign** signs the Windows programs; **render** writes the texts; **installer** compiles the NSIS scripts, with
//! signed uninstallers; **codesign-installer** signs what came out; **archive** packs; **sign-packages** signs for package managers; **manifest** writes `release.json` with the digest of everything so far; **checksum** writes `SHA256SUMS` and its kin, `release.json`
//! included; **sign** signs those and each package; **verify** reads the folder back as a downloader would; **publish** puts it in the
//! place of the previous release.

mod archive;
mod build;
mod codesign;
mod finish;
mod gpg;
mod installer;
mod package;
mod texts;

use crate::config::model::{Config, Target};
use crate::facts::Facts;
use crate::inspect;
use crate::plan::{Action, Artifact, Contents, Location, Member, Plan, Skipped, Step};
use crate::render::Document;
use crate::toolchain;
use std::collections::{BTreeMap, BTreeSet};
use strict_toml::suggest;
use thiserror::Error;

/// What of the declaration is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these triples; empty means all. A triple that is named is built or the plan fails, optional or not.
    pub targets: Vec<String>,
    /// Programs are stand-ins.
    pub stub: bool,
    /// Triples for which C code cannot be compiled, and what is missing.
    pub without_c: BTreeMap<String, Vec<String>>,
}

/// Why there is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// A target cannot be linked as declared.
    #[error(transparent)]
    Toolchain(#[from] crate::toolchain::ToolchainError),
    /// `--target` names a triple that is not declared.
    #[error("target `{triple}` is not declared{}; declared: {declared}", hint(.close.as_deref()))]
    UnknownTarget {
        /// What was asked for.
        triple: String,
        /// The nearest declared one.
        close: Option<String>,
        /// All of them.
        declared: String,
    },
    /// Every target is optional and none can be built.
    #[error("no declared target can be built here: {0}")]
    NothingToBuild(String),
    /// A file of the workspace has the name of another file, or of a rendered text, of the same bundle.
    #[error(
        "{bundle} would hold `{path}` twice; give the file another `path` in {}",
        crate::config::PATH
    )]
    DuplicateMember {
        /// Base name of the archive or installer.
        bundle: String,
        /// The path in it.
        path: String,
    },
    /// `SOURCE_DATE_EPOCH` or the commit's time does not fit an archive.
    #[error(
        "the release's time, {0} s since 1970, is beyond 2107, the last year a zip archive can hold"
    )]
    Epoch(u64),
}

fn hint(close: Option<&str>) -> String {
    close.map(|close| format!(" (did you mean `{close}`?)")).unwrap_or_default()
}

/// Seconds since 1970 at the end of 2107 (APPNOTE.TXT 4.4.6: the year is 7 bits from 1980).
const EPOCH_MAX: u64 = 4_354_819_199;

/// Plans a release.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(
    config: &Config,
    facts: &Facts,
    documents: &[Document],
    selection: &Selection,
) -> Result<Plan, PlanError> {
    if facts.epoch > EPOCH_MAX {
        return Err(PlanError::Epoch(facts.epoch));
    }
    let (targets, skipped) = select(config, facts, selection)?;
    let mut draft =
        Draft { config, facts, documents, selection, steps: Vec::new(), contents: Vec::new() };
    for target in &targets {
        build::add(&mut draft, target)?;
        codesign::add_program(&mut draft, target);
    }
    for target in &targets {
        archive::add_bundles(&mut draft, target);
    }
    archive::add_prometheus(&mut draft);
    gpg::add_index(&mut draft);
    texts::add(&mut draft);
    let artifacts = finish::add(&mut draft);
    let mut steps = draft.steps;
    steps.sort_by_key(|step| step.stage);
    steps.iter().try_for_each(refuse_duplicates)?;
    Ok(Plan {
        product: config.product.name.clone(),
        version: facts.version.to_string(),
        channel: config.product.channel.clone(),
        steps,
        artifacts,
        skipped,
    })
}

/// What texts are called is known here only, so the names of bundled files are compared with theirs here. On Windows
/// names that differ in case are one.
fn refuse_duplicates(step: &Step) -> Result<(), PlanError> {
    let (Action::Archive { members, .. } | Action::Makensis { payload: members, .. }) =
        &step.action
    else {
        return Ok(());
    };
    let on_windows = step.target.as_ref().is_some_and(|triple| triple.contains("-windows-"));
    let mut taken = BTreeSet::new();
    for Member { path, .. } in members {
        let name = if on_windows { path.to_lowercase() } else { path.clone() };
        if !taken.insert(name) {
            let bundle = step.outputs.first().map_or(&*step.id, Location::base_name).to_owned();
            return Err(PlanError::DuplicateMember { bundle, path: path.clone() });
        }
    }
    Ok(())
}

/// A plan while its stages add to it.
struct Draft<'a> {
    config: &'a Config,
    facts: &'a Facts,
    documents: &'a [Document],
    selection: &'a Selection,
    steps: Vec<Step>,
    contents: Vec<Contents>,
}

impl Draft<'_> {
    /// `product-version`, with which every file name begins.
    fn base_name(&self) -> String {
        format!("{}-{}", self.config.product.name, self.facts.version)
    }

    /// Where the program of a target lies when it is built.
    fn built(&self, target: &Target) -> Location {
        let program = self.config.product.program(target.system);
        Location::Work(format!("build/{}/{program}", target.triple))
    }

    /// Where the program of a target lies as it is released: code-signed, where that is declared.
    fn program(&self, target: &Target) -> Location {
        match codesign::how(self, target) {
            Some(_) => {
                let program = self.config.product.program(target.system);
                Location::Work(format!("signed/{}/{program}", target.triple))
            }
            None => self.built(target),
        }
    }

    /// Where its debug symbols lie, under the name by which a debugger looks for them.
    fn symbols(&self, target: &Target) -> Location {
        let triple = &target.triple;
        let parsed = toolchain::Target::parse(triple)
            .expect("the declaration names only targets that can be linked");
        let name = inspect::symbols::file_name(parsed, &self.config.product.binary);
        Location::Work(format!("build/{triple}/{name}"))
    }

    fn add_artifact(&mut self, contents: Contents) {
        self.contents.push(contents);
    }

    fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        self.contents.iter().map(|contents| &contents.artifact)
    }
}

/// Where a rendered text lies.
fn text_location(document: &Document) -> Location {
    Location::Work(format!("text/{}", document.path))
}

/// The targets to build, and the optional ones that cannot be.
fn select<'a>(
    config: &'a Config,
    facts: &Facts,
    selection: &Selection,
) -> Result<(Vec<&'a Target>, Vec<Skipped>), PlanError> {
    for triple in &selection.targets {
        if !config.targets.iter().any(|target| target.triple == *triple) {
            let declared = || config.targets.iter().map(|target| target.triple.as_str());
            return Err(PlanError::UnknownTarget {
                triple: triple.clone(),
                close: suggest(triple, declared()).map(str::to_owned),
                declared: declared().collect::<Vec<_>>().join(", "),
            });
        }
    }
    let named = |target: &Target| selection.targets.contains(&target.triple);
    let (mut targets, mut skipped) = (Vec::new(), Vec::new());
    for target in
        config.targets.iter().filter(|target| selection.targets.is_empty() || named(target))
    {
        match obstacle(target, facts, selection) {
            Some(reason) if !target.required && !named(target) => {
                skipped.push(Skipped { target: target.triple.clone(), reason });
            }
            Some(_) | None => targets.push(target),
        }
    }
    if targets.is_empty() {
        let reasons: Vec<_> =
            skipped.iter().map(|skip| format!("{}: {}", skip.target, skip.reason)).collect();
        return Err(PlanError::NothingToBuild(reasons.join("; ")));
    }
    Ok((targets, skipped))
}

/// Why a target cannot be built here, if it cannot. A stand-in needs no compiler.
fn obstacle(target: &Target, facts: &Facts, selection: &Selection) -> Option<String> {
    let triple = &target.triple;
    if selection.stub {
        None
    } else if !facts.toolchain.targets.contains(triple) {
        Some(format!("its standard library is not installed (rustup target add {triple})"))
    } else {
        let missing = selection.without_c.get(triple).filter(|_| target.c_compiler)?;
        let missing = missing.join(", ");
        Some(format!(
            "its dependencies contain C code, and these are missing: {missing} (see `cargo xtask doctor`)"
        ))
    }
}

#[cfg(test)]
mod tests;
