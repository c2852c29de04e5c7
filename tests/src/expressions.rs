//! What a PromQL expression asks for, as far as a test of metrics wants to know: metrics, and labels of them.
//!
//! It reads what this project writes: each metric has its matchers in braces behind it, and labels are named by
//! `by (…)` and `without (…)`. A number, a function or a keyword has no brace behind it.

use std::collections::BTreeSet;

/// A metric with its matchers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// Its full name.
    pub metric: String,
    /// The names of the labels that it is matched by.
    pub labels: BTreeSet<String>,
}

/// What an expression asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The metrics.
    pub selectors: Vec<Selector>,
    /// The labels by which it adds up.
    pub by: BTreeSet<String>,
}

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// The inside of a string is nobody's business.
    Text,
    Mark(char),
}

/// Reads an expression.
#[must_use]
pub fn asked(expression: &str) -> Asked {
    let mut asked = Asked::default();
    let tokens = tokens(expression);
    let mut rest = &tokens[..];
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        let Token::Word(word) = token else { continue };
        match (word.as_str(), after.first()) {
            (metric, Some(Token::Mark('{'))) => {
                let end = after.iter().position(|token| *token == Token::Mark('}'));
                let (inside, behind) = after.split_at(end.unwrap_or(after.len()));
                let labels = names_before(inside, &['=', '!']);
                asked.selectors.push(Selector { metric: metric.to_owned(), labels });
                rest = behind;
            }
            ("by", Some(Token::Mark('('))) => {
                let end = after.iter().position(|token| *token == Token::Mark(')'));
                let (inside, behind) = after.split_at(end.unwrap_or(after.len()));
                asked.by.extend(names_before(inside, &[',', ')']));
                asked.by.extend(inside.last().and_then(name));
                rest = behind;
            }
            _ => {}
        }
    }
    asked
}

fn name(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.clone()),
        Token::Text | Token::Mark(_) => None,
    }
}

/// The words that stand before one of these marks.
fn names_before(tokens: &[Token], marks: &[char]) -> BTreeSet<String> {
    let is_mark = |token: &Token| marks.iter().any(|mark| *token == Token::Mark(*mark));
    let pairs = tokens.windows(2).filter(|pair| is_mark(&pair[1]));
    pairs.filter_map(|pair| name(&pair[0])).collect()
}

fn tokens(expression: &str) -> Vec<Token> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '.';
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => 1 + string_length(&rest[1..]),
            _ if is_inner(first) => rest.find(|c| !is_inner(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        match first {
            '"' => tokens.push(Token::Text),
            _ if is_inner(first) => tokens.push(Token::Word(rest[..length].to_owned())),
            _ if first.is_whitespace() => {}
            _ => tokens.push(Token::Mark(first)),
        }
        rest = &rest[length..];
    }
    tokens
}

/// Bytes up to and with the closing quote.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_their_matchers_and_the_labels_of_sums_are_found() {
        let asked = asked(
            "sum by (instance, le) (rate(a_bucket{job=\"x{y=\\\"\", code=~\"5..\"}[5m])) / time() - b{job!=\"}\"} > 0.5",
        );
        let selector = |metric: &str, labels: &[&str]| Selector {
            metric: metric.to_owned(),
            labels: labels.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(
            asked.selectors,
            [selector("a_bucket", &["code", "job"]), selector("b", &["job"])]
        );
        assert_eq!(asked.by.into_iter().collect::<Vec<_>>(), ["instance", "le"]);
    }
}
