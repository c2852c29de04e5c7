//! Every key of the schema, misspelled: none passes silently.

use super::*;

/// What can stand in the place of the `[codesign]` in [`EVERY_KEY`].
const OTHER_SIGNERS: [&str; 3] = [
    "[codesign]\nauthorities = \"packaging/codesign-ca.pem\"\n[codesign.osslsigncode]\npkcs12 = { environment = \"P\" }\n",
    "[codesign.signtool]\nthumbprint = \"0123456789012345678901234567890123456789\"\nmachine-store = true\n",
    "[codesign]\nauthorities = \"packaging/codesign-ca.pem\"\ncommand = [\"sign\", \"{file}\"]\ncommand-variables = [\"TOKEN\"]\n",
];

/// Declarations that together use every key there is.
fn with_every_key() -> Vec<String> {
    let before = EVERY_KEY.split("[codesign]").next().unwrap();
    let others = OTHER_SIGNERS.map(|other| format!("{before}{other}"));
    let subject = others[1]
        .replace("thumbprint = \"0123456789012345678901234567890123456789\"", "subject = \"Us\"");
    [EVERY_KEY.to_owned(), subject].into_iter().chain(others).collect()
}

#[test]
fn the_fixture_uses_every_key_and_has_no_mistake() {
    let declarations = with_every_key();
    for text in &declarations {
        read(text).unwrap_or_else(|report| panic!("{report}"));
    }
    for key in strict_toml::reference(&schema()) {
        let name = key.path.rsplit('.').next().unwrap().trim_end_matches("[]").to_owned();
        let used = name.starts_with('<') || declarations.iter().any(|text| text.contains(&name));
        assert!(used, "{} is not used in every-key.toml", key.path);
    }
}

/// Every place where a key of the schema stands in the fixture: its name and byte offset.
fn places(text: &str) -> Vec<(String, usize)> {
    let names: std::collections::BTreeSet<String> = strict_toml::reference(&schema())
        .into_iter()
        .map(|key| key.path.rsplit('.').next().unwrap().trim_end_matches("[]").to_owned())
        .filter(|name| !name.starts_with('<'))
        .collect();
    let mut places = Vec::new();
    for name in names {
        for (at, _) in text.match_indices(&name) {
            let before = text[..at].chars().next_back();
            let after = &text[at + name.len()..];
            let starts = matches!(before, None | Some('\n' | '[' | '.' | '{' | ' '));
            let is_header = text[..at].rsplit('\n').next().unwrap().starts_with('[');
            let ends = after.starts_with(" =") || is_header && after.starts_with([']', '.']);
            if starts && ends {
                places.push((name.clone(), at));
            }
        }
    }
    places
}

#[test]
fn every_misspelled_key_fails_with_a_suggestion() {
    let mut silent = Vec::new();
    let declarations = with_every_key();
    // What was tried in the first declaration is the same in the others.
    let rest = EVERY_KEY.find("[codesign]").unwrap();
    let places = declarations.iter().enumerate().flat_map(|(index, text)| {
        let new = move |(_, at): &(String, usize)| index == 0 || *at >= rest;
        places(text).into_iter().filter(new).map(move |(name, at)| (text, name, at))
    });
    let places: Vec<_> = places.collect();
    assert!(places.len() > 90, "only {} places were found", places.len());
    for (declaration, name, at) in &places {
        for wrong in misspellings(name) {
            let text = format!("{}{wrong}{}", &declaration[..*at], &declaration[at + name.len()..]);
            let suggestion = format!("did you mean `{name}`?");
            let said = read(&text).err().is_some_and(|report| {
                report
                    .diagnostics()
                    .iter()
                    .any(|mistake| mistake.help.iter().any(|help| help.contains(&suggestion)))
            });
            if !said {
                silent.push(format!("{wrong} for {name} at byte {at}"));
            }
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}

/// The slips of a typing hand: one letter lost, doubled, swapped with its neighbour, replaced.
fn misspellings(name: &str) -> Vec<String> {
    let middle = name.len() / 2;
    let (before, rest) = name.split_at(middle);
    let mut swapped: Vec<char> = name.chars().collect();
    swapped.swap(middle - 1, middle);
    let swapped: String = swapped.into_iter().collect();
    [
        format!("{before}{}", &rest[1..]),
        format!("{before}{}{rest}", &rest[..1]),
        swapped,
        format!("{before}q{}", &rest[1..]),
    ]
    .into_iter()
    .filter(|wrong| wrong != name)
    .collect()
}
