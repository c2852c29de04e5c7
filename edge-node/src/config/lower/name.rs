//! Names that a config gives and those it refers to.

use std::collections::BTreeMap;

use strict_toml::{Diagnostic, Spanned, suggest};

use super::Rules;

/// They are labels of metrics, so they stay short.
const NAME_CHARACTERS_MAX: usize = 40;

impl Rules<'_> {
    /// Refuses names that would not read well in metrics, logs and addresses. `what` is given one.
    pub(super) fn name(&mut self, what: &str, name: &Spanned<String>) {
        let is_kept = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let mistake = Diagnostic::error(format!("`{name}` cannot be the name of a {what}"));
        let label = if name.is_empty() {
            "must not be empty".to_owned()
        } else if name.chars().count() > NAME_CHARACTERS_MAX {
            format!("may have at most {NAME_CHARACTERS_MAX} characters")
        } else if !name.chars().all(is_kept) || name.starts_with('-') || name.ends_with('-') {
            "may have lower-case letters, digits and dashes between them".to_owned()
        } else {
            return;
        };
        let kept = normal(name);
        let mistake = mistake.at(name.span(), label);
        let is_better = !kept.is_empty() && kept.len() <= NAME_CHARACTERS_MAX;
        self.broken.push(if is_better {
            mistake.help(format!("for example `{kept}`"))
        } else {
            mistake
        });
    }
}

/// The name with everything else as dashes.
fn normal(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(kept).collect::<String>().trim_matches('-').to_owned()
}

/// A reference to something that was not declared.
pub(super) fn unknown<'a, T: 'a>(
    what: &str,
    name: &Spanned<String>,
    declared: &'a BTreeMap<Spanned<String>, T>,
) -> Diagnostic {
    let names = || declared.keys().map(|name| name.get().as_str());
    let mistake = Diagnostic::error(format!("unknown {what} `{name}`"))
        .at(name.span(), format!("no such {what} is declared"));
    let mistake = match suggest(name, names()) {
        Some(close) => mistake.help(format!("did you mean `{close}`?")),
        None => mistake,
    };
    let all: Vec<_> = names().map(|name| format!("`{name}`")).collect();
    if all.is_empty() {
        return mistake.help(format!("declare it: `[{what}s.{name}]`"));
    }
    mistake.note(format!("the {what}s are {}", all.join(", ")))
}
