//! The first look at a text: is it TOML at all?
//!
//! toml's parser goes on after a mistake, but one open bracket makes it misread all that follows.
//! So an open bracket is closed where the next statement begins ([`repair`]), a statement that is
//! broken is blanked out, and the rest is read again: the tree at the end holds only what was
//! certainly meant, and each mistake is reported once.

mod declared;
mod repair;
mod statement;

use std::ops::Range;

use toml::{Spanned, de::DeTable};

use crate::{Diagnostic, Label, Source, suggest};
use statement::Statement;

pub(crate) use repair::Repaired;

/// Each reading after the first blanks out at least one more statement. A text that needs more
/// readings than this is not worth a judgement of what is left of it.
const READINGS_MAX: usize = 32;

/// How toml, and a mistake made of it, begins its complaint about what is declared twice.
const DUPLICATE: &str = "duplicate key";
/// How toml begins its complaint about keys given to what is no table.
const EXTENDS: &str = "cannot extend value of type ";

/// What could be read.
pub(crate) struct Tree<'a> {
    pub(crate) root: Spanned<DeTable<'a>>,
    /// Nothing was left out, so that what is not there is missing.
    pub(crate) is_complete: bool,
}

/// Makes a text that is TOML out of one that should be.
///
/// Returns it with all mistakes, and whether some of the text had to be left out.
pub(crate) fn read(source: &Source) -> Repaired {
    let mut repaired = repair::close(source);
    let statements = statement::split(&repaired.source.text);
    let mut broken_lines = Vec::new();
    for _ in 0..READINGS_MAX {
        let mut blanked = false;
        for error in DeTable::parse_recoverable(&repaired.source.text).1 {
            let span = repaired.source.clamp(&error.span().unwrap_or_default());
            // What follows on a broken line is an echo of the first mistake in it.
            let line = repaired.source.position(span.start).line;
            let mistake = mistake(&repaired.source.text, error.message(), &span);
            let text = &repaired.source.text;
            let keeps_tree = keeps_tree(&statements, text, error.message(), &mistake);
            let broken = statement::around(&statements, text, span.start).filter(|_| !keeps_tree);
            let repeated = repeated(&statements, text, &mistake).filter(|_| keeps_tree);
            repaired.is_complete &= repeated.is_some();
            if !broken_lines.contains(&line) {
                broken_lines.push(line);
                repaired.mistakes.push(mistake);
                repaired.repeated.extend(repeated);
            }
            blanked |= broken.is_some_and(|statement| repaired.blank(&statement.reach));
        }
        if !blanked {
            return repaired;
        }
    }
    let end = repaired.source.text.len();
    repaired.blank(&(0..end));
    repaired
}

/// The tree of a repaired text.
pub(crate) fn tree(repaired: &Repaired) -> Tree<'_> {
    let (root, _) = DeTable::parse_recoverable(&repaired.source.text);
    Tree { root, is_complete: repaired.is_complete }
}

/// Whether the parser's tree is sound in spite of the mistake.
///
/// Of two declarations it keeps the first, except where a header redeclares a plain value.
fn keeps_tree(statements: &[Statement], text: &str, message: &str, mistake: &Diagnostic) -> bool {
    let is_header = |label: &Label| {
        statement::around(statements, text, label.span.start).is_some_and(|found| found.is_header)
    };
    let first_is_header = mistake.related.first().is_some_and(is_header);
    match message {
        DUPLICATE => !mistake.label.as_ref().is_some_and(is_header) || first_is_header,
        _ => message.starts_with(EXTENDS),
    }
}

/// What a mistake says is declared again: all that was declared there first.
fn repeated(statements: &[Statement], text: &str, mistake: &Diagnostic) -> Option<Range<usize>> {
    let first = mistake.related.first().filter(|_| mistake.message.starts_with(DUPLICATE))?;
    Some(statement::around(statements, text, first.span.start)?.reach.clone())
}

fn mistake(text: &str, message: &str, span: &Range<usize>) -> Diagnostic {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let word = &text[span.clone()];
    match (what, expected) {
        (DUPLICATE, _) => declared::duplicate(text, span.clone()),
        _ if what.starts_with(EXTENDS) => declared::extended(text, what, span),
        ("unclosed table", _) => Diagnostic::error("unclosed table header")
            .at(span.clone(), format!("expected {expected}")),
        ("unclosed array table", _) => Diagnostic::error("unclosed list header")
            .at(span.clone(), format!("expected {expected}")),
        (_, "newline, `#`") => {
            Diagnostic::error(what).at(span.clone(), "expected the end of the line")
        }
        _ if expected.contains("visible characters") => Diagnostic::error(what)
            .at(span.clone(), "this character can only be written as an escape"),
        ("string values must be quoted", _) if word.trim().is_empty() => {
            Diagnostic::error("missing value").at(span.clone(), "expected a value")
        }
        ("string values must be quoted", _) => {
            let help = match suggest(word, ["true", "false"]) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("put it in quotes: \"{word}\""),
            };
            Diagnostic::error(format!("`{word}` is not a value"))
                .at(span.clone(), "expected a value")
                .help(help)
        }
        (_, "") => Diagnostic::error(what).at(span.clone(), ""),
        (_, "nothing") => Diagnostic::error(what).at(span.clone(), "nothing may stand here"),
        _ => Diagnostic::error(what).at(span.clone(), format!("expected {expected}")),
    }
}
