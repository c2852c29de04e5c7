//! Keys: unknown, misplaced, missing, misspelled on the way to something.

use crate::sample::{check, with};

#[test]
fn an_unknown_key_is_suggested_its_neighbour() {
    check(
        &with("siz-max = \"8MB\"\n"),
        r#"
error: unknown key `siz-max` in `[product]`
 --> a.toml:3:1
  |
3 | siz-max = "8MB"
  | ^^^^^^^ unknown key
  |
  = help: did you mean `size-max`?
  = note: the keys of `[product]` are `name`, `display-name`, `size-max`, `since`
"#,
    );
}

#[test]
fn an_unknown_key_like_no_other_is_shown_the_allowed_ones() {
    check(
        &with("colour = \"red\"\n"),
        r#"
error: unknown key `colour` in `[product]`
 --> a.toml:3:1
  |
3 | colour = "red"
  | ^^^^^^ unknown key
  |
  = note: the keys of `[product]` are `name`, `display-name`, `size-max`, `since`
"#,
    );
}

#[test]
fn a_misplaced_key_is_told_its_table() {
    check(
        &with("port = 8080\n"),
        r"
error: unknown key `port` in `[product]`
 --> a.toml:3:1
  |
3 | port = 8080
  | ^^^^ misplaced key
  |
  = help: `port` belongs in `[listeners.<name>]`
  = note: the keys of `[product]` are `name`, `display-name`, `size-max`, `since`
",
    );
}

#[test]
fn a_misspelled_header_is_one_mistake_and_its_content_is_still_judged() {
    check(
        &with("[servise]\nworkers = 0\nrestrat = true\n"),
        r"
error: unknown key `servise` at the top level
 --> a.toml:3:2
  |
3 | [servise]
  |  ^^^^^^^ unknown key
  |
  = help: did you mean `service`?
  = note: the keys of the top level are `edition`, `product`, `service`, `listeners`, `files`, `checksums`, `key`, `level`, `command`, `error-ratio`

error: `servise.workers` is out of range: 0
 --> a.toml:4:11
  |
4 | workers = 0
  |           ^ must be 1 to 65535

error: unknown key `restrat` in `[servise]`
 --> a.toml:5:1
  |
5 | restrat = true
  | ^^^^^^^ unknown key
  |
  = help: did you mean `restart`?
  = note: the keys of `[servise]` are `restart-delay`, `restart`, `workers`, `options`
",
    );
}

#[test]
fn a_misspelled_step_of_a_header_is_pointed_at() {
    check(
        &with("[listner.data]\naddress = \"::1\"\nport = 1\n"),
        r"
error: unknown key `listner` at the top level
 --> a.toml:3:2
  |
3 | [listner.data]
  |  ^^^^^^^ unknown key
  |
  = help: did you mean `listeners`?
  = note: the keys of the top level are `edition`, `product`, `service`, `listeners`, `files`, `checksums`, `key`, `level`, `command`, `error-ratio`
",
    );
}

#[test]
fn a_misspelled_step_of_a_dotted_key_is_pointed_at() {
    check(
        "
produkt.name = \"edge\"
service . restart_delay = \"3s\"
",
        r#"
error: unknown key `produkt` at the top level
 --> a.toml:1:1
  |
1 | produkt.name = "edge"
  | ^^^^^^^ unknown key
  |
  = help: did you mean `product`?
  = note: the keys of the top level are `edition`, `product`, `service`, `listeners`, `files`, `checksums`, `key`, `level`, `command`, `error-ratio`

error: unknown key `restart_delay` in `[service]`
 --> a.toml:2:11
  |
2 | service . restart_delay = "3s"
  |           ^^^^^^^^^^^^^ unknown key
  |
  = help: did you mean `restart-delay`?
  = note: the keys of `[service]` are `restart-delay`, `restart`, `workers`, `options`
"#,
    );
}

#[test]
fn a_misspelled_list_of_tables_is_pointed_at_once() {
    check(
        &with("[[flies]]\nsource = \"a\"\n[[flies]]\nsource = \"b\"\n"),
        r"
error: unknown key `flies` at the top level
 --> a.toml:3:3
  |
3 | [[flies]]
  |   ^^^^^ unknown key
  |
  = help: did you mean `files`?
  = note: the keys of the top level are `edition`, `product`, `service`, `listeners`, `files`, `checksums`, `key`, `level`, `command`, `error-ratio`
",
    );
}

#[test]
fn a_missing_key_is_asked_for_at_its_table() {
    check(
        &with("[listeners.data]\n[[files]]\nmode = \"0644\"\n"),
        r"
error: missing key `address` in `[listeners.data]`
 --> a.toml:3:1
  |
3 | [listeners.data]
  | ^^^^^^^^^^^^^^^^ `address` (IP address) is required here
  |
  = note: `address`: The address to bind.

error: missing key `port` in `[listeners.data]`
 --> a.toml:3:1
  |
3 | [listeners.data]
  | ^^^^^^^^^^^^^^^^ `port` (integer) is required here
  |
  = note: `port`: The port to bind.

error: missing key `source` in `[[files]]`
 --> a.toml:4:1
  |
4 | [[files]]
  | ^^^^^^^^^ `source` (string) is required here
  |
  = note: `source`: Where it is taken from.
",
    );
}

#[test]
fn a_missing_key_of_an_inline_table_is_asked_for_at_its_braces() {
    check(
        &with("[listeners]\ndata = { port = 1 }\n"),
        r"
error: missing key `address` in `[listeners.data]`
 --> a.toml:4:8
  |
4 | data = { port = 1 }
  |        ^^^^^^^^^^^^ `address` (IP address) is required here
  |
  = note: `address`: The address to bind.
",
    );
}

#[test]
fn a_missing_table_is_asked_for_at_the_end() {
    check(
        "edition = 1\n",
        r"
error: missing table `[product]`
 --> a.toml:1:12
  |
1 | edition = 1
  |            ^ `product` (table) is required
  |
  = note: `product`: What is shipped.
",
    );
}

#[test]
fn a_misspelled_required_key_is_not_also_missing() {
    check(
        "[product]\nnaem = \"edge\"\n",
        r#"
error: unknown key `naem` in `[product]`
 --> a.toml:2:1
  |
2 | naem = "edge"
  | ^^^^ unknown key
  |
  = help: did you mean `name`?
  = note: the keys of `[product]` are `name`, `display-name`, `size-max`, `since`
"#,
    );
}

#[test]
fn the_name_of_a_map_entry_has_a_format() {
    check(
        &with("[listeners.\"über uns\"]\naddress = \"::1\"\nport = 1\n"),
        r#"
error: `listeners."über uns"`: `über uns` is not an identifier
 --> a.toml:3:12
  |
3 | [listeners."über uns"]
  |            ^^^^^^^^^^ expected an identifier
  |
  = help: use a to z and `-`
"#,
    );
}

#[test]
fn a_map_has_a_least_number_of_entries() {
    check(
        &with("[listeners]\n"),
        r"
error: `[listeners]` has no entries
 --> a.toml:3:1
  |
3 | [listeners]
  | ^^^^^^^^^^^ needs at least 1 entry
",
    );
}
