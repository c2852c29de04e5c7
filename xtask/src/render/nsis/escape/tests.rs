//! What NSIS and Windows read back is what was written.

use super::*;
use proptest::prelude::*;

/// What `CommandLineToArgvW` makes of one quoted argument.
fn argv(quoted: &str) -> String {
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("quoted");
    let (mut text, mut backslashes) = (String::new(), 0);
    for c in inside.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                assert_eq!(backslashes % 2, 1, "the quote ends the argument: {quoted}");
                text += &"\\".repeat(backslashes / 2);
                text.push('"');
                backslashes = 0;
            }
            _ => {
                text += &"\\".repeat(backslashes);
                text.push(c);
                backslashes = 0;
            }
        }
    }
    assert_eq!(backslashes % 2, 0, "the closing quote is escaped: {quoted}");
    text + &"\\".repeat(backslashes / 2)
}

/// What the script's string holds when the setup runs.
fn unescaped(escaped: &str) -> String {
    escaped
        .replace("$\\\"", "\"")
        .replace("$\\n", "\n")
        .replace("$\\r", "\r")
        .replace("$\\t", "\t")
        .replace("${U+24}${U+24}", "$")
}

fn ok(result: Result<String, Refusal>) -> String {
    result.unwrap_or_else(|Refusal(reason)| panic!("{reason}"))
}

#[test]
fn a_dollar_never_meets_what_follows() {
    let escaped = ok(nsis(&Value::from("${NSISDIR} $%PATH% $\\n $$ \"q\" a\\")));
    let dollar = "${U+24}${U+24}";
    assert_eq!(
        escaped,
        format!("{dollar}{{NSISDIR}} {dollar}%PATH% {dollar}\\n {dollar}{dollar} $\\\"q$\\\" a\\")
    );
}

#[test]
fn a_text_longer_than_a_setup_can_hold_is_refused() {
    assert!(nsis(&Value::from("a".repeat(1023))).is_ok());
    assert!(nsis(&Value::from("a".repeat(1024))).is_err());
    assert!(nsis(&Value::from("\u{1F600}".repeat(512))).is_err(), "two units each");
}

#[test]
fn a_name_that_windows_forbids_is_refused() {
    for bad in ["a*", "", "a/../b", "c:", "a\\b", "a\"", "a ", "a\n"] {
        assert!(nsis_path(&Value::from(bad)).is_err(), "{bad:?}");
    }
    assert_eq!(ok(nsis_path(&Value::from("docs/a b.txt"))), "docs\\a b.txt");
}

#[test]
fn the_configuration_file_is_quoted_in_an_argument() {
    assert_eq!(ok(nsis_argument(&Value::from("{config}"))), "$\\\"$ConfigFile$\\\"");
    assert_eq!(ok(nsis_argument(&Value::from("-c={config}"))), "$\\\"-c=$ConfigFile$\\\"");
    assert_eq!(ok(nsis_argument(&Value::from("run"))), "run");
}

proptest! {
    #[test]
    fn a_string_stays_one_string(text in any::<String>()) {
        let escaped = ok(nsis(&Value::from(text.clone())));
        let rest = escaped.replace("$\\\"", "").replace("${U+24}", "");
        let rest = rest.replace("$\\n", "").replace("$\\r", "").replace("$\\t", "");
        prop_assert!(!rest.contains(['$', '"', '\n', '\r']), "{escaped}");
        let expected: String = text
            .chars()
            .map(|c| if matches!(c, '\n' | '\r' | '\t') { c } else { printable(c) })
            .collect();
        prop_assert_eq!(unescaped(&escaped), expected);
    }

    #[test]
    fn windows_reads_back_the_argument(text in "[ -~]{0,40}") {
        prop_assume!(!text.contains("{config}"));
        let escaped = unescaped(&ok(nsis_argument(&Value::from(text.clone()))));
        let read = if escaped.starts_with('"') { argv(&escaped) } else { escaped };
        prop_assert_eq!(read, text);
    }

    #[test]
    fn a_comment_stays_on_its_line(text in any::<String>()) {
        let comment = ok(nsis_comment(&Value::from(text)));
        prop_assert!(!comment.contains(['\n', '\r', '\\']));
    }
}
