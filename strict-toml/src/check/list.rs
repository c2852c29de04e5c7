//! Lists: their length, their elements, and elements that must differ.

use std::{collections::BTreeMap, ops::Range};

use toml::de::{DeArray, DeValue};

use super::{
    Check,
    words::{entries, subject},
};
use crate::{Diagnostic, schema::Node};

impl Check<'_> {
    pub(super) fn list(
        &mut self,
        node: &Node<'_>,
        items: &DeArray<'_>,
        span: &Range<usize>,
        path: &str,
    ) {
        self.list_itself(node, items, span, path);
        for (index, item) in items.iter().enumerate() {
            if let Some(node) = node.item(index) {
                self.value(&node, item, &format!("{path}[]"));
            }
        }
    }

    /// What is said of a list, whatever its elements are.
    pub(super) fn list_itself(
        &mut self,
        node: &Node<'_>,
        items: &DeArray<'_>,
        span: &Range<usize>,
        path: &str,
    ) {
        self.list_length(node, items, span, path);
        if node.flag("uniqueItems") {
            self.repeated_items(items, path);
        }
    }

    fn list_length(
        &mut self,
        node: &Node<'_>,
        items: &DeArray<'_>,
        span: &Range<usize>,
        path: &str,
    ) {
        let len = items.len();
        let (min, max) = (node.count("minItems"), node.count("maxItems"));
        let (span, label) = match (min, max) {
            (Some(min), _) if len < min && self.is_complete => {
                (span.clone(), format!("needs at least {}", entries(min)))
            }
            (_, Some(max)) if len > max => {
                let surplus = items.get(max).map_or_else(|| span.clone(), |item| item.span());
                (surplus, format!("may have at most {}", entries(max)))
            }
            _ => return,
        };
        let has = format!("{} has {}", subject(path), entries(len));
        self.report(Diagnostic::error(has).at(span, label));
    }

    fn repeated_items(&mut self, items: &DeArray<'_>, path: &str) {
        let mut seen: BTreeMap<String, Range<usize>> = BTreeMap::new();
        for item in items.iter() {
            let written = canonical(item.get_ref());
            if let Some(first) = seen.get(&written) {
                let mistake =
                    Diagnostic::error(format!("duplicate entry {written} in {}", subject(path)))
                        .at(item.span(), "listed again here")
                        .related(first.clone(), "first listed here");
                self.report(mistake);
            } else {
                seen.insert(written, item.span());
            }
        }
    }
}

/// One spelling for equal values, whatever quotes and radix they were written with.
fn canonical(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.to_string(), |number| number.to_string()),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| canonical(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<_>)| {
                format!("{} = {}", key.get_ref(), canonical(value.get_ref()))
            };
            let entries: Vec<String> = table.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
