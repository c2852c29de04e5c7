//! Diagnostics of one source, ready to be shown to a person or a program.
//!
//! The last station: nothing is found here, only sorted, drawn and serialised.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::{Diagnostic, Severity, Source};

/// Every diagnostic of one source, sorted by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    source: Source,
    diagnostics: Vec<Diagnostic>,
}

/// One diagnostic as a program reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// `error` or `warning`.
    pub severity: Severity,
    /// The name of the source.
    pub file: String,
    /// Line of the first character at fault, from 1; absent where the mistake has no place.
    pub line: Option<usize>,
    /// Column of the first character at fault, in characters from 1.
    pub column: Option<usize>,
    /// Line just behind the last character at fault.
    pub end_line: Option<usize>,
    /// Column just behind the last character at fault.
    pub end_column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What is said beside the carets.
    pub label: Option<String>,
    /// What a person can do.
    pub help: Vec<String>,
    /// Facts that explain the rule.
    pub notes: Vec<String>,
}

impl Report {
    /// Sorts the diagnostics by place; those of one place keep their order.
    #[must_use]
    pub fn new(source: Source, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(Diagnostic::start);
        Self { source, diagnostics }
    }

    /// The text the diagnostics speak of.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The diagnostics, sorted by place.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// True if at least one diagnostic is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The diagnostics as rustc would draw them, an empty line between two, each line ended.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let drawn: Vec<String> = self
            .diagnostics
            .iter()
            .map(|diagnostic| renderer.render(&[group(&self.source, diagnostic)]) + "\n")
            .collect();
        drawn.join("\n")
    }

    /// The diagnostics as a program reads them.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.diagnostics.iter().map(|diagnostic| record(&self.source, diagnostic)).collect()
    }

    /// [`Report::records`] as a JSON array.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!(self.records())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Report {}

fn group<'a>(source: &'a Source, diagnostic: &'a Diagnostic) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.message);
    let group = match &diagnostic.label {
        None => title.element(Origin::path(&source.name)),
        Some(label) => {
            let related = diagnostic.related.iter().map(|label| (AnnotationKind::Context, label));
            let annotations = std::iter::once((AnnotationKind::Primary, label)).chain(related).map(
                |(kind, label)| {
                    let text = (!label.text.is_empty()).then_some(label.text.as_str());
                    kind.span(drawn(source, &label.span)).label(text)
                },
            );
            title.element(Snippet::source(&source.text).path(&source.name).annotations(annotations))
        }
    };
    group
        .elements(diagnostic.help.iter().map(|help| Level::HELP.message(help)))
        .elements(diagnostic.notes.iter().map(|note| Level::NOTE.message(note)))
}

/// The span as it is underlined: one between two characters underlines the second.
fn drawn(source: &Source, span: &Range<usize>) -> Range<usize> {
    let mut span = source.clamp(span);
    let next = source.text[span.end..].chars().next().filter(|next| !next.is_control());
    if span.is_empty() {
        span.end += next.map_or(0, char::len_utf8);
    }
    span
}

fn record(source: &Source, diagnostic: &Diagnostic) -> Record {
    let span = diagnostic.label.as_ref().map(|label| source.clamp(&label.span));
    let start = span.as_ref().map(|span| source.position(span.start));
    let end = span.as_ref().map(|span| source.position(span.end));
    Record {
        severity: diagnostic.severity,
        file: source.name.clone(),
        line: start.map(|place| place.line),
        column: start.map(|place| place.column),
        end_line: end.map(|place| place.line),
        end_column: end.map(|place| place.column),
        message: diagnostic.message.clone(),
        label: diagnostic.label.as_ref().map(|label| label.text.clone()),
        help: diagnostic.help.clone(),
        notes: diagnostic.notes.clone(),
    }
}
