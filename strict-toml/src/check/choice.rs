//! Enums: one of several words, or a table with one of several keys.

use toml::{Spanned, de::DeValue};

use super::{
    Check,
    words::{found, join, quoted, subject, with_article},
};
use crate::{
    Diagnostic,
    schema::{Choice, Node, Shape},
    suggest,
};

impl Check<'_> {
    pub(super) fn choice(
        &mut self,
        node: &Node<'_>,
        choice: &Choice<'_>,
        value: &Spanned<DeValue<'_>>,
        path: &str,
    ) {
        match value.get_ref() {
            DeValue::String(word) if choice.words.contains(&word.as_ref()) => {}
            DeValue::String(word) => self.unknown_word(choice, word, value, path),
            DeValue::Table(_) if !choice.variants.is_empty() => self.variant(choice, value, path),
            DeValue::Table(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => self.wrong_type(node, value, path),
        }
    }

    fn unknown_word(
        &mut self,
        choice: &Choice<'_>,
        word: &str,
        value: &Spanned<DeValue<'_>>,
        path: &str,
    ) {
        let mistake = if choice.words.is_empty() {
            Diagnostic::error(format!("{} must be a table, not a string", subject(path)))
                .at(value.span(), format!("expected a table with {}", one_of(&names(choice))))
        } else {
            Diagnostic::error(format!("unknown value `{word}` for {}", subject(path)))
                .at(value.span(), format!("expected {}", one_of(&choice.words)))
        };
        let mistake = if choice.variants.iter().any(|(name, _)| *name == word) {
            mistake.help(format!("`{word}` needs content: write `{{ {word} = … }}`"))
        } else if let Some(meant) = suggest(word, names(choice)) {
            mistake.help(format!("did you mean `{meant}`?"))
        } else {
            mistake
        };
        self.report(mistake);
    }

    /// A table with exactly one of the variants' keys.
    fn variant(&mut self, choice: &Choice<'_>, value: &Spanned<DeValue<'_>>, path: &str) {
        let DeValue::Table(table) = value.get_ref() else { return };
        let tables: Vec<&str> = choice.variants.iter().map(|(name, _)| *name).collect();
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        if entries.is_empty() && self.is_complete {
            let mistake = Diagnostic::error(format!("{} has no content", subject(path)))
                .at(value.span(), format!("expected {}", one_of(&tables)));
            self.report(mistake);
        }
        let mut first = None;
        for (key, content) in entries {
            let name = key.get_ref().as_ref();
            let meant = suggest(name, tables.iter().copied());
            let known = choice.variants.iter().find(|(variant, _)| *variant == name);
            if known.is_none() {
                let mistake =
                    Diagnostic::error(format!("unknown key `{name}` in {}", subject(path)))
                        .at(key.span(), format!("expected {}", one_of(&tables)));
                self.report(match meant {
                    Some(meant) => mistake.help(format!("did you mean `{meant}`?")),
                    None => mistake,
                });
            } else if let Some((span, other)) = &first {
                let both = format!("{} is both `{other}` and `{name}`", subject(path));
                let mistake = Diagnostic::error(both)
                    .at(key.span(), format!("only {} may be set", one_of(&tables)))
                    .related(std::ops::Range::clone(span), "already chosen here");
                self.report(mistake);
            }
            if known.is_some() {
                first = first.or(Some((key.span(), name)));
            }
            // A misspelled variant is judged as what it was taken for.
            let meant = choice.variants.iter().find(|(variant, _)| Some(*variant) == meant);
            if let Some((_, node)) = known.or(meant) {
                self.value(node, content, &join(path, name));
            }
        }
    }

    /// One of several different kinds: the one that fits the value's kind, and of several the
    /// one with the fewest mistakes.
    pub(super) fn either(
        &mut self,
        node: &Node<'_>,
        nodes: &[Node<'_>],
        value: &Spanned<DeValue<'_>>,
        path: &str,
    ) {
        let before = self.found.len();
        let mut best: Option<Vec<Diagnostic>> = None;
        for node in nodes.iter().filter(|node| fits(node, value.get_ref())) {
            self.value(node, value, path);
            let mistakes = self.found.split_off(before);
            if best.as_ref().is_none_or(|best| mistakes.len() < best.len()) {
                best = Some(mistakes);
            }
        }
        match best {
            Some(mistakes) => self.found.extend(mistakes),
            None => self.wrong_type(node, value, path),
        }
    }

    /// The value is of another kind than the schema wants.
    pub(super) fn wrong_type(&mut self, node: &Node<'_>, value: &Spanned<DeValue<'_>>, path: &str) {
        let expected = with_article(&node.kind());
        let found = found(value.get_ref());
        let subject = subject(path);
        let words = match node.shape() {
            Shape::Choice(choice) => choice.words,
            Shape::Any
            | Shape::Text
            | Shape::Integer
            | Shape::Float
            | Shape::Boolean
            | Shape::List
            | Shape::Table
            | Shape::Either(_) => Vec::new(),
        };
        let label = if words.is_empty() { expected.clone() } else { one_of(&words) };
        let mistake = Diagnostic::error(format!("{subject} must be {expected}, not {found}"))
            .at(value.span(), format!("expected {label}"));
        let written = self.source.text.get(value.span()).unwrap_or_default();
        self.report(match repair(node, value.get_ref(), written, path) {
            Some(help) => mistake.help(help),
            None => mistake,
        });
    }
}

/// Whether a value has the kind a schema asks for, whatever is inside it.
fn fits(node: &Node<'_>, value: &DeValue<'_>) -> bool {
    match node.shape() {
        Shape::Any => true,
        Shape::Text => value.is_str(),
        Shape::Integer => value.is_integer(),
        Shape::Float => value.is_integer() || value.is_float(),
        Shape::Boolean => value.is_bool(),
        Shape::List => value.is_array(),
        Shape::Table => value.is_table(),
        Shape::Choice(choice) => {
            value.is_str() && !choice.words.is_empty()
                || value.is_table() && !choice.variants.is_empty()
        }
        Shape::Either(nodes) => nodes.iter().any(|node| fits(node, value)),
    }
}

/// How the value could be written to have the kind that is asked for.
fn repair(node: &Node<'_>, value: &DeValue<'_>, written: &str, path: &str) -> Option<String> {
    let name = path.strip_suffix("[]").unwrap_or(path);
    let is_scalar = !value.is_array() && !value.is_table();
    let unquoted = |fits: fn(&str) -> bool| {
        value.as_str().filter(|bare| fits(bare)).map(|bare| format!("remove the quotes: {bare}"))
    };
    match node.shape() {
        Shape::Text if is_scalar => Some(quote(node, value, written)),
        Shape::Choice(choice) if is_scalar && choice.words.contains(&written) => {
            Some(quote(node, value, written))
        }
        Shape::Integer => unquoted(|bare| bare.parse::<i64>().is_ok()),
        Shape::Float => unquoted(|bare| bare.parse::<f64>().is_ok()),
        Shape::Boolean => unquoted(|bare| bare.parse::<bool>().is_ok()),
        Shape::List if node.item(0).is_some_and(|item| fits(&item, value)) => {
            let is_inline = is_scalar || written.starts_with('{');
            let brackets = format!("put it in brackets: [{written}]");
            Some(if is_inline { brackets } else { format!("write `[[{name}]]`") })
        }
        Shape::Table if written.starts_with("[[") => Some(format!("write `[{name}]`")),
        Shape::Table if is_scalar && !written.contains('\n') => {
            let key = lone_key(node).filter(|(_, content)| fits(content, value));
            key.map(|(key, _)| format!("write `{{ {key} = {written} }}`"))
        }
        Shape::Any
        | Shape::Text
        | Shape::List
        | Shape::Table
        | Shape::Choice(_)
        | Shape::Either(_) => None,
    }
}

/// The key of a table that cannot do without it and can without all others: what somebody meant who left it out.
fn lone_key<'a>(node: &Node<'a>) -> Option<(&'a str, Node<'a>)> {
    let mut required = node.required();
    let key = required.next().filter(|_| required.next().is_none())?;
    Some((key, node.property(key)?))
}

fn quote(node: &Node<'_>, value: &DeValue<'_>, written: &str) -> String {
    let unit = match node.str("format") {
        Some(crate::Duration::FORMAT) => "s",
        Some(crate::ByteSize::FORMAT) => "B",
        _ => "",
    };
    if unit.is_empty() || !value.is_integer() {
        return format!("put it in quotes: \"{written}\"");
    }
    format!("write it with a unit, in quotes: \"{written}{unit}\"")
}

fn names<'a>(choice: &Choice<'a>) -> Vec<&'a str> {
    choice.words.iter().copied().chain(choice.variants.iter().map(|(name, _)| *name)).collect()
}

fn one_of(names: &[&str]) -> String {
    match names {
        [only] => format!("`{only}`"),
        _ => format!("one of {}", quoted(names.iter().copied())),
    }
}
