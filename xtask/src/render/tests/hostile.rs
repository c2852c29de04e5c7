//! Hostile values through every field into every template: the structure of no output changes, and the value arrives.
//!
//! A harmless word is put into a field, then a hostile one. Each document is read back by a reader of its language; the
//! second reading must be the first with the word exchanged, or the value must have been refused where it may be.

mod fields;
mod read;

use super::fixture;
use crate::config::model::Config;
use crate::render::{Document, Group, Templates, documents};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use strict_toml::Report;

/// A word that is harmless everywhere and nowhere else.
const WORD: &str = "marker9";

const HOSTILE: [&str; 22] = [
    "",
    " ",
    "\"",
    "'",
    "a\"b'c`d",
    "$HOME ${HOME} $(id) `id` $INSTDIR ${NSISDIR} $%PATH% $\\n $$",
    "%h %n 100% %%",
    "line\nbreak\r\nExecStart=/bin/sh\t-c",
    "{{ 7 * 7 }} {% if x %} {# note #} }} %} {{- -}}",
    "{{ $labels.instance }}{",
    "\\ \\\\ \\n \\x41 \\",
    "ünïcödé 😀 \u{2028}\u{2029}\u{85}\u{feff}",
    "-leading --dashes",
    "# ; // /* comment */",
    "key: [ a, { b: &c *d } ] | > ! % @",
    "null",
    "0x1F",
    "\u{1}\u{1b}\u{7f}",
    "\u{0}",
    "\u{fffe}\u{1ffff}",
    "{config config}",
    "'; rm -rf / #",
];

/// Fields that are texts for people or arguments: nothing is refused there but a NUL and what is too long.
const FREE: [&str; 12] = [
    "product.display-name",
    "product.publisher",
    "product.description",
    "product.homepage",
    "service.arguments",
    "service.check",
    "service.health",
    "scrape.job",
    "scrape.targets",
    "scrape.labels name",
    "scrape.labels value",
    "dashboard.panels.title",
];

/// Files of the workspace: only their base names are written.
const BASE_NAMES: [&str; 3] = ["product.license-file", "product.icon", "bundles.files.source"];

fn with(field: &str, value: &str) -> Config {
    fields::change(fixture::config(), &mut |name, text| {
        if name == field { value.to_owned() } else { text }
    })
}

fn render(config: &Config) -> Result<BTreeMap<String, Document>, Vec<Report>> {
    static TEMPLATES: LazyLock<Templates> =
        LazyLock::new(|| fixture::templates(&fixture::config()));
    let documents = documents(config, &fixture::facts(), &TEMPLATES)?;
    Ok(documents.into_iter().map(|document| (document.path.clone(), document)).collect())
}

fn every_field() -> BTreeSet<&'static str> {
    let mut fields = BTreeSet::new();
    fields::change(fixture::config(), &mut |name, text| {
        fields.insert(name);
        text
    });
    fields
}

/// What a language cannot tell apart, made alike on both sides.
fn worn(group: Group, text: &str) -> String {
    let worn = |c: char| match group {
        Group::Nsis if matches!(c, '\n' | '\r' | '\t') => c,
        Group::Nsis if matches!(c, '\u{2028}' | '\u{2029}') => ' ',
        Group::Nsis if u32::from(c) & 0xFFFE == 0xFFFE || c == '\u{feff}' => '\u{fffd}',
        Group::Nsis if c.is_control() => ' ',
        // Line breaks in `Description=` and in a user's real name; those in words are kept and compared by
        // the property tests of the filters.
        Group::Systemd | Group::Package if c.is_control() => ' ',
        // What ends a person's name is no part of it.
        Group::Package if "<>,".contains(c) => ' ',
        Group::Configuration
        | Group::Nsis
        | Group::Systemd
        | Group::Package
        | Group::Prometheus => c,
    };
    let text: String = text.chars().map(worn).collect();
    // Fields are lists of words as far as people are concerned.
    if group == Group::Package {
        return text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    // `Description=` is stripped, a real name holds no colon.
    if group == Group::Systemd { text.replace(':', " ").trim().to_owned() } else { text }
}

/// Documents with [`WORD`] in a field, and their meaning.
struct Harmless {
    field: &'static str,
    documents: Vec<(Document, Value)>,
}

impl Harmless {
    fn of(field: &'static str) -> Self {
        let documents =
            render(&with(field, WORD)).unwrap_or_else(|reports| panic!("{}", reports[0]));
        let meant = |document: Document| {
            let meaning = read::meaning(&document);
            (document, meaning)
        };
        Self { field, documents: documents.into_values().map(meant).collect() }
    }

    /// Checks documents with the value in the place of [`WORD`].
    #[track_caller]
    fn check(&self, value: &str, hostile: &BTreeMap<String, Document>) {
        let arrives = if BASE_NAMES.contains(&self.field) {
            value.rsplit('/').next().unwrap_or(value)
        } else {
            value
        };
        for (harmless, meaning) in &self.documents {
            let hostile = &hostile[&harmless.path.replace(WORD, value)];
            if hostile.contents == harmless.contents {
                continue;
            }
            let group = harmless.group;
            let exchanged = |text: &str| worn(group, &text.replace(WORD, arrives));
            let expected = read::map(meaning.clone(), &exchanged);
            let found = read::map(read::meaning(hostile), &|text| worn(group, text));
            let (field, path) = (self.field, &harmless.path);
            assert_eq!(
                found, expected,
                "{field} = {value:?} changes {path}:\n{}",
                hostile.contents
            );
        }
    }
}

#[test]
fn a_hostile_value_changes_the_structure_of_no_document() {
    let long = "x".repeat(300);
    for field in every_field() {
        let harmless = Harmless::of(field);
        for value in HOSTILE.iter().copied().chain([long.as_str()]) {
            match render(&with(field, value)) {
                Ok(hostile) => harmless.check(value, &hostile),
                Err(reports) => {
                    let may = !FREE.contains(&field) || value.contains('\0');
                    assert!(may, "{field} = {value:?} is refused: {}", reports[0]);
                }
            }
        }
    }
}

#[test]
fn the_word_arrives_in_every_group() {
    let mut reached: BTreeSet<Group> = BTreeSet::new();
    for field in every_field() {
        let documents =
            render(&with(field, WORD)).unwrap_or_else(|reports| panic!("{}", reports[0]));
        let holds = |document: &&Document| document.contents.contains(WORD);
        reached.extend(documents.values().filter(holds).map(|document| document.group));
    }
    assert_eq!(reached.len(), 5, "{reached:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_text_in_a_free_field_changes_the_structure(
        value in "[^\0]{0,60}",
        field in proptest::sample::select(FREE.to_vec()),
    ) {
        let hostile = render(&with(field, &value)).unwrap_or_else(|reports| panic!("{}", reports[0]));
        Harmless::of(field).check(&value, &hostile);
    }
}
