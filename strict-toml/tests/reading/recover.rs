//! Reading on: rules beyond the schema are judged beside its mistakes, and never because of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use strict_toml::{Diagnostic, Duration, Formats, Source, Spanned, parse_recovering};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    main: Spanned<String>,
    backup: Option<Spanned<String>>,
    #[serde(default = "interval")]
    interval: Spanned<Duration>,
    timeout: Spanned<Duration>,
    #[serde(default)]
    kind: Kind,
    used: Vec<Spanned<String>>,
    hosts: BTreeMap<Spanned<String>, Host>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Host {
    port: Spanned<u16>,
    note: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Plain,
    Doubled,
}

fn interval() -> Spanned<Duration> {
    Spanned::from(Duration::from_secs(10))
}

/// Rules of each sort: about one value, two values, a name that is declared elsewhere, something that is not there.
fn rules(config: &Config) -> Result<(), Vec<Diagnostic>> {
    let mut found = Vec::new();
    let mut say = |message: String, place: &Spanned<String>| {
        found.push(Diagnostic::error(message).at(place.span(), ""));
    };
    for note in config.hosts.values().filter_map(|host| host.note.as_ref()) {
        say(format!("note {note}"), note);
    }
    if config.main.starts_with("no-") {
        say(format!("no file {}", config.main), &config.main);
    }
    for name in &config.used {
        if !config.hosts.contains_key(name) {
            say(format!("unknown host {name}"), name);
        }
    }
    for name in config.hosts.keys().filter(|name| !config.used.contains(name)) {
        say(format!("unused host {name}"), name);
    }
    if config.kind == Kind::Doubled && config.backup.is_none() {
        say("no backup".to_owned(), &config.main);
    }
    if let (Kind::Plain, Some(backup)) = (&config.kind, &config.backup) {
        say("a backup that is not used".to_owned(), backup);
    }
    if config.timeout > config.interval {
        found.push(Diagnostic::error("timeout too long").at(config.timeout.span(), ""));
    }
    let mut ports = BTreeMap::new();
    for host in config.hosts.values() {
        if ports.insert(*host.port.get(), host).is_some() {
            let port = host.port.get();
            found.push(Diagnostic::error(format!("port {port} twice")).at(host.port.span(), ""));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

const GOOD: &str = r#"
main = "a"
timeout = "5s"
used = ["one", "two"]
[hosts]
one = { port = 1 }
two = { port = 2 }
"#;

/// Exchanges parts of a good text; these are the messages then, those of the schema and those of the rules.
#[track_caller]
fn check(changes: &[(&str, &str)], expected: &[&str]) {
    let text = changes.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "no `{from}`");
        text.replacen(from, to, 1)
    });
    let source = Source::new("a.toml", text);
    let found = parse_recovering::<Config>(&source, &Formats::default()).lower(rules);
    let found = found.err().unwrap_or_default();
    let messages: Vec<_> = found.iter().map(|mistake| mistake.message.as_str()).collect();
    assert_eq!(messages, expected);
}

#[test]
fn a_text_without_mistakes_is_lowered() {
    check(&[], &[]);
    check(&[("\"a\"", "\"no-a\"")], &["no file no-a"]);
}

#[test]
fn mistakes_of_the_schema_hide_none_of_the_rules() {
    check(
        &[
            ("\"a\"", "\"no-a\"\nextra = 1"),
            ("\"5s\"", "\"5x\""),
            ("\"two\"]", "\"six\"]"),
            ("port = 2", "port = 1, note = 3"),
        ],
        &[
            "no file no-a",
            "unknown key `extra` at the top level",
            "`timeout`: `5x` has the unknown unit `x`",
            "unknown host six",
            "unused host two",
            "port 1 twice",
            "`hosts.two.note` must be a string, not an integer",
        ],
    );
}

#[test]
fn a_misspelled_key_is_judged_as_what_it_was_taken_for() {
    check(
        &[("main = \"a\"", "mian = \"no-a\"")],
        &["unknown key `mian` at the top level", "no file no-a"],
    );
}

#[test]
fn what_follows_from_a_mistake_is_not_said() {
    // A value that does not fit is neither too long nor in use, nor is it missing.
    check(&[("\"5s\"", "5")], &["`timeout` must be a duration, not an integer"]);
    check(
        &[("timeout", "interval = 5\ntimeout")],
        &["`interval` must be a duration, not an integer"],
    );
    check(
        &[("port = 1", "port = 70000"), ("port = 2", "port = 70000")],
        &["`hosts.one.port` is out of range: 70000", "`hosts.two.port` is out of range: 70000"],
    );
    // The second name may have been the host.
    check(&[("\"two\"]", "2]")], &["an entry of `used` must be a string, not an integer"]);
    // Nobody knows which hosts there were, nor which were used.
    check(
        &[("[hosts]\none = { port = 1 }\ntwo = { port = 2 }\n", "")],
        &["missing table `[hosts]`"],
    );
    check(&[("used = [\"one\", \"two\"]", "")], &["missing key `used` at the top level"]);
}

#[test]
fn an_enum_that_does_not_fit_may_have_been_any_of_its_words() {
    let unknown = "unknown value `other` for `kind`";
    check(&[("timeout", "kind = \"other\"\ntimeout")], &[unknown]);
    check(&[("timeout", "backup = \"b\"\nkind = \"other\"\ntimeout")], &[unknown]);
    // One that is misspelled is what it was taken for.
    check(
        &[("timeout", "kind = \"dubled\"\ntimeout")],
        &["no backup", "unknown value `dubled` for `kind`"],
    );
}

#[test]
fn an_unknown_key_may_have_been_one_that_is_missing() {
    check(
        &[("timeout", "kind = \"doubled\"\nreserve = \"b\"\ntimeout")],
        &["unknown key `reserve` at the top level"],
    );
    // It was written into another table.
    check(
        &[("timeout", "kind = \"doubled\"\ntimeout"), ("port = 1", "port = 1, backup = \"b\"")],
        &["unknown key `backup` in `[hosts.one]`"],
    );
}

#[test]
fn a_misspelled_header_beside_the_right_one_declares_as_well() {
    check(
        &[("two = { port = 2 }", "[host]\ntwo = { port = 1 }")],
        &["unknown key `host` at the top level", "port 1 twice"],
    );
}

#[test]
fn of_what_is_declared_twice_either_may_have_been_meant() {
    check(
        &[("\"a\"", "\"no-a\""), ("timeout = \"5s\"", "timeout = \"15s\"\ntimeout = \"5s\"")],
        &["no file no-a", "duplicate key `timeout`"],
    );
    check(&[("main = \"a\"", "main = \"a\"\nmain = \"no-a\"")], &["duplicate key `main`"]);
    // Whether a host is used, and whether there is one, depends on which was meant.
    check(
        &[("used", "used = [\"one\", \"six\"]\nused"), ("\"a\"", "\"no-a\"")],
        &["no file no-a", "duplicate key `used`"],
    );
    check(
        &[("port = 2 }", "port = 2 }\n[hosts.three]\nport = 1\n[hosts.three]\nport = 3")],
        &["duplicate key `three`", "unused host three", "duplicate key `port`"],
    );
    check(
        &[("one = { port = 1 }", "one = { port = 1, port = 2 }"), ("\"a\"", "\"no-a\"")],
        &["no file no-a", "duplicate key `port`"],
    );
}

#[test]
fn what_is_declared_twice_hides_nothing_that_the_schema_sees() {
    check(
        &[("main = \"a\"\ntimeout = \"5s\"", "interval = \"5s\"\ninterval = \"5s\"\nextra = 1")],
        &[
            "duplicate key `interval`",
            "unknown key `extra` at the top level",
            "missing key `main` at the top level",
            "missing key `timeout` at the top level",
        ],
    );
    // What the first lacks may be in the second.
    check(
        &[("two = { port = 2 }", "[hosts.two]\nnote = \"n\"\n[hosts.two]\nport = 2")],
        &["duplicate key `two`"],
    );
}

#[test]
fn a_text_that_is_no_toml_is_judged_by_its_schema_only() {
    check(
        &[("\"a\"", "\"no-a"), ("\"5s\"", "5")],
        &["unclosed string", "`timeout` must be a duration, not an integer"],
    );
}
