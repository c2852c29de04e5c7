//! `cargo xtask doctor`: which tools are needed, which are there, and what installs the others.
//!
//! Pure but for [`missing`]: what was found comes from [`probe`], what is to be run goes to [`install`].

pub mod install;
pub mod probe;

use crate::config::model::{Config, Format, System, Target};
use crate::facts::Facts;
use crate::toolchain::requirement::{Need, Probe, Requirement};
use crate::toolchain::{self};
use serde::Serialize;
use std::fmt;

/// What was found of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It is not there.
    Missing,
    /// It is there; its version, where it tells one.
    Present(Option<String>),
}

/// How a tool stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There, and new enough.
    Good,
    /// There, with something to be warned about.
    KnownBad(String),
    /// There, but older than the minimum.
    TooOld,
    /// Not there.
    Missing,
}

/// One tool as a person is told about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// `release`, `tests` or `comfort`.
    pub needed_for: &'static str,
    /// The version that was found.
    pub found: Option<String>,
    /// The oldest that serves.
    pub minimum: Option<&'static str>,
    /// How it stands.
    pub state: State,
    /// The command that installs it here.
    pub install: Option<String>,
    #[serde(skip)]
    pub(crate) requirement: Requirement,
}

/// Everything that is needed to build the given targets, or all, and to test. Stand-ins take no compiler, only what
/// packs them.
pub fn requirements(config: &Config, host: &str, only: &[String], stub: bool) -> Vec<Requirement> {
    let wanted = |target: &&Target| only.is_empty() || only.contains(&target.triple);
    let targets: Vec<_> = config.targets.iter().filter(wanted).collect();
    let installers = targets
        .iter()
        .flat_map(|target| &target.bundles)
        .any(|bundle| bundle.format == Format::Nsis);
    let mut all: Vec<Requirement> = Vec::new();
    let built = targets;
    let signs = built.iter().any(|target| target.system == System::Windows);
    let signers = config.codesign.as_ref().filter(|_| signs).map(toolchain::requirement::signers);
    let packs = built
        .iter()
        .flat_map(|target| &target.bundles)
        .any(|bundle| bundle.format.has_package_manager());
    let gpg = config.gpg().filter(|_| packs).map(|_| toolchain::requirement::package_signer());
    let built = if stub { Vec::new() } else { built };
    let named = !only.is_empty();
    let of_targets = built
        .into_iter()
        .flat_map(|target| target_requirements(target, host, target.required || named))
        .chain(signers.unwrap_or_default())
        .chain(gpg);
    for requirement in of_targets.chain(toolchain::requirement::tools(installers, host)) {
        match all.iter_mut().find(|known| known.name == requirement.name) {
            Some(known) => known.need = known.need.min(requirement.need),
            None => all.push(requirement),
        }
    }
    all
}

/// The tools of a target that may be left out are a comfort.
fn target_requirements(target: &Target, host: &str, required: bool) -> Vec<Requirement> {
    let Ok(parsed) = toolchain::Target::parse(&target.triple) else { return Vec::new() };
    let linker =
        toolchain::resolve(&target.linker, parsed, host).unwrap_or_else(|_| target.linker.clone());
    let mut all = toolchain::requirement::for_target(parsed, &linker, target.c_compiler);
    if !required {
        all.iter_mut().for_each(|requirement| requirement.need = Need::Comfort);
    }
    all
}

/// Names of what building the target takes and this machine does not have.
pub fn missing(target: &Target, facts: &Facts) -> Vec<String> {
    let needed = target_requirements(target, &facts.toolchain.host, true);
    let missing = needed.into_iter().filter(|needed| probe::is_missing(&needed.probe, facts));
    missing.map(|requirement| requirement.name).collect()
}

/// Judges what was found.
pub fn examine(requirement: Requirement, probed: &Probed, install: Option<String>) -> Finding {
    let found = match probed {
        Probed::Missing => None,
        Probed::Present(version) => version.clone(),
    };
    let bad = || {
        requirement
            .known_bad
            .iter()
            .find(|bad| found.as_deref().is_some_and(|found| older(found, bad.below)))
    };
    let state = match probed {
        Probed::Missing => State::Missing,
        Probed::Present(Some(found))
            if requirement.minimum.is_some_and(|minimum| older(found, minimum)) =>
        {
            State::TooOld
        }
        Probed::Present(_) => match bad() {
            Some(bad) => State::KnownBad(format!("below {}: {}", bad.below, bad.reason)),
            None => State::Good,
        },
    };
    Finding {
        name: requirement.name.clone(),
        purpose: requirement.purpose.to_owned(),
        needed_for: match requirement.need {
            Need::Release => "release",
            Need::Tests => "tests",
            Need::Comfort => "comfort",
        },
        found,
        minimum: requirement.minimum,
        install: if state == State::Missing || state == State::TooOld { install } else { None },
        state,
        requirement,
    }
}

impl Finding {
    /// Whether its version belongs into `release.json`: a program that takes part in making bytes.
    pub fn makes_bytes(&self) -> bool {
        let Requirement { name, need, probe, .. } = &self.requirement;
        *need != Need::Tests && matches!(probe, Probe::Command(_)) && name != "git"
    }

    /// Whether it is the standard library of a target, which costs little to install.
    pub fn is_rust_target(&self) -> bool {
        matches!(self.requirement.probe, Probe::RustTarget(_))
    }

    /// Whether it keeps somebody from a purpose.
    pub fn blocks(&self, need: Need) -> bool {
        matches!(self.state, State::Missing | State::TooOld) && self.requirement.need <= need
    }
}

/// Compares dotted numbers; what is not a number counts as 0.
fn older(found: &str, minimum: &str) -> bool {
    let numbers =
        |text: &str| text.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u64>>();
    let (mut found, mut minimum) = (numbers(found), numbers(minimum));
    let length = found.len().max(minimum.len());
    found.resize(length, 0);
    minimum.resize(length, 0);
    found < minimum
}

/// The first dotted number in what a tool printed of itself.
pub(crate) fn version_in(printed: &str) -> Option<String> {
    let starts = printed.char_indices().filter(|(at, c)| {
        c.is_ascii_digit()
            && !printed[..*at].ends_with(|before: char| before.is_ascii_digit() || before == '.')
    });
    let number = |(at, _): (usize, char)| {
        let rest = &printed[at..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        rest[..end].trim_end_matches('.')
    };
    let mut numbers = starts.map(number);
    let first = numbers.clone().next();
    numbers.find(|number| number.contains('.')).or(first).map(str::to_owned)
}

impl fmt::Display for Finding {
    /// One line: how it stands, name, version, what it is for, what installs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, found) = match &self.state {
            State::Good => ("ok      ", self.found.clone().unwrap_or_default()),
            State::KnownBad(_) => ("warning ", self.found.clone().unwrap_or_default()),
            State::TooOld => ("too old ", self.found.clone().unwrap_or_default()),
            State::Missing => ("missing ", "-".to_owned()),
        };
        let minimum = self.minimum.map(|minimum| format!(" (>= {minimum})")).unwrap_or_default();
        write!(
            f,
            "{mark}{:<44}{:<20}{}: {}",
            self.name,
            found + &minimum,
            self.needed_for,
            self.purpose
        )?;
        if let State::KnownBad(reason) = &self.state {
            write!(f, "\n        {reason}")?;
        }
        if let Some(install) = &self.install {
            write!(f, "\n        {install}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
