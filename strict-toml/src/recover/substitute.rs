//! A tree with values in it that its schema accepts, in one of several ways.
//!
//! Way 0 leaves out what may be left out. The others fill in different values each ([`sample`]), so that
//! nothing is the same in all of them but what was written.

mod sample;

use std::{borrow::Cow, collections::BTreeSet, ops::Range};

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use crate::{
    Formats, Source, check,
    schema::{Node, Others, Shape},
    suggest,
    syntax::Tree,
};

/// An enum with more words than this is tried with its first ones.
const WAYS_MAX: usize = 8;
/// More different words than this are not tried as what was meant.
const WORDS_MAX: usize = 512;

/// A tree with mistakes and what it is held against.
pub(super) struct Setting<'s, 'a> {
    source: &'s Source,
    schema: &'s Value,
    formats: &'s Formats,
    tree: &'s Tree<'a>,
    /// Every key and string of the text: what a missing list or table of names may have held.
    words: BTreeSet<Cow<'a, str>>,
}

/// A tree put right.
pub(super) struct Substitution<'a> {
    pub(super) root: Spanned<DeTable<'a>>,
    /// How many other ways there are.
    pub(super) ways: usize,
    /// Where it is not what was written; what was added has a place behind the text.
    pub(super) places: Vec<Range<usize>>,
    /// Names of the keys that were left out.
    pub(super) dropped: Vec<String>,
}

impl<'s, 'a> Setting<'s, 'a> {
    pub(super) fn new(
        source: &'s Source,
        schema: &'s Value,
        formats: &'s Formats,
        tree: &'s Tree<'a>,
    ) -> Self {
        let mut words = BTreeSet::new();
        table_words(tree.root.get_ref(), &mut words);
        Self { source, schema, formats, tree, words }
    }

    /// The tree as it is.
    pub(super) fn root(&self) -> Spanned<DeTable<'a>> {
        self.tree.root.clone()
    }

    /// Puts the tree right; `missed` are keys that were left out of some table.
    pub(super) fn substitute(&self, way: usize, missed: &[String]) -> Substitution<'a> {
        let (ways, places, dropped) = (0, Vec::new(), Vec::new());
        let mut walk = Walk { setting: self, way, missed, ways, places, dropped };
        let mut root = self.root();
        walk.table(&Node::new(self.schema, self.schema), root.get_mut());
        let Walk { ways, places, dropped, .. } = walk;
        Substitution { root, ways: ways.min(WAYS_MAX), places, dropped }
    }

    fn is_sound(&self, node: &Node<'_>, value: &Spanned<DeValue<'_>>) -> bool {
        check::is_sound(self.source, node, value, self.formats)
    }

    /// A place that no text has.
    fn beyond(&self) -> Range<usize> {
        let end = self.source.text.len();
        end + 1..end + 2
    }
}

fn table_words<'a>(table: &DeTable<'a>, words: &mut BTreeSet<Cow<'a, str>>) {
    for (key, value) in table {
        if words.len() < WORDS_MAX {
            words.insert(key.get_ref().clone());
        }
        value_words(value.get_ref(), words);
    }
}

fn value_words<'a>(value: &DeValue<'a>, words: &mut BTreeSet<Cow<'a, str>>) {
    match value {
        DeValue::String(text) if words.len() < WORDS_MAX => {
            words.insert(text.clone());
        }
        DeValue::Array(items) => items.iter().for_each(|item| value_words(item.get_ref(), words)),
        DeValue::Table(table) => table_words(table, words),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// One way through a tree.
struct Walk<'w, 's, 'a> {
    setting: &'w Setting<'s, 'a>,
    way: usize,
    /// Keys that were left out somewhere and may belong elsewhere.
    missed: &'w [String],
    ways: usize,
    places: Vec<Range<usize>>,
    dropped: Vec<String>,
}

impl<'a> Walk<'_, '_, 'a> {
    fn table(&mut self, node: &Node<'_>, table: &mut DeTable<'a>) {
        let mut lacks_something = false;
        let keys: Vec<_> = table.keys().cloned().collect();
        for key in keys {
            let name = key.get_ref().as_ref();
            if let Some(property) = node.property(name) {
                let fits = table.get_mut(name).is_none_or(|value| self.value(&property, value));
                if !fits && self.may_lack(node, name) {
                    table.remove(name);
                }
            } else if let Others::Each(each) = node.others() {
                if let Some(value) = table.get_mut(name) {
                    self.value(&each, value);
                }
            } else {
                lacks_something |= !self.rename(node, table, name);
            }
        }
        self.fill(node, table, lacks_something);
    }

    /// Whether this way leaves out a key whose value does not fit.
    fn may_lack(&self, node: &Node<'_>, name: &str) -> bool {
        self.way == 0 && !node.required().any(|required| required == name)
    }

    /// Renames an unknown key to the one it was taken for; false if it was left out instead.
    fn rename(&mut self, node: &Node<'_>, table: &mut DeTable<'a>, name: &str) -> bool {
        let taken_for = check::taken_for(node, table, name);
        let property =
            taken_for.and_then(|(meant, unset)| Some((meant, unset, node.property(meant)?)));
        let Some((key, mut value)) = table.remove_entry(name) else { return true };
        match property {
            Some((meant, true, property)) => {
                if self.value(&property, &mut value) || !self.may_lack(node, meant) {
                    table.insert(Spanned::new(key.span(), Cow::Owned(meant.to_owned())), value);
                }
                true
            }
            Some((meant, false, property))
                if table.get_mut(meant).is_some_and(|into| merge(into.get_mut(), value)) =>
            {
                table.get_mut(meant).is_none_or(|whole| self.value(&property, whole))
            }
            Some(_) | None => {
                self.ways = self.ways.max(2);
                self.dropped.push(name.to_owned());
                false
            }
        }
    }

    /// Adds required keys; in the ways after the first also those that a key left out may have been.
    fn fill(&mut self, node: &Node<'_>, table: &mut DeTable<'a>, lacks_something: bool) {
        let required: Vec<&str> = node.required().collect();
        for (name, property) in node.properties() {
            let may_be_meant = lacks_something || self.missed.iter().any(|missed| missed == name);
            let is_wanted = required.contains(&name) || self.way > 0 && may_be_meant;
            if table.contains_key(name) || !is_wanted {
                continue;
            }
            let beyond = self.setting.beyond();
            self.places.push(beyond.clone());
            let value = self.sample(&property, beyond.clone(), 0);
            table.insert(Spanned::new(beyond, Cow::Owned(name.to_owned())), value);
        }
    }

    /// Puts a value right; false if it had to be exchanged as a whole.
    fn value(&mut self, node: &Node<'_>, value: &mut Spanned<DeValue<'a>>) -> bool {
        let (span, shape) = (value.span(), node.shape());
        match (&shape, value.get_mut()) {
            (Shape::Table, DeValue::Table(table)) => {
                self.table(node, table);
                return true;
            }
            (Shape::List, DeValue::Array(items)) => {
                self.list(node, items, &span);
                return true;
            }
            _ => {}
        }
        if self.setting.is_sound(node, value) {
            return true;
        }
        self.places.push(span.clone());
        if let Some(word) = suggested(&shape, value.get_ref()) {
            *value = Spanned::new(span, DeValue::String(Cow::Owned(word)));
            return true;
        }
        *value = self.sample(node, span, 0);
        false
    }

    fn list(&mut self, node: &Node<'_>, items: &mut DeArray<'a>, span: &Range<usize>) {
        let faults = check::list_faults(self.setting.source, node, items, span);
        let is_short = faults.contains(span);
        self.places.extend(faults);
        let mut kept = DeArray::new();
        for (index, mut item) in std::mem::replace(items, DeArray::new()).into_iter().enumerate() {
            let Some(node) = node.item(index) else { continue };
            let (fits, place) = (self.value(&node, &mut item), item.span());
            if fits || self.way > 0 {
                kept.push(item);
            }
            if !fits {
                self.add_words(&node, &mut kept, &place);
            }
        }
        if let Some(item) = node.item(0).filter(|_| is_short) {
            self.ways = self.ways.max(2);
            self.add_words(&item, &mut kept, span);
        }
        *items = kept;
    }

    /// Adds, in one of the ways, every name that an element may have been.
    fn add_words(&mut self, node: &Node<'_>, items: &mut DeArray<'a>, place: &Range<usize>) {
        if self.way == 1 && matches!(node.shape(), Shape::Text) {
            for word in &self.setting.words {
                items.push(Spanned::new(place.clone(), DeValue::String(word.clone())));
            }
        }
    }
}

/// Puts the content of one header under another, `[host.b]` into `[hosts]`; false if they are not alike.
fn merge<'a>(into: &mut DeValue<'a>, from: Spanned<DeValue<'a>>) -> bool {
    match (into, from.into_inner()) {
        (DeValue::Table(into), DeValue::Table(from)) => {
            for (key, value) in from {
                if !into.contains_key(key.get_ref().as_ref()) {
                    into.insert(key, value);
                }
            }
            true
        }
        (DeValue::Array(into), DeValue::Array(from)) => {
            from.into_iter().for_each(|item| into.push(item));
            true
        }
        _ => false,
    }
}

/// The word of an enum that a misspelled one was taken for.
fn suggested(shape: &Shape<'_>, value: &DeValue<'_>) -> Option<String> {
    match (shape, value) {
        (Shape::Choice(choice), DeValue::String(word)) => {
            suggest(word, choice.words.iter().copied()).map(str::to_owned)
        }
        _ => None,
    }
}
