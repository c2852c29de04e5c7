//! A schema flattened into a list of every key, for a page of documentation and for tests that
//! go through all keys.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    check::{Bounds, join},
    schema::{Node, Others, Shape},
};

/// Everything a person must know about one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyDoc {
    /// The dotted name: `listeners.<name>.port`, `files[].source`.
    pub path: String,
    /// What it must be: `duration`, `integer`, `list of strings`, `table`.
    pub kind: String,
    /// Whether its table cannot do without it.
    pub required: bool,
    /// The value it has when left out, as TOML.
    pub default: Option<String>,
    /// The words (or, for a table, the keys of which exactly one is set) of an enum.
    pub allowed: Vec<String>,
    /// The numbers it may be, in words: `1 to 65535`.
    pub range: Option<String>,
    /// What it means, from the docstring of the field, else of its type.
    pub description: String,
}

/// Every key of a schema in declared order, a table before its keys.
///
/// The free keys of a map are shown as `<name>`, the elements of a list as `[]`.
#[must_use]
pub fn reference(schema: &Value) -> Vec<KeyDoc> {
    let mut walk = Walk::default();
    walk.inner(&Node::new(schema, schema), "", None);
    walk.keys
}

/// The tables in which a key of this name is declared.
pub(crate) fn tables_with(schema: &Value, name: &str) -> Vec<String> {
    let ending = format!(".{name}");
    let keys = reference(schema).into_iter().map(|key| key.path);
    let mut tables: Vec<String> = keys
        .filter_map(|path| match path.strip_suffix(&ending) {
            Some(table) => Some(table.to_owned()),
            None => (path == name).then(String::new),
        })
        .collect();
    let mut seen = BTreeSet::new();
    tables.retain(|table| seen.insert(table.clone()));
    tables
}

/// Collects keys while going down through a schema.
#[derive(Default)]
struct Walk<'a> {
    keys: Vec<KeyDoc>,
    /// The types around the current place: a type that contains itself is described once.
    inside: Vec<&'a Map<String, Value>>,
}

impl<'a> Walk<'a> {
    /// Adds what can be written inside the value at `path`. `default` is that of the whole value.
    fn inner(&mut self, node: &Node<'a>, path: &str, default: Option<&'a Value>) {
        let Some(target) = node.target() else { return };
        if self.inside.iter().any(|outer| std::ptr::eq(*outer, target)) {
            return;
        }
        self.inside.push(target);
        match node.shape() {
            Shape::Table => self.table(node, path, default),
            Shape::List => {
                if let Some(item) = node.item(0) {
                    self.inner(&item, &format!("{path}[]"), None);
                }
            }
            Shape::Choice(choice) => {
                for (name, content) in choice.variants {
                    self.key(&content, &join(path, name), None, false);
                    self.describe_variant(target, name);
                }
            }
            Shape::Either(nodes) => nodes.iter().for_each(|node| self.inner(node, path, None)),
            Shape::Any | Shape::Text | Shape::Integer | Shape::Float | Shape::Boolean => {}
        }
        self.inside.pop();
    }

    /// schemars puts the text of a variant beside its only key, not into it.
    fn describe_variant(&mut self, choice: &Map<String, Value>, name: &str) {
        let variants = choice.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let mut named =
            variants.filter(|variant| variant.pointer(&format!("/properties/{name}")).is_some());
        let text = named.next().and_then(|variant| variant.get("description")?.as_str());
        let path_end = format!(".{name}");
        let key = self
            .keys
            .iter_mut()
            .rev()
            .find(|key| key.path == name || key.path.ends_with(&path_end));
        if let (Some(key), Some(text)) = (key, text)
            && key.description.is_empty()
        {
            text.clone_into(&mut key.description);
        }
    }

    fn table(&mut self, node: &Node<'a>, path: &str, default: Option<&'a Value>) {
        let required: Vec<&str> = node.required().collect();
        for (name, property) in node.properties() {
            let inherited = default.and_then(|table| table.get(name));
            let default = property.get("default").or(inherited);
            self.key(&property, &join(path, name), default, required.contains(&name));
        }
        if let Others::Each(each) = node.others() {
            self.key(&each, &join(path, "<name>"), None, false);
        }
    }

    fn key(&mut self, node: &Node<'a>, path: &str, default: Option<&'a Value>, required: bool) {
        self.keys.push(KeyDoc {
            path: path.to_owned(),
            kind: node.kind(),
            required,
            default: default.filter(|value| !value.is_null() && !value.is_object()).map(toml_text),
            allowed: allowed(node),
            range: range(node),
            description: node.str("description").unwrap_or_default().to_owned(),
        });
        self.inner(node, path, default);
    }
}

fn allowed(node: &Node<'_>) -> Vec<String> {
    if let Shape::Choice(choice) = node.shape() {
        let variants = choice.variants.iter().map(|(name, _)| *name);
        return choice.words.iter().copied().chain(variants).map(str::to_owned).collect();
    }
    let item = if matches!(node.shape(), Shape::List) { node.item(0) } else { None };
    item.map(|item| allowed(&item)).unwrap_or_default()
}

fn range(node: &Node<'_>) -> Option<String> {
    let (whole, real) = (Bounds::<i128>::of(node), Bounds::<f64>::of(node));
    if matches!(node.shape(), Shape::Integer) && !whole.is_open() {
        return Some(whole.to_string());
    }
    let is_bounded = matches!(node.shape(), Shape::Float) && !real.is_open();
    is_bounded.then(|| real.to_string())
}

/// A JSON value as TOML writes it.
fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_text).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{} = {}", join("", key), toml_text(value))
            };
            let entries: Vec<String> = table.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        // JSON's strings, numbers and booleans are TOML's.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
