//! Which rules of a schema the checker does not know.
//!
//! A schema can say more than is checked here (regular expressions, conditions). A type whose
//! schema does should be found by a test, not by a user.

use serde_json::Value;

/// Keywords the checker enforces, and those that state no rule.
const KNOWN: [&str; 27] = [
    "$schema",
    "$id",
    "$ref",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "type",
    "format",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "required",
    "minProperties",
    "maxProperties",
];

/// JSON pointers of the keywords in `schema` that [`crate::parse`] does not enforce.
///
/// For a test beside the type: its list should be empty. Keywords starting `x-` state no rule.
#[must_use]
pub fn unchecked(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    visit(schema, "", &mut found);
    found
}

fn visit(schema: &Value, pointer: &str, found: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else { return };
    for (keyword, value) in keywords {
        let here = format!("{pointer}/{keyword}");
        match keyword.as_str() {
            "properties" | "$defs" => {
                for (name, schema) in value.as_object().into_iter().flatten() {
                    visit(schema, &format!("{here}/{name}"), found);
                }
            }
            "anyOf" | "oneOf" | "prefixItems" => {
                for (index, schema) in value.as_array().into_iter().flatten().enumerate() {
                    visit(schema, &format!("{here}/{index}"), found);
                }
            }
            "items" | "additionalProperties" | "propertyNames" => visit(value, &here, found),
            // Only words are compared; serde alone knows numbers and booleans of an enum.
            "enum" if !value.as_array().is_some_and(|values| values.iter().all(is_word)) => {
                found.push(here);
            }
            "const" if !is_word(value) => found.push(here),
            "type" if value.as_array().is_some_and(|types| types.len() > 2) => found.push(here),
            name if KNOWN.contains(&name) || name.starts_with("x-") => {}
            _ => found.push(here),
        }
    }
}

fn is_word(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_nobody_enforces_is_named_by_its_place() {
        let schema = json!({
            "type": "object",
            "properties": { "pattern": { "type": "string", "pattern": "^a" } },
            "patternProperties": { "^a": true },
            "$defs": { "Level": { "enum": [1, 2] }, "N": { "anyOf": [{ "multipleOf": 2 }, { "minimum": 1 }] } },
        });
        assert_eq!(
            unchecked(&schema),
            [
                "/properties/pattern/pattern",
                "/patternProperties",
                "/$defs/Level/enum",
                "/$defs/N/anyOf/0/multipleOf"
            ]
        );
    }
}
