//! Control files of Debian packages: fields, and lines that continue them (deb822(5)).

use super::systemd::decoded;
use serde_json::{Value, json};

pub(super) fn control(text: &str) -> Value {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in paragraph.lines() {
            if let Some(more) = line.strip_prefix(' ') {
                assert!(!more.starts_with(['.', ' ']), "a line with a meaning: {line:?}");
                let (_, value) = fields.last_mut().expect("a field to continue");
                value.push(' ');
                value.push_str(more);
            } else {
                let (name, value) = line.split_once(':').expect("a field");
                assert!(fields.iter().all(|(other, _)| other != name), "{name} twice");
                let uri = matches!(name, "Homepage" | "Source");
                let value = value.trim();
                fields.push((name.to_owned(), if uri { decoded(value) } else { value.to_owned() }));
            }
        }
        json!(fields)
    });
    Value::Array(paragraphs.collect())
}

/// Fields, an empty line, and text up to the end.
pub(super) fn preamble(text: &str) -> Value {
    let (fields, description) = text.split_once("\n\n").expect("a description");
    let fields = fields.lines().map(|line| {
        let (name, value) = line.split_once(": ").expect("a field");
        json!([name, if name == "URL" { decoded(value) } else { value.to_owned() }])
    });
    json!([fields.collect::<Vec<_>>(), description])
}

pub(super) fn lines(text: &str) -> Value {
    let line = |line: &str| match line.split_once("told at ") {
        Some((before, uri)) => json!([before, decoded(uri)]),
        None => json!(line),
    };
    Value::Array(text.lines().map(line).collect())
}
