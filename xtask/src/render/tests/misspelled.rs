//! Every name in every template, misspelled one at a time: rendering fails and tells the line.

use super::fixture;
use crate::render::{Job, Templates, engine, jobs};
use std::collections::BTreeSet;
use std::ops::Range;

const KEYWORDS: [&str; 12] =
    ["for", "in", "endfor", "if", "elif", "else", "endif", "not", "and", "or", "raw", "endraw"];

/// A name in the code of a template.
struct Name {
    place: Range<usize>,
    /// Between `for` and `in`: misspelled there, it is missing further down.
    binding: bool,
}

/// The names in `{{ }}` and `{% %}` that are no keyword, no filter and in no string.
fn names(text: &str) -> Vec<Name> {
    let (mut names, mut at) = (Vec::new(), 0);
    while let Some(open) = text[at..].find("{").map(|offset| at + offset) {
        let close = match &text[open..(open + 2).min(text.len())] {
            "{{" => "}}",
            "{%" => "%}",
            "{#" => "#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        let end = open + text[open..].find(close).expect("a block that ends");
        at = end + 2;
        if text[open..end].trim_start_matches(['{', '%', '-', ' ']).starts_with("raw") {
            at += text[at..].find("{% endraw").expect("a raw block that ends");
        } else if close != "#}" {
            names.extend(in_block(text, open + 2..end));
        }
    }
    names
}

fn in_block(text: &str, block: Range<usize>) -> Vec<Name> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut names, mut at, mut binding) = (Vec::new(), block.start, false);
    while at < block.end {
        let rest = &text[at..block.end];
        let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        let word = &rest[..length];
        if let Some(string) = rest.strip_prefix('"') {
            at += 2 + string.find('"').expect("a string that ends");
        } else if length == 0 {
            at += 1;
        } else {
            let filter = text[..at].trim_end().ends_with('|');
            if KEYWORDS.contains(&word) {
                binding = word == "for";
            } else if !filter && !word.starts_with(|c: char| c.is_ascii_digit()) {
                names.push(Name { place: at..at + length, binding });
            }
            at += length;
        }
    }
    names
}

fn told(job: &Job, text: String) -> Option<String> {
    let templates = Templates::new([(job.template.clone(), text)]);
    let rendered = engine::render(job.language, &job.template, &templates, &job.view);
    rendered.err().map(|report| report.to_string())
}

#[test]
fn every_misspelled_name_is_told_with_its_file_and_line() {
    let config = fixture::config();
    let templates = fixture::templates(&config);
    let (mut silent, mut misspelled, mut seen) = (Vec::new(), 0, BTreeSet::new());
    for job in jobs(&config, &fixture::facts(), &templates).0 {
        let text = templates.text(&job.template).expect("a loaded template");
        seen.insert(job.template.clone());
        for Name { place, binding } in names(text) {
            let line = text[..place.start].matches('\n').count() + 1;
            let wrong = format!("{}z{}", &text[..place.end], &text[place.end..]);
            misspelled += 1;
            let expected = match binding {
                true => format!("--> {}:", job.template),
                false => format!("--> {}:{line}:", job.template),
            };
            let told = told(&job, wrong).unwrap_or_default();
            if !told.contains(&expected) || !told.contains("does not exist") {
                silent.push(format!("{}:{line}: {}z {told}", job.template, &text[place]));
            }
        }
    }
    assert!(silent.is_empty(), "{} of {misspelled}:\n{}", silent.len(), silent.join("\n"));
    assert!(misspelled > 200, "only {misspelled} names were misspelled");
    assert_eq!(seen.len(), templates.iter().count(), "a template that is not rendered");
}
