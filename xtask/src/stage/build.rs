//! Stages "build" and "inspect": from sources to a program that is as it should be, its symbols beside it.

use super::Draft;
use crate::config::model::{System, Target};
use crate::inspect;
use crate::plan::{Action, CargoBuild, CargoProduct, Inspect, Location, Stage, Step};
use crate::toolchain::{self, BuildRequest, ToolchainError};
use std::path::PathBuf;

pub(super) fn add(draft: &mut Draft<'_>, target: &Target) -> Result<(), ToolchainError> {
    if draft.selection.stub {
        let outputs = vec![draft.built(target), draft.symbols(target)];
        draft.steps.push(step(target, "stub", Stage::Build, vec![], outputs, Action::Stub));
        return Ok(());
    }
    add_cargo(draft, target)?;
    if target.system == System::Linux {
        let (program, stripped, symbols) =
            (linked(draft, target), draft.built(target), draft.symbols(target));
        let outputs = vec![stripped.clone(), symbols.clone()];
        let inputs = vec![program.clone()];
        let action = Action::SplitSymbols { program, stripped, symbols };
        draft.steps.push(step(target, "symbols", Stage::Build, inputs, outputs, action));
    }
    let action = Action::Inspect(rules(draft, target));
    draft.steps.push(step(
        target,
        "inspect",
        Stage::Inspect,
        vec![draft.built(target), draft.symbols(target)],
        vec![],
        action,
    ));
    Ok(())
}

fn add_cargo(draft: &mut Draft<'_>, target: &Target) -> Result<(), ToolchainError> {
    let product = &draft.config.product;
    let host = draft.facts.host();
    let request = BuildRequest {
        triple: target.triple.clone(),
        linker: target.linker.clone(),
        package: product.package.clone(),
        binary: product.binary.clone(),
        epoch: draft.facts.epoch,
    };
    let mut invocation = toolchain::cargo_invocation(&request, &host)?;
    invocation.environment.insert("RELEASE_COMMIT".to_owned(), draft.facts.commit.hash.clone());
    // Build scripts and procedural macros of dependencies run inside cargo.
    invocation.removed.extend(draft.config.secret_variables());
    let mut inputs = Vec::new();
    if let Some(support) = invocation.support {
        let folder = Location::Work("support".to_owned());
        let file = |name: &String| Location::Work(format!("support/{name}"));
        let outputs: Vec<_> = support.files().iter().map(file).collect();
        inputs.clone_from(&outputs);
        let action = Action::Support { triple: target.triple.clone(), folder };
        draft.steps.push(step(target, "support", Stage::Build, vec![], outputs, action));
    }
    let made = toolchain::outputs(&target.triple, &product.binary)?;
    let mut products =
        vec![CargoProduct { from: Location::Target(made.program), to: linked(draft, target) }];
    products.extend(made.symbols.map(|symbols| CargoProduct {
        from: Location::Target(symbols),
        to: draft.symbols(target),
    }));
    let outputs = products.iter().map(|product| product.to.clone()).collect();
    let action = Action::Cargo(CargoBuild {
        triple: target.triple.clone(),
        arguments: invocation.arguments,
        environment: invocation.environment,
        removed: invocation.removed,
        products,
    });
    draft.steps.push(step(target, "cargo", Stage::Build, inputs, outputs, action));
    Ok(())
}

/// Where the program lies as it was linked: a PE program is finished, an ELF program still carries its symbols.
fn linked(draft: &Draft<'_>, target: &Target) -> Location {
    match target.system {
        System::Windows => draft.built(target),
        System::Linux => Location::Work(format!(
            "build/{}/linked/{}",
            target.triple,
            draft.config.product.program(target.system)
        )),
    }
}

fn rules(draft: &Draft<'_>, target: &Target) -> Inspect {
    let facts = draft.facts;
    let folders =
        [Some(&facts.root), Some(&facts.target_dir), Some(&facts.cargo_home), facts.home.as_ref()];
    let folders = folders.into_iter().flatten().chain([&facts.toolchain.sysroot]);
    Inspect {
        triple: target.triple.clone(),
        program: draft.built(target),
        symbols: draft.symbols(target),
        size_max: target.size_max,
        dlls: target.dlls.clone(),
        forbidden: inspect::forbidden(folders.map(PathBuf::as_path)),
    }
}

fn step(
    target: &Target,
    what: &str,
    stage: Stage,
    inputs: Vec<Location>,
    outputs: Vec<Location>,
    action: Action,
) -> Step {
    let id = format!("{what}/{}", target.triple);
    Step { id, stage, target: Some(target.triple.clone()), inputs, outputs, action }
}
