//! Shell scripts: code, and words in single quotes (POSIX.1-2017, Shell Command Language 2.2 and 2.7.4).

use serde_json::{Value, json};

pub(super) fn script(text: &str) -> Value {
    let mut reader = Reader { rest: text, code: String::new(), tree: Vec::new() };
    while !reader.rest.is_empty() {
        reader.step();
    }
    reader.end_code();
    Value::Array(reader.tree)
}

struct Reader<'a> {
    rest: &'a str,
    code: String,
    tree: Vec<Value>,
}

impl Reader<'_> {
    fn step(&mut self) {
        if self.rest.starts_with('\'') {
            self.quoted();
        } else if self.rest.starts_with('"') {
            let end = double_quoted_length(self.rest);
            self.take(end);
        } else if self.rest.starts_with("<<'END'\n") {
            let end = self.rest.find("\nEND\n").expect("the document ends");
            self.take(end + 5);
        } else if self.rest.starts_with('#') && self.code.ends_with(['\n', '\t', ' ']) {
            self.rest = &self.rest[self.rest.find('\n').unwrap_or(self.rest.len())..];
        } else if self.rest.starts_with('\\') {
            self.take(2);
        } else {
            self.take(self.rest.chars().next().map_or(0, char::len_utf8));
        }
    }

    /// One word of pieces in single quotes and quotes behind a backslash.
    fn quoted(&mut self) {
        let mut text = String::new();
        loop {
            if let Some(inside) = self.rest.strip_prefix('\'') {
                let (piece, after) = inside.split_once('\'').expect("the quote ends");
                text += piece;
                self.rest = after;
            } else if let Some(after) = self.rest.strip_prefix("\\'") {
                text.push('\'');
                self.rest = after;
            } else {
                break;
            }
        }
        self.end_code();
        self.tree.push(json!({ "word": text }));
    }

    fn take(&mut self, length: usize) {
        self.code += &self.rest[..length];
        self.rest = &self.rest[length..];
    }

    fn end_code(&mut self) {
        self.tree.push(json!({ "code": std::mem::take(&mut self.code) }));
    }
}

fn double_quoted_length(text: &str) -> usize {
    let mut escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    panic!("a quote is open: {text}")
}
