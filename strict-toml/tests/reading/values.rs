//! Values: types, ranges, lengths, formats, lists, and what only serde can refuse.

use strict_toml::Source;

use crate::sample::{check, parse, with};

#[test]
fn a_wrong_type_says_what_was_expected_and_found() {
    check(
        &with("display-name = 5\n[service]\nrestart = \"yes\"\n"),
        r#"
error: `product.display-name` must be a string, not an integer
 --> a.toml:3:16
  |
3 | display-name = 5
  |                ^ expected a string
  |
  = help: put it in quotes: "5"

error: `service.restart` must be a boolean, not a string
 --> a.toml:5:11
  |
5 | restart = "yes"
  |           ^^^^^ expected a boolean
"#,
    );
}

#[test]
fn a_quoted_number_is_told_to_lose_its_quotes() {
    check(
        &with("[service]\nworkers = \"4\"\nrestart = \"true\"\n"),
        r#"
error: `service.workers` must be an integer, not a string
 --> a.toml:4:11
  |
4 | workers = "4"
  |           ^^^ expected an integer
  |
  = help: remove the quotes: 4

error: `service.restart` must be a boolean, not a string
 --> a.toml:5:11
  |
5 | restart = "true"
  |           ^^^^^^ expected a boolean
  |
  = help: remove the quotes: true
"#,
    );
}

#[test]
fn a_bare_number_is_no_duration_and_no_size() {
    check(
        &with("size-max = 8\n[service]\nrestart-delay = 25\n"),
        r#"
error: `product.size-max` must be a byte size, not an integer
 --> a.toml:3:12
  |
3 | size-max = 8
  |            ^ expected a byte size
  |
  = help: write it with a unit, in quotes: "8B"

error: `service.restart-delay` must be a duration, not an integer
 --> a.toml:5:17
  |
5 | restart-delay = 25
  |                 ^^ expected a duration
  |
  = help: write it with a unit, in quotes: "25s"
"#,
    );
}

#[test]
fn a_table_is_no_list_of_tables_and_the_other_way_round() {
    check(
        &with("[files]\nsource = \"a\"\n[[service]]\nworkers = 1\n"),
        r"
error: `files` must be a list of tables, not a table
 --> a.toml:3:1
  |
3 | [files]
  | ^^^^^^^ expected a list of tables
  |
  = help: write `[[files]]`

error: `service` must be a table, not a list
 --> a.toml:5:1
  |
5 | [[service]]
  | ^^^^^^^^^^^ expected a table
  |
  = help: write `[service]`
",
    );
}

#[test]
fn a_lone_entry_is_told_its_brackets() {
    check(
        &with("[service]\noptions = \"-v\"\n"),
        r#"
error: `service.options` must be a list of strings, not a string
 --> a.toml:4:11
  |
4 | options = "-v"
  |           ^^^^ expected a list of strings
  |
  = help: put it in brackets: ["-v"]
"#,
    );
}

#[test]
fn what_a_table_must_have_and_stands_alone_is_told_its_table() {
    check(
        "product = \"edge\"\n",
        r#"
error: `product` must be a table, not a string
 --> a.toml:1:11
  |
1 | product = "edge"
  |           ^^^^^^ expected a table
  |
  = help: write `{ name = "edge" }`
"#,
    );
}

#[test]
fn an_integer_has_a_range() {
    check(
        &format!("edition = 4\n{}", with("[service]\nworkers = 0x1_0000\n")),
        r"
error: `edition` is out of range: 4
 --> a.toml:1:11
  |
1 | edition = 4
  |           ^ must be 1 to 3

error: `service.workers` is out of range: 0x10000
 --> a.toml:5:11
  |
5 | workers = 0x1_0000
  |           ^^^^^^^^ must be 1 to 65535
",
    );
}

#[test]
fn an_integer_of_any_width_is_only_out_of_range() {
    check(
        &format!("edition = 99999999999999999999999999999999999999999999\n{}", with("")),
        r"
error: `edition` is out of range: 99999999999999999999999999999999999999999999
 --> a.toml:1:11
  |
1 | edition = 99999999999999999999999999999999999999999999
  |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ must be 1 to 3
",
    );
}

#[test]
fn a_float_has_a_range_and_may_be_written_without_a_point() {
    check(
        &format!("error-ratio = 1.01\n{}", with("")),
        r"
error: `error-ratio` is out of range: 1.01
 --> a.toml:1:15
  |
1 | error-ratio = 1.01
  |               ^^^^ must be 0 to 1
",
    );
    check(&format!("error-ratio = 1\n{}", with("")), "");
}

#[test]
fn a_string_has_a_length_in_characters() {
    check(
        "[product]\nname = \"ü\"\ndisplay-name = \"\"\n",
        r#"
error: `product.name` is too short: 1 character
 --> a.toml:2:8
  |
2 | name = "ü"
  |        ^^^ must have at least 2 characters

error: `product.display-name` is empty
 --> a.toml:3:16
  |
3 | display-name = ""
  |                ^^ must not be empty
"#,
    );
    check(
        "[product]\nname = \"a name of 21 letters\"\n",
        r#"
error: `product.name` is too long: 20 characters
 --> a.toml:2:8
  |
2 | name = "a name of 21 letters"
  |        ^^^^^^^^^^^^^^^^^^^^^^ may have at most 12 characters
"#,
    );
}

#[test]
fn a_format_says_what_is_wrong_and_what_is_right() {
    check(
        &with(
            "size-max = \"16kib\"\n[service]\nrestart-delay = \"30\"\n[listeners.data]\naddress = \"localhost\"\nport = 1\n",
        ),
        r#"
error: `product.size-max`: `16kib` has the unknown unit `kib`
 --> a.toml:3:12
  |
3 | size-max = "16kib"
  |            ^^^^^^^ expected a byte size
  |
  = help: did you mean `KiB`? the units are `B`, `KB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB`, `TiB`

error: `service.restart-delay`: `30` has no unit
 --> a.toml:5:17
  |
5 | restart-delay = "30"
  |                 ^^^^ expected a duration
  |
  = help: the units are `d`, `h`, `m`, `s`, `ms`

error: `listeners.data.address`: `localhost` is not an IP address
 --> a.toml:7:11
  |
7 | address = "localhost"
  |           ^^^^^^^^^^^ expected an IP address
  |
  = help: for example "127.0.0.1"
"#,
    );
}

#[test]
fn an_entry_of_a_list_is_pointed_at() {
    check(
        &with("[service]\noptions = [\"-v\", \"\", 3]\n"),
        r#"
error: an entry of `service.options` is empty
 --> a.toml:4:18
  |
4 | options = ["-v", "", 3]
  |                  ^^ must not be empty

error: an entry of `service.options` must be a string, not an integer
 --> a.toml:4:22
  |
4 | options = ["-v", "", 3]
  |                      ^ expected a string
  |
  = help: put it in quotes: "3"
"#,
    );
}

#[test]
fn a_list_has_a_length() {
    let file = "[[files]]\nsource = \"a\"\n";
    check(
        &with(&file.repeat(3)),
        r"
error: `files` has 3 entries
 --> a.toml:7:1
  |
7 | [[files]]
  | ^^^^^^^^^ may have at most 2 entries
",
    );
}

#[test]
fn a_repeated_entry_points_at_the_second_and_mentions_the_first() {
    check(
        &format!("checksums = [\"sha256\", 'sha512', 'sha256']\n{}", with("")),
        r#"
error: duplicate entry "sha256" in `checksums`
 --> a.toml:1:34
  |
1 | checksums = ["sha256", 'sha512', 'sha256']
  |              --------            ^^^^^^^^ listed again here
  |              |
  |              first listed here
"#,
    );
}

#[test]
fn what_only_serde_refuses_has_its_place() {
    check(&with("since = \"MMXX\"\nsize-max = \"1MB\"\n"), "");
    check(
        &with("since = \"twenty\"\n"),
        r#"
error: `twenty` is not a year, Year("twenty")
 --> a.toml:3:9
  |
3 | since = "twenty"
  |         ^^^^^^^^
"#,
    );
}

#[test]
fn a_spanned_value_remembers_where_it_was_written() {
    let text = with(
        "size-max = '8MB'\n[listeners.data]\naddress = \"::1\"\nport = 1\n[key]\nfile.path = \"k\"\n",
    );
    let config = parse(&Source::new("a.toml", text.as_str())).expect("a valid text");
    assert_eq!(
        (config.product.name.as_str(), &text[config.product.name.span()]),
        ("edge", "\"edge\"")
    );
    let size = config.product.size_max.expect("it is set");
    assert_eq!((size.as_u64(), &text[size.span()]), (8_000_000, "'8MB'"));
    let (name, _) = config.listeners.first_key_value().expect("one listener");
    assert_eq!((name.as_str(), &text[name.span()]), ("data", "data"));
    assert_eq!(&text[config.key.expect("it is set").span()], "[key]");
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse(&Source::new("a.toml", with("[service]\nworkers = 2\n"))).expect("valid");
    assert_eq!((config.service.workers, config.service.restart), (2, true));
    assert_eq!(config.service.restart_delay.to_std(), std::time::Duration::from_secs(90));
}

#[test]
fn a_duration_is_not_the_iso_8601_one_that_json_schema_means() {
    let schema = strict_toml::schema::<strict_toml::Duration>();
    assert_eq!(schema["format"], "time-span");
}
