//! How things are called in messages: kinds of values, lists of names, titles of tables.

use toml::de::DeValue;

/// What a value is, with its article.
pub(super) fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A kind with its article: "an integer", "a duration".
pub(super) fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'I']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// `a`, `b`, `c`, each in backquotes.
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// "no entries", "1 entry", "2 entries".
pub(super) fn entries(count: usize) -> String {
    match count {
        0 => "no entries".to_owned(),
        1 => "1 entry".to_owned(),
        _ => format!("{count} entries"),
    }
}

/// The path of a key inside a table; a key that is not bare is quoted as TOML would have it.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty()
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '<' | '>'));
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A value as the subject of a message: "`service.account`", "an entry of `files`".
pub(super) fn subject(path: &str) -> String {
    match path.strip_suffix("[]") {
        Some(list) => format!("an entry of `{list}`"),
        None => format!("`{path}`"),
    }
}

/// A table as its header is written.
pub(super) fn title(path: &str) -> String {
    let header = |path: &str| path.replace("[]", "");
    match path.strip_suffix("[]") {
        _ if path.is_empty() => "the top level".to_owned(),
        Some(list) => format!("`[[{}]]`", header(list)),
        None => format!("`[{}]`", header(path)),
    }
}

/// Where a key stands: "in `[service]`", "at the top level".
pub(super) fn inside(path: &str) -> String {
    format!("{} {}", if path.is_empty() { "at" } else { "in" }, title(path))
}
