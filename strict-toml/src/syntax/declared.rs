//! Where a key that is declared twice was declared first.
//!
//! toml's own message knows only the second place. The first is found by reading the keys alone,
//! in order, with toml's tokenizer.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use toml_parser::{
    Source,
    parser::{Event, EventKind, parse_document},
};

use crate::Diagnostic;

/// The keys from the top of the document down.
type Path = Vec<String>;

/// The mistake of declaring again, at `span`, what is declared further up.
pub(super) fn duplicate(text: &str, span: Range<usize>) -> Diagnostic {
    let key = &text[span.clone()];
    match first_declaration(text, &span) {
        Some((first, true)) => Diagnostic::error(format!("duplicate key `{key}`"))
            .at(span, "declared again here")
            .related(first, "first declared here"),
        Some((table, false)) => {
            let name = &text[table.clone()];
            Diagnostic::error(format!("`{key}` cannot be added to the table `{name}` here"))
                .at(span, "the table is complete where it is declared")
                .related(table, "the table is declared here")
        }
        None => Diagnostic::error(format!("duplicate key `{key}`")).at(span, "declared twice"),
    }
}

/// The mistake of giving keys, at `span`, to something that is not a table that can grow.
pub(super) fn extended(text: &str, message: &str, span: &Range<usize>) -> Diagnostic {
    let key = &text[span.clone()];
    let kind = message.trim_start_matches("cannot extend value of type ");
    let kind = kind.trim_end_matches(" with a dotted key");
    let mistake = Diagnostic::error(format!("`{key}` cannot be given keys: it is of type {kind}"))
        .at(span.clone(), "keys are added here");
    match first_declaration(text, span) {
        Some((first, true)) => mistake.related(first, "declared here"),
        Some((_, false)) | None => mistake,
    }
}

/// The first place of the path that ends at `span` (true), else of the nearest table around it.
fn first_declaration(text: &str, span: &Range<usize>) -> Option<(Range<usize>, bool)> {
    let mut keys = Keys::new(text);
    let tokens = keys.source.lex().into_vec();
    let mut events: Vec<Event> = Vec::new();
    parse_document(&tokens, &mut events, &mut ());
    for event in &events {
        if event.kind() == EventKind::SimpleKey && event.span().start() == span.start {
            let path = keys.path_with(event);
            let first = |len| Some((keys.first.get(&path[..len])?.span.clone(), len == path.len()));
            return (1..=path.len()).rev().find_map(first);
        }
        keys.read(event);
    }
    None
}

/// Where a path was declared.
#[derive(Clone)]
struct Declared {
    span: Range<usize>,
    /// As a step on the way to another key, which does not forbid a declaration of its own.
    in_passing: bool,
}

/// An inline table or a list around a place.
struct Nesting {
    /// Its own path; of a list, that of the element.
    path: Path,
    is_list: bool,
}

/// Follows the declarations of a document key by key.
struct Keys<'a> {
    source: Source<'a>,
    /// Every path declared so far and the key it was first declared by.
    first: BTreeMap<Path, Declared>,
    /// The table whose header was read last.
    header: Path,
    in_header: bool,
    /// The key read last.
    last_key: Range<usize>,
    /// The inline tables and lists around the current place, outermost first.
    nesting: Vec<Nesting>,
    /// The keys of the dotted key being read.
    current: Path,
    /// A number for each array element, so that equal keys in two elements are no duplicates.
    elements: usize,
}

impl<'a> Keys<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            source: Source::new(text),
            first: BTreeMap::new(),
            header: Path::new(),
            in_header: false,
            last_key: 0..0,
            nesting: Vec::new(),
            current: Path::new(),
            elements: 0,
        }
    }

    /// The table that the key being read stands in.
    fn base(&self) -> Path {
        match self.nesting.last() {
            Some(Nesting { path, .. }) => path.clone(),
            None if self.in_header => Path::new(),
            None => self.header.clone(),
        }
    }

    fn path_with(&self, event: &Event) -> Path {
        let mut path = self.base();
        path.extend(self.current.iter().cloned());
        path.push(self.decode(event));
        path
    }

    fn decode(&self, event: &Event) -> String {
        let mut name = Cow::Borrowed("");
        if let Some(raw) = self.source.get(event) {
            raw.decode_key(&mut name, &mut ());
        }
        name.into_owned()
    }

    fn read(&mut self, event: &Event) {
        match event.kind() {
            EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                self.nesting.clear();
                self.current.clear();
                self.in_header = true;
            }
            EventKind::StdTableClose => self.close_header(),
            EventKind::ArrayTableClose => {
                self.close_header();
                // A new element: what the previous one declared does not count any more.
                let array = self.header.clone();
                self.first.retain(|path, _| path.len() <= array.len() || !path.starts_with(&array));
            }
            EventKind::SimpleKey => {
                let path = self.path_with(event);
                let span = event.span().start()..event.span().end();
                self.last_key = span.clone();
                self.first.entry(path).or_insert(Declared { span, in_passing: true });
                self.current.push(self.decode(event));
            }
            EventKind::InlineTableOpen => {
                let path = self.value_path();
                self.nesting.push(Nesting { path, is_list: false });
            }
            EventKind::ArrayOpen => {
                self.elements += 1;
                let mut path = self.value_path();
                path.push(format!("\0{}", self.elements));
                self.nesting.push(Nesting { path, is_list: true });
            }
            EventKind::ArrayClose | EventKind::InlineTableClose => {
                self.nesting.pop();
                self.current.clear();
            }
            EventKind::ValueSep => self.next_element(),
            EventKind::Newline if self.nesting.is_empty() => self.current.clear(),
            EventKind::Newline
            | EventKind::KeySep
            | EventKind::KeyValSep
            | EventKind::Scalar
            | EventKind::Whitespace
            | EventKind::Comment
            | EventKind::Error => {}
        }
    }

    fn close_header(&mut self) {
        self.header = std::mem::take(&mut self.current);
        self.in_header = false;
        // `[a.b]` speaks of `a` in passing; `[a]` further down is the declaration of `a`.
        let declared = Declared { span: self.last_key.clone(), in_passing: false };
        let first = self.first.entry(self.header.clone()).or_insert_with(|| declared.clone());
        if first.in_passing {
            *first = declared;
        }
    }

    /// The path of the value about to be read, which is where its own keys hang.
    fn value_path(&mut self) -> Path {
        let mut path = self.base();
        path.append(&mut self.current);
        path
    }

    /// A comma: the next key of an inline table, or the next element of an array.
    fn next_element(&mut self) {
        self.current.clear();
        self.elements += 1;
        let number = self.elements;
        if let Some(Nesting { path, is_list: true }) = self.nesting.last_mut()
            && let Some(element) = path.last_mut()
        {
            *element = format!("\0{number}");
        }
    }
}
