//! The tables of `docs/operations.md` are those of the code: exit codes, event ids, levels.
//!
//! `UPDATE_DOCS=1 cargo test -p tests --test operations` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;

use edge_node::exit;
use edge_node::observe::{event_log, logs};
use tests::tools;
use xtask::render::nsis::EXIT_CODES;

/// Says that the page is to be written, not compared.
const UPDATE_VARIABLE: &str = "UPDATE_DOCS";
const PAGE: &str = "docs/operations.md";
const END: &str = "<!-- end -->";

/// Each table by the name in its marker.
fn tables() -> [(&'static str, String); 4] {
    let mut setup = "| Code | Meaning |\n|---|---|\n".to_owned();
    for exit in EXIT_CODES.iter() {
        writeln!(setup, "| {} | {} |", exit.code, exit.meaning).unwrap();
    }
    [
        ("levels", logs::journal::markdown_table()),
        ("exit codes", exit::markdown_table()),
        ("exit codes of the setup", setup),
        ("event ids", event_log::markdown_table()),
    ]
}

fn marker(name: &str) -> String {
    format!("<!-- made from the code: {name} -->")
}

/// The page with its tables as they should be.
///
/// # Panics
/// When a table has no place, or more than one.
fn with_tables(page: &str) -> String {
    let mut page = page.to_owned();
    for (name, table) in tables() {
        let begin = marker(name);
        let [before, rest] = page.split(&begin).collect::<Vec<_>>()[..] else {
            panic!("{PAGE} has not one {begin}")
        };
        let (_old, after) = rest.split_once(END).unwrap_or_else(|| panic!("{begin} has no end"));
        page = format!("{before}{begin}\n\n{table}\n{END}{after}");
    }
    page
}

#[test]
fn the_tables_of_the_page_are_those_of_the_code() {
    let path = tools::workspace().join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let expected = with_tables(&page);
    if std::env::var_os(UPDATE_VARIABLE).is_some_and(|value| value == "1") {
        return fs::write(&path, expected).unwrap();
    }
    assert!(
        page == expected,
        "{PAGE} differs from the code; run {UPDATE_VARIABLE}=1 cargo test -p tests --test operations"
    );
}

#[test]
fn every_table_that_claims_to_be_made_is_made() {
    let page = fs::read_to_string(tools::workspace().join(PAGE)).unwrap();
    let claimed: Vec<&str> = page.lines().filter(|line| line.starts_with("<!-- made ")).collect();
    let mut made: Vec<String> = tables().iter().map(|(name, _)| marker(name)).collect();
    made.sort();
    let mut sorted = claimed.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, made);
    assert_eq!(page.matches(END).count(), claimed.len());
}

#[test]
fn the_configuration_that_is_shown_is_read_as_it_stands() {
    let page = fs::read_to_string(tools::workspace().join(PAGE)).unwrap();
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let text = block.split("```").next().unwrap();
        let source = strict_toml::Source::new(PAGE, text);
        let read = edge_node::config::parse(&source, std::path::Path::new(""));
        assert!(read.is_ok(), "{text}{:?}", read.err());
    }
}

#[test]
fn an_old_row_in_the_page_is_replaced() {
    let page: String = tables()
        .iter()
        .map(|(name, _)| format!("{}\n| old |\n{END}\nprose\n", marker(name)))
        .collect();
    let made = with_tables(&page);
    assert!(!made.contains("| old |") && made.matches("prose").count() == 4, "{made}");
    assert_eq!(with_tables(&made), made);
}
