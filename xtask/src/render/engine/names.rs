//! The code in a template, the filters in it that do not exist, and what a person is told about a wrong name.
//!
//! Where the names of values stand, and whether they exist, is found by [`super::lookup`].

use std::ops::Range;
use strict_toml::{Diagnostic, suggest};

/// A diagnostic for each filter that is not among the known ones.
pub(super) fn unknown_filters(text: &str, known: &[&str]) -> Vec<Diagnostic> {
    let places = filters(text).into_iter().filter(|place| !known.contains(&&text[place.clone()]));
    let unknown = |place: Range<usize>| {
        let name = &text[place.clone()];
        let unknown = Diagnostic::error(format!("filter `{name}` does not exist"));
        hint(unknown.at(place, "unknown filter"), name, known.iter().copied())
    };
    places.map(unknown).collect()
}

/// Adds what was probably meant and what exists.
pub(super) fn hint<'a>(
    diagnostic: Diagnostic,
    name: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let listed: Vec<String> = candidates.clone().map(|name| format!("`{name}`")).collect();
    let diagnostic = match suggest(name, candidates) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
        None => diagnostic,
    };
    if listed.is_empty() {
        return diagnostic;
    }
    diagnostic.note(format!("there are {}", listed.join(", ")))
}

/// The whole of a line, counted from 1, without its end.
pub(super) fn line_span(text: &str, line: usize) -> Range<usize> {
    let start = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let length = text[start..].lines().next().map_or(0, str::len);
    start..start + length
}

/// Where the names of filters stand in the code of a template: behind a `|` that is in no string.
fn filters(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for code in code(text) {
        let mut quote = None;
        for (offset, c) in text[code.clone()].char_indices() {
            match (c, quote) {
                ('"' | '\'', None) => quote = Some(c),
                _ if Some(c) == quote => quote = None,
                ('|', None) => {
                    let rest = &text[code.start + offset + 1..code.end];
                    let name = rest.trim_start();
                    let start = code.end - name.len();
                    let length = name.find(|c| !is_name(c)).unwrap_or(name.len());
                    places.push(start..start + length);
                }
                _ => {}
            }
        }
    }
    // Nothing behind the bar is a mistake of syntax, told by the parser.
    places.retain(|place| !place.is_empty());
    places
}

/// A character of a name.
pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The insides of `{{ }}` and `{% %}`; comments and raw blocks are no code.
pub(super) fn code(text: &str) -> Vec<Range<usize>> {
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Some(open) = text[at..].find('{').map(|offset| at + offset) {
        let close = match text.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        let start = open + 2;
        let end = text[start..].find(close).map_or(text.len(), |offset| start + offset);
        at = (end + close.len()).min(text.len());
        if close == "#}" {
            continue;
        }
        ranges.push(start..end);
        if text[start..end].trim_matches(['-', '+', ' ']) == "raw" {
            at = text[at..].find("endraw").map_or(text.len(), |offset| at + offset);
        }
    }
    ranges
}
