//! The flattened list of keys, and what it makes possible: misspelling each of them in turn.

use serde_json::json;
use strict_toml::{KeyDoc, reference, schema, unchecked};

use crate::sample::{Config, mistakes};

/// A valid text in which every key of the sample is set.
const FULL: &str = r#"
edition = 1
level = "info"
error-ratio = 0.5
command = "ls"
checksums = ["sha256"]

[product]
name = "edge"
display-name = "Edge"
size-max = "8MB"
since = "2026"

[service]
restart-delay = "30s"
restart = true
workers = 2
options = ["-v"]

[listeners.data]
address = "::1"
port = 8080

[[files]]
source = "a"
mode = "0644"

[key.file]
path = "key"
"#;

#[test]
fn the_full_text_is_valid() {
    assert_eq!(mistakes(FULL), "");
}

#[test]
fn keys_are_listed_in_declared_order() {
    let schema = schema::<Config>();
    let paths: Vec<String> = reference(&schema).into_iter().map(|key| key.path).collect();
    assert_eq!(
        paths.join(" "),
        "edition product product.name product.display-name product.size-max product.since service \
         service.restart-delay service.restart service.workers service.options listeners \
         listeners.<name> listeners.<name>.address listeners.<name>.port files files[].source \
         files[].mode checksums key key.environment key.file key.file.path level command \
         error-ratio"
    );
}

#[test]
fn a_key_is_described_in_full() {
    let keys = reference(&schema::<Config>());
    let key = |path: &str| keys.iter().find(|key| key.path == path).cloned();
    let doc = |path: &str, kind: &str, description: &str| KeyDoc {
        path: path.to_owned(),
        kind: kind.to_owned(),
        description: description.to_owned(),
        ..KeyDoc::default()
    };
    let delay = doc("service.restart-delay", "duration", "Pause before a restart.");
    assert_eq!(
        key("service.restart-delay"),
        Some(KeyDoc { default: Some("\"1m30s\"".to_owned()), ..delay })
    );
    let workers = doc("service.workers", "integer", "Threads.");
    let (range, default) = (Some("1 to 65535".to_owned()), Some("4".to_owned()));
    assert_eq!(key("service.workers"), Some(KeyDoc { range, default, ..workers }));
    let level = doc("level", "string", "How much is logged.");
    let allowed = ["debug", "info", "error"].map(str::to_owned).to_vec();
    assert_eq!(key("level"), Some(KeyDoc { allowed, ..level }));
    let secret = doc("key", "string or table", "Where the secret key is.");
    let allowed = ["prompt", "environment", "file"].map(str::to_owned).to_vec();
    assert_eq!(key("key"), Some(KeyDoc { allowed, ..secret }));
    let address = doc("listeners.<name>.address", "IP address", "The address to bind.");
    assert_eq!(key("listeners.<name>.address"), Some(KeyDoc { required: true, ..address }));
    assert_eq!(key("command").map(|key| key.kind), Some("string or list of strings".to_owned()));
    assert_eq!(key("files").map(|key| key.kind), Some("list of tables".to_owned()));
    assert_eq!(key("checksums").map(|key| key.allowed.len()), Some(3));
}

#[test]
fn a_type_that_contains_itself_is_described_once() {
    let schema = json!({
        "$ref": "#/$defs/Tree",
        "$defs": { "Tree": {
            "type": "object",
            "properties": { "child": { "$ref": "#/$defs/Tree" }, "name": { "type": "string" } },
        } },
    });
    let paths: Vec<String> = reference(&schema).into_iter().map(|key| key.path).collect();
    assert_eq!(paths, ["child", "name"]);
}

#[test]
fn every_rule_of_the_sample_is_enforced() {
    assert_eq!(unchecked(&schema::<Config>()), [] as [String; 0]);
}

#[test]
fn each_key_misspelled_in_turn_is_suggested() {
    let declared = reference(&schema::<Config>());
    let names = declared.iter().filter_map(|key| key.path.rsplit('.').next());
    let mut tried = 0;
    for name in names.filter(|name| FULL.contains(*name)) {
        for (position, _) in FULL.match_indices(name) {
            let behind = FULL[position + name.len()..].chars().next();
            let before = FULL[..position].chars().next_back();
            let is_key =
                matches!(before, Some('\n' | '[' | '.')) && matches!(behind, Some(' ' | ']' | '.'));
            if !is_key {
                continue;
            }
            tried += 1;
            let slip = format!("{}{}", &name[..1], &name[..name.len()]);
            let mut text = FULL.to_owned();
            text.replace_range(position..position + name.len(), &slip);
            let found = mistakes(&text);
            assert!(found.contains(&format!("unknown key `{slip}`")), "{slip}:\n{found}");
            assert!(found.contains(&format!("did you mean `{name}`?")), "{slip}:\n{found}");
        }
    }
    assert_eq!(tried, 24, "keys of the full text");
}

#[test]
fn a_punctuation_mark_left_out_has_no_false_echo() {
    let marks = FULL.char_indices().filter(|(_, c)| "[]{}=\"".contains(*c));
    for (offset, mark) in marks {
        let mut text = FULL.to_owned();
        text.remove(offset);
        let found = mistakes(&text);
        assert_eq!(found.matches("error: ").count(), 1, "without `{mark}` at {offset}:\n{found}");
    }
}
