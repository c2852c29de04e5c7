//! Tables: unknown, misplaced and missing keys.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    Check,
    words::{entries, inside, join, quoted, title},
};
use crate::{
    Diagnostic, reference,
    schema::{Node, Others, Shape},
    suggest,
};

impl Check<'_> {
    pub(super) fn table(
        &mut self,
        node: &Node<'_>,
        table: &DeTable<'_>,
        span: &Range<usize>,
        path: &str,
    ) {
        self.table_size(node, table.len(), span, path);
        let mut taken_for = Vec::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if let Some(property) = node.property(name) {
                self.value(&property, value, &join(path, name));
            } else if let Others::Each(each) = node.others() {
                self.map_key(node, key, path);
                self.value(&each, value, &join(path, name));
            } else {
                taken_for.extend(self.unknown_key(node, table, (key, value), path));
            }
        }
        for name in node.required() {
            // A misspelled key was already reported; that the right one is missing is its echo.
            if !table.contains_key(name) && !taken_for.iter().any(|taken| taken == name) {
                self.missing_key(node, table, name, span, path);
            }
        }
    }

    /// How many entries a map may have.
    fn table_size(&mut self, node: &Node<'_>, len: usize, span: &Range<usize>, path: &str) {
        let label = match (node.count("minProperties"), node.count("maxProperties")) {
            (Some(min), _) if len < min && self.is_complete => {
                format!("needs at least {}", entries(min))
            }
            (_, Some(max)) if len > max => format!("may have at most {}", entries(max)),
            _ => return,
        };
        let mistake = Diagnostic::error(format!("{} has {}", title(path), entries(len)));
        self.report(mistake.at(span.clone(), label));
    }

    fn map_key(&mut self, node: &Node<'_>, key: &Spanned<DeString<'_>>, path: &str) {
        if let Some(names) = node.names() {
            self.text(&names, key.get_ref(), &key.span(), &join(path, key.get_ref()));
        }
    }

    /// Reports a key the table does not have; returns the key it was taken for.
    fn unknown_key(
        &mut self,
        node: &Node<'_>,
        table: &DeTable<'_>,
        (key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>),
        path: &str,
    ) -> Option<String> {
        let name = key.get_ref().as_ref();
        let taken_for = taken_for(node, table, name);
        let meant = taken_for.map(|(meant, _)| meant);
        let homes = reference::tables_with(self.schema, name);
        let mut mistake = Diagnostic::error(format!("unknown key `{name}` {}", inside(path))).at(
            key.span(),
            if meant.is_none() && !homes.is_empty() { "misplaced key" } else { "unknown key" },
        );
        if let Some(meant) = meant {
            mistake = mistake.help(format!("did you mean `{meant}`?"));
        }
        if !homes.is_empty() {
            mistake = mistake.help(format!("`{name}` belongs {}", any_of(&homes)));
        }
        mistake = mistake.note(allowed_keys(node, path));
        self.report(mistake);
        // The content is judged as if the name were right, to find its mistakes in the same run.
        let (meant, _) = taken_for.filter(|(_, unset)| *unset)?;
        if let Some(property) = node.property(meant) {
            self.value(&property, value, &join(path, name));
        }
        Some(meant.to_owned())
    }

    fn missing_key(
        &mut self,
        node: &Node<'_>,
        table: &DeTable<'_>,
        name: &str,
        span: &Range<usize>,
        path: &str,
    ) {
        if !self.is_complete {
            return;
        }
        let property = node.property(name);
        let is_table = property.as_ref().is_some_and(|node| matches!(node.shape(), Shape::Table));
        let kind = property.as_ref().map_or_else(|| "value".to_owned(), Node::kind);
        let meaning = property.as_ref().and_then(|node| node.str("description"));
        let mistake = if path.is_empty() && is_table {
            Diagnostic::error(format!("missing table `[{name}]`"))
        } else {
            Diagnostic::error(format!("missing key `{name}` {}", inside(path)))
        };
        let (span, label) = match (path.is_empty(), self.first_header(table)) {
            (false, _) => (span.clone(), format!("`{name}` ({kind}) is required here")),
            (true, Some(header)) if !is_table => {
                (header, format!("`{name}` ({kind}) is required above the first table"))
            }
            (true, _) => {
                let end = self.source.text.trim_end().len();
                (end..end, format!("`{name}` ({kind}) is required"))
            }
        };
        let mistake = mistake.at(span, label);
        self.report(match meaning.and_then(|text| text.lines().next()) {
            Some(summary) => mistake.note(format!("`{name}`: {summary}")),
            None => mistake,
        });
    }

    /// The first line of the text that is a table header.
    fn first_header(&self, root: &DeTable<'_>) -> Option<Range<usize>> {
        let text = &self.source.text;
        let line_of = |key: &Spanned<DeString<'_>>| {
            let start = text[..key.span().start].rfind('\n').map_or(0, |newline| newline + 1);
            let line = text[start..].lines().next()?.trim_end();
            let indent = line.len() - line.trim_start().len();
            line.trim_start().starts_with('[').then_some(start + indent..start + line.len())
        };
        root.keys().filter_map(line_of).min_by_key(|span| span.start)
    }
}

/// The key that an unknown one is taken for, and whether the table does not have it yet.
pub(crate) fn taken_for<'a>(
    node: &Node<'a>,
    table: &DeTable<'_>,
    name: &str,
) -> Option<(&'a str, bool)> {
    // Keys that are still to be set come first: they are what a slip most likely meant.
    let (set, unset): (Vec<&str>, Vec<&str>) =
        node.properties().map(|(name, _)| name).partition(|name| table.contains_key(*name));
    let meant = suggest(name, unset.iter().chain(&set).copied())?;
    Some((meant, unset.contains(&meant)))
}

/// The tables a misplaced key may have been meant for.
fn any_of(homes: &[String]) -> String {
    const NAMED_MAX: usize = 3;
    let named: Vec<String> = homes.iter().take(NAMED_MAX).map(|home| inside(home)).collect();
    match homes.len().saturating_sub(NAMED_MAX) {
        0 => named.join(" or "),
        more => format!("{} or {more} other places", named.join(", ")),
    }
}

fn allowed_keys(node: &Node<'_>, path: &str) -> String {
    let names: Vec<&str> = node.properties().map(|(name, _)| name).collect();
    if names.is_empty() {
        return format!("{} has no keys", title(path));
    }
    let title = title(path);
    match names.as_slice() {
        [only] => format!("the only key of {title} is `{only}`"),
        _ => format!("the keys of {title} are {}", quoted(names)),
    }
}
