//! Any text at all: never a panic, and every span inside the text.

use proptest::prelude::*;
use strict_toml::{Report, Source};

use crate::sample::parse;

/// Pieces of TOML, of the sample's keys and of trouble, to be thrown together.
const PIECES: [&str; 40] = [
    "[product]\n",
    "[service]",
    "[[files]]\n",
    "[key.file]",
    "[listeners.data]\n",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\n",
    "\r\n",
    "\r",
    "#",
    " ",
    "\t",
    "name",
    "port",
    "product",
    "key",
    "level",
    "command",
    "\"edge\"",
    "70000",
    "1e400",
    "0x",
    "1979-05-27",
    "true",
    "ü",
    "\u{0}",
    "\u{feff}",
    "\\u00e9",
];

fn check(text: String) -> Result<(), TestCaseError> {
    let source = Source::new("a.toml", text);
    let Err(mistakes) = parse(&source) else { return Ok(()) };
    prop_assert!(!mistakes.is_empty());
    for label in mistakes.iter().filter_map(|mistake| mistake.label.as_ref()) {
        prop_assert!(source.text.get(label.span.clone()).is_some(), "{:?}", label);
    }
    let report = Report::new(source, mistakes);
    prop_assert!(report.render(false).starts_with("error: "));
    prop_assert!(report.to_json().is_array());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_characters_are_read_without_panic(text in "\\PC{0,60}") {
        check(text)?;
    }

    #[test]
    fn any_pieces_of_toml_are_read_without_panic(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..24)
    ) {
        check(pieces.concat())?;
    }

    #[test]
    fn any_lines_of_toml_are_read_without_panic(
        lines in proptest::collection::vec(
            "(\\[{1,2}(product|files|key|a)(\\.(file|data|b))?\\]{1,2}|(name|a|a\\.b|port) = (1|\"x\"|\\[1|\\{ a = 1 \\}|\\[\\]))?",
            0..10,
        )
    ) {
        check(lines.join("\n"))?;
    }
}

#[test]
fn deep_nesting_is_refused_and_not_overflowed() {
    for open in ["[", "{ a = "] {
        let text = format!("a = {}", open.repeat(50_000));
        assert!(parse(&Source::new("a.toml", text)).is_err());
    }
    let dotted = format!("{}a = 1", "a.".repeat(50_000));
    assert!(parse(&Source::new("a.toml", dotted)).is_err());
}
