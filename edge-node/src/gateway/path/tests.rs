//! What the normal form is, and what every normal form keeps.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(path: &str, expected: Result<&str, PathFault>) {
    let normal = normalise(path);
    assert_eq!(normal.as_deref().map_err(|fault| *fault), expected, "{path}");
}

#[test]
fn a_normal_path_is_not_copied() {
    for path in [
        "/",
        "/a",
        "/a/b/",
        "/.well-known/x",
        "/...",
        "/..a/.b",
        "/a;v=1/b,c",
        "/%C3%A9%20x",
        "/a%25",
        "/@:!$&'()*+=~_-",
    ] {
        assert!(matches!(normalise(path), Ok(Cow::Borrowed(same)) if same == path), "{path}");
    }
}

#[test]
fn escapes_have_one_spelling() {
    check("/%61%2d%7E%5f", Ok("/a-~_"));
    check("/%c3%a9%3b", Ok("/%C3%A9%3B"));
    check("/%252e%252e/x", Ok("/%252e%252e/x"));
    check("/a[0]|{x}^\"<>`", Ok("/a%5B0%5D%7C%7Bx%7D%5E%22%3C%3E%60"));
}

#[test]
fn dot_segments_and_double_slashes_are_gone() {
    check("/a/./b/../c", Ok("/a/c"));
    check("/a/%2e/b/%2E./c", Ok("/a/c"));
    check("/a/..", Ok("/"));
    check("/a/.", Ok("/a/"));
    check("/a/b/..", Ok("/a/"));
    check("//a///b//", Ok("/a/b/"));
    check("//", Ok("/"));
    check("/a//../b", Ok("/b"));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    check("", Err(PathFault::Relative));
    check("*", Err(PathFault::Relative));
    check("a/b", Err(PathFault::Relative));
    check("/..", Err(PathFault::AboveRoot));
    check("/a/../..", Err(PathFault::AboveRoot));
    check("/%2e%2e/etc/passwd", Err(PathFault::AboveRoot));
    check("//..", Err(PathFault::AboveRoot));
    check("/a\\..\\b", Err(PathFault::Backslash));
    check("/a%5c..", Err(PathFault::Backslash));
    check("/a%2Fb", Err(PathFault::EncodedSlash));
    check("/..%2f", Err(PathFault::EncodedSlash));
    check("/a%00.html", Err(PathFault::NoText));
    check("/a%0d%0aX:1", Err(PathFault::NoText));
    check("/a%7f", Err(PathFault::NoText));
    check("/%c0%ae%c0%ae/", Err(PathFault::NoText));
    check("/%e0%80%af", Err(PathFault::NoText));
    check("/%f0%80%80%af", Err(PathFault::NoText));
    check("/a%", Err(PathFault::Escape));
    check("/a%2", Err(PathFault::Escape));
    check("/a%zz", Err(PathFault::Escape));
    check("/a%u002e", Err(PathFault::Escape));
    check("/é", Err(PathFault::Character));
    check("/a b", Err(PathFault::Character));
    check("/a?b", Err(PathFault::Character));
    check("/a#b", Err(PathFault::Character));
    check("/a\u{7f}", Err(PathFault::Character));
    check("/a/..;/b", Err(PathFault::Parameters));
    check("/.;x=1", Err(PathFault::Parameters));
    check("/%2e%2e;/b", Err(PathFault::Parameters));
    check("/;/admin", Err(PathFault::Parameters));
    check(&format!("/{}", "a".repeat(PATH_BYTES_MAX)), Err(PathFault::TooLong));
}

/// Upstreams get the normal form, in which a quote has three bytes.
#[test]
fn the_normal_form_is_bounded_as_well() {
    let quotes = (PATH_BYTES_MAX - 2) / 3;
    let path = |letters: usize| format!("/{}{}", "\"".repeat(quotes), "a".repeat(letters));
    let letters = PATH_BYTES_MAX - 1 - 3 * quotes;
    assert_eq!(normalise(&path(letters)).unwrap().len(), PATH_BYTES_MAX);
    assert_eq!(normalise(&path(letters + 1)), Err(PathFault::TooLong));
}

/// Paths of what matters, in every order.
fn paths() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "/", "/", "/", ".", "..", "%2e", "%2E", ";", "a", "B", "%41", "%c3", "%C3%a9", "%25", "%",
        "%2f", "[", "~", "%7e", "\\", "%00", "%e0", "%80", " ", "=",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn the_normal_form_is_normal(path in prop_oneof![paths(), "/\\PC{0,40}"]) {
        let Ok(normal) = normalise(&path) else { return Ok(()) };
        prop_assert!(is_normal(normal.as_bytes()), "{path} -> {normal}");
        prop_assert_eq!(rebuild(&normal), Ok(normal.to_string()));
        let mut segments: Vec<_> = normal[1..].split('/').collect();
        prop_assert!(!segments.iter().any(|segment| matches!(*segment, "." | "..")));
        segments.pop();
        prop_assert!(!segments.contains(&""), "{path} -> {normal}");
    }

    #[test]
    fn exactly_what_rebuilding_changes_is_not_normal(path in paths()) {
        prop_assert_eq!(is_normal(path.as_bytes()), rebuild(&path).as_ref() == Ok(&path));
    }

    #[test]
    fn it_stands_for_the_same_text(path in "/[a-z%]{0,3}(%[0-9a-fA-F]{2}|[a-z.~]){0,12}") {
        let Ok(normal) = normalise(&path) else { return Ok(()) };
        let is_plain = !path.contains("/.") && !path.contains("%2");
        prop_assume!(is_plain);
        prop_assert_eq!(decoded(&normal), decoded(&path));
    }
}
