//! Values that a schema accepts, a different one for each way.

use std::{borrow::Cow, ops::Range};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::Walk;
use crate::schema::{Choice, Node, Others, Shape};

/// A type that contains itself is filled in no deeper.
const DEPTH_MAX: usize = 8;

const INTEGERS: [&str; 8] = ["1", "2", "0", "3", "64", "1000", "60000", "-1"];
const FLOATS: [&str; 6] = ["0.5", "0.25", "1.0", "0.0", "100.0", "-1.0"];
/// Two for each kind of text that is common in declarations.
const TEXTS: [&str; 18] = [
    "a",
    "b",
    "1s",
    "2h",
    "1B",
    "9MB",
    "192.0.2.1",
    "192.0.2.2",
    "2001:db8::1",
    "2001:db8::2",
    "/a",
    "/b",
    "https://a.example/",
    "https://b.example/",
    "a.dll",
    "b.dll",
    "1.0",
    "2.0",
];

impl<'a> Walk<'_, '_, 'a> {
    /// A value that fits.
    pub(super) fn sample(
        &mut self,
        node: &Node<'_>,
        span: Range<usize>,
        depth: usize,
    ) -> Spanned<DeValue<'a>> {
        self.ways = self.ways.max(2);
        let value = match node.shape() {
            Shape::Boolean => DeValue::Boolean(self.way.is_multiple_of(2)),
            Shape::Any => DeValue::String(Cow::Borrowed("a")),
            Shape::Text => {
                let text = |text: &&'static str| DeValue::String(Cow::Borrowed(*text));
                self.fitting(node, TEXTS.iter().map(text).collect())
            }
            Shape::Integer => self.fitting(node, numbers(&INTEGERS)),
            Shape::Float => self.fitting(node, numbers(&FLOATS)),
            Shape::List => self.sample_list(node, &span, depth),
            Shape::Table => self.sample_table(node, &span, depth),
            Shape::Choice(choice) => self.sample_choice(&choice, &span, depth),
            Shape::Either(nodes) => match nodes.get(self.way % nodes.len().max(1)) {
                Some(node) if depth < DEPTH_MAX => return self.sample(node, span, depth + 1),
                Some(_) | None => DeValue::String(Cow::Borrowed("a")),
            },
        };
        Spanned::new(span, value)
    }

    /// One of the values that fit; any if none does, as with a format that is the caller's.
    fn fitting(&self, node: &Node<'_>, values: Vec<DeValue<'static>>) -> DeValue<'a> {
        let values = values.into_iter().map(|value| Spanned::new(0..0, value));
        let (fitting, others): (Vec<_>, Vec<_>) =
            values.partition(|value| self.setting.is_sound(node, value));
        let at = self.way % fitting.len().max(1);
        let value = fitting.into_iter().nth(at).or_else(|| others.into_iter().next());
        value.map_or(DeValue::Boolean(false), Spanned::into_inner)
    }

    fn sample_list(&mut self, node: &Node<'_>, span: &Range<usize>, depth: usize) -> DeValue<'a> {
        let mut items = DeArray::new();
        let count = node.count("minItems").unwrap_or_default();
        for index in 0..count.min(DEPTH_MAX) {
            if let Some(item) = node.item(index).filter(|_| depth < DEPTH_MAX) {
                items.push(self.sample(&item, span.clone(), depth + 1));
            }
        }
        if let Some(item) = node.item(0) {
            self.add_words(&item, &mut items, span);
        }
        DeValue::Array(items)
    }

    fn sample_table(&mut self, node: &Node<'_>, span: &Range<usize>, depth: usize) -> DeValue<'a> {
        let mut table = DeTable::new();
        if depth >= DEPTH_MAX {
            return DeValue::Table(table);
        }
        for name in node.required() {
            if let Some(property) = node.property(name) {
                let value = self.sample(&property, span.clone(), depth + 1);
                table.insert(Spanned::new(span.clone(), Cow::Owned(name.to_owned())), value);
            }
        }
        // A table of names may have held any name; one inside another is left empty, lest they multiply.
        if let Others::Each(each) = node.others()
            && depth == 0
            && self.way == 1
        {
            for word in &self.setting.words {
                let value = self.sample(&each, span.clone(), depth + 1);
                table.insert(Spanned::new(span.clone(), word.clone()), value);
            }
        }
        DeValue::Table(table)
    }

    fn sample_choice(
        &mut self,
        choice: &Choice<'_>,
        span: &Range<usize>,
        depth: usize,
    ) -> DeValue<'a> {
        let count = choice.words.len() + choice.variants.len();
        self.ways = self.ways.max(count);
        let at = self.way % count.max(1);
        if let Some(word) = choice.words.get(at) {
            return DeValue::String(Cow::Owned((*word).to_owned()));
        }
        let mut table = DeTable::new();
        let variant = choice.variants.get(at - choice.words.len());
        if let Some((name, node)) = variant.filter(|_| depth < DEPTH_MAX) {
            let value = self.sample(node, span.clone(), depth + 1);
            table.insert(Spanned::new(span.clone(), Cow::Owned((*name).to_owned())), value);
        }
        DeValue::Table(table)
    }
}

fn numbers(literals: &'static [&'static str]) -> Vec<DeValue<'static>> {
    let parsed = literals.iter().filter_map(|literal| DeValue::parse(literal).ok());
    parsed.map(Spanned::into_inner).collect()
}
