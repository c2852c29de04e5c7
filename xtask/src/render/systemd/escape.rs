//! Escaping for unit files, `sysusers.d` and `tmpfiles.d` (systemd.syntax(7), systemd.unit(5) "Specifiers",
//! systemd.service(5) "Command lines").
//!
//! Lines are never continued: a backslash at the end of a value is followed by a space, which systemd strips.

use super::super::engine::{Escape, Refusal};
use minijinja::Value;

/// The filters of systemd templates.
pub(in super::super) const FILTERS: &[(&str, Escape)] = &[
    ("systemd_text", systemd_text),
    ("systemd_word", systemd_word),
    ("systemd_argument", systemd_argument),
    ("systemd_uri", systemd_uri),
    ("systemd_comment", systemd_comment),
    ("sysusers_word", sysusers_word),
    ("sysusers_gecos", sysusers_gecos),
];

/// The whole value of a setting that is shown to people (`Description=`): everything but `%` stands for itself.
fn systemd_text(value: &Value) -> Result<String, Refusal> {
    Ok(uncontinued(line(value).replace('%', "%%")))
}

/// One word of a list, or the whole value of a setting that is a name or a path.
fn systemd_word(value: &Value) -> Result<String, Refusal> {
    quoted(&no_nul(value)?.replace('%', "%%"))
}

/// One word of a command line, in which `$` is special as well.
fn systemd_argument(value: &Value) -> Result<String, Refusal> {
    quoted(&no_nul(value)?.replace('%', "%%").replace('$', "$$"))
}

/// A URI (`Documentation=`); what RFC 3986 does not allow is percent-encoded, and each `%` doubled.
fn systemd_uri(value: &Value) -> Result<String, Refusal> {
    let encoded = |byte: u8| match byte {
        b'%' => "%%".to_owned(),
        _ if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte) => {
            char::from(byte).to_string()
        }
        _ => format!("%%{byte:02X}"),
    };
    Ok(value.to_string().bytes().map(encoded).collect())
}

/// Text in a comment up to the end of the line.
fn systemd_comment(value: &Value) -> Result<String, Refusal> {
    Ok(uncontinued(line(value)))
}

/// A name or path in `sysusers.d`, which knows no C escapes.
fn sysusers_word(value: &Value) -> Result<String, Refusal> {
    let text = value.to_string();
    match text.contains(|c: char| c.is_control()) {
        true => Err(Refusal(format!("{text:?} has control characters"))),
        false => Ok(sysusers_quoted(&text)),
    }
}

/// The real name of a user: a colon ends it in passwd(5), so it becomes a space.
fn sysusers_gecos(value: &Value) -> Result<String, Refusal> {
    Ok(sysusers_quoted(&line(value).replace(':', " ")))
}

/// In double quotes, where a backslash takes the meaning of the next character away.
fn sysusers_quoted(text: &str) -> String {
    let text = text.replace('%', "%%").replace('\\', r"\\").replace('"', "\\\"");
    format!("\"{text}\"")
}

fn no_nul(value: &Value) -> Result<String, Refusal> {
    let text = value.to_string();
    match text.contains('\0') {
        true => Err(Refusal("the value has a NUL, which no argument can hold".to_owned())),
        false => Ok(text),
    }
}

/// In double quotes with C escapes, unless every character stands for itself anywhere.
fn quoted(text: &str) -> Result<String, Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%$".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    let escaped: String = text.chars().map(c_escape).collect();
    Ok(format!("\"{escaped}\""))
}

fn c_escape(c: char) -> String {
    match c {
        '\\' => r"\\".to_owned(),
        '"' => "\\\"".to_owned(),
        '\n' => r"\n".to_owned(),
        '\t' => r"\t".to_owned(),
        _ if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
        _ => c.to_string(),
    }
}

/// On one line.
fn line(value: &Value) -> String {
    value.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn uncontinued(mut text: String) -> String {
    if text.ends_with('\\') {
        text.push(' ');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ok(result: Result<String, Refusal>) -> String {
        result.unwrap_or_else(|Refusal(reason)| panic!("{reason}"))
    }

    #[track_caller]
    fn check(escape: Escape, text: &str, expected: &str) {
        assert_eq!(ok(escape(&Value::from(text))), expected);
    }

    /// What systemd reads from one word, specifiers and variables included (extract-word.c, specifier.c).
    fn word(quoted: &str, dollar: bool) -> String {
        let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let mut chars = inside.unwrap_or(quoted).chars();
        let mut text = String::new();
        while let Some(c) = chars.next() {
            match c {
                '"' => panic!("the quote ends the word: {quoted}"),
                '\\' => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('x') => {
                        let hex: String = chars.by_ref().take(2).collect();
                        text.push(char::from(u8::from_str_radix(&hex, 16).expect("hex")));
                    }
                    Some(c @ ('\\' | '"')) => text.push(c),
                    other => panic!("unknown escape {other:?}: {quoted}"),
                },
                _ => text.push(c),
            }
        }
        let text = text.replace("%%", "%");
        if dollar { text.replace("$$", "$") } else { text }
    }

    #[test]
    fn each_place_has_its_own_rule() {
        check(systemd_text, "50 % \"of\" $all\n\\", "50 %% \"of\" $all \\ ");
        check(systemd_word, "edge-node", "edge-node");
        check(systemd_word, "a b%", "\"a b%%\"");
        check(systemd_argument, "${HOME} %h;", "\"$${HOME} %%h;\"");
        check(systemd_argument, ";", "\";\"");
        check(systemd_argument, "", "\"\"");
        check(systemd_uri, "https://example.org/a b%20", "https://example.org/a%%20b%%20");
        check(sysusers_gecos, "Edge: \"Node\" \\ 5%", r#""Edge  \"Node\" \\ 5%%""#);
    }

    proptest! {
        #[test]
        fn an_argument_is_read_back(text in any::<String>()) {
            prop_assume!(!text.contains('\0'));
            let argument = ok(systemd_argument(&Value::from(text.clone())));
            prop_assert!(!argument.contains(['\n', '\r']));
            prop_assert_eq!(word(&argument, true), text.clone());
            prop_assert_eq!(word(&ok(systemd_word(&Value::from(text.clone()))), false), text);
        }

        #[test]
        fn a_value_stays_on_its_line(text in any::<String>()) {
            for escape in [systemd_text, systemd_uri, systemd_comment, sysusers_gecos] {
                let value = ok(escape(&Value::from(text.clone())));
                prop_assert!(!value.contains(['\n', '\r']) && !value.ends_with('\\'), "{}", value);
            }
        }
    }
}
