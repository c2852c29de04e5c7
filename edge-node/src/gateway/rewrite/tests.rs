//! What paths and headers become.

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::gateway::path::normalise;

fn prefix(text: &str) -> PathPattern {
    PathPattern::Prefix(text.into())
}

#[track_caller]
fn check_prefix(old: &str, new: &str, given: &str, expected: &str) {
    let rewrite = PathRewrite::Prefix(new.into());
    assert_eq!(path(&rewrite, &prefix(old), given, &Vec::new()), expected);
}

#[test]
fn a_path_that_is_kept_is_not_copied() {
    let kept = path(&PathRewrite::Keep, &prefix("/v1"), "/v1/a%20b", &Vec::new());
    assert!(matches!(kept, Cow::Borrowed("/v1/a%20b")));
}

#[test]
fn a_prefix_takes_the_place_of_the_one_that_matched() {
    check_prefix("/v1", "/v2", "/v1", "/v2");
    check_prefix("/v1", "/v2", "/v1/", "/v2/");
    check_prefix("/v1", "/v2", "/v1/a%2Eb", "/v2/a%2Eb");
    check_prefix("/v1", "/v2/", "/v1/a", "/v2/a");
    check_prefix("/v1", "", "/v1", "/");
    check_prefix("/v1", "/", "/v1", "/");
    check_prefix("/v1", "/", "/v1/a", "/a");
    check_prefix("", "/app", "/", "/app/");
    check_prefix("", "/app", "/a", "/app/a");
}

#[test]
fn of_an_exact_path_everything_matched() {
    let rewrite = PathRewrite::Prefix("/new".into());
    let pattern = PathPattern::Exact("/old/x".into());
    assert_eq!(path(&rewrite, &pattern, "/old/x", &Vec::new()), "/new");
}

#[test]
fn a_template_is_filled_with_what_matched_and_escapes_stay() {
    let segments = vec![
        TemplateSegment::Literal("u".into()),
        TemplateSegment::Parameter("id".into()),
        TemplateSegment::Rest("rest".into()),
    ];
    let rewrite = PathRewrite::Template(segments.clone());
    let pattern = PathPattern::Template(segments);
    let filled = |id: &str, rest: &str| {
        let parameters = vec![("rest".into(), rest.to_owned()), ("id".into(), id.to_owned())];
        path(&rewrite, &pattern, "/", &parameters).into_owned()
    };
    assert_eq!(filled("a%2Cb", "c/d/"), "/u/a%2Cb/c/d/");
    assert_eq!(filled("7", ""), "/u/7/");
    assert_eq!(path(&PathRewrite::Template(Vec::new()), &prefix(""), "/x", &Vec::new()), "/");
}

#[test]
fn headers_are_taken_away_set_and_added_in_this_order() {
    let text = |text: &'static str| HeaderValue::from_static(text);
    let name = |text: &'static str| HeaderName::from_static(text);
    let edits = HeaderEdits {
        remove: vec![name("x-old"), name("x-missing")],
        set: vec![(name("x-edge"), text("1")), (name("x-old"), text("new"))],
        add: vec![(name("x-edge"), text("2")), (name("x-edge"), text("2"))],
    };
    let mut map = HeaderMap::new();
    for (header, value) in [("x-old", "a"), ("x-old", "b"), ("x-edge", "c"), ("x-edge", "d")] {
        map.append(name(header), text(value));
    }
    headers(&edits, &mut map);
    assert_eq!(map.get_all("x-old").iter().collect::<Vec<_>>(), ["new"]);
    assert_eq!(map.get_all("x-edge").iter().collect::<Vec<_>>(), ["1", "2", "2"]);
}

proptest! {
    #[test]
    fn what_comes_out_is_normal(
        old in "(/[ab]{1,2}){0,2}",
        new in "(/[cd]{1,2}){0,2}/?",
        rest in "(/[a-c%.]{0,3}){0,4}",
    ) {
        let Ok(given) = normalise(&format!("{old}{rest}")).map(Cow::into_owned) else { return Ok(()) };
        prop_assume!(crate::gateway::table::takes_path(&prefix(&old), &given));
        let rewritten = path(&PathRewrite::Prefix(new.into()), &prefix(&old), &given, &Vec::new());
        prop_assert_eq!(normalise(&rewritten), Ok(rewritten.clone()));
    }
}
