//! Looks for folders of the building machine in a program, as bytes: whatever section they are in, in UTF-8 or UTF-16.

use super::Violation;
use std::collections::BTreeMap;
use std::path::Path;

/// The texts to look for: each folder with the separators of both systems. The root of a file system is left out,
/// because every absolute path begins with it.
pub fn forbidden<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for folder in folders {
        let text = folder.to_string_lossy();
        let text = text.trim_end_matches(['/', '\\']);
        if text.len() < 2 || text.ends_with(':') {
            continue;
        }
        texts.extend([text.to_owned(), text.replace('\\', "/")]);
    }
    texts.sort();
    texts.dedup();
    texts
}

/// One violation for each folder that occurs, with its first place.
pub fn search(bytes: &[u8], forbidden: &[String]) -> Vec<Violation> {
    let needles: Vec<(&str, [Vec<u8>; 2])> = forbidden
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| (text.as_str(), encodings(text)))
        .collect();
    let mut first_bytes = [false; 256];
    for (text, _) in &needles {
        first_bytes[usize::from(text.as_bytes()[0])] = true;
    }
    let mut places: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for (offset, byte) in bytes.iter().enumerate() {
        if !first_bytes[usize::from(*byte)] {
            continue;
        }
        for (text, encodings) in &needles {
            for (step, encoded) in (1..).zip(encodings) {
                let rest = &bytes[offset..];
                if rest.starts_with(encoded) && ends_here(rest.get(encoded.len())) {
                    places.entry(text).or_default().push((offset, step));
                }
            }
        }
    }
    let violation = |places: Vec<(usize, usize)>| {
        let (offset, step) = places[0];
        Violation::Folder { text: context(bytes, offset, step), offset, times: places.len() }
    };
    places.into_values().map(violation).collect()
}

fn encodings(text: &str) -> [Vec<u8>; 2] {
    [text.as_bytes().to_vec(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()]
}

/// Whether a name does not go on: `/root` is in `/root/x` and `"/root"`, not in `/rootless`.
fn ends_here(next: Option<&u8>) -> bool {
    !next.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
}

/// The printable text from the place on, of one byte a character or two; strings in a program lie without a gap
/// between them, so where it began cannot be told.
fn context(bytes: &[u8], offset: usize, step: usize) -> String {
    const LENGTH_MAX: usize = 120;
    let characters = bytes[offset..].iter().step_by(step);
    characters
        .take(LENGTH_MAX)
        .take_while(|byte| (0x20..0x7f).contains(*byte))
        .map(|byte| char::from(*byte))
        .collect()
}
