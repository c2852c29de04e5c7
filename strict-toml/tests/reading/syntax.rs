//! Texts that are not TOML: several mistakes at once, and no false echoes of them.

use crate::sample::{check, with};

#[test]
fn several_syntax_errors_are_reported_with_what_can_be_known() {
    check(
        &with("size-max = 8MB\n[service\nworkers = 0\nrestart = treu\noptoins = []\n"),
        r#"
error: `8MB` is not a value
 --> a.toml:3:12
  |
3 | size-max = 8MB
  |            ^^^ expected a value
  |
  = help: put it in quotes: "8MB"

error: unclosed table header
 --> a.toml:4:1
  |
4 | [service
  | ^ expected `]` to close this

error: `service.workers` is out of range: 0
 --> a.toml:5:11
  |
5 | workers = 0
  |           ^ must be 1 to 65535

error: invalid boolean
 --> a.toml:6:11
  |
6 | restart = treu
  |           ^^^^ expected `true`

error: unknown key `optoins` in `[service]`
 --> a.toml:7:1
  |
7 | optoins = []
  | ^^^^^^^ unknown key
  |
  = help: did you mean `options`?
  = note: the keys of `[service]` are `restart-delay`, `restart`, `workers`, `options`
"#,
    );
}

#[test]
fn a_duplicate_key_shows_its_first_place() {
    check(
        &with("display-name = \"a\"\n\"display-name\" = \"b\"\n"),
        r#"
error: duplicate key `"display-name"`
 --> a.toml:4:1
  |
3 | display-name = "a"
  | ------------ first declared here
4 | "display-name" = "b"
  | ^^^^^^^^^^^^^^ declared again here
"#,
    );
}

#[test]
fn a_duplicate_table_shows_its_first_place() {
    check(
        &with(
            "[listeners.data]\naddress = \"::1\"\nport = 1\n[service]\n[listeners.data]\nport = 2\n",
        ),
        r"
error: duplicate key `data`
 --> a.toml:7:12
  |
3 | [listeners.data]
  |            ---- first declared here
...
7 | [listeners.data]
  |            ^^^^ declared again here

error: duplicate key `port`
 --> a.toml:8:1
  |
5 | port = 1
  | ---- first declared here
...
8 | port = 2
  | ^^^^ declared again here
",
    );
}

#[test]
fn equal_keys_of_two_list_entries_are_no_duplicates() {
    check(
        &with("[[files]]\nsource = \"a\"\n[[files]]\nsource = \"b\"\nsource = \"c\"\n"),
        r#"
error: duplicate key `source`
 --> a.toml:7:1
  |
6 | source = "b"
  | ------ first declared here
7 | source = "c"
  | ^^^^^^ declared again here
"#,
    );
}

#[test]
fn a_duplicate_in_an_inline_table_shows_its_first_place() {
    check(
        &with("[listeners]\ndata = { port = 1, address = \"::1\", port = 2 }\n"),
        r#"
error: duplicate key `port`
 --> a.toml:4:37
  |
4 | data = { port = 1, address = "::1", port = 2 }
  |          ---- first declared here   ^^^^ declared again here
"#,
    );
}

#[test]
fn a_duplicate_in_an_inline_table_of_a_list_shows_its_first_place() {
    check(
        "files = [{ source = \"a\" }, { source = \"b\", source = \"c\" }]\n[product]\nname = \"edge\"\n",
        r#"
error: duplicate key `source`
 --> a.toml:1:44
  |
1 | files = [{ source = "a" }, { source = "b", source = "c" }]
  |                              ------        ^^^^^^ declared again here
  |                              |
  |                              first declared here
"#,
    );
}

#[test]
fn a_key_and_a_table_of_one_name_are_duplicates() {
    check(
        &with("[listeners]\n[product.name]\nx = 1\n[service]\nworkers = 1\nworkers.x = 1\n"),
        r#"
error: duplicate key `name`
 --> a.toml:4:10
  |
2 | name = "edge"
  | ---- first declared here
3 | [listeners]
4 | [product.name]
  |          ^^^^ declared again here

error: `workers` cannot be given keys: it is of type integer
 --> a.toml:8:1
  |
7 | workers = 1
  | ------- declared here
8 | workers.x = 1
  | ^^^^^^^ keys are added here
"#,
    );
}

#[test]
fn a_complete_table_cannot_grow_through_a_dotted_key() {
    check(
        "[product]\nname = \"edge\"\n[key.file]\npath = \"a\"\n[key]\nfile.mode = 2\n",
        r"
error: duplicate key `file`
 --> a.toml:6:1
  |
3 | [key.file]
  |      ---- first declared here
...
6 | file.mode = 2
  | ^^^^ declared again here
",
    );
}

#[test]
fn nothing_is_called_missing_behind_a_syntax_error() {
    check(
        "[product\nname = \"edge\"\n[listeners.data]\naddress = \"::1\n",
        r#"
error: unclosed table header
 --> a.toml:1:1
  |
1 | [product
  | ^ expected `]` to close this

error: unclosed string
 --> a.toml:4:11
  |
4 | address = "::1
  |           ^ this is never closed
"#,
    );
}

#[test]
fn an_unclosed_list_has_no_echo() {
    check(
        &with("[service]\noptions = [\"-v\", \"-q\"\nworkers = 2\n"),
        r#"
error: unclosed list
 --> a.toml:4:11
  |
4 | options = ["-v", "-q"
  |           ^ expected `]` to close this
"#,
    );
}

#[test]
fn an_unclosed_long_string_has_no_echo() {
    check(
        &with("display-name = \"\"\"never\n[service]\nworkers = 2\n"),
        r#"
error: unclosed string
 --> a.toml:3:16
  |
3 | display-name = """never
  |                ^^^ this is never closed
"#,
    );
}

#[test]
fn a_value_that_is_not_there_is_not_judged() {
    check(
        &with("display-name =\n[service]\nworkers = \n"),
        r"
error: missing value
 --> a.toml:3:15
  |
3 | display-name =
  |               ^ expected a value

error: missing value
 --> a.toml:5:11
  |
5 | workers = 
  |           ^ expected a value
",
    );
}

#[test]
fn an_unclosed_header_does_not_swallow_its_table() {
    check(
        "[product\nname = 3\nfiles]] # two\nsource = 4\n",
        r#"
error: unclosed table header
 --> a.toml:1:1
  |
1 | [product
  | ^ expected `]` to close this

error: `product.name` must be a string, not an integer
 --> a.toml:2:8
  |
2 | name = 3
  |        ^ expected a string
  |
  = help: put it in quotes: "3"

error: unopened list header
 --> a.toml:3:6
  |
3 | files]] # two
  |      ^^ expected `[[` to open this

error: `files[].source` must be a string, not an integer
 --> a.toml:4:10
  |
4 | source = 4
  |          ^ expected a string
  |
  = help: put it in quotes: "4"
"#,
    );
}

#[test]
fn an_unclosed_inline_table_does_not_swallow_what_follows() {
    check(
        &with("[listeners]\ndata = { port = 1,\n  address = \"::1\"\n[service]\nworkers = 0\n"),
        r"
error: unclosed inline table
 --> a.toml:4:8
  |
4 | data = { port = 1,
  |        ^ expected `}` to close this

error: `service.workers` is out of range: 0
 --> a.toml:7:11
  |
7 | workers = 0
  |           ^ must be 1 to 65535
",
    );
}

#[test]
fn a_forgotten_comma_is_no_unclosed_bracket() {
    check(
        &with("[listeners]\ndata = {\n  port = 1\n  address = \"::1\"\n}\n"),
        r#"
error: missing comma between key-value pairs
 --> a.toml:6:3
  |
6 |   address = "::1"
  |   ^ expected `,`
"#,
    );
    check(
        &with("[service]\noptions = [\n  \"a\"\n  \"b\",\n]\nworkers = 0\n"),
        r#"
error: missing comma between array elements
 --> a.toml:6:3
  |
6 |   "b",
  |   ^ expected `,`

error: `service.workers` is out of range: 0
 --> a.toml:8:11
  |
8 | workers = 0
  |           ^ must be 1 to 65535
"#,
    );
}

#[test]
fn a_line_without_a_value_does_not_hide_those_below() {
    check(
        &with("size-max : \"8MB\"\n[service]\nworkers = 0\nrestart = yes\n"),
        r#"
error: key with no value
 --> a.toml:3:10
  |
3 | size-max : "8MB"
  |          ^ expected `=`

error: `service.workers` is out of range: 0
 --> a.toml:5:11
  |
5 | workers = 0
  |           ^ must be 1 to 65535

error: `yes` is not a value
 --> a.toml:6:11
  |
6 | restart = yes
  |           ^^^ expected a value
  |
  = help: put it in quotes: "yes"
"#,
    );
}

#[test]
fn a_header_that_cannot_be_read_takes_its_table_with_it() {
    check(
        &with("[serv ice]\nworkers = 0\n[service]\nworkers = 0\n"),
        r"
error: unclosed table header
 --> a.toml:3:6
  |
3 | [serv ice]
  |      ^ expected `]`

error: `service.workers` is out of range: 0
 --> a.toml:6:11
  |
6 | workers = 0
  |           ^ must be 1 to 65535
",
    );
}

#[test]
fn a_control_character_is_refused() {
    check(
        &with("display-name = \"a\u{7}b\"\n"),
        r#"
error: invalid basic string
 --> a.toml:3:18
  |
3 | display-name = "a␇b"
  |                  ^ this character can only be written as an escape
"#,
    );
}

#[test]
fn a_mistake_in_a_comment_leaves_the_statement_above_alone() {
    check(
        &with("[service]\nworkers = 0\n# a \u{7}\n"),
        r"
error: `service.workers` is out of range: 0
 --> a.toml:4:11
  |
4 | workers = 0
  |           ^ must be 1 to 65535

error: invalid comment character
 --> a.toml:5:5
  |
5 | # a ␇
  |     ^ expected printable characters
",
    );
}

#[test]
fn a_list_header_with_one_bracket_too_few_is_not_guessed_at() {
    check(
        &with("[[product]\nworkers = 0\n[service]]\nport = 3\n[listeners]\n"),
        r"
error: unclosed list header
 --> a.toml:3:11
  |
3 | [[product]
  |           ^ expected `]`

error: unexpected key or value
 --> a.toml:5:10
  |
5 | [service]]
  |          ^ expected the end of the line
",
    );
}
