//! TOML, JSON and YAML, and in the latter two PromQL and Go templates.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

pub(super) fn toml(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
    serde_json::to_value(table).expect("a table is an object")
}

pub(super) fn json(text: &str) -> Value {
    let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    expressions("", value)
}

/// What is under a key that Grafana reads as PromQL is read so.
fn expressions(key: &str, value: Value) -> Value {
    match value {
        Value::String(text) if matches!(key, "expr" | "query" | "definition") => promql(&text),
        Value::Array(items) => items.into_iter().map(|item| expressions(key, item)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let value = expressions(&name, value);
                (name, value)
            });
            Value::Object(fields.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

pub(super) fn yaml(text: &str) -> Value {
    let mut documents = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(documents.len(), 1, "one document\n{text}");
    node("", documents.remove(0))
}

/// What is under a key that holds another language is read in that language.
fn node(key: &str, yaml: Yaml) -> Value {
    match yaml {
        Yaml::Value(Scalar::String(text)) => match key {
            "expr" | "series" => promql(&text),
            // Made from the product's name by dropping characters.
            "alert" | "alertname" => json!("an alert"),
            _ => json!(text),
        },
        Yaml::Value(scalar) => json!(format!("{scalar:?}")),
        Yaml::Sequence(items) => items.into_iter().map(|item| node(key, item)).collect(),
        Yaml::Mapping(fields) => {
            let field = |(name, value): (Yaml, Yaml)| {
                let name = name.as_str().expect("a key is a text").to_owned();
                let value = if key == "annotations" {
                    go_template(value.as_str().expect("an annotation is a text"))
                } else {
                    node(&name, value)
                };
                (name, value)
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        Yaml::Representation(..) | Yaml::Tagged(..) | Yaml::Alias(_) | Yaml::BadValue => {
            panic!("unexpected {yaml:?}")
        }
    }
}

/// The expression without its strings, and the strings.
fn promql(text: &str) -> Value {
    let (mut code, mut strings) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, string)) = rest.split_once('"') {
        code += before;
        code += "\"\"";
        let (string, after) = go_string(string);
        strings.push(string);
        rest = after;
    }
    code += rest;
    assert!(code.is_ascii(), "{code}");
    json!({ "code": code, "strings": strings })
}

/// A Go string literal up to its closing quote, and what follows it.
fn go_string(text: &str) -> (String, &str) {
    let mut string = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().expect("the string ends") {
            '"' => return (string, chars.as_str()),
            '\\' => string.push(match chars.next().expect("an escape") {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                'u' => code_point(&mut chars, 4),
                'U' => code_point(&mut chars, 8),
                other => panic!("unknown escape {other:?} in {text}"),
            }),
            '\n' => panic!("a line break in a string: {text}"),
            c => string.push(c),
        }
    }
}

fn code_point(chars: &mut std::str::Chars, digits: usize) -> char {
    let hex: String = chars.by_ref().take(digits).collect();
    u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32).expect("a code point")
}

/// Text and actions; an action that is one raw string stands for that text.
fn go_template(text: &str) -> Value {
    let (mut parts, mut plain) = (Vec::new(), String::new());
    let mut rest = text;
    while let Some((before, action)) = rest.split_once("{{") {
        plain += before;
        // No action here holds its own end in a string.
        let (action, after) = action.split_once("}}").expect("the action ends");
        match action.strip_prefix('`').and_then(|action| action.strip_suffix('`')) {
            Some(raw) => plain += raw,
            None => parts.extend([json!(std::mem::take(&mut plain)), json!({ "action": action })]),
        }
        rest = after;
    }
    plain += rest;
    parts.push(json!(plain));
    Value::Array(parts)
}
