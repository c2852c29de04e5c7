//! The body of `head`, and the rules of the config for what a route changes.

use edge_node::config::{
    HeaderEdits, Matcher, PathPattern, PathRewrite, TemplateSegment, editable,
};
use edge_node::gateway::head::{self as heads, Target};
use edge_node::gateway::table::Table;
use edge_node::gateway::{path as paths, rewrite};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};

use super::route_match::takes_path;
use super::{assert_normal, cut, header, headers, lines};

/// Reads a head (`METHOD target`, then a header a line). Behind an empty line are changes, one a line: `-name`,
/// `=name:value` and `+name:value` edit headers, `>pattern path` rewrites the path, each exact with a `=` before it.
pub fn head(data: &[u8]) {
    let (head, changes) = cut(data, b"\n\n").unwrap_or((data, b""));
    let Some(mut parts) = parts(head) else { return };
    heads::scrub(&mut parts.headers);
    let is_plain = |name: &HeaderName| {
        name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    assert!(parts.headers.keys().all(is_plain) && !parts.headers.contains_key("proxy"));
    let Ok(head) = heads::check(&parts) else { return };
    assert!(parts.method != Method::CONNECT);
    let is_host = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'[' | b']' | b':');
    assert!(head.host.bytes().all(is_host), "{}", head.host);
    assert!(head.authority.to_ascii_lowercase().starts_with(&*head.host));
    if let Target::Path { path, .. } = &head.target {
        assert_normal(path);
        lines(changes).take(64).filter_map(rewriting).for_each(|(pattern, how)| {
            rewritten(&pattern, &how, path);
        });
    }
    let mut changed = parts.clone();
    changed.headers = edited(&edits(changes), parts.headers.clone());
    assert_eq!(heads::check(&changed), Ok(head), "edits change whom it is for or where it ends");
}

fn parts(data: &[u8]) -> Option<Parts> {
    let mut lines = lines(data);
    let line = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = line.split_once(' ')?;
    let (target, version) = match target.split_once(' ') {
        Some((target, "1.0")) => (target, Version::HTTP_10),
        Some((target, "2")) => (target, Version::HTTP_2),
        _ => (target, Version::HTTP_11),
    };
    let request = Request::builder().method(method).uri(target).version(version);
    let mut parts = request.body(()).ok()?.into_parts().0;
    parts.headers = headers(lines);
    Some(parts)
}

/// Rewrites a path, if the pattern takes it.
fn rewritten(pattern: &PathPattern, how: &PathRewrite, path: &str) {
    let matcher = Matcher {
        hosts: Vec::new(),
        path: pattern.clone(),
        methods: Vec::new(),
        headers: Vec::new(),
    };
    let table = Table::new(vec![(matcher, ())]).expect("one route is like no other");
    let found = table.find("", path, &Method::GET, &HeaderMap::new()).ok();
    assert_eq!(found.is_some(), takes_path(pattern, path), "{pattern:?} {path}");
    let Some(found) = found else { return };
    let new = rewrite::path(how, found.path, path, &found.parameters);
    if new.len() <= paths::PATH_BYTES_MAX {
        assert_normal(&new);
    }
}

fn rewriting(line: &[u8]) -> Option<(PathPattern, PathRewrite)> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix('>')?;
    let (pattern, new) = line.split_once(' ')?;
    let pattern = match pattern.strip_prefix('=') {
        Some(exact) => PathPattern::Exact(literal(exact)?.into()),
        None if pattern.contains('{') => PathPattern::Template(template(pattern)?),
        None => PathPattern::Prefix(prefix(pattern)?),
    };
    let known = match &pattern {
        PathPattern::Template(segments) => parameters(segments),
        PathPattern::Exact(_) | PathPattern::Prefix(_) => Vec::new(),
    };
    let is_twice = known
        .iter()
        .enumerate()
        .any(|(at, (name, _))| known[..at].iter().any(|(other, _)| other == name));
    let how = match new.strip_prefix('=') {
        Some(new) => {
            let segments = template(new)?;
            let is_known = parameters(&segments).iter().all(|used| known.contains(used));
            is_known.then_some(PathRewrite::Template(segments))?
        }
        None => PathRewrite::Prefix(prefix(new)?),
    };
    (!is_twice).then_some((pattern, how))
}

fn prefix(text: &str) -> Option<Box<str>> {
    literal(text).map(|text| text.strip_suffix('/').unwrap_or(text).into())
}

/// A path as the config takes it.
fn literal(text: &str) -> Option<&str> {
    (paths::normalise(text).as_deref() == Ok(text)).then_some(text)
}

fn template(text: &str) -> Option<Vec<TemplateSegment>> {
    let parts: Vec<_> = text.strip_prefix('/')?.split('/').collect();
    let (last, others) = parts.split_last()?;
    let mut segments: Vec<_> = others.iter().map(|part| segment(part)).collect();
    segments.push(match name(last).and_then(|name| name.strip_suffix("...")) {
        Some(name) => TemplateSegment::Rest(name.into()),
        None => segment(last),
    });
    let sample = |segment: &TemplateSegment| match segment {
        TemplateSegment::Literal(text) => format!("/{text}"),
        TemplateSegment::Parameter(_) | TemplateSegment::Rest(_) => "/x".to_owned(),
    };
    literal(&segments.iter().map(sample).collect::<String>())?;
    Some(segments)
}

fn segment(part: &str) -> TemplateSegment {
    match name(part) {
        Some(name) => TemplateSegment::Parameter(name.into()),
        None => TemplateSegment::Literal(part.into()),
    }
}

fn name(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// The parameters of a template, and whether each is all that is left.
fn parameters(segments: &[TemplateSegment]) -> Vec<(&str, bool)> {
    let mut parameters = Vec::new();
    for segment in segments {
        match segment {
            TemplateSegment::Literal(_) => {}
            TemplateSegment::Parameter(name) => parameters.push((&**name, false)),
            TemplateSegment::Rest(name) => parameters.push((&**name, true)),
        }
    }
    parameters
}

fn edits(changes: &[u8]) -> HeaderEdits {
    let mut edits = HeaderEdits { remove: Vec::new(), set: Vec::new(), add: Vec::new() };
    for line in lines(changes).take(64) {
        let Some((kind, rest)) = line.split_first() else { continue };
        let edit = header(rest).filter(|(name, _)| is_editable(name));
        match (kind, edit) {
            (b'-', _) => {
                let name = HeaderName::from_bytes(rest).ok();
                edits.remove.extend(name.filter(is_editable));
            }
            (b'=', Some(edit)) => edits.set.push(edit),
            (b'+', Some(edit)) => edits.add.push(edit),
            (_, _) => {}
        }
    }
    edits
}

fn is_editable(name: &HeaderName) -> bool {
    editable(name.as_str()).is_ok()
}

/// The headers after edits, each of which did what it says.
fn edited(edits: &HeaderEdits, before: HeaderMap) -> HeaderMap {
    let mut after = before.clone();
    rewrite::headers(edits, &mut after);
    let named = edits.set.iter().chain(&edits.add).map(|(name, _)| name).chain(&edits.remove);
    for name in before.keys().chain(after.keys()).chain(named) {
        let of = |list: &[(HeaderName, HeaderValue)]| -> Vec<HeaderValue> {
            list.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone()).collect()
        };
        let mut expected = match of(&edits.set).pop() {
            Some(last) => vec![last],
            None if edits.remove.contains(name) => Vec::new(),
            None => before.get_all(name).iter().cloned().collect(),
        };
        expected.extend(of(&edits.add));
        assert_eq!(
            after.get_all(name).iter().collect::<Vec<_>>(),
            expected.iter().collect::<Vec<_>>(),
            "{name}"
        );
    }
    after
}
