//! Judges a value by a JSON Schema (draft 2020-12), as far as the toolkit's own schemas use it.
//!
//! A keyword that is not known here is a panic: a schema that says more than is understood would accept too much.

use serde_json::{Map, Value};

/// Where `value` is not as `schema` says, as paths with reasons; empty where it is accepted.
///
/// # Panics
/// When the schema uses what is not known here.
pub fn refusals(schema: &Value, value: &Value) -> Vec<String> {
    let mut refusals = Vec::new();
    judge(schema, schema, value, "$", &mut refusals);
    refusals
}

fn judge(root: &Value, schema: &Value, value: &Value, place: &str, refusals: &mut Vec<String>) {
    let Value::Object(keywords) = schema else { panic!("{place}: no schema: {schema}") };
    for (keyword, wanted) in keywords {
        let accepted = match keyword.as_str() {
            "description" | "title" | "default" | "format" | "$schema" | "$defs" => true,
            "$ref" => {
                let name = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                judge(root, root.pointer(name).unwrap(), value, place, refusals);
                true
            }
            "type" => has_type(wanted, value),
            "const" => wanted == value,
            "enum" => wanted.as_array().unwrap().contains(value),
            "anyOf" => alternatives(root, wanted, value) >= 1,
            "oneOf" => alternatives(root, wanted, value) == 1,
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "minLength" | "minItems" => length(value).is_none_or(|length| length >= size(wanted)),
            "maxLength" | "maxItems" => length(value).is_none_or(|length| length <= size(wanted)),
            "uniqueItems" => value.as_array().is_none_or(|items| {
                (1..items.len()).all(|end| !items[..end].contains(&items[end]))
            }),
            "required" => value.as_object().is_none_or(|object| {
                wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|key| object.contains_key(key.as_str().unwrap()))
            }),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    judge(root, wanted, item, &format!("{place}[{index}]"), refusals);
                }
                true
            }
            "properties" | "additionalProperties" => {
                properties(root, keywords, keyword, value, place, refusals);
                true
            }
            _ => panic!("{place}: the keyword {keyword} is not known here"),
        };
        if !accepted {
            refusals.push(format!("{place}: {keyword} {wanted}"));
        }
    }
}

fn properties(
    root: &Value,
    keywords: &Map<String, Value>,
    keyword: &str,
    value: &Value,
    place: &str,
    refusals: &mut Vec<String>,
) {
    let known = keywords.get("properties").and_then(Value::as_object);
    for (key, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        match (keyword, known.and_then(|known| known.get(key)), &keywords[keyword]) {
            ("properties", Some(schema), _) => judge(root, schema, member, &place, refusals),
            ("additionalProperties", None, Value::Bool(true)) => {}
            ("additionalProperties", None, Value::Bool(false)) => {
                refusals.push(format!("{place}: unknown"));
            }
            ("additionalProperties", None, schema) => judge(root, schema, member, &place, refusals),
            _ => {}
        }
    }
}

fn alternatives(root: &Value, schemas: &Value, value: &Value) -> usize {
    let accepts = |schema: &&Value| {
        let mut refusals = Vec::new();
        judge(root, schema, value, "", &mut refusals);
        refusals.is_empty()
    };
    schemas.as_array().unwrap().iter().filter(accepts).count()
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the type {other} is not known here"),
    };
    wanted.as_array().map_or_else(|| is(wanted), |names| names.iter().any(is))
}

/// Characters of a text, items of a list.
fn length(value: &Value) -> Option<usize> {
    value.as_str().map(|text| text.chars().count()).or_else(|| value.as_array().map(Vec::len))
}

fn size(wanted: &Value) -> usize {
    usize::try_from(wanted.as_u64().unwrap()).unwrap()
}
