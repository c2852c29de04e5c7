//! Closing what was left open, so that the rest of a text can be read.
//!
//! Spans found in the repaired text are led back to the text as it was written.

use std::ops::Range;

use super::statement::{Fault, split};
use crate::{Diagnostic, Label, Source};

/// A text in which every bracket is closed and no statement is broken.
pub(crate) struct Repaired {
    /// The repaired text, under its own name.
    pub(crate) source: Source,
    /// Mistakes found while repairing, with spans in the repaired text.
    pub(crate) mistakes: Vec<Diagnostic>,
    /// Nothing had to be left out.
    pub(crate) is_complete: bool,
    /// Declarations that were made again further down; the tree holds these, not the later ones.
    pub(super) repeated: Vec<Range<usize>>,
    /// What was added: the offset in the written text, and how many bytes.
    added: Vec<(usize, usize)>,
}

/// Closes open brackets and leaves out statements with an open string.
pub(super) fn close(source: &Source) -> Repaired {
    let mut repaired = Repaired {
        source: source.clone(),
        mistakes: Vec::new(),
        is_complete: true,
        repeated: Vec::new(),
        added: Vec::new(),
    };
    let statements = split(&source.text);
    // From the end, so that earlier offsets stay what they are.
    for statement in statements.iter().rev() {
        match &statement.fault {
            None => {}
            Some(Fault::OpenString { open }) => {
                repaired.blank(&statement.reach);
                repaired.mistakes.push(
                    Diagnostic::error("unclosed string").at(open.clone(), "this is never closed"),
                );
            }
            Some(Fault::LoneBracket { bracket, what, partner, at }) => {
                repaired.source.text.insert_str(*at, partner);
                repaired.added.push((*at, partner.len()));
                let (state, verb) = match partner.starts_with('[') {
                    true => ("unopened", "open"),
                    false => ("unclosed", "close"),
                };
                repaired.mistakes.push(
                    Diagnostic::error(format!("{state} {what}"))
                        .at(bracket.clone(), format!("expected `{partner}` to {verb} this")),
                );
            }
        }
    }
    repaired.added.reverse();
    let mistakes = std::mem::take(&mut repaired.mistakes);
    let moved = |span: &Range<usize>| repaired.forth(span.start)..repaired.forth(span.end);
    repaired.mistakes = mistakes.into_iter().map(|mistake| relabel(mistake, moved)).collect();
    repaired
}

impl Repaired {
    /// Replaces a part of the text by spaces; false if it was blank already.
    pub(super) fn blank(&mut self, span: &Range<usize>) -> bool {
        let part = &self.source.text[span.clone()];
        if part.trim().is_empty() {
            return false;
        }
        let space = |byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' };
        let blank: String = part.bytes().map(space).collect();
        self.source.text.replace_range(span.clone(), &blank);
        self.is_complete = false;
        true
    }

    /// Whether nothing is wrong with the text, as TOML, but that something is declared twice.
    pub(crate) fn is_readable(&self) -> bool {
        self.is_complete && self.mistakes.len() == self.repeated.len()
    }

    /// The text with the later ones of what is declared twice; none where nothing is.
    pub(crate) fn with_later(&self) -> Option<Self> {
        let mut later = Self {
            source: self.source.clone(),
            mistakes: Vec::new(),
            is_complete: true,
            repeated: Vec::new(),
            added: self.added.clone(),
        };
        self.repeated.iter().for_each(|earlier| _ = later.blank(earlier));
        (!self.repeated.is_empty()).then_some(later)
    }

    /// The mistake with its places in the text as it was written.
    pub(crate) fn as_written(&self, mistake: Diagnostic) -> Diagnostic {
        relabel(mistake, |span| self.back(span.start)..self.back(span.end))
    }

    /// An offset of the written text in the repaired one.
    fn forth(&self, offset: usize) -> usize {
        let before = self.added.iter().filter(|(at, _)| *at < offset);
        offset + before.map(|(_, len)| len).sum::<usize>()
    }

    /// An offset of the repaired text in the written one; what was added counts as its place.
    fn back(&self, offset: usize) -> usize {
        let mut shift = 0;
        for (at, len) in &self.added {
            if at + shift >= offset {
                break;
            }
            shift += (*len).min(offset - (at + shift));
        }
        offset - shift
    }
}

fn relabel(mut mistake: Diagnostic, moved: impl Fn(&Range<usize>) -> Range<usize>) -> Diagnostic {
    let all: Vec<&mut Label> = mistake.label.iter_mut().chain(&mut mistake.related).collect();
    for label in all {
        label.span = moved(&label.span);
    }
    mistake
}
