//! One test for each thing a template can get wrong, with all that a person is told.

use super::*;
use serde_json::json;

#[track_caller]
fn check(text: &str, expected: &str) {
    let view = json!({ "name": "node", "port": 80, "listeners": [{ "port": 80, "host": "a" }],
        "user": { "name": "x" } });
    let templates = Templates::new([("t.j2".to_owned(), text.to_owned())]);
    let told = match render(Language::Json, "t.j2", &templates, &view) {
        Ok(text) => text,
        Err(report) => report.to_string(),
    };
    assert_eq!(told, expected.trim(), "\n{told}");
}

#[test]
fn all_unknown_names_and_filters_are_told_in_one_run() {
    check(
        "{{ name | jsno }}: {{ prot }}\n{% if nmae %}{{ listener.port }}{{ port.x }}{% endif %}",
        "
error: filter `jsno` does not exist
 --> t.j2:1:11
  |
1 | {{ name | jsno }}: {{ prot }}
  |           ^^^^ unknown filter
  |
  = help: did you mean `json`?
  = note: there are `json`, `items`

error: `prot` does not exist
 --> t.j2:1:23
  |
1 | {{ name | jsno }}: {{ prot }}
  |                       ^^^^ unknown name
  |
  = help: did you mean `port`?
  = note: there are `listeners`, `name`, `port`, `user`

error: `nmae` does not exist
 --> t.j2:2:7
  |
2 | {% if nmae %}{{ listener.port }}{{ port.x }}{% endif %}
  |       ^^^^ unknown name
  |
  = help: did you mean `name`?
  = note: there are `listeners`, `name`, `port`, `user`

error: `listener` does not exist
 --> t.j2:2:17
  |
2 | {% if nmae %}{{ listener.port }}{{ port.x }}{% endif %}
  |                 ^^^^^^^^ unknown name
  |
  = help: did you mean `listeners`?
  = note: there are `listeners`, `name`, `port`, `user`

error: `port.x` does not exist
 --> t.j2:2:41
  |
2 | {% if nmae %}{{ listener.port }}{{ port.x }}{% endif %}
  |                                         ^ unknown name
",
    );
}

#[test]
fn a_name_inside_a_list_is_told_by_what_its_items_have() {
    check(
        "{% for listener in listeners %}\n{{ listener.prot }}\n{% endfor %}",
        "
error: `listener.prot` does not exist
 --> t.j2:2:13
  |
2 | {{ listener.prot }}
  |             ^^^^ unknown name
  |
  = help: did you mean `port`?
  = note: there are `host`, `port`
",
    );
}

#[test]
fn a_text_without_a_filter_is_refused() {
    check(
        "a: {{ name }}",
        "
error: the value is written without a filter
 --> t.j2:1:7
  |
1 | a: {{ name }}
  |       ^^^^ not escaped
  |
  = help: every text goes through one of the filters `json`
",
    );
}

#[test]
fn minijinjas_own_filters_do_not_mark_a_text_as_escaped() {
    check(
        "{{ name | safe }}",
        "
error: filter `safe` does not exist
 --> t.j2:1:11
  |
1 | {{ name | safe }}
  |           ^^^^ unknown filter
  |
  = note: there are `json`, `items`
",
    );
}

#[test]
fn a_forgotten_raw_block_is_a_mistake_of_syntax() {
    check(
        "a\n{{ $labels.instance }}",
        "
error: unexpected character
 --> t.j2:2:4
  |
2 | {{ $labels.instance }}
  |    ^ here
",
    );
}

#[test]
fn a_block_that_is_not_ended_is_told_with_its_place() {
    check(
        "{% for x in listeners %}",
        "
error: unexpected end of input, expected end of block
 --> t.j2:1:23
  |
1 | {% for x in listeners %}
  |                       ^^ here
",
    );
}

#[test]
fn a_template_that_is_missing_is_told() {
    let report = render(Language::Json, "t.j2", &Templates::default(), &json!({}));
    let report = report.expect_err("there is no template");
    assert_eq!(report.to_string(), "error: template `t.j2` is missing\n--> t.j2");
}

#[test]
fn numbers_and_raw_blocks_need_no_filter() {
    check("{{ port }} {% raw %}{{ $x | y }}{% endraw %}{# {{ z }} #}", "80 {{ $x | y }}");
}

#[test]
fn a_filter_does_not_hide_that_a_name_does_not_exist() {
    check(
        "{% for listener in listeners %}\n{{ listener.hots | json }}\n{% endfor %}",
        "
error: `listener.hots` does not exist
 --> t.j2:2:13
  |
2 | {{ listener.hots | json }}
  |             ^^^^ unknown name
  |
  = help: did you mean `host`?
  = note: there are `host`, `port`
",
    );
}

#[test]
fn names_in_dead_branches_are_told_however_they_are_written() {
    check(
        "{% if false %}{{ user . nmae | json }}{{ user[\"nmae\"] | json }}{% endif %}",
        "
error: `user.nmae` does not exist
 --> t.j2:1:25
  |
1 | {% if false %}{{ user . nmae | json }}{{ user[\"nmae\"] | json }}{% endif %}
  |                         ^^^^ unknown name
  |
  = help: did you mean `name`?
  = note: there are `name`

error: `user.nmae` does not exist
 --> t.j2:1:48
  |
1 | {% if false %}{{ user . nmae | json }}{{ user[\"nmae\"] | json }}{% endif %}
  |                                                ^^^^ unknown name
  |
  = help: did you mean `name`?
  = note: there are `name`
",
    );
}

#[test]
fn a_filter_is_given_nothing_that_does_not_exist_while_rendering() {
    check(
        "{{ listeners[7] | json }}",
        "
error: filter `json` is given a value that does not exist
 --> t.j2:1:19
  |
1 | {{ listeners[7] | json }}
  |                   ^^^^ here
",
    );
}
