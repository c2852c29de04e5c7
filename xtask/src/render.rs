//! The texts of a release: declaration, facts and templates in, finished documents out.
//!
//! Pure but for [`Templates::load`]. One file an output language holds the view structs its templates see and the
//! filters that escape for it. Each language has an engine of its own that knows no other filter, and a text that went
//! through no filter is refused, so a forgotten or a wrong escape is an error of the template, never of the output.

mod engine;
mod load;
pub mod nsis;
pub mod package;
mod prometheus;
mod service_config;
mod shell;
mod systemd;

pub use load::Templates;

use crate::config::model::{Config, System, Text};
use crate::facts::Facts;
use engine::Language;
use std::collections::BTreeMap;
use strict_toml::{Diagnostic, Report, Source};

/// The part of the rendered texts that `cargo xtask render` can be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The configuration file of the service.
    Configuration,
    /// The installer scripts.
    Nsis,
    /// Unit, sysusers, tmpfiles and the shell scripts around them.
    Systemd,
    /// What package managers read.
    Package,
    /// What Prometheus reads.
    Prometheus,
}

/// A rendered text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it belongs to.
    pub group: Group,
    /// The name by which a bundle of the declaration asks for it, if one can.
    pub text: Option<Text>,
    /// The target triple it is for; none where one text serves every target.
    pub target: Option<String>,
    /// Where `cargo xtask render` writes it, with forward slashes.
    pub path: String,
    /// Base name in a bundle.
    pub name: String,
    /// Mode 0755 rather than 0644.
    pub executable: bool,
    /// The text: LF line ends, ends with one.
    pub contents: String,
}

impl Document {
    /// True if the text can go into a bundle of this target.
    pub fn serves(&self, triple: &str) -> bool {
        self.target.as_deref().is_none_or(|target| target == triple)
    }
}

/// A document before rendering: its template, what the template sees, and where the result goes.
struct Job {
    /// Path of the template, as people see it.
    template: String,
    language: Language,
    view: serde_json::Value,
    group: Group,
    text: Option<Text>,
    target: Option<String>,
    path: String,
    name: String,
    executable: bool,
}

/// Renders every document of a declaration, sorted by group and path.
///
/// # Errors
/// All mistakes of all templates, one report a template: a syntax error, a variable that does not exist, an unknown
/// filter, a value that its language cannot hold, a text without a filter, a template that is missing.
pub fn documents(
    config: &Config,
    facts: &Facts,
    templates: &Templates,
) -> Result<Vec<Document>, Vec<Report>> {
    let (jobs, mut reports) = jobs(config, facts, templates);
    let mut documents: Vec<Document> = Vec::new();
    for job in jobs {
        match engine::render(job.language, &job.template, templates, &job.view) {
            Ok(contents) => match documents.last_mut() {
                // Installer scripts have several parts.
                Some(last) if job.group == Group::Nsis && last.path == job.path => {
                    last.contents += &contents;
                }
                Some(_) | None => documents.push(document(job, contents)),
            },
            // One template serves several targets: the same mistake is told once.
            Err(report) if reports.contains(&report) => {}
            Err(report) => reports.push(report),
        }
    }
    documents.sort_by(|a: &Document, b| (a.group, &a.path).cmp(&(b.group, &b.path)));
    if reports.is_empty() { Ok(documents) } else { Err(reports) }
}

/// The mistakes in templates that are there whatever was meant by a declaration that is refused: those that each of its
/// readings leads to.
pub fn mistakes(readings: &[Config], facts: &Facts) -> Vec<Report> {
    let mut found = readings.iter().map(|config| mistakes_of(config, facts));
    let mut mistakes = found.next().unwrap_or_default();
    for others in found {
        for (template, (_, found)) in &mut mistakes {
            let others = others.get(template).map_or(&[][..], |(_, others)| others);
            found.retain(|mistake| {
                let is_same = |other: &Diagnostic| {
                    (&other.message, &other.label) == (&mistake.message, &mistake.label)
                };
                others.iter().any(is_same)
            });
        }
    }
    let told = mistakes.into_values().filter(|(_, found)| !found.is_empty());
    told.map(|(source, found)| Report::new(source, found)).collect()
}

/// By template: its text, and what is wrong with it.
fn mistakes_of(config: &Config, facts: &Facts) -> BTreeMap<String, (Source, Vec<Diagnostic>)> {
    let (templates, _unreadable) = Templates::readable(&facts.root, config);
    let mut all: BTreeMap<String, (Source, Vec<Diagnostic>)> = BTreeMap::new();
    for Job { template, language, view, .. } in jobs(config, facts, &templates).0 {
        let Some(text) = templates.text(&template) else { continue };
        let (_, found) =
            all.entry(template.clone()).or_insert_with(|| (Source::new(&*template, text), vec![]));
        for mistake in engine::check(language, &template, text, &view) {
            if !found.contains(&mistake) {
                found.push(mistake);
            }
        }
    }
    all
}

/// The templates a declaration needs, relative to the workspace root, each with what is made from it.
fn template_paths(config: &Config) -> Vec<(String, &'static str)> {
    let within = |names: &[&str], purpose| {
        let path = |name: &&str| (format!("{}/{name}", config.templates), purpose);
        names.iter().map(path).collect::<Vec<_>>()
    };
    [
        within(nsis::TEMPLATES, "the installer script"),
        within(systemd::TEMPLATES, "a text of the Linux bundles"),
        within(&package::templates(config), "a Linux package"),
        within(prometheus::TEMPLATES, "what Prometheus reads"),
        vec![(config.configuration.template.clone(), "the configuration of the service")],
    ]
    .concat()
}

/// What is to be rendered, the parts of one text one after the other, and the mistakes that were found on the way.
fn jobs(config: &Config, facts: &Facts, templates: &Templates) -> (Vec<Job>, Vec<Report>) {
    let (mut jobs, mut reports) = (service_config::jobs(config), Vec::new());
    for target in config.targets_of(System::Windows) {
        let port = service_config::port_place(config, target, templates);
        let port = port.unwrap_or_else(|report| {
            reports.push(report);
            service_config::PortPlace::default()
        });
        jobs.extend(nsis::jobs(config, facts, target, port));
    }
    if config.targets_of(System::Linux).next().is_some() {
        jobs.extend(systemd::jobs(config, facts));
    }
    jobs.extend(package::jobs(config, facts));
    jobs.extend(prometheus::jobs(config));
    (jobs, reports)
}

fn document(job: Job, contents: String) -> Document {
    let Job { group, text, target, path, name, executable, .. } = job;
    Document { group, text, target, path, name, executable, contents }
}

/// A view as the engine takes it.
fn view<T: serde::Serialize>(view: &T) -> serde_json::Value {
    serde_json::to_value(view).expect("a view is plain structs, strings and finite numbers")
}

#[cfg(test)]
pub(crate) mod tests;
