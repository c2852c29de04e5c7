//! The names a template looks up, in all branches and loops, against the values that can stand there.
//!
//! minijinja says which names a template takes from its view but not where, and nothing of loop variables; while
//! rendering it stops at the first that is missing and skips branches that are not taken. What is inside a list is judged
//! by the items of the view at hand; an empty list tells nothing.

use super::names::{code, hint, is_name};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use strict_toml::Diagnostic;

/// Words in an expression that are no names of values.
const WORDS: [&str; 13] = [
    "in",
    "not",
    "and",
    "or",
    "if",
    "else",
    "recursive",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
];

/// A diagnostic for each place where a name stands that does not exist there.
///
/// `undeclared` are the names that the template itself does not bind (`undeclared_variables(false)`).
pub(super) fn unknown<'a>(
    text: &'a str,
    undeclared: &'a HashSet<String>,
    view: &'a Value,
) -> Vec<Diagnostic> {
    let scopes = vec![BTreeMap::new()];
    let mut lookup = Lookup { undeclared, view, scopes, mistakes: Vec::new() };
    for block in code(text) {
        let statement = text[..block.start].ends_with('%');
        let tokens = tokens(text, block);
        match tokens.first() {
            Some(Token::Name(word, _)) if statement => lookup.statement(word, &tokens[1..]),
            _ => lookup.expression(&tokens),
        }
    }
    lookup.mistakes
}

/// A piece of an expression.
enum Token<'a> {
    Name(&'a str, Range<usize>),
    /// The inside of a string.
    Text(&'a str, Range<usize>),
    Number,
    Mark(char),
}

/// Every value that can stand in a place; none if that cannot be known.
type Shape<'a> = Option<Vec<&'a Value>>;

struct Lookup<'a> {
    undeclared: &'a HashSet<String>,
    view: &'a Value,
    /// The variables of the template, then those of the loops around a place, the innermost last.
    scopes: Vec<BTreeMap<&'a str, Shape<'a>>>,
    mistakes: Vec<Diagnostic>,
}

impl<'a> Lookup<'a> {
    fn statement(&mut self, word: &str, tokens: &[Token<'a>]) {
        match word {
            "for" => self.begin_loop(tokens),
            "endfor" => drop(self.scopes.pop()),
            "set" => {
                if let (Some(scope), Some(Token::Name(name, _))) =
                    (self.scopes.last_mut(), tokens.first())
                {
                    scope.insert(name, None);
                }
                self.expression(tokens);
            }
            "raw" | "endraw" => {}
            _ => self.expression(tokens),
        }
    }

    /// `for TARGETS in EXPRESSION [if CONDITION]`: the condition sees the targets.
    fn begin_loop(&mut self, tokens: &[Token<'a>]) {
        let word = |wanted| {
            tokens.iter().position(|token| matches!(token, Token::Name(name, _) if *name == wanted))
        };
        let of = word("in").unwrap_or(tokens.len());
        let condition = word("if").filter(|at| *at > of).unwrap_or(tokens.len());
        let iterated = &tokens[of.saturating_add(1).min(condition)..condition];
        let targets = tokens[..of].iter().filter_map(|token| match token {
            Token::Name(name, _) => Some(*name),
            Token::Text(..) | Token::Number | Token::Mark(_) => None,
        });
        let scope = bind(&targets.collect::<Vec<_>>(), self.iterated(iterated));
        self.expression(iterated);
        self.scopes.push(scope);
        self.expression(&tokens[condition..]);
    }

    /// What a loop goes through: a list, or `MAP | items`, whose names are not known.
    fn iterated(&mut self, tokens: &[Token<'a>]) -> [Shape<'a>; 2] {
        let told = self.mistakes.len();
        let (shape, length) = self.path(tokens);
        // The caller looks the same path up once more.
        self.mistakes.truncate(told);
        let values = shape.unwrap_or_default();
        match &tokens[length..] {
            [] => {
                let items = values.iter().filter_map(|value| value.as_array()).flatten();
                [known(items.collect()), None]
            }
            [Token::Mark('|'), Token::Name("items", _)] => {
                let maps = values.iter().filter_map(|value| value.as_object());
                [None, known(maps.flat_map(|map| map.values()).collect())]
            }
            _ => [None, None],
        }
    }

    /// Looks up every name; those of filters, tests and arguments are none.
    fn expression(&mut self, tokens: &[Token<'a>]) {
        let mut at = 0;
        while at < tokens.len() {
            let behind = |distance: usize| tokens.get(at + distance);
            at += match &tokens[at] {
                // What is behind a call or a computed index cannot be known.
                Token::Mark('|' | '.') => 2,
                Token::Name("is", _) => match behind(1) {
                    Some(Token::Name("not", _)) => 3,
                    _ => 2,
                },
                Token::Name(word, _) if WORDS.contains(word) => 1,
                Token::Name(..)
                    if matches!(behind(1), Some(Token::Mark('=')))
                        && !matches!(behind(2), Some(Token::Mark('='))) =>
                {
                    2
                }
                Token::Name(..) => self.path(&tokens[at..]).1,
                Token::Text(..) | Token::Number | Token::Mark(_) => 1,
            };
        }
    }

    /// Looks up `name.name["name"]` at the start: what can stand there, and of how many tokens it is.
    fn path(&mut self, tokens: &[Token<'a>]) -> (Shape<'a>, usize) {
        let Some(Token::Name(root, place)) = tokens.first() else { return (None, 0) };
        let mut shape = self.root(root, place);
        let (mut path, mut length) = ((*root).to_owned(), 1);
        loop {
            let (name, place, more) = match &tokens[length..] {
                [Token::Mark('.'), Token::Name(name, place), ..] => (name, place, 2),
                [Token::Mark('['), Token::Text(name, place), Token::Mark(']'), ..] => {
                    (name, place, 3)
                }
                [Token::Mark('.' | '[' | '('), ..] => return (None, length),
                _ => return (shape, length),
            };
            path = format!("{path}.{name}");
            shape = shape.and_then(|values| self.attribute(&values, name, &path, place));
            length += more;
        }
    }

    fn root(&mut self, name: &str, place: &Range<usize>) -> Shape<'a> {
        if let Some(shape) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return shape.clone();
        }
        let found = self.view.get(name);
        if found.is_none() && self.undeclared.contains(name) {
            self.tell(name, name, place, &[self.view]);
        }
        found.map(|value| vec![value])
    }

    fn attribute(
        &mut self,
        values: &[&'a Value],
        name: &str,
        path: &str,
        place: &Range<usize>,
    ) -> Shape<'a> {
        let found: Vec<_> = values.iter().filter_map(|value| value.get(name)).collect();
        // A list has no names, but may be asked for an item.
        if found.is_empty() && !values.iter().any(|value| value.is_array()) {
            self.tell(path, name, place, values);
        }
        known(found)
    }

    fn tell(&mut self, path: &str, name: &str, place: &Range<usize>, values: &[&Value]) {
        let unknown = Diagnostic::error(format!("`{path}` does not exist"));
        let fields = values.iter().filter_map(|value| value.as_object());
        let names: BTreeSet<&str> = fields.flat_map(|map| map.keys().map(String::as_str)).collect();
        let unknown = unknown.at(place.clone(), "unknown name");
        self.mistakes.push(hint(unknown, name, names.iter().copied()));
    }
}

/// The variables of a loop: one takes the items, two the pairs of a map.
fn bind<'a>(targets: &[&'a str], iterated: [Shape<'a>; 2]) -> BTreeMap<&'a str, Shape<'a>> {
    let [items, values] = iterated;
    match *targets {
        [item] => BTreeMap::from([(item, items)]),
        [name, value] => BTreeMap::from([(name, None), (value, values)]),
        _ => targets.iter().map(|target| (*target, None)).collect(),
    }
}

fn known(values: Vec<&Value>) -> Shape<'_> {
    if values.is_empty() { None } else { Some(values) }
}

fn tokens(text: &str, block: Range<usize>) -> Vec<Token<'_>> {
    let (mut tokens, mut at) = (Vec::new(), block.start);
    while let Some(c) = text[at..block.end].chars().next() {
        let rest = &text[at..block.end];
        let length = match c {
            '"' | '\'' => {
                let inside = string_length(&rest[1..], c);
                let place = at + 1..at + 1 + inside;
                tokens.push(Token::Text(&text[place.clone()], place));
                inside + 2
            }
            _ if is_name(c) => {
                let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                tokens.push(match c.is_ascii_digit() {
                    true => Token::Number,
                    false => Token::Name(&rest[..length], at..at + length),
                });
                length
            }
            _ => {
                if !c.is_whitespace() && c != '-' && c != '+' {
                    tokens.push(Token::Mark(c));
                }
                c.len_utf8()
            }
        };
        at = (at + length).min(block.end);
    }
    tokens
}

/// Bytes up to the quote that ends a string.
fn string_length(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    let ends = |c: char| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    };
    inside.find(ends).unwrap_or(inside.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, undeclared: &[&str], expected: &[(usize, &str)]) {
        let view = json!({
            "product": { "name": "x" }, "ports": [1], "hosts": [{ "ip": "a" }, { "ip": "b", "v6": 1 }],
            "rooms": { "a": { "size": 1 } },
        });
        let undeclared = undeclared.iter().map(|name| (*name).to_owned()).collect();
        let found: Vec<(usize, String)> = unknown(text, &undeclared, &view)
            .into_iter()
            .map(|mistake| (mistake.label.expect("a place").span.start, mistake.message))
            .collect();
        let expected: Vec<(usize, String)> = expected
            .iter()
            .map(|(start, path)| (*start, format!("`{path}` does not exist")))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_place_of_an_unknown_name_is_found() {
        check("{{ nmae }} {% if nmae %}", &["nmae"], &[(3, "nmae"), (17, "nmae")]);
        check("{{ product.nmae | x }}", &[], &[(11, "product.nmae")]);
        check("{{ product . nmae == 1 }}", &[], &[(13, "product.nmae")]);
        check("{{ product['nmae'] }}", &[], &[(12, "product.nmae")]);
        check("{{ product.name.x }}", &[], &[(16, "product.name.x")]);
    }

    #[test]
    fn loop_variables_are_judged_by_what_they_go_through() {
        check("{% for h in hosts %}{{ h.pi }}{% endfor %}", &[], &[(25, "h.pi")]);
        check("{% for h in hosts if h.pi %}{{ h.v6 }}{% endfor %}", &[], &[(23, "h.pi")]);
        check("{% for n, r in rooms | items %}{{ r.sise }}{{ n.x }}", &[], &[(36, "r.sise")]);
        check("{% for h in hots %}{{ h.pi }}{% endfor %}", &["hots"], &[(12, "hots")]);
        check("{% for h in hosts %}{% endfor %}{{ h.pi }}", &["h"], &[(35, "h")]);
    }

    #[test]
    fn what_exists_or_is_no_code_is_left_alone() {
        check("{{ product.name }} {{ ports.first }} {{ ports[0].x | f(a=1) }}", &[], &[]);
        check("nmae {# nmae #} {{ nmaes }} {{ 'nmae' }}", &["nmae"], &[]);
        check("{% set product = 1 %}{{ product.y }}{{ hosts[0].ip is not z }}", &[], &[]);
        check("{% raw %}{{ nmae }}{% endraw %}{{ nmae }}", &["nmae"], &[(34, "nmae")]);
    }
}
