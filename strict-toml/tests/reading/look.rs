//! How it looks where text is awkward, and what a program gets to read.

use crate::sample::{check, check_exactly, parse, with};
use strict_toml::{Diagnostic, Report, Source};

#[test]
fn the_caret_stands_right_behind_wide_and_combined_characters() {
    check(
        "product = { name = \"edge\", display-name = \"日本語 é\", size = 1 }\n",
        r#"
error: unknown key `size` in `[product]`
 --> a.toml:1:52
  |
1 | product = { name = "edge", display-name = "日本語 é", size = 1 }
  |                                                       ^^^^ unknown key
  |
  = note: the keys of `[product]` are `name`, `display-name`, `size-max`, `since`
"#,
    );
}

#[test]
fn carriage_returns_do_not_show() {
    check_exactly(
        "[product]\r\nname = \"edge\"\r\n\r\n[service]\r\nworkers = 0\r\n",
        r"
error: `service.workers` is out of range: 0
 --> a.toml:5:11
  |
5 | workers = 0
  |           ^ must be 1 to 65535
",
    );
}

#[test]
fn a_byte_order_mark_does_not_shift_the_caret() {
    check_exactly(
        "\u{feff}level = \"loud\"\n[product]\nname = \"edge\"\n",
        r#"
error: unknown value `loud` for `level`
 --> a.toml:1:9
  |
1 | level = "loud"
  |         ^^^^^^ expected one of `debug`, `info`, `error`
"#,
    );
}

#[test]
fn a_last_line_without_its_end_is_a_line() {
    check(
        "[product]\nnom = \"edge\"",
        r#"
error: missing key `name` in `[product]`
 --> a.toml:1:1
  |
1 | [product]
  | ^^^^^^^^^ `name` (string) is required here
  |
  = note: `name`: The name of the program.

error: unknown key `nom` in `[product]`
 --> a.toml:2:1
  |
2 | nom = "edge"
  | ^^^ unknown key
  |
  = note: the keys of `[product]` are `name`, `display-name`, `size-max`, `since`
"#,
    );
    check(
        "[product]",
        r"
error: missing key `name` in `[product]`
 --> a.toml:1:1
  |
1 | [product]
  | ^^^^^^^^^ `name` (string) is required here
  |
  = note: `name`: The name of the program.
",
    );
}

#[test]
fn an_empty_text_is_only_incomplete() {
    check_exactly(
        "",
        r"
error: missing table `[product]`
 --> a.toml:1:1
  |
1 |
  | ^ `product` (table) is required
  |
  = note: `product`: What is shipped.
",
    );
    check_exactly(
        "\n\n# nothing\n",
        r"
error: missing table `[product]`
 --> a.toml:3:10
  |
3 | # nothing
  |          ^ `product` (table) is required
  |
  = note: `product`: What is shipped.
",
    );
}

#[test]
fn a_tab_before_the_mistake_keeps_the_caret_in_place() {
    check(
        &with("[service]\n\tworkers\t=\t0\n"),
        r"
error: `service.workers` is out of range: 0
 --> a.toml:4:12
  |
4 |     workers    =    0
  |                     ^ must be 1 to 65535
",
    );
}

#[test]
fn a_mistake_without_a_place_names_the_file() {
    let mistake = Diagnostic::warning("the file is older than its result").note("made in May");
    let report = Report::new(Source::new("a.toml", "a = 1\n"), vec![mistake]);
    assert!(!report.has_errors());
    assert_eq!(
        report.render(false),
        "warning: the file is older than its result\n--> a.toml\n = note: made in May\n"
    );
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let source = Source::new("a.toml", "");
    let mistakes = parse(&source).expect_err("the product is missing");
    let report = Report::new(source, mistakes);
    assert!(!report.render(false).contains('\u{1b}'));
    assert!(report.render(true).contains("\u{1b}["));
}

#[test]
fn a_program_reads_lines_and_columns_from_one() {
    let source = Source::new("a.toml", with("[service]\nworkers = 0\n"));
    let mistakes = parse(&source).expect_err("no workers");
    assert_eq!(
        Report::new(source, mistakes).to_json(),
        serde_json::json!([{
            "severity": "error",
            "file": "a.toml",
            "line": 4,
            "column": 11,
            "end_line": 4,
            "end_column": 12,
            "message": "`service.workers` is out of range: 0",
            "label": "must be 1 to 65535",
            "help": [],
            "notes": [],
        }])
    );
}

#[test]
fn diagnostics_are_sorted_by_place() {
    let at = |span| Diagnostic::error("x").at(span, "");
    let report = Report::new(Source::new("a", "abc"), vec![at(2..3), at(0..1)]);
    let starts = report.diagnostics().iter().map(|d| d.label.as_ref().map(|l| l.span.start));
    assert_eq!(starts.collect::<Vec<_>>(), [Some(0), Some(2)]);
}
