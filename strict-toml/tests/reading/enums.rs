//! Enums: words, tables with one key, and either of two things.

use crate::sample::{check, with};

#[test]
fn an_unknown_word_is_shown_the_allowed_ones() {
    check(
        &format!("level = \"inof\"\nchecksums = [\"md5\"]\n{}", with("")),
        r#"
error: unknown value `inof` for `level`
 --> a.toml:1:9
  |
1 | level = "inof"
  |         ^^^^^^ expected one of `debug`, `info`, `error`
  |
  = help: did you mean `info`?

error: unknown value `md5` for an entry of `checksums`
 --> a.toml:2:14
  |
2 | checksums = ["md5"]
  |              ^^^^^ expected one of `sha256`, `sha512`, `blake2b`
"#,
    );
}

#[test]
fn a_word_that_is_no_string_is_a_wrong_type() {
    check(
        &format!("level = 3\n{}", with("")),
        r"
error: `level` must be a string, not an integer
 --> a.toml:1:9
  |
1 | level = 3
  |         ^ expected one of `debug`, `info`, `error`
",
    );
}

#[test]
fn a_variant_with_content_cannot_be_a_word() {
    check(
        &format!("key = \"file\"\n{}", with("")),
        r#"
error: unknown value `file` for `key`
 --> a.toml:1:7
  |
1 | key = "file"
  |       ^^^^^^ expected `prompt`
  |
  = help: `file` needs content: write `{ file = … }`
"#,
    );
}

#[test]
fn an_unknown_variant_is_shown_the_allowed_ones() {
    check(
        &with("[key.flie]\npath = \"a\"\n"),
        r"
error: unknown key `flie` in `key`
 --> a.toml:3:6
  |
3 | [key.flie]
  |      ^^^^ expected one of `environment`, `file`
  |
  = help: did you mean `file`?
",
    );
}

#[test]
fn of_two_variants_the_second_is_too_many() {
    check(
        &with("[key]\nenvironment = \"KEY\"\nfile = { path = \"a\" }\n"),
        r#"
error: `key` is both `environment` and `file`
 --> a.toml:5:1
  |
4 | environment = "KEY"
  | ----------- already chosen here
5 | file = { path = "a" }
  | ^^^^ only one of `environment`, `file` may be set
"#,
    );
}

#[test]
fn a_variant_without_content_is_asked_for_one() {
    check(
        &with("[key]\n"),
        r"
error: `key` has no content
 --> a.toml:3:1
  |
3 | [key]
  | ^^^^^ expected one of `environment`, `file`
",
    );
}

#[test]
fn the_content_of_a_variant_is_judged() {
    check(
        &with("[key.file]\npaht = \"a\"\n"),
        r#"
error: unknown key `paht` in `[key.file]`
 --> a.toml:4:1
  |
4 | paht = "a"
  | ^^^^ unknown key
  |
  = help: did you mean `path`?
  = note: the only key of `[key.file]` is `path`
"#,
    );
}

#[test]
fn of_two_kinds_the_one_that_fits_is_judged() {
    check(
        &format!("command = [\"ls\", 3]\n{}", with("")),
        r#"
error: an entry of `command` must be a string, not an integer
 --> a.toml:1:18
  |
1 | command = ["ls", 3]
  |                  ^ expected a string
  |
  = help: put it in quotes: "3"
"#,
    );
    check(
        &format!("command = 3\n{}", with("")),
        r"
error: `command` must be a string or list of strings, not an integer
 --> a.toml:1:11
  |
1 | command = 3
  |           ^ expected a string or list of strings
",
    );
    check(&format!("command = \"ls\"\n{}", with("")), "");
}
