//! The pages of documentation that are made from the code, so that they cannot drift from it. Pure.

use crate::config;
use std::fmt::Write;
use strict_toml::KeyDoc;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it is, relative to the workspace root.
    pub path: &'static str,
    /// Its whole text.
    pub contents: String,
}

/// All pages.
pub fn pages() -> Vec<Page> {
    vec![Page { path: "docs/release-toml.md", contents: declaration() }]
}

const INTRODUCTION: &str = "\
# The declaration, key by key

`packaging/release.toml` is the one source of a release. This page is made from the types that read it by
`cargo xtask docs`; a test refuses a page that differs. `cargo xtask schema` prints the same as JSON Schema, for editors.

An unknown or misplaced key, a wrong type, a value that is not allowed, a missing file, a duplicate: all mistakes are
reported in one run, each with its place, and nothing is written (exit code 3). `<name>` and `<triple>` stand for names
that you choose and for target triples. Paths are relative to the workspace root and have forward slashes.
";

fn declaration() -> String {
    let keys = strict_toml::reference(&config::schema());
    format!("{INTRODUCTION}\n{}", sections(&keys, "##"))
}

/// Every key as Markdown, a section for each table; `heading` is what a heading starts with.
#[must_use]
pub fn sections(keys: &[KeyDoc], heading: &str) -> String {
    let tables: Vec<_> = keys.iter().filter(|key| is_table(key)).collect();
    let names: Vec<_> = tables.iter().map(|table| inside(table)).collect();
    let mut text = format!("{heading} Top level\n\n{}", entries(keys, &names, ""));
    // What is said of a table that only holds others goes before what is said of the first of them.
    let mut outer = String::new();
    for (index, table) in tables.iter().enumerate() {
        let need = if table.required { "Required. " } else { "" };
        let kinds = if table.allowed.is_empty() { String::new() } else { one_of(&table.allowed) };
        let about = format!("{outer}{need}{}{kinds}", table.description.replace('\n', " "));
        let entries = entries(keys, &names, &names[index]);
        let next = names.get(index + 1);
        let holds_the_next = next.is_some_and(|next| table_of(next) == names[index]);
        outer = String::new();
        if entries.is_empty() && holds_the_next {
            outer = about + " ";
            continue;
        }
        let name = table.path.trim_end_matches("[]");
        let header = if table.kind == "list of tables" {
            format!("[[{name}]]")
        } else {
            format!("[{name}]")
        };
        let _infallible = write!(text, "\n{heading} `{header}`\n\n{about}\n");
        if !entries.is_empty() {
            let _infallible = write!(text, "\n{entries}");
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn is_table(key: &KeyDoc) -> bool {
    matches!(key.kind.as_str(), "table" | "table of tables" | "list of tables")
}

/// What the paths of the keys in a table start with.
fn inside(table: &KeyDoc) -> String {
    let list = if table.kind == "list of tables" { "[]" } else { "" };
    format!("{}{list}", table.path.trim_end_matches("[]"))
}

/// The keys of a table of `tables`, and those of what may be a string or a table in it.
fn entries(keys: &[KeyDoc], tables: &[String], table: &str) -> String {
    // A table of strings says so itself.
    let is_said = |key: &&KeyDoc| !is_table(key) && !key.description.is_empty();
    let values = keys.iter().filter(is_said);
    values
        .filter(|key| section_of(tables, &key.path) == table)
        .map(|key| entry(key, table))
        .collect()
}

/// The innermost of the tables that a key stands in.
fn section_of<'a>(tables: &'a [String], path: &'a str) -> &'a str {
    let mut table = table_of(path);
    while !table.is_empty() && !tables.iter().any(|name| name == table) {
        table = table_of(table);
    }
    table
}

/// The table a key stands in: its path without the last part.
fn table_of(path: &str) -> &str {
    path.rfind('.').map_or("", |dot| &path[..dot])
}

fn entry(key: &KeyDoc, table: &str) -> String {
    let name = key.path[table.len()..].trim_start_matches('.');
    let mut facts = vec![key.kind.clone()];
    facts.push(match (&key.default, key.required) {
        (Some(default), _) => format!("default `{default}`"),
        (None, true) => "required".to_owned(),
        (None, false) => "optional".to_owned(),
    });
    facts.extend(key.range.clone());
    if !key.allowed.is_empty() {
        facts.push(format!("one of {}", words(&key.allowed)));
    }
    let text = key.description.replace('\n', " ");
    format!(
        "- **`{name}`** ({}){}{text}\n",
        facts.join("; "),
        if text.is_empty() { "" } else { ": " }
    )
}

fn one_of(keys: &[String]) -> String {
    format!(" One of {}.", words(keys))
}

fn words(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
