//! One file a command: each gathers what it needs, calls the pure parts, and reports.

mod bench;
mod bench_gateway;
mod check;
mod context;
mod dist;
mod docs;
mod doctor;
mod keygen;
mod plan;
mod render;
mod repro;
mod schema;
mod test;
mod verify;

use crate::cli::{Command, SelectionArgs};
use crate::config::{self, Workspace, model::Config, model::Signing};
use crate::error::Error;
use crate::exec::files;
use crate::exec::keys::{self, KeyPair, Places, Process};
use crate::facts::{Facts, Surroundings, gather};
use crate::plan::{Plan, Stage};
use crate::render::{Document, Templates, documents, mistakes};
use crate::stage::{self, Selection};
use std::fmt::Display;
use std::path::Path;
use strict_toml::{Report, Source};

/// Runs a command.
///
/// # Errors
/// See [`Error`].
pub fn run(command: &Command) -> Result<(), Error> {
    match command {
        Command::Dist(arguments) => dist::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Render(arguments) => render::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Keygen(arguments) => keygen::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Repro(arguments) => repro::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Docs(arguments) => docs::run(arguments),
        Command::Test(arguments) => test::run(arguments),
    }
}

/// The declaration and the facts: what every command starts from.
struct Project {
    config: Config,
    facts: Facts,
    /// What is not signed although that is declared, and why: sentences.
    unsigned: Vec<String>,
}

/// The secrets that a plan takes beside the key that signs the release.
#[derive(Default)]
struct Credentials {
    codesign: Option<keys::codesign::Credentials>,
    gpg: Option<keys::gpg::Credentials>,
}

impl Project {
    /// Looks for the declaration here and above, and reads it.
    fn load() -> Result<Self, Error> {
        let surroundings = gather(Path::new("."))?;
        let config = declaration(&surroundings)?;
        let facts = surroundings.facts(&config.product.package);
        Ok(Self { config, facts, unsigned: Vec::new() })
    }

    /// The same, signed with the development key where that is asked for, and without code signatures and those of
    /// packages where they are not required and not possible.
    fn load_for(selection: &SelectionArgs) -> Result<Self, Error> {
        let mut project = Self::load()?;
        if selection.development_key {
            project.config.signing = Signing::Development;
            let reason = "--development-key uses no declared key";
            project.without_codesign(&reason);
            project.without_gpg(&reason);
        }
        let optional = project.config.codesign.as_ref().filter(|codesign| !codesign.required);
        if let Some(codesign) = optional
            && let Err(error) = keys::codesign::find(codesign, project.places(), &Process)
        {
            project.without_codesign(&error);
        }
        let optional = project.config.gpg().filter(|gpg| !gpg.required);
        if let Some(gpg) = optional
            && let Err(error) = keys::gpg::find(gpg, project.places(), &Process)
        {
            project.without_gpg(&error);
        }
        Ok(project)
    }

    fn without_codesign(&mut self, reason: &dyn Display) {
        let declared = self.config.codesign.take();
        self.unsigned.extend(declared.map(|_| format!("nothing is code-signed: {reason}")));
    }

    fn without_gpg(&mut self, reason: &dyn Display) {
        let declared = self.config.take_gpg();
        self.unsigned.extend(declared.map(|_| format!("no package is signed: {reason}")));
    }

    /// The secrets of code signing and of signing packages, where a step of the plan signs.
    fn credentials(&self, plan: &Plan) -> Result<Credentials, Error> {
        let does = |stage: Stage| plan.steps.iter().any(|step| step.stage == stage);
        let codesign = self.config.codesign.as_ref().filter(|_| does(Stage::Codesign));
        let gpg = self.config.gpg().filter(|_| does(Stage::SignPackages));
        let load_codesign = |declared| keys::codesign::load(declared, self.places(), &Process);
        let load_gpg = |declared| keys::gpg::load(declared, self.places(), &Process);
        Ok(Credentials {
            codesign: codesign.map(load_codesign).transpose()?,
            gpg: gpg.map(load_gpg).transpose()?,
        })
    }

    /// Renders every text; all templates' mistakes at once.
    fn documents(&self) -> Result<Vec<Document>, Error> {
        let templates =
            Templates::load(&self.facts.root, &self.config).map_err(Error::Declaration)?;
        documents(&self.config, &self.facts, &templates).map_err(Error::Declaration)
    }

    fn plan(&self, selection: &Selection) -> Result<Plan, Error> {
        Ok(stage::plan(&self.config, &self.facts, &self.documents()?, selection)?)
    }

    /// The key that signs.
    fn keys(&self) -> Result<KeyPair, Error> {
        Ok(keys::load(&self.config.signing, self.places(), &Process)?)
    }

    fn places(&self) -> Places<'_> {
        Places { root: &self.facts.root, target: &self.facts.target_dir }
    }

    fn selection(&self, arguments: &SelectionArgs) -> Selection {
        // Looking for compilers takes longer than planning does, so it is done only where one is needed.
        let stub = arguments.stub_build;
        let with_c = self.config.targets.iter().filter(|target| target.c_compiler && !stub);
        let without_c = with_c
            .map(|target| (target.triple.clone(), crate::doctor::missing(target, &self.facts)))
            .filter(|(_, missing)| !missing.is_empty())
            .collect();
        Selection { targets: arguments.targets.clone(), stub, without_c }
    }
}

fn declaration(surroundings: &Surroundings) -> Result<Config, Error> {
    let bytes = files::read(&surroundings.root.join(config::PATH))?;
    let source = Source::from_bytes(config::PATH, bytes)
        .map_err(|report| Error::Declaration(vec![report]))?;
    config::parse(&source, surroundings).map_err(|refused| {
        let templates = template_mistakes(&refused.readings, surroundings);
        Error::Declaration(std::iter::once(refused.report).chain(templates).collect())
    })
}

/// What is wrong with the templates beside a declaration that is refused, so that all is told in one run.
fn template_mistakes(readings: &[Config], surroundings: &Surroundings) -> Vec<Report> {
    let packages = surroundings.packages();
    let declared = readings.iter().map(|config| &config.product.package);
    // The version it tells of plays no part here.
    let package = declared.chain(packages.keys()).find(|name| packages.contains_key(*name));
    package.map_or_else(Vec::new, |name| mistakes(readings, &surroundings.facts(name)))
}
