//! Escaping for NSIS scripts (NSIS Users Manual 4.1 "Script File Format" and 4.2 "Variables").
//!
//! A dollar becomes `${U+24}${U+24}`. The manual's `$$` does not protect: the preprocessor replaces `${NAME}` and
//! `$%NAME%` before it looks at `$$`, and `$$\n` is read as `$` and a line break (seen with makensis 3.08). What a
//! `${U+..}` stands for is not looked at again by the preprocessor, so the rule holds whatever comes next.

use super::super::engine::{Escape, Refusal};
use minijinja::Value;

/// The filters of NSIS templates.
pub(in super::super) const FILTERS: &[(&str, Escape)] = &[
    ("nsis", nsis),
    ("nsis_label", nsis_label),
    ("nsis_path", nsis_path),
    ("nsis_argument", nsis_argument),
    ("nsis_comment", nsis_comment),
];

/// UTF-16 units that a string holds when the setup runs (`NSIS_MAX_STRLEN` 1024, its end included).
const UNITS_MAX: usize = 1023;

/// What stands for the configuration file in a declared argument, and the variable that holds its path in the script.
const CONFIG: (&str, &str) = ("{config}", "$ConfigFile");

/// Text inside a double-quoted string.
fn nsis(value: &Value) -> Result<String, Refusal> {
    let text = value.to_string();
    let units = text.encode_utf16().count();
    if units > UNITS_MAX {
        // Truncation would be silent, and has erased a PATH before (hurl#267).
        return Err(Refusal(format!("the value has {units} UTF-16 units, NSIS holds {UNITS_MAX}")));
    }
    Ok(text.chars().fold(String::new(), push))
}

/// Text inside a double-quoted string that Windows shows in a control, where `&` marks the next letter.
fn nsis_label(value: &Value) -> Result<String, Refusal> {
    nsis(&Value::from(value.to_string().replace('&', "&&")))
}

/// A base name or relative path inside a double-quoted string, with backslashes.
///
/// Refuses what Windows forbids in a name ("Naming Files, Paths, and Namespaces"): a `*` would also be a pattern to
/// `File` and `Delete`.
fn nsis_path(value: &Value) -> Result<String, Refusal> {
    let path = value.to_string();
    let forbidden = |c: char| c.is_control() || r#"<>:"|?*\"#.contains(c);
    let component = |part: &str| !part.is_empty() && !part.ends_with(['.', ' ']);
    if path.contains(forbidden) || !path.split('/').all(component) {
        return Err(Refusal(format!("{path:?} is not a file name on Windows")));
    }
    nsis(&Value::from(path.replace('/', "\\")))
}

/// An argument of a command line inside a double-quoted string, quoted for `CommandLineToArgvW`; `{config}` becomes the
/// variable that holds the path of the configuration file.
fn nsis_argument(value: &Value) -> Result<String, Refusal> {
    let argument = value.to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return nsis(&Value::from(argument));
    }
    // The path holds no quote and does not end in a backslash, so only the text around it needs care.
    let mut quoted = String::from("$\\\"");
    let parts: Vec<&str> = argument.split(CONFIG.0).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        quoted += &nsis(&Value::from(windows_quoted(part, last)))?;
        quoted += if last { "$\\\"" } else { CONFIG.1 };
    }
    Ok(quoted)
}

/// Text in a comment up to the end of the line; a backslash there would take the next line in as well.
fn nsis_comment(value: &Value) -> Result<String, Refusal> {
    let text = value.to_string();
    Ok(text.chars().map(|c| if c == '\\' { '/' } else { printable(c) }).collect())
}

fn push(mut escaped: String, c: char) -> String {
    match c {
        '$' => escaped += "${U+24}${U+24}",
        '"' => escaped += "$\\\"",
        '\n' => escaped += "$\\n",
        '\r' => escaped += "$\\r",
        '\t' => escaped += "$\\t",
        _ => escaped.push(printable(c)),
    }
    escaped
}

/// Control characters become spaces (the first four are codes of NSIS itself), noncharacters U+FFFD.
fn printable(c: char) -> char {
    match c {
        _ if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => ' ',
        _ if u32::from(c) & 0xFFFE == 0xFFFE || c == '\u{FEFF}' => '\u{FFFD}',
        _ => c,
    }
}

/// The inside of a quoted argument ("Parsing C command-line arguments"): backslashes count double before a quote, and
/// before the closing one if the argument ends here.
fn windows_quoted(text: &str, last: bool) -> String {
    let (mut quoted, mut backslashes) = (String::new(), 0);
    for c in text.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                quoted += &"\\".repeat(backslashes + 1);
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        quoted.push(c);
    }
    if last {
        quoted += &"\\".repeat(backslashes);
    }
    quoted
}

#[cfg(test)]
mod tests;
