//! No text of the right types makes lowering panic, whatever its values are.
//!
//! Values are made from the schema, so that a new key is tried as soon as there is one.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value};

use super::*;

/// Pieces of what strings here look like, and of what they should not.
const PIECES: [&str; 40] = [
    "",
    "a",
    "b",
    "A",
    "-",
    ".",
    "..",
    "/",
    "//",
    ":",
    "*",
    "*.",
    "{",
    "}",
    "{a}",
    "{a...}",
    "...",
    "%2e",
    "%",
    "?",
    "#",
    " ",
    "\u{0}",
    "\n",
    "ä",
    "[::1]",
    "::",
    "127.0.0.1",
    "10.0.0.0/8",
    ":80",
    "unix:",
    "http://",
    "admin",
    "data",
    "host",
    "200",
    "200-299",
    "GET",
    "x-a",
    "\u{10ffff}",
];
const DURATIONS: [&str; 6] = ["0s", "1ms", "1s", "30s", "1h", "36500d"];
const SIZES: [&str; 5] = ["0B", "1B", "16KiB", "1TiB", "8388607TiB"];
/// Tables and lists have so many entries at most.
const ENTRIES_MAX: u8 = 3;

/// Choices to be made, from bytes; when they end, each is the first.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        let byte = self.0.next().copied().unwrap_or_default();
        usize::from(byte) % count.max(1)
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn text(&mut self) -> String {
        (0..self.below(5)).map(|_| self.of(&PIECES)).collect()
    }
}

/// A value that a schema accepts, as TOML.
fn value(root: &Value, schema: &Value, choices: &mut Choices<'_>) -> String {
    let Some(schema) = schema.as_object() else { return "0".to_owned() };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        return value(root, target, choices);
    }
    for keyword in ["anyOf", "oneOf"] {
        let of = schema.get(keyword).and_then(Value::as_array);
        let is_null = |schema: &&Value| schema.get("type").is_some_and(|name| name == "null");
        let of: Vec<_> = of.into_iter().flatten().filter(|schema| !is_null(schema)).collect();
        if !of.is_empty() {
            return value(root, of[choices.below(of.len())], choices);
        }
    }
    if let Some(word) = schema.get("const") {
        return word.to_string();
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words[choices.below(words.len())].to_string();
    }
    let stated = schema.get("type").unwrap();
    let kind = stated.as_str().or_else(|| stated[0].as_str()).unwrap();
    match kind {
        "object" => table(root, schema, choices),
        "array" => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or_default();
            let count = choices.below(ENTRIES_MAX.into()).max(least.try_into().unwrap());
            let mut items = Vec::new();
            for _ in 0..count {
                let item = value(root, &schema["items"], choices);
                let is_unique = schema.get("uniqueItems").is_some();
                if !is_unique || !items.contains(&item) {
                    items.push(item);
                }
            }
            format!("[{}]", items.join(", "))
        }
        "string" => string(schema, choices),
        "integer" => integer(schema, choices),
        "number" => choices.of(&["0", "0.5", "1.0"]).to_owned(),
        "boolean" => choices.of(&["true", "false"]).to_owned(),
        other => panic!("{other} is not known here"),
    }
}

fn table(root: &Value, schema: &Map<String, Value>, choices: &mut Choices<'_>) -> String {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut entries = Vec::new();
    for (name, property) in
        schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        if required.contains(&name.as_str().into()) || choices.below(3) == 1 {
            entries.push(format!("{name} = {}", value(root, property, choices)));
        }
    }
    if let Some(each) = schema.get("additionalProperties").filter(|each| each.is_object()) {
        let names: std::collections::BTreeSet<_> =
            (0..choices.below(ENTRIES_MAX.into())).map(|_| choices.text()).collect();
        for name in names.iter().filter(|name| *name != "admin") {
            entries.push(format!(
                "{} = {}",
                Value::from(name.as_str()),
                value(root, each, choices)
            ));
        }
    }
    format!("{{ {} }}", entries.join(", "))
}

fn string(schema: &Map<String, Value>, choices: &mut Choices<'_>) -> String {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some(strict_toml::Duration::FORMAT) => choices.of(&DURATIONS).to_owned(),
        Some(strict_toml::ByteSize::FORMAT) => choices.of(&SIZES).to_owned(),
        Some("ip") => choices.of(&["127.0.0.1", "::", "::ffff:1.2.3.4"]).to_owned(),
        Some(other) => panic!("{other} is not known here"),
        None => {
            let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or_default();
            let text = choices.text();
            if least > 0 && text.is_empty() { "a".to_owned() } else { text }
        }
    };
    Value::from(text).to_string()
}

fn integer(schema: &Map<String, Value>, choices: &mut Choices<'_>) -> String {
    let bound = |keyword| schema.get(keyword).and_then(Value::as_f64);
    let (least, most) = (bound("minimum").unwrap_or(0.0), bound("maximum").unwrap_or(65535.0));
    let between = least + (most - least) * [0.0, 0.3, 1.0][choices.below(3)];
    format!("{:.0}", between.floor())
}

/// A text of these choices. JSON's escapes are TOML's as well.
fn text(choices: &[u8]) -> String {
    let (schema, mut choices) = (config_schema(), Choices(choices.iter()));
    let mut text = String::new();
    for (name, property) in schema["properties"].as_object().unwrap() {
        text.push_str(&format!("{name} = {}\n", value(&schema, property, &mut choices)));
    }
    text
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 300..600)
}

/// Lowers a text of these choices; returns how many rules it breaks.
fn broken_rules(choices: &[u8]) -> usize {
    let text = text(choices);
    let source = Source::new("edge-node.toml", text.as_str());
    match strict_toml::parse::<raw::Config>(&source) {
        Ok(raw) => lower::lower(&raw, Path::new("")).err().map_or(0, |broken| broken.len()),
        Err(mistakes) => panic!("of wrong types: {text}\n{}", Report::new(source, mistakes)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_text_of_the_right_types_makes_lowering_panic(choices in choices()) {
        broken_rules(&choices);
    }
}

#[test]
fn the_texts_that_are_tried_break_many_rules() {
    let mut runner = TestRunner::deterministic();
    let mut sample = || choices().new_tree(&mut runner).unwrap().current();
    let broken: usize = (0..20).map(|_| broken_rules(&sample())).sum();
    assert!(broken > 200, "{broken}");
}
