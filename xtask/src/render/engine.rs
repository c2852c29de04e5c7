//! One strict template engine for each output language, and its errors as reports with a place.
//!
//! Strict means: default delimiters, no automatic escaping, none of minijinja's own filters, an undefined variable is
//! an error, also in front of a filter, and so is a text that no filter of the language has passed. Knows no view and no filter itself.

mod lookup;
mod names;

use super::{Templates, nsis, package, prometheus, service_config, shell, systemd};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, Template, UndefinedBehavior, Value,
};
use strict_toml::{Diagnostic, Report, Source};

/// The output languages. Each has filters of its own and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// NSIS 3 scripts.
    Nsis,
    /// systemd units, `sysusers.d`, `tmpfiles.d`.
    Systemd,
    /// POSIX shell.
    Shell,
    /// What packages say of themselves: fields and paragraphs.
    Deb,
    /// YAML with PromQL and Go templates inside.
    Yaml,
    /// JSON.
    Json,
    /// Grafana's dashboards: JSON with PromQL inside.
    Dashboard,
    /// The configuration of the service, TOML.
    Toml,
}

/// A filter: escapes a value for a place in the output, or says why it cannot stand there.
pub(super) type Escape = fn(&Value) -> Result<String, Refusal>;

/// Why a value cannot stand in its place: a lowercase fragment about the value.
pub(super) struct Refusal(pub String);

/// The only filter of minijinja's own: the names and values of a map, neither of them escaped.
const ITEMS: &str = "items";

impl Language {
    fn filters(self) -> &'static [(&'static str, Escape)] {
        match self {
            Self::Nsis => nsis::FILTERS,
            Self::Systemd => systemd::FILTERS,
            Self::Shell => shell::FILTERS,
            Self::Deb => package::FILTERS,
            Self::Yaml => prometheus::YAML_FILTERS,
            Self::Json => prometheus::JSON_FILTERS,
            Self::Dashboard => prometheus::DASHBOARD_FILTERS,
            Self::Toml => service_config::FILTERS,
        }
    }
}

/// Renders one template.
pub(super) fn render(
    language: Language,
    name: &str,
    templates: &Templates,
    view: &serde_json::Value,
) -> Result<String, Report> {
    let Some(text) = templates.text(name) else {
        let missing = Diagnostic::error(format!("template `{name}` is missing"));
        return Err(Report::new(Source::new(name, ""), vec![missing]));
    };
    let fail = |mistakes| Report::new(Source::new(name, text), mistakes);
    let environment = environment(language);
    let template = environment
        .template_from_named_str(name, text)
        .map_err(|error| fail(vec![diagnostic(&error, text, language)]))?;
    let unknown = unknown(&template, text, language, view);
    if !unknown.is_empty() {
        return Err(fail(unknown));
    }
    template
        .render(Value::from(Serde(view)))
        .map_err(|error| fail(vec![diagnostic(&error, text, language)]))
}

/// What is wrong with a template whatever the values: its syntax, names and filters that do not exist.
pub(super) fn check(
    language: Language,
    name: &str,
    text: &str,
    view: &serde_json::Value,
) -> Vec<Diagnostic> {
    match environment(language).template_from_named_str(name, text) {
        Ok(template) => unknown(&template, text, language, view),
        Err(error) => vec![diagnostic(&error, text, language)],
    }
}

fn unknown(
    template: &Template<'_, '_>,
    text: &str,
    language: Language,
    view: &serde_json::Value,
) -> Vec<Diagnostic> {
    let mut unknown = lookup::unknown(text, &template.undeclared_variables(false), view);
    unknown.extend(names::unknown_filters(text, &filter_names(language)));
    unknown
}

fn environment(language: Language) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(write_escaped);
    environment.set_debug(true);
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.build().expect("the default delimiters are valid"));
    environment.add_filter(ITEMS, minijinja::filters::items);
    for (name, escape) in language.filters() {
        environment.add_filter(*name, |value: &Value| filter(*escape, value));
    }
    environment
}

/// Calls an escape; what it returns is marked as safe to write.
fn filter(escape: Escape, value: &Value) -> Result<Value, Error> {
    // minijinja hands it on as an empty text, whatever the environment says of undefined values.
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    match escape(value) {
        Ok(text) => Ok(Value::from_safe_string(text)),
        Err(Refusal(reason)) => Err(Error::new(ErrorKind::InvalidOperation, reason)),
    }
}

/// Writes numbers and what a filter made; anything else was forgotten to be escaped.
fn write_escaped(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    let plain = matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if plain || value.is_safe() {
        return out.write_str(&value.to_string()).map_err(Error::from);
    }
    Err(Error::new(ErrorKind::BadEscape, "the value is written without a filter"))
}

/// A minijinja error with its place, what is allowed there, and what was probably meant.
#[expect(clippy::wildcard_enum_match_arm, reason = "most kinds say all there is to say themselves")]
fn diagnostic(error: &Error, text: &str, language: Language) -> Diagnostic {
    let span = error.range().or_else(|| error.line().map(|line| names::line_span(text, line)));
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let at = |diagnostic: Diagnostic, label: &str| match span.clone() {
        Some(span) => diagnostic.at(span, label),
        None => diagnostic,
    };
    let written = span.clone().and_then(|span| text.get(span)).unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => {
            let filter = span.as_ref().and_then(|span| text.get(..span.start));
            let message = match filter.is_some_and(|before| before.trim_end().ends_with('|')) {
                true => format!("filter `{written}` is given a value that does not exist"),
                false => format!("`{written}` does not exist"),
            };
            at(Diagnostic::error(message), "here")
        }
        ErrorKind::BadEscape => {
            let filters = language.filters().iter().map(|(name, _)| format!("`{name}`"));
            let filters: Vec<String> = filters.collect();
            at(Diagnostic::error(detail), "not escaped")
                .help(format!("every text goes through one of the filters {}", filters.join(", ")))
        }
        _ => at(Diagnostic::error(detail), "here"),
    }
}

/// The filters that a template of the language may use.
fn filter_names(language: Language) -> Vec<&'static str> {
    language.filters().iter().map(|(name, _)| *name).chain([ITEMS]).collect()
}

#[cfg(test)]
mod tests;
