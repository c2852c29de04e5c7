//! A text as the Event Log takes it: the one inserted string of an entry.

/// Characters of a string at most, as UTF-16 counts them. Source: `ReportEventW`, `lpStrings`,
/// which allows 31,839; the viewer cuts long before that.
const UNITS_MAX: usize = 16 * 1024;

/// The text with the ends of lines that Windows has, without what would end the string early or
/// be replaced in it: the viewer takes `%1` for a place to insert at (`ReportEventW`, `lpStrings`).
#[must_use]
pub fn inserted(text: &str) -> String {
    let mut inserted = String::with_capacity(text.len());
    let mut units = 0;
    let mut before = ' ';
    for c in text.trim_end().chars() {
        units += c.len_utf16() + 1;
        if units > UNITS_MAX {
            inserted.push('…');
            break;
        }
        match c {
            '\n' if before != '\r' => inserted.push_str("\r\n"),
            '\0' => inserted.push(char::REPLACEMENT_CHARACTER),
            _ if before == '%' && c.is_ascii_digit() => inserted.extend([' ', c]),
            _ => inserted.push(c),
        }
        before = c;
    }
    inserted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(inserted(text), expected);
    }

    #[test]
    fn what_the_viewer_would_misread_is_changed_and_nothing_else() {
        check("a\nb\r\nc\n", "a\r\nb\r\nc");
        check("[fe80::1%1]:80", "[fe80::1% 1]:80");
        check("100 % of 5%%", "100 % of 5%%");
        check("%%1", "%% 1");
        check("a\0b", "a\u{fffd}b");
        check("größer 🦀", "größer 🦀");
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_string_of_bounded_length(text in "(?s).*", times in 1..2000_usize) {
            let string = inserted(&text.repeat(times));
            prop_assert!(string.encode_utf16().count() <= 2 * UNITS_MAX);
            prop_assert!(!string.contains('\0'));
            let mut pairs = string.chars().zip(string.chars().skip(1));
            prop_assert!(!pairs.any(|(a, b)| a == '%' && b.is_ascii_digit()));
        }
    }
}
