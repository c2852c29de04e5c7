//! Escaping for Debian's control files (deb822(5), Debian Policy 5.1 and 5.6.13) and for what an RPM package says of
//! itself.

use super::super::engine::{Escape, Refusal};
use minijinja::Value;

/// The filters of the templates of packages.
pub(in super::super) const FILTERS: &[(&str, Escape)] = &[
    ("deb_line", deb_line),
    ("deb_word", deb_word),
    ("deb_person", deb_person),
    ("deb_uri", deb_uri),
    ("deb_paragraph", deb_paragraph),
    ("wrapped", wrapped),
];

/// Columns of the lines of a paragraph, the space before them included.
const COLUMNS: usize = 79;

/// Text up to the end of the line; nothing is special there.
fn deb_line(value: &Value) -> Result<String, Refusal> {
    Ok(line(value))
}

/// A name, a version, an address or a path: something without spaces.
fn deb_word(value: &Value) -> Result<String, Refusal> {
    let text = value.to_string();
    let special = |c: char| c.is_whitespace() || c.is_control();
    if text.is_empty() || text.contains(special) {
        return Err(Refusal(format!("{text:?} is not one word")));
    }
    Ok(text)
}

/// A name in front of an address in angle brackets; a comma would begin the next person.
fn deb_person(value: &Value) -> Result<String, Refusal> {
    Ok(line(&Value::from(value.to_string().replace(['<', '>', ','], " "))))
}

/// A URI; what RFC 3986 does not allow is percent-encoded.
fn deb_uri(value: &Value) -> Result<String, Refusal> {
    let encoded = |byte: u8| match byte.is_ascii_alphanumeric()
        || b"%-._~:/?#[]@!$&'()*+,;=".contains(&byte)
    {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    Ok(value.to_string().bytes().map(encoded).collect())
}

/// The lines below a field's own, each after a space, wrapped. A line that begins with a dot would mean something else,
/// so a word that does stays behind the one before it.
fn deb_paragraph(value: &Value) -> Result<String, Refusal> {
    let text = line(value);
    if text.starts_with('.') {
        return Err(Refusal(format!("{text:?} begins with a dot")));
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line)
                if word.starts_with('.')
                    || line.chars().count() + 1 + word.chars().count() <= COLUMNS =>
            {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(format!(" {word}")),
        }
    }
    Ok(lines.join("\n"))
}

/// A paragraph of its own.
fn wrapped(value: &Value) -> Result<String, Refusal> {
    let text = deb_paragraph(value)?;
    Ok(text
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// On one line, with one space between words.
fn line(value: &Value) -> String {
    let text = value.to_string();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(escape: Escape, text: &str, expected: Option<&str>) {
        let escaped = escape(&Value::from(text)).map_err(|Refusal(reason)| reason);
        assert_eq!(escaped.ok().as_deref(), expected, "{text:?}");
    }

    #[test]
    fn a_value_stays_in_its_field() {
        check(deb_line, "a\nDepends: evil\r\n\nb", Some("a Depends: evil b"));
        check(deb_line, " \u{2028} ", Some(""));
        check(deb_word, "a b", None);
        check(deb_word, "", None);
        check(deb_word, "1.0~rc.1-1", Some("1.0~rc.1-1"));
        check(deb_person, "A, B <c@d>", Some("A B c@d"));
        check(deb_uri, "https://a.example/ü \n", Some("https://a.example/%C3%BC%20%0A"));
    }

    #[test]
    fn a_paragraph_is_wrapped_and_no_line_begins_with_a_dot() {
        check(deb_paragraph, "a\nb", Some(" a b"));
        check(deb_paragraph, ".a", None);
        let long = format!("{} .b c", "x".repeat(77));
        check(deb_paragraph, &long, Some(&format!(" {} .b\n c", "x".repeat(77))));
    }
}
