//! Escaping for YAML and JSON, and for PromQL and Go's text/template inside YAML.
//!
//! YAML is written in two forms only: double-quoted scalars (YAML 1.2.2 §7.3.1), and literal blocks that hold nothing
//! but printable ASCII.

use super::super::engine::{Escape, Refusal};
use minijinja::Value;

/// The filters of YAML templates.
pub(in super::super) const YAML_FILTERS: &[(&str, Escape)] = &[
    ("yaml", yaml),
    ("yaml_inside", yaml_inside),
    ("yaml_comment", yaml_comment),
    ("go_template", go_template),
    ("promql", promql),
    ("metric_name", metric_name),
    ("prometheus_duration", prometheus_duration),
];

/// The filters of JSON templates.
pub(in super::super) const JSON_FILTERS: &[(&str, Escape)] = &[("json", json)];

/// The filters of dashboards.
pub(in super::super) const DASHBOARD_FILTERS: &[(&str, Escape)] = &[
    ("json", json),
    ("grafana_promql", grafana_promql),
    ("metric_name", metric_name),
    ("label_name", label_name),
    ("prometheus_duration", prometheus_duration),
];

/// A double-quoted scalar, which is a string whatever it looks like.
fn yaml(value: &Value) -> Result<String, Refusal> {
    Ok(format!("\"{}\"", yaml_inside(value)?))
}

/// The inside of a double-quoted scalar.
fn yaml_inside(value: &Value) -> Result<String, Refusal> {
    Ok(value.to_string().chars().map(yaml_escape).collect())
}

/// Text in a comment up to the end of the line.
fn yaml_comment(value: &Value) -> Result<String, Refusal> {
    let shown =
        |c: char| if yaml_escape(c) == c.to_string() || c == '"' || c == '\\' { c } else { ' ' };
    Ok(value.to_string().chars().map(shown).collect())
}

/// Text of a Go template inside a double-quoted scalar: each `{` is written by an action, because two of them, the second
/// of which may be the template's own, would start one (<https://pkg.go.dev/text/template>).
fn go_template(value: &Value) -> Result<String, Refusal> {
    yaml_inside(&Value::from(value.to_string().replace('{', "{{`{`}}")))
}

/// A PromQL string, all ASCII (Prometheus querying basics, "String literals").
fn promql(value: &Value) -> Result<String, Refusal> {
    let escape = |c: char| match c {
        '"' => "\\\"".to_owned(),
        '\\' => r"\\".to_owned(),
        '\n' => r"\n".to_owned(),
        ' '..='~' => c.to_string(),
        _ => unicode(c),
    };
    Ok(format!("\"{}\"", value.to_string().chars().map(escape).collect::<String>()))
}

/// A PromQL string in an expression of Grafana's, inside a JSON string. What would begin one of Grafana's variables
/// (`$name`, `${name}`, `[[name]]`: "Variable syntax" of its manual) is written by its code, which only PromQL undoes.
fn grafana_promql(value: &Value) -> Result<String, Refusal> {
    let string = promql(value)?.replace('$', "\\u0024").replace('[', "\\u005b");
    let quoted = json(&Value::from(string))?;
    Ok(quoted[1..quoted.len() - 1].to_owned())
}

/// A label in an expression; PromQL can quote no name.
fn label_name(value: &Value) -> Result<String, Refusal> {
    let name = value.to_string();
    if !name.contains(':') && metric_name(value).is_ok() {
        return Ok(name);
    }
    Err(Refusal(format!("{name:?} is not a label name")))
}

/// A metric family in an expression; PromQL can quote no name.
fn metric_name(value: &Value) -> Result<String, Refusal> {
    let name = value.to_string();
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    if name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit()) {
        return Ok(name);
    }
    Err(Refusal(format!("{name:?} is not a metric name")))
}

/// Milliseconds as Prometheus writes durations: one number and the largest unit that keeps it whole.
fn prometheus_duration(value: &Value) -> Result<String, Refusal> {
    let Ok(milliseconds) = u64::try_from(value.clone()) else {
        return Err(Refusal(format!("{value} is not a number of milliseconds")));
    };
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let fits =
        |(factor, _): &&(u64, &str)| milliseconds.is_multiple_of(*factor) && milliseconds > 0;
    let (factor, unit) = UNITS.iter().find(fits).unwrap_or(&(1, "s"));
    Ok(format!("{}{unit}", milliseconds / factor))
}

/// A whole JSON value.
fn json(value: &Value) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|error| Refusal(error.to_string()))
}

fn yaml_escape(c: char) -> String {
    match c {
        '"' => "\\\"".to_owned(),
        '\\' => r"\\".to_owned(),
        '\n' => r"\n".to_owned(),
        '\t' => r"\t".to_owned(),
        // What YAML does not call printable (§5.1), and what YAML 1.1 took for line breaks.
        _ if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}') => unicode(c),
        _ if u32::from(c) & 0xFFFE == 0xFFFE => unicode(c),
        _ => c.to_string(),
    }
}

fn unicode(c: char) -> String {
    match u32::from(c) {
        code @ ..=0xFFFF => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use saphyr::{LoadableYamlNode, Yaml};

    fn ok(result: Result<String, Refusal>) -> String {
        result.unwrap_or_else(|Refusal(reason)| panic!("{reason}"))
    }

    #[test]
    fn a_duration_has_the_largest_whole_unit() {
        let written = |milliseconds: u64| ok(prometheus_duration(&Value::from(milliseconds)));
        assert_eq!(written(0), "0s");
        assert_eq!(written(1500), "1500ms");
        assert_eq!(written(90_000), "90s");
        assert_eq!(written(7_200_000), "2h");
        assert_eq!(written(14 * 86_400_000), "14d");
    }

    #[test]
    fn a_brace_in_a_go_template_is_written_by_an_action() {
        assert_eq!(ok(go_template(&Value::from("{{ x }}\""))), "{{`{`}}{{`{`}} x }}\\\"");
    }

    #[test]
    fn only_a_metric_name_is_one() {
        assert_eq!(ok(metric_name(&Value::from("http_requests_total"))), "http_requests_total");
        for bad in ["", "0a", "a-b", "a{b=\"c\"}", "ü"] {
            assert!(metric_name(&Value::from(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_label_name_is_one() {
        assert_eq!(ok(label_name(&Value::from("pool"))), "pool");
        for bad in ["", "0a", "a-b", "a:b", "ü"] {
            assert!(label_name(&Value::from(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_variable_of_grafana_begins_in_a_value() {
        let written = ok(grafana_promql(&Value::from("$job [[x]] \"ü")));
        assert_eq!(written, r#"\"\\u0024job \\u005b\\u005bx]] \\\"\\u00fc\""#);
    }

    proptest! {
        #[test]
        fn yaml_reads_back_the_string(text in any::<String>()) {
            let value = Value::from(text.clone());
            let written = format!("# {}\na: {}\n", ok(yaml_comment(&value)), ok(yaml(&value)));
            let read = Yaml::load_from_str(&written).expect("valid YAML");
            prop_assert_eq!(read[0]["a"].as_str(), Some(text.as_str()), "{}", written);
        }

        #[test]
        fn a_promql_string_can_stand_in_a_literal_block(text in any::<String>()) {
            let string = ok(promql(&Value::from(text)));
            prop_assert!(string.chars().all(|c| matches!(c, ' '..='~')), "{}", string);
        }
    }
}
