//! Text that came with a release, made safe to print: whoever serves a file chooses its name, and a name with escape
//! sequences or line ends could otherwise draw a line on the terminal that says that all is well.

/// The text with control characters, line ends and everything invisible written as `\n` and `\u{1b}`; letters, digits,
/// punctuation and symbols of every script stay as they are.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, ' '..='~') {
            safe.push(char);
        } else {
            // Behind another character, so that a combining mark stays with the letter it belongs to.
            safe.extend(format!("a{char}").escape_debug().skip(1));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_moves_the_cursor_or_turns_the_text_around_is_shown_and_not_done() {
        assert_eq!(printable("a\u{1b}[2K\r\nb\u{9b}1A"), r"a\u{1b}[2K\r\nb\u{9b}1A");
        assert_eq!(printable("exe\u{202e}gpj\u{2028}\u{200b}"), r"exe\u{202e}gpj\u{2028}\u{200b}");
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in
            ["edge-node 1.2.3+x.zip", "\u{e4}rger's \"a\\b\"", "e\u{301}", "\u{65e5}\u{672c}"]
        {
            assert_eq!(printable(name), name);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_printed_controls_a_terminal(text: String) {
            prop_assert!(!printable(&text).chars().any(char::is_control));
        }
    }
}
