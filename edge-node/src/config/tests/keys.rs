//! The keys of the schema: each has a text, a default that is read, and misspellings that are understood.

use strict_toml::KeyDoc;

use super::*;

/// Every key there is.
pub(super) fn declared() -> Vec<KeyDoc> {
    strict_toml::reference(&config_schema())
}

/// Where keys are written in a text, by name.
pub(super) fn places(text: &str) -> Vec<(String, usize)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut places = Vec::new();
    let mut rest = 0;
    let mut is_quoted = false;
    let mut is_comment = false;
    while let Some(c) = text[rest..].chars().next() {
        is_comment = (is_comment || c == '#' && !is_quoted) && c != '\n';
        is_quoted ^= c == '"';
        let length = text[rest..].find(|c| !is_part(c)).unwrap_or(text.len() - rest);
        if is_quoted || is_comment || length == 0 {
            rest += c.len_utf8();
            continue;
        }
        let word = &text[rest..rest + length];
        let after = text[rest + length..].trim_start_matches(' ');
        if after.starts_with(['=', '.', ']']) && !word.starts_with(|c: char| c.is_ascii_digit()) {
            places.push((word.to_owned(), rest));
        }
        rest += length;
    }
    places
}

#[test]
fn every_key_says_what_it_means() {
    for key in declared() {
        let is_free = key.path.ends_with(".<name>") && key.kind == "string";
        assert!(is_free || !key.description.is_empty(), "{}", key.path);
    }
}

#[test]
fn every_rule_of_the_schema_is_enforced() {
    assert_eq!(strict_toml::unchecked(&config_schema()), [] as [String; 0]);
}

/// The text that sets a key of the schema: `a.<name>.b[].c` is `a.n.b = [{ c = … }]`.
fn setting(path: &str, value: &str) -> String {
    let path = path.replace("<name>", "n");
    match path.split_once("[].") {
        Some((list, inner)) => format!("{list} = [{{ {} }}]", setting(inner, value)),
        None => format!("{path} = {value}"),
    }
}

#[test]
fn every_default_in_the_schema_is_a_value_the_parser_accepts() {
    let mut count = 0;
    for key in declared() {
        let Some(default) = key.default.filter(|_| !key.kind.ends_with("table")) else { continue };
        let text = setting(&key.path, &default);
        // What else the key needs is not set here, so only what is said of itself counts.
        let value = text.rfind(&default).unwrap();
        let is_about_it = |mistake: &strict_toml::Diagnostic| {
            mistake.label.as_ref().is_some_and(|label| label.span.start >= value)
        };
        let report = read(&text).err();
        let said = report.filter(|report| report.diagnostics().iter().any(is_about_it));
        assert!(said.is_none(), "{text}\n{}", said.unwrap());
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn a_config_of_the_defaults_is_the_default_config() {
    let own = |path: &str| !path.contains(['<', '[']);
    let text: String = declared()
        .into_iter()
        .filter(|key| own(&key.path) && !key.kind.ends_with("table"))
        .filter_map(|key| Some(format!("{} = {}\n", key.path, key.default?)))
        .collect();
    assert!(text.contains("listeners.admin.port = 9464\n"), "{text}");
    assert_eq!(read(&text).unwrap(), read("").unwrap(), "{text}");
}

#[test]
fn every_key_misspelled_gets_the_right_one_suggested() {
    for key in declared() {
        let (_, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        if name == "<name>" {
            continue;
        }
        let text = setting(&format!("{}x", key.path), "1");
        let report = read(&text).unwrap_err().to_string();
        assert!(report.contains(&format!("did you mean `{name}`?")), "{text}\n{report}");
    }
}

#[test]
fn every_misspelled_key_of_a_whole_config_fails_with_a_suggestion() {
    let names: std::collections::BTreeSet<String> =
        declared().iter().map(|key| key.path.rsplit('.').next().unwrap().to_owned()).collect();
    let mut seen = std::collections::BTreeSet::new();
    let mut silent = Vec::new();
    let mut count = 0;
    // Of two letters, one is too few to tell what was meant.
    let places = places(EVERY_KEY).into_iter();
    for (name, at) in places.filter(|(name, _)| names.contains(name) && name.len() > 2) {
        // What is taken for what is the same in each table; that it is looked at is not.
        let slips = if seen.insert(name.clone()) { 2 } else { 1 };
        for wrong in misspellings(&name).into_iter().cycle().skip(count % 4).take(slips) {
            let text = format!("{}{wrong}{}", &EVERY_KEY[..at], &EVERY_KEY[at + name.len()..]);
            let suggestion = format!("did you mean `{name}`?");
            let report = read(&text).err().map(|report| report.to_string()).unwrap_or_default();
            if !report.contains(&suggestion) {
                silent.push(format!("{wrong} for {name} at byte {at}\n{report}"));
            }
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

/// The slips of a typing hand: one letter lost, doubled, swapped with its neighbour, replaced.
fn misspellings(name: &str) -> Vec<String> {
    let middle = name.len() / 2;
    let (before, rest) = name.split_at(middle);
    let mut swapped: Vec<char> = name.chars().collect();
    swapped.swap(middle - 1, middle);
    let wrong = [
        format!("{before}{}", &rest[1..]),
        format!("{before}{}{rest}", &rest[..1]),
        swapped.into_iter().collect(),
        format!("{before}q{}", &rest[1..]),
    ];
    wrong.into_iter().filter(|wrong| wrong != name).collect()
}
