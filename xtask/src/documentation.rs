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
    let values: Vec<_> = keys.iter().filter(|key| !is_table(key)).collect();
    let mut text = INTRODUCTION.to_owned();
    let _infallible = write!(text, "\n## Top level\n\n{}", entries(&values, ""));
    // What is said of a table of tables goes before what is said of the tables in it.
    let mut outer = String::new();
    for table in keys.iter().filter(|key| is_table(key)) {
        let need = if table.required { "Required. " } else { "" };
        let about = format!("{outer}{need}{}", table.description.replace('\n', " "));
        outer = String::new();
        if table.kind == "table of tables" {
            outer = about + " ";
            continue;
        }
        let name = table.path.trim_end_matches("[]");
        let header = if table.kind == "list of tables" {
            format!("[[{name}]]")
        } else {
            format!("[{name}]")
        };
        let inside =
            if table.kind == "list of tables" { format!("{name}[]") } else { name.to_owned() };
        let _infallible =
            write!(text, "\n## `{header}`\n\n{about}\n\n{}", entries(&values, &inside));
    }
    text.trim_end().to_owned() + "\n"
}

fn is_table(key: &KeyDoc) -> bool {
    matches!(key.kind.as_str(), "table" | "table of tables" | "list of tables")
}

fn entries(values: &[&KeyDoc], table: &str) -> String {
    values.iter().filter(|key| table_of(&key.path) == table).map(|key| entry(key)).collect()
}

/// The table a key stands in: its path without the last part.
fn table_of(path: &str) -> &str {
    path.rfind('.').map_or("", |dot| &path[..dot])
}

fn entry(key: &KeyDoc) -> String {
    let name = key.path.rsplit('.').next().unwrap_or(&key.path);
    let mut facts = vec![key.kind.clone()];
    facts.push(match (&key.default, key.required) {
        (Some(default), _) => format!("default `{default}`"),
        (None, true) => "required".to_owned(),
        (None, false) => "optional".to_owned(),
    });
    facts.extend(key.range.clone());
    if !key.allowed.is_empty() {
        facts.push(format!(
            "one of {}",
            key.allowed.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
        ));
    }
    format!("- **`{name}`** ({}): {}\n", facts.join("; "), key.description.replace('\n', " "))
}
