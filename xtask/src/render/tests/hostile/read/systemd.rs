//! Unit files, `sysusers.d` and `tmpfiles.d`, as conf-parser.c, extract-word.c and specifier.c read them.

use serde_json::{Value, json};

pub(super) fn unit(text: &str) -> Value {
    let settings = logical_lines(text).into_iter().map(|line| match line.split_once('=') {
        None => json!({ "section": line }),
        Some((key, value)) => {
            let value = value.trim();
            match key {
                "Description" => json!({ key: percent(value).trim() }),
                "Documentation" => json!({ key: decoded(&percent(value)) }),
                "ExecStart" => {
                    let words = words(value, true).into_iter().map(|word| word.replace("$$", "$"));
                    json!({ key: words.collect::<Vec<String>>() })
                }
                _ => json!({ key: words(value, true) }),
            }
        }
    });
    Value::Array(settings.collect())
}

pub(super) fn lines(text: &str) -> Value {
    // sysusers.d knows no C escapes, tmpfiles.d does; a colon cannot stand in a user's real name.
    let line = |line: String| {
        let sysusers = line.starts_with("u ");
        let mut words = words(&line, !sysusers);
        if sysusers {
            words[3] = words[3].replace(':', " ");
        }
        json!(words)
    };
    Value::Array(logical_lines(text).into_iter().map(line).collect())
}

/// Lines without comments, continued ones joined.
fn logical_lines(text: &str) -> Vec<String> {
    let (mut lines, mut open) = (Vec::new(), String::new());
    for line in text.split('\n') {
        let line = line.trim_start_matches([' ', '\t', '\r']);
        if line.starts_with(['#', ';']) || (line.is_empty() && open.is_empty()) {
            continue;
        }
        let continued = line.chars().fold(false, |escaped, c| !escaped && c == '\\');
        open += line;
        if continued {
            open.pop();
            open.push(' ');
        } else {
            lines.push(std::mem::take(&mut open));
        }
    }
    assert!(open.is_empty(), "the last line is continued");
    lines
}

/// Words with quotes, escapes and specifiers taken away.
fn words(value: &str, c_escapes: bool) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            _ if Some(c) == quote => quote = None,
            ('\\', _) => word.get_or_insert_default().push(escape(&mut chars, c_escapes)),
            (' ' | '\t', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "a quote is open: {value}");
    words.extend(word);
    words.iter().map(|word| percent(word)).collect()
}

fn escape(chars: &mut std::str::Chars, c_escapes: bool) -> char {
    match chars.next().expect("an escape") {
        'n' if c_escapes => '\n',
        't' if c_escapes => '\t',
        'x' if c_escapes => {
            let hex: String = chars.by_ref().take(2).collect();
            char::from(u8::from_str_radix(&hex, 16).expect("two digits"))
        }
        c @ ('\\' | '"') => c,
        other => panic!("unknown escape {other:?}"),
    }
}

/// A lone `%` would be a specifier.
fn percent(text: &str) -> String {
    let parts: Vec<&str> = text.split("%%").collect();
    assert!(parts.iter().all(|part| !part.contains('%')), "a specifier: {text}");
    parts.join("%")
}

/// Percent-encoding taken away.
pub(super) fn decoded(uri: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), uri.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
