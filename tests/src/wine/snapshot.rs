//! What a Windows holds at one moment, to be compared with another: files by path, size and time of change, and every
//! value of the registry. Services are registry keys.
//!
//! Left out are the temporary folders (NSIS's uninstaller runs from a copy of itself there, which Windows deletes at the
//! next start) and the keys of display, mouse and keyboard, of the running services' numbers and of its debugger, which
//! Wine writes for itself.

use std::collections::BTreeMap;
use std::path::Path;

/// Parts of keys that Wine itself writes when it starts or when a program crashes, at moments of its own.
const WINES_OWN: [&str; 5] = [
    r"\Control\Video\",
    r"\Control\Class\{4D36E968-E325-11CE-BFC1-08002BE10318}\",
    r"\Control\DeviceClasses\",
    r"\Control\ServiceCurrent",
    r"\Software\Wine\WineDbg",
];

/// Files and registry values, each with what tells that it was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    things: BTreeMap<String, String>,
}

impl Snapshot {
    /// Reads a drive and the registry as `regedit /E` writes it (UTF-16 with a byte order mark).
    pub(super) fn new(drive: &Path, registry: &[u8]) -> Self {
        let mut things = BTreeMap::new();
        add_files(drive, drive, &mut things);
        add_registry(&from_utf16(registry), &mut things);
        Self { things }
    }

    /// What is in `later` and not here or different there, and what is only here: a line each.
    pub fn changes_to(&self, later: &Self) -> Vec<String> {
        let (before, after) = (&self.things, &later.things);
        let gone = before.keys().filter(|thing| !after.contains_key(*thing));
        let new = after.iter().filter_map(|(thing, state)| match before.get(thing) {
            None => Some(format!("new: {thing}")),
            Some(old) if old != state => Some(format!("changed: {thing}: {old} -> {state}")),
            Some(_) => None,
        });
        gone.map(|thing| format!("gone: {thing}")).chain(new).collect()
    }
}

fn add_files(root: &Path, folder: &Path, things: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap().display().to_string().replace('/', "\\");
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            if !is_temporary(&name) {
                things.insert(format!(r"C:\{name}\"), String::new());
                add_files(root, &path, things);
            }
        } else {
            let changed = metadata.modified().unwrap();
            things.insert(format!(r"C:\{name}"), format!("{} bytes, {changed:?}", metadata.len()));
        }
    }
}

fn is_temporary(folder: &str) -> bool {
    folder == r"windows\temp" || (folder.starts_with(r"users\") && folder.ends_with(r"\Temp"))
}

fn from_utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> =
        bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').replace("\\\r\n  ", "")
}

fn add_registry(export: &str, things: &mut BTreeMap<String, String>) {
    let (mut key, mut counts) = ("", false);
    for line in export.lines().filter(|line| !line.is_empty()) {
        if let Some(inside) = line.strip_prefix('[') {
            key = inside.trim_end_matches(']');
            counts = !WINES_OWN.iter().any(|part| key.contains(part));
            if counts {
                things.insert(format!("[{key}]"), String::new());
            }
        } else if let Some((name, value)) = split_value(line).filter(|_| counts) {
            things.insert(format!("[{key}] {name}"), value.to_owned());
        }
    }
}

/// Splits `"name"=value` or `@=value`; a name may hold escaped quotes.
fn split_value(line: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = line.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    match line.strip_prefix("@=") {
        Some(value) => Some(("@", value)),
        None => end.and_then(|(at, _)| Some((&line[..=at], line[at + 1..].strip_prefix('=')?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(registry: &str) -> Snapshot {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = registry.encode_utf16().flat_map(u16::to_le_bytes).collect();
        Snapshot::new(folder.path(), &bytes)
    }

    #[test]
    fn a_new_a_changed_and_a_lost_value_are_told() {
        let before = snapshot(
            "\u{feff}REGEDIT\r\n\r\n[K]\r\n\"a\"=\"1\"\r\n\"b=\\\"\"=hex:01,\\\r\n  02\r\n",
        );
        let after = snapshot(
            "\u{feff}REGEDIT\r\n\r\n[K]\r\n\"b=\\\"\"=hex:01,\\\r\n  03\r\n@=\"c\"\r\n[K\\L]\r\n",
        );
        let expected = [
            "gone: [K] \"a\"",
            "changed: [K] \"b=\\\"\": hex:01,02 -> hex:01,03",
            "new: [K] @",
            "new: [K\\L]",
        ];
        let mut changes = before.changes_to(&after);
        changes.sort_by_key(|change| expected.iter().position(|line| line == change));
        assert_eq!(changes, expected);
        assert!(before.changes_to(&before).is_empty());
    }
}
