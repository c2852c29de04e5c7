//! Holds a tree of TOML values against a schema and collects every mistake.
//!
//! The second look, after [`crate::syntax`] and before serde. Pure: schema, tree and text in,
//! diagnostics out. Tables are walked in `table`, enums in `choice`, single values in `scalar`.

mod choice;
mod list;
mod scalar;
mod table;
mod words;

pub(crate) use scalar::Bounds;
pub(crate) use table::taken_for;
pub(crate) use words::join;

use std::ops::Range;

use serde_json::Value;
use toml::{
    Spanned,
    de::{DeArray, DeValue},
};

use crate::{
    Diagnostic, Formats, Source,
    schema::{Node, Shape},
    syntax::Tree,
};

/// One walk over a tree.
pub(crate) struct Check<'a> {
    source: &'a Source,
    schema: &'a Value,
    formats: &'a Formats,
    /// The tree holds all of the text, so that what is not there is missing.
    is_complete: bool,
    found: Vec<Diagnostic>,
}

/// Every mistake of the tree, in no particular order.
pub(crate) fn check(
    source: &Source,
    tree: &Tree<'_>,
    schema: &Value,
    formats: &Formats,
) -> Vec<Diagnostic> {
    let is_complete = tree.is_complete;
    let mut walk = Check { source, schema, formats, is_complete, found: Vec::new() };
    walk.table(&Node::new(schema, schema), tree.root.get_ref(), &(0..0), "");
    walk.found
}

/// Whether a value that stands alone has no mistake.
pub(crate) fn is_sound(
    source: &Source,
    node: &Node<'_>,
    value: &Spanned<DeValue<'_>>,
    formats: &Formats,
) -> bool {
    let mut walk =
        Check { source, schema: node.root(), formats, is_complete: true, found: Vec::new() };
    walk.value(node, value, "");
    walk.found.is_empty()
}

/// The places at which a list is wrong as a whole: too few elements, too many, the same again.
pub(crate) fn list_faults(
    source: &Source,
    node: &Node<'_>,
    items: &DeArray<'_>,
    span: &Range<usize>,
) -> Vec<Range<usize>> {
    let formats = &Formats::default();
    let mut walk =
        Check { source, schema: node.root(), formats, is_complete: true, found: Vec::new() };
    walk.list_itself(node, items, span, "");
    walk.found.into_iter().filter_map(|mistake| mistake.label).map(|label| label.span).collect()
}

impl Check<'_> {
    /// Judges one value; `path` is its dotted name from the top.
    fn value(&mut self, node: &Node<'_>, value: &Spanned<DeValue<'_>>, path: &str) {
        let span = value.span();
        match (node.shape(), value.get_ref()) {
            (Shape::Any, _) | (Shape::Boolean, DeValue::Boolean(_)) => {}
            (Shape::Choice(choice), _) => self.choice(node, &choice, value, path),
            (Shape::Either(nodes), _) => self.either(node, &nodes, value, path),
            (Shape::Text, DeValue::String(text)) => self.text(node, text, &span, path),
            (Shape::Integer, DeValue::Integer(number)) => self.integer(node, number, &span, path),
            (Shape::Float, DeValue::Integer(number)) => {
                self.float(node, &number.to_string(), &span, path);
            }
            (Shape::Float, DeValue::Float(number)) => {
                self.float(node, number.as_str(), &span, path);
            }
            (Shape::List, DeValue::Array(items)) => self.list(node, items, &span, path),
            (Shape::Table, DeValue::Table(table)) => self.table(node, table, &span, path),
            _ => self.wrong_type(node, value, path),
        }
    }

    fn report(&mut self, mistake: Diagnostic) {
        self.found.push(mistake);
    }
}
