//! NSIS scripts: lines of words and strings; in strings, what is text and what refers to something.

use serde_json::{Value, json};

pub(super) fn script(text: &str) -> Value {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut read = Vec::new();
    for line in lines {
        assert!(!line.ends_with('\\'), "the line is continued: {line}");
        read.push(instruction(line.trim_start()));
    }
    Value::Array(read)
}

fn instruction(line: &str) -> Value {
    let (mut tokens, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        if let Some(string) = rest.strip_prefix('"') {
            let (parts, after) = string_parts(string);
            assert!(after.is_empty() || after.starts_with(' '), "a string ends early: {line}");
            tokens.push(parts);
            rest = after;
        } else {
            let end = rest.find([' ', '"']).unwrap_or(rest.len());
            tokens.push(json!({ "word": &rest[..end] }));
            rest = &rest[end..];
        }
        rest = rest.trim_start_matches(' ');
    }
    let begins = |words: &[&str]| {
        tokens.len() > words.len()
            && words.iter().zip(&tokens).all(|(word, token)| token["word"] == **word)
    };
    if begins(&["StrCpy", "$3"]) && line.contains("$ProgramFile") {
        return command_line(&tokens[2]);
    }
    if begins(&["Name"]) {
        // In the second string, which is shown in controls, `&&` is an ampersand.
        tokens[2] = super::map(tokens[2].take(), &|text| text.replace("&&", "&"));
    }
    Value::Array(tokens)
}

/// Parts of a string up to its closing quote: text, and `$` with what it refers to.
fn string_parts(string: &str) -> (Value, &str) {
    let (mut parts, mut text) = (Vec::new(), String::new());
    let mut rest = string;
    loop {
        let at = rest.find(['"', '$']).expect("the string ends");
        text += &rest[..at];
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('"') {
            parts.push(json!(text));
            return (Value::Array(parts), after);
        }
        if let Some((c, after)) = escape(rest) {
            text.push(c);
            rest = after;
        } else {
            let reference = reference(rest);
            parts.extend([json!(std::mem::take(&mut text)), json!({ "reference": reference })]);
            rest = &rest[reference.len()..];
        }
    }
}

fn escape(rest: &str) -> Option<(char, &str)> {
    let escapes =
        [("$\\\"", '"'), ("$\\n", '\n'), ("$\\r", '\r'), ("$\\t", '\t'), ("${U+24}${U+24}", '$')];
    escapes.iter().find_map(|(written, c)| rest.strip_prefix(written).map(|after| (*c, after)))
}

/// `$name`, `${name}`, `$%name%` or `$(name)`.
fn reference(rest: &str) -> &str {
    let end = match rest.as_bytes().get(1) {
        Some(b'{') => rest.find('}').map(|at| at + 1),
        Some(b'(') => rest.find(')').map(|at| at + 1),
        Some(b'%') => rest[2..].find('%').map(|at| at + 3),
        _ => rest[1..].find(|c: char| !c.is_ascii_alphanumeric()).map(|at| at + 1),
    };
    &rest[..end.unwrap_or(rest.len())]
}

/// The arguments that a started program finds (`CommandLineToArgvW`); references become `<name>`.
fn command_line(parts: &Value) -> Value {
    let line: String = parts
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| match part["reference"].as_str() {
            Some(reference) => format!("<{reference}>"),
            None => part.as_str().expect("a text").to_owned(),
        })
        .collect();
    let (mut arguments, mut argument, mut quoted, mut backslashes) =
        (Vec::new(), None::<String>, false, 0);
    for c in line.chars().chain([' ']) {
        if c == '\\' {
            backslashes += 1;
            continue;
        }
        let slashes = if c == '"' { backslashes / 2 } else { backslashes };
        if slashes > 0 || c == '"' || quoted || !matches!(c, ' ' | '\t') {
            argument.get_or_insert_default().push_str(&"\\".repeat(slashes));
        }
        match c {
            '"' if backslashes % 2 == 0 => quoted = !quoted,
            ' ' | '\t' if !quoted => arguments.extend(argument.take()),
            _ => argument.get_or_insert_default().push(c),
        }
        backslashes = 0;
    }
    assert!(!quoted, "a quote is open: {line}");
    json!({ "arguments": arguments })
}
