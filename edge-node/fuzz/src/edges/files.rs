//! What of which file a request wants.

use std::fs;
use std::path::{Component, Path};
use std::time::Duration;

use edge_node::gateway::answer::Fault;
use edge_node::gateway::edges::{Conditions, Place, Selected, Validators, find, relative};
use edge_node::gateway::path as paths;
use http::HeaderMap;
use tempfile::TempDir;

use super::super::{cut, headers, lines};

/// Selects of a file by a request's headers: `GET seconds nanoseconds length`, then a header a line, in which `$T` is the
/// file's tag and `$D` its date.
pub fn conditions(data: &[u8]) {
    let (line, rest) = cut(data, b"\n").unwrap_or((data, b""));
    let Ok(line) = std::str::from_utf8(line) else { return };
    let mut words = line.split(' ');
    let is_get = words.next() == Some("GET");
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
    let (seconds, nanoseconds, length) = (number(), number(), number().unwrap_or_default());
    // No clock of any system goes further.
    let since = seconds.map(|seconds| {
        let nanoseconds = nanoseconds.unwrap_or_default() % 1_000_000_000;
        Duration::new(seconds % (1 << 39), u32::try_from(nanoseconds).unwrap_or_default())
    });
    let validators = Validators::new(since, length);
    let mut told = HeaderMap::new();
    validators.tell(&mut told);
    let told = |name| told.get(name).map_or(&b""[..], |value| value.as_bytes());
    let (tag, date) = (told("etag"), told("last-modified"));
    let asked = headers(lines(&filled(rest, tag, date)));
    let selected = Conditions::of(&asked, is_get).select(&validators, length);
    assert_selected(&asked, &selected, is_get, length);
    assert_validated(&asked, &selected, tag, date);
    for (name, value, expected) in [
        ("if-none-match", tag, Selected::Unchanged),
        ("if-modified-since", date, Selected::Unchanged),
        ("if-match", tag, Selected::Whole),
        ("if-unmodified-since", date, Selected::Whole),
    ] {
        let asked = headers(std::iter::once(&[name.as_bytes(), b":", value].concat()[..]));
        let selected = Conditions::of(&asked, is_get).select(&validators, length);
        let is_told = !value.is_empty();
        assert!(!is_told || selected == Ok(expected), "what was told is known again: {asked:?}");
    }
}

fn filled(text: &[u8], tag: &[u8], date: &[u8]) -> Vec<u8> {
    let mut parts = text.split(|byte| *byte == b'$');
    let mut filled = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        match part.split_first() {
            Some((b'T', rest)) => filled.extend([tag, rest].concat()),
            Some((b'D', rest)) => filled.extend([date, rest].concat()),
            _ => filled.extend_from_slice(part),
        }
    }
    filled
}

/// Whether a selection lies in the file, and somebody asked for it.
fn assert_selected(
    asked: &HeaderMap,
    selected: &Result<Selected, Fault>,
    is_get: bool,
    length: u64,
) {
    let has = |name: &str| asked.contains_key(name);
    match selected {
        Ok(Selected::Whole) => {}
        Ok(Selected::Unchanged) => assert!(has("if-none-match") || has("if-modified-since")),
        Ok(Selected::Part { start, length: part }) => {
            assert!(is_get && has("range") && *part > 0, "{asked:?}");
            assert!(start.checked_add(*part).is_some_and(|end| end <= length), "{asked:?}");
            let bounds = asked.get("range").and_then(|range| bounds(range.as_bytes()));
            if let Some((first, last)) =
                bounds.filter(|_| asked.get_all("range").iter().count() == 1)
            {
                let end = last.saturating_add(1).min(length.into());
                assert_eq!((u128::from(*start), u128::from(start + part)), (first, end));
            }
        }
        Err(Fault::Range(of)) => assert!(is_get && has("range") && *of == length, "{asked:?}"),
        Err(fault) => {
            assert_eq!(*fault, Fault::Precondition);
            assert!(has("if-match") || has("if-unmodified-since"), "{asked:?}");
        }
    }
}

/// Those of `bytes=first-last`.
fn bounds(range: &[u8]) -> Option<(u128, u128)> {
    let (first, last) = std::str::from_utf8(range).ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return None;
    }
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Whether nobody gets a part of what is not the version that they have, nor hears that nothing changed. A tag that is
/// not the file's is never taken for it, whatever bytes it has.
fn assert_validated(
    asked: &HeaderMap,
    selected: &Result<Selected, Fault>,
    tag: &[u8],
    date: &[u8],
) {
    let may_be = |name: &str, others: &[&[u8]]| {
        let mut values = asked.get_all(name).iter().map(http::HeaderValue::as_bytes);
        values.any(|value| {
            let has = |part: &[u8]| value.windows(part.len().max(1)).any(|window| window == part);
            has(tag) || others.iter().any(|other| has(other))
        })
    };
    if asked.contains_key("if-match") && !may_be("if-match", &[b"*"]) {
        assert_eq!(*selected, Err(Fault::Precondition), "{asked:?}");
    }
    if asked.contains_key("if-none-match") && !may_be("if-none-match", &[b"*"]) {
        assert_ne!(*selected, Ok(Selected::Unchanged), "{asked:?}");
    }
    // A date may be written in three ways.
    let time = |date: &[u8]| httpdate::parse_http_date(std::str::from_utf8(date).ok()?).ok();
    let wanted = asked.get("if-range").and_then(|date| time(date.as_bytes()));
    let is_same = may_be("if-range", &[]) || (wanted.is_some() && wanted == time(date));
    if asked.contains_key("if-range") && !is_same {
        assert!(!matches!(selected, Ok(Selected::Part { .. }) | Err(Fault::Range(_))), "{asked:?}");
    }
}

thread_local! {
    static FOLDER: TempDir = folder();
}

/// A folder of which `root` is served; outside of it, and hidden in it, are files that say `out`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let at = |path: &str| folder.path().join(path);
    for path in ["root/sub/deep", "root/.git", "root-too"] {
        fs::create_dir_all(at(path)).expect("a new folder takes others");
    }
    let inside = ["root/a", "root/b c", "root/sub/a", "root/sub/deep/a"];
    let outside = ["a", "root-too/a", "root/.a", "root/.git/a", "root/sub/.a"];
    for (path, text) in
        inside.map(|path| (path, "in")).into_iter().chain(outside.map(|path| (path, "out")))
    {
        fs::write(at(path), text).expect("a new folder takes files");
    }
    #[cfg(unix)]
    for (link, to) in [
        ("root/l", "../a"),
        ("root/m", "sub/.a"),
        ("root/n", "../root-too"),
        ("root/sub/o", "/"),
        ("root/p", "sub"),
        ("root/sub/q", "../a"),
        ("root/r", "r"),
    ] {
        std::os::unix::fs::symlink(to, at(link)).expect("a new folder takes links");
    }
    folder
}

/// Looks for a path in that folder; the path need not be normal, so that nothing rests on who made it so.
pub fn place(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    looked_for(path);
    if let Ok(normal) = paths::normalise(path) {
        looked_for(&normal);
    }
}

fn looked_for(path: &str) {
    let Some(relative) = relative(path) else { return };
    let is_shown = |part: Component<'_>| match part {
        Component::Normal(name) => {
            name == ".well-known" || !name.as_encoded_bytes().starts_with(b".")
        }
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            false
        }
    };
    assert!(relative.components().all(is_shown), "{path} is {}", relative.display());
    FOLDER.with(|folder| found(&folder.path().join("root"), &relative));
}

fn found(root: &Path, relative: &Path) {
    let Ok(place) = find(root, relative) else { return };
    let real = fs::canonicalize(root.join(relative)).expect("it was found");
    let root = fs::canonicalize(root).expect("it was made");
    assert!(real.starts_with(root), "{}", real.display());
    if let Place::File(file, metadata) = place {
        let text = std::io::read_to_string(file).expect("a file of ours can be read");
        assert_eq!((&*text, metadata.len()), ("in", 2), "{}", relative.display());
    }
}
