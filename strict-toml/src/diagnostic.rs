//! One mistake in a text: what is wrong, where, and what to do about it.
//!
//! Plain data with builder methods. How it looks on a terminal is [`crate::Report`]'s business.

use std::ops::Range;

use serde::Serialize;

/// How bad it is. Only an error makes a reading fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The text cannot be accepted.
    Error,
    /// The text is accepted, but a person should look.
    Warning,
}

/// A span of the text and what is to be said about it (may be empty).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Byte range in the source text.
    pub span: Range<usize>,
    /// A short fragment shown next to the carets.
    pub text: String,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A lowercase fragment that names its subject.
    pub message: String,
    /// The place at fault; none where the mistake has no place.
    pub label: Option<Label>,
    /// Other places that explain it, such as the first of two declarations.
    pub related: Vec<Label>,
    /// What a person can do, most likely first.
    pub help: Vec<String>,
    /// Background: facts that explain the rule.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// A mistake that makes the text unacceptable.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// Something a person should look at.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    fn new(severity: Severity, message: String) -> Self {
        let (related, help, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { severity, message, label: None, related, help, notes }
    }

    /// Sets the place at fault and what is said beside it.
    #[must_use]
    pub fn at(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.label = Some(Label { span, text: label.into() });
        self
    }

    /// Adds another place that explains the mistake.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related.push(Label { span, text: label.into() });
        self
    }

    /// Adds something a person can do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds a fact that explains the rule.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Where the mistake starts; one without a place comes before all others.
    pub(crate) fn start(&self) -> usize {
        self.label.as_ref().map_or(0, |label| label.span.start)
    }
}
