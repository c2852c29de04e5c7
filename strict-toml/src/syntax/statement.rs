//! A document as a row of statements: table headers and assignments, each with its extent.
//!
//! Reads tokens only. What a statement leaves open (a header, a list, an inline table, a string)
//! is known by the next statement beginning, which is what a person sees too.

use std::ops::Range;

use toml_parser::{
    Source,
    lexer::{Token, TokenKind},
};

/// A header or an assignment.
pub(super) struct Statement {
    /// From its first to its last character.
    pub(super) span: Range<usize>,
    /// What must be left out with it: for a header, also what it is the header of.
    pub(super) reach: Range<usize>,
    pub(super) fault: Option<Fault>,
    pub(super) is_header: bool,
}

/// What makes a statement no statement, where it can be told apart from what follows.
pub(super) enum Fault {
    OpenString {
        open: Range<usize>,
    },
    /// A bracket has no partner: `partner`, put in at `at`, would be it.
    LoneBracket {
        bracket: Range<usize>,
        what: &'static str,
        partner: String,
        at: usize,
    },
}

/// The tokens of one line that mean something, the line end left out.
type Line<'t> = &'t [Token];

/// The brackets of values.
const BRACKETS: [(TokenKind, TokenKind); 2] = [
    (TokenKind::LeftSquareBracket, TokenKind::RightSquareBracket),
    (TokenKind::LeftCurlyBracket, TokenKind::RightCurlyBracket),
];

/// What strings begin and end with.
const DELIMITERS: [(TokenKind, &str); 4] = [
    (TokenKind::BasicString, "\""),
    (TokenKind::LiteralString, "'"),
    (TokenKind::MlBasicString, "\"\"\""),
    (TokenKind::MlLiteralString, "'''"),
];

/// Splits a text into its statements.
pub(super) fn split(text: &str) -> Vec<Statement> {
    let tokens: Vec<Token> = Source::new(text).lex().collect();
    let tokens: Vec<Token> = tokens.into_iter().filter(|token| is_telling(token.kind())).collect();
    let lines: Vec<Line<'_>> = tokens.split(|token| token.kind() == TokenKind::Newline).collect();
    let mut statements = Vec::new();
    let mut next = 0;
    while let Some(line) = lines.get(next) {
        let Some(first) = line.first() else {
            next += 1;
            continue;
        };
        let is_header = first.kind() == TokenKind::LeftSquareBracket || lacks_opening(line);
        let len = if is_header { 1 } else { assignment_lines(text, &lines[next..]) };
        statements.push(statement(text, &lines[next..next + len], is_header));
        next += len;
    }
    reach_to_next_header(&mut statements, text.len());
    statements
}

/// The statement on the lines of which the text at `offset` stands; none in a comment between.
pub(super) fn around<'s>(
    statements: &'s [Statement],
    text: &str,
    offset: usize,
) -> Option<&'s Statement> {
    let last = statements.iter().rfind(|statement| statement.span.start <= offset)?;
    let behind = text.get(last.span.end..offset).unwrap_or_default();
    (!behind.contains('\n')).then_some(last)
}

fn is_telling(kind: TokenKind) -> bool {
    !matches!(kind, TokenKind::Whitespace | TokenKind::Comment | TokenKind::Eof)
}

fn reach_to_next_header(statements: &mut [Statement], end: usize) {
    let mut next_header = end;
    for statement in statements.iter_mut().rev() {
        statement.reach = statement.span.clone();
        if statement.is_header {
            statement.reach.end = next_header;
            next_header = statement.span.start;
        }
    }
}

fn statement(text: &str, lines: &[Line<'_>], is_header: bool) -> Statement {
    let tokens: Vec<Token> = lines.concat();
    let start = tokens.first().map_or(0, |token| token.span().start());
    let end = tokens.last().map_or(start, |token| token.span().end());
    let fault = open_string(text, &tokens).or_else(|| {
        if is_header { lone_header(&tokens, start, end) } else { open_value(&tokens, end) }
    });
    Statement { span: start..end, reach: start..end, fault, is_header }
}

/// How many of the lines belong to the assignment that begins on the first.
fn assignment_lines(text: &str, lines: &[Line<'_>]) -> usize {
    let mut open = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            let Some(innermost) = open.last().map(Token::kind) else { return index };
            let previous = lines[..index].iter().rev().find_map(|line| line.last());
            // In an inline table an assignment may follow a comma, or have its comma forgotten.
            let is_entry = innermost == TokenKind::LeftCurlyBracket
                && (previous.is_some_and(|token| is_separator(token.kind()))
                    || closes(text, &open, &lines[index..]));
            let is_next = is_header(text, line) || is_assignment(line) && !is_entry;
            if is_next {
                return index;
            }
        }
        follow_brackets(line, &mut open, index == 0);
    }
    lines.len()
}

fn is_separator(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Comma | TokenKind::LeftCurlyBracket)
}

/// Whether the open brackets are closed before the next header.
fn closes(text: &str, open: &[Token], lines: &[Line<'_>]) -> bool {
    let mut open = open.to_vec();
    for line in lines.iter().take_while(|line| !is_header(text, line)) {
        follow_brackets(line, &mut open, false);
        if open.is_empty() {
            return true;
        }
    }
    false
}

/// Keeps the brackets of values that are open; those left of `=` are no values.
fn follow_brackets(line: Line<'_>, open: &mut Vec<Token>, from_equals: bool) {
    let is_key = |token: &&Token| from_equals && token.kind() != TokenKind::Equals;
    for token in line.iter().skip_while(is_key) {
        for (opener, closer) in BRACKETS {
            if token.kind() == opener {
                open.push(*token);
            } else if token.kind() == closer {
                open.pop_if(|token| token.kind() == opener);
            }
        }
    }
}

/// `[name]`, but not `[1]` or `["a"]`, which may be an element of a list of lists.
fn is_header(text: &str, line: Line<'_>) -> bool {
    let kinds = line.iter().map(Token::kind);
    let opening = kinds.clone().take_while(|kind| *kind == TokenKind::LeftSquareBracket).count();
    let closing = kinds.rev().take_while(|kind| *kind == TokenKind::RightSquareBracket).count();
    if opening == 0 || closing != opening || opening > 2 || opening + closing >= line.len() {
        return false;
    }
    let keys = &line[opening..line.len() - closing];
    keys.iter().all(|token| is_key(token.kind()) || token.kind() == TokenKind::Dot)
        && keys.iter().any(|token| token.kind() == TokenKind::Atom && is_name(text, token))
}

/// `name]`, a header that lost its beginning.
fn lacks_opening(line: Line<'_>) -> bool {
    let is_name = |token: &&Token| is_key(token.kind()) || token.kind() == TokenKind::Dot;
    let name = line.iter().take_while(is_name).count();
    let mut rest = line[name..].iter().map(Token::kind);
    name > 0 && name < line.len() && rest.all(|kind| kind == TokenKind::RightSquareBracket)
}

/// `name =`, `name.name =`.
fn is_assignment(line: Line<'_>) -> bool {
    let key =
        line.iter().take_while(|token| is_key(token.kind()) || token.kind() == TokenKind::Dot);
    let len = key.count();
    len > 0 && line.get(len).is_some_and(|token| token.kind() == TokenKind::Equals)
}

fn is_key(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Atom | TokenKind::BasicString | TokenKind::LiteralString)
}

/// A bare word that is no value either.
fn is_name(text: &str, token: &Token) -> bool {
    let word = &text[token.span().start()..token.span().end()];
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !matches!(word, "true" | "false" | "inf" | "nan")
}

fn open_string(text: &str, tokens: &[Token]) -> Option<Fault> {
    tokens.iter().find_map(|token| {
        let (_, delimiter) = DELIMITERS.iter().find(|(kind, _)| *kind == token.kind())?;
        let span = token.span();
        let written = &text[span.start()..span.end()];
        let is_closed = written.len() >= 2 * delimiter.len() && written.ends_with(delimiter);
        let open = span.start()..span.start() + delimiter.len();
        (!is_closed).then_some(Fault::OpenString { open })
    })
}

/// `[name` or `name]`. One bracket too few of `[[name]]` is not mended: either may be meant.
fn lone_header(tokens: &[Token], start: usize, end: usize) -> Option<Fault> {
    let is = |kind| move |token: &&Token| token.kind() == kind;
    let opening = tokens.iter().take_while(is(TokenKind::LeftSquareBracket)).count();
    let closing = tokens.iter().rev().take_while(is(TokenKind::RightSquareBracket)).count();
    let has_name = tokens.iter().any(|token| is_key(token.kind()));
    let what = if opening.max(closing) == 1 { "table header" } else { "list header" };
    match (opening, closing) {
        (1 | 2, 0) if has_name => {
            let (bracket, partner) = (start..start + opening, "]".repeat(opening));
            Some(Fault::LoneBracket { bracket, what, partner, at: end })
        }
        (0, 1 | 2) if has_name => {
            let (bracket, partner) = (end - closing..end, "[".repeat(closing));
            Some(Fault::LoneBracket { bracket, what, partner, at: start })
        }
        _ => None,
    }
}

fn open_value(tokens: &[Token], end: usize) -> Option<Fault> {
    let mut open = Vec::new();
    follow_brackets(tokens, &mut open, true);
    let innermost = open.last()?.span();
    let is_list = |token: &Token| token.kind() == TokenKind::LeftSquareBracket;
    let what = if open.last().is_some_and(is_list) { "list" } else { "inline table" };
    let partner = open.iter().rev().map(|token| if is_list(token) { ']' } else { '}' }).collect();
    Some(Fault::LoneBracket { bracket: innermost.start()..innermost.end(), what, partner, at: end })
}
