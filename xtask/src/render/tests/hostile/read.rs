//! What each language means: documents read back as trees of texts, by readers that know the language's own rules and
//! nothing of our filters.

mod data;
mod deb;
mod nsis;
mod shell;
mod systemd;

use crate::render::Document;
use serde_json::Value;

/// The meaning of a document. Comments mean nothing and are left out.
pub(super) fn meaning(document: &Document) -> Value {
    let text = &document.contents;
    match document.path.rsplit(['.', '/']).next().unwrap_or_default() {
        "json" => data::json(text),
        "yml" => data::yaml(text),
        "nsi" => nsis::script(text),
        "service" => systemd::unit(text),
        "conf" => systemd::lines(text),
        "control" | "copyright" => deb::control(text),
        "Debian" | "conffiles" | "lintian-overrides" => deb::lines(text),
        "preamble" => deb::preamble(text),
        "post" | "preun" | "postun" | "postinst" | "prerm" | "postrm" => shell::script(text),
        "sh" => shell::script(text),
        _ => data::toml(text),
    }
}

/// The tree with every text and every key changed.
pub(super) fn map(tree: Value, f: &dyn Fn(&str) -> String) -> Value {
    match tree {
        Value::String(text) => Value::String(f(&text)),
        Value::Array(items) => items.into_iter().map(|item| map(item, f)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (f(&key), map(value, f)));
            Value::Object(fields.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => tree,
    }
}
