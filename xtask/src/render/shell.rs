//! Escaping for POSIX shell scripts (POSIX.1-2017, Shell Command Language 2.2). The views are in [`super::systemd`].

use super::engine::{Escape, Refusal};
use minijinja::Value;

/// The filters of shell templates.
pub(super) const FILTERS: &[(&str, Escape)] = &[("shell", shell), ("shell_comment", shell_comment)];

/// One word in single quotes, in which nothing is special but the quote itself.
fn shell(value: &Value) -> Result<String, Refusal> {
    let text = value.to_string();
    if text.contains('\0') {
        return Err(Refusal("the value has a NUL, which no argument can hold".to_owned()));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Text in a comment up to the end of the line.
fn shell_comment(value: &Value) -> Result<String, Refusal> {
    Ok(value.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a shell reads: pieces in single quotes, and quotes behind a backslash between them.
    fn word(quoted: &str) -> Option<String> {
        let (mut text, mut rest) = (String::new(), quoted);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(r"\'") {
                text.push('\'');
                rest = after;
            } else {
                let (inside, after) = rest.strip_prefix('\'')?.split_once('\'')?;
                text += inside;
                rest = after;
            }
        }
        Some(text)
    }

    proptest! {
        #[test]
        fn a_word_is_read_back(text in any::<String>()) {
            prop_assume!(!text.contains('\0'));
            let quoted = shell(&Value::from(text.clone())).ok();
            prop_assert_eq!(quoted.as_deref().and_then(word), Some(text));
        }

        #[test]
        fn a_comment_stays_on_its_line(text in any::<String>()) {
            let comment = shell_comment(&Value::from(text)).unwrap_or_default();
            prop_assert!(!comment.contains(char::is_control));
        }
    }

    #[test]
    fn a_nul_is_refused() {
        assert!(shell(&Value::from("a\0")).is_err());
    }
}
