//! What each fuzz target does with some bytes: plain functions that panic where a promise is broken. The fuzz targets
//! call them, and so does `edge-node/tests/fuzz.rs`, which includes this file.

use std::collections::BTreeSet;
use std::path::Path;

use edge_node::config::{
    self, HeaderEdits, HeaderMatch, HostPattern, Matcher, PathPattern, PathRewrite, TemplateSegment,
};
use edge_node::gateway::head::{self, Target};
use edge_node::gateway::table::Table;
use edge_node::gateway::{explain, path as paths, rewrite};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};

/// Reads a config file: mistakes are told, what has none can be listed and asked.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = strict_toml::Source::new("edge-node.toml".to_owned(), text.to_owned());
    match config::parse(&source, Path::new("")) {
        Ok(config) => {
            let listings = explain::listings(&config, None).expect("all listeners are there");
            for listing in listings {
                assert!(!listing.to_string().is_empty());
                let url = http::Uri::from_static("http://a.x/a/b");
                let headers = HeaderMap::new();
                let listener = Some(listing.listener);
                let question = explain::Question { method: Method::GET, url, headers, listener };
                let told = explain::explain(&config, &question).expect("the request is one");
                assert!(!told.to_string().is_empty());
            }
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            assert!(!strict_toml::Report::new(source, mistakes).render(false).is_empty());
        }
    }
}

/// Brings a path into its normal form.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(normal) = paths::normalise(text) {
        assert_normal(&normal);
    }
}

#[track_caller]
fn assert_normal(path: &str) {
    assert_eq!(paths::normalise(path).as_deref(), Ok(path));
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{path}");
    let mut segments: Vec<_> = path.split('/').skip(1).collect();
    assert!(segments.iter().all(|segment| !matches!(*segment, "." | "..")), "{path}");
    segments.pop();
    assert!(!segments.contains(&""), "{path}");
    let text = path.to_ascii_lowercase();
    let hidden = ["%2e", "%2f", "%5c", "%00", "/..;"];
    assert!(hidden.iter().all(|hidden| !text.contains(hidden)), "{path}");
}

/// Makes a table of up to 32 routes and asks it: it finds the first of its rows that takes the request.
pub fn route_match(data: &[u8]) {
    let mut choices = data.iter().copied();
    let count = choices.next().unwrap_or_default() % 32;
    let routes: Vec<_> = (0..count).map(|at| (matcher(&mut choices), at)).collect();
    let table = match Table::new(routes.clone()) {
        Ok(table) => table,
        Err(alike) => {
            assert!(
                alike.iter().all(|pair| pair.first < pair.second && pair.second < routes.len())
            );
            let refused: BTreeSet<_> = alike.iter().map(|pair| pair.second).collect();
            let rest = routes.into_iter().enumerate().filter(|(at, _)| !refused.contains(at));
            Table::new(rest.map(|(_, route)| route).collect()).expect("of each pair one is left")
        }
    };
    while choices.len() > 0 {
        let host = pick(&mut choices, &["", "x", "a.x", "b.a.x", ".x", "[::1]"]);
        let path =
            pick(&mut choices, &["/", "/a", "/a/", "/a/b", "/a/b/", "/b/a", "/ab", "/a/b/c"]);
        let method = method(&mut choices).unwrap_or(Method::OPTIONS);
        let mut headers = HeaderMap::new();
        for HeaderMatch { name, value } in header_matches(&mut choices) {
            headers.append(name, value.unwrap_or(HeaderValue::from_static("3")));
        }
        let takes = |host_pattern: Option<&HostPattern>, matcher: &Matcher| {
            takes_host(host_pattern, host)
                && takes_path(&matcher.path, path)
                && takes_method(matcher, &method)
                && takes_headers(matcher, &headers)
        };
        let rows = table.rows();
        let row = rows.iter().find(|row| takes(row.host, row.matcher)).map(|row| *row.route);
        let found = table.find(host, path, &method, &headers).map(|found| *found.route);
        assert_eq!(found.ok(), row, "{method} {host} {path}");
    }
}

type Choices<'a> = std::iter::Copied<std::slice::Iter<'a, u8>>;

fn pick<'a>(choices: &mut Choices<'_>, from: &[&'a str]) -> &'a str {
    from[usize::from(choices.next().unwrap_or_default()) % from.len()]
}

fn method(choices: &mut Choices<'_>) -> Option<Method> {
    pick(choices, &["", "GET", "HEAD", "POST"]).parse().ok()
}

fn header_matches(choices: &mut Choices<'_>) -> Vec<HeaderMatch> {
    let lists = ["", "x", "x=1", "x=2", "y=1", "x=1 y", "x=2 y=1"];
    let header = |text: &'static str| {
        let (name, value) =
            text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        HeaderMatch {
            name: HeaderName::from_static(name),
            value: value.map(HeaderValue::from_static),
        }
    };
    pick(choices, &lists).split_whitespace().map(header).collect()
}

fn matcher(choices: &mut Choices<'_>) -> Matcher {
    let host = |text: &str| match text.strip_prefix('*') {
        Some(suffix) => HostPattern::Wildcard(suffix.into()),
        None => HostPattern::Exact(text.into()),
    };
    let hosts = pick(choices, &["", "x", "a.x", "*.x", "a.x *.x", "*.a.x", "x a.x"]);
    let segment = |text: &str| match text {
        "{}" => TemplateSegment::Parameter("p".into()),
        "{...}" => TemplateSegment::Rest("r".into()),
        text => TemplateSegment::Literal(text.into()),
    };
    let paths = [
        "=/",
        "=/a",
        "=/a/",
        "",
        "/a",
        "/a/b",
        "/{}",
        "/a/{}",
        "/{}/b",
        "/{}/{}",
        "/{...}",
        "/a/{...}",
        "/{}/{...}",
        "/a/{}/",
        "/{}/b/{...}",
    ];
    let path = pick(choices, &paths);
    Matcher {
        hosts: hosts.split_whitespace().map(host).collect(),
        path: match path.strip_prefix('=') {
            Some(exact) => PathPattern::Exact(exact.into()),
            None if path.contains('{') => {
                PathPattern::Template(path[1..].split('/').map(segment).collect())
            }
            None => PathPattern::Prefix(path.into()),
        },
        methods: (0..2).filter_map(|_| method(choices)).collect(),
        headers: header_matches(choices),
    }
}

fn takes_host(pattern: Option<&HostPattern>, host: &str) -> bool {
    match pattern {
        None => true,
        Some(HostPattern::Exact(name)) => **name == *host,
        Some(HostPattern::Wildcard(suffix)) => host.split_once('.').is_some_and(|(label, rest)| {
            !label.is_empty() && suffix.strip_prefix('.') == Some(rest)
        }),
    }
}

fn takes_path(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Exact(exact) => **exact == *path,
        PathPattern::Prefix(prefix) => *path == **prefix || path.starts_with(&format!("{prefix}/")),
        PathPattern::Template(segments) => {
            let parts: Vec<_> = path.split('/').skip(1).collect();
            let has_rest = matches!(segments.last(), Some(TemplateSegment::Rest(_)));
            let is_long_enough = if has_rest {
                parts.len() >= segments.len()
            } else {
                parts.len() == segments.len()
            };
            is_long_enough
                && segments.iter().zip(&parts).all(|(segment, part)| match segment {
                    TemplateSegment::Literal(text) => **text == **part,
                    TemplateSegment::Parameter(_) => !part.is_empty(),
                    TemplateSegment::Rest(_) => true,
                })
        }
    }
}

fn takes_method(matcher: &Matcher, method: &Method) -> bool {
    let by_get = *method == Method::HEAD && matcher.methods.contains(&Method::GET);
    matcher.methods.is_empty() || matcher.methods.contains(method) || by_get
}

fn takes_headers(matcher: &Matcher, headers: &HeaderMap) -> bool {
    matcher.headers.iter().all(|HeaderMatch { name, value }| {
        let mut there = headers.get_all(name).iter();
        there.any(|there| value.as_ref().is_none_or(|value| value == there))
    })
}

/// Reads a head (`METHOD target`, then a header a line), rewrites its path and edits its headers.
pub fn head(data: &[u8]) {
    let Some(parts) = parts(data) else { return };
    let mut parts = parts;
    head::scrub(&mut parts.headers);
    let is_plain = |name: &HeaderName| {
        name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    assert!(parts.headers.keys().all(is_plain) && !parts.headers.contains_key("proxy"));
    let Ok(head) = head::check(&parts) else { return };
    assert!(parts.method != Method::CONNECT);
    let is_host = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'[' | b']' | b':');
    assert!(head.host.bytes().all(is_host), "{}", head.host);
    assert!(head.authority.to_ascii_lowercase().starts_with(&*head.host));
    let Target::Path { path, .. } = &head.target else { return };
    assert_normal(path);
    for pattern in ["", "/a", "/a/b"] {
        let pattern = PathPattern::Prefix(pattern.into());
        if takes_path(&pattern, path) {
            for new in ["", "/c", "/c/d"] {
                let how = PathRewrite::Prefix(new.into());
                assert_normal(&rewrite::path(&how, &pattern, path, &Vec::new()));
            }
        }
    }
    edited(parts.headers.clone());
}

fn parts(data: &[u8]) -> Option<http::request::Parts> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let line = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = line.split_once(' ')?;
    let (target, version) = match target.split_once(' ') {
        Some((target, "1.0")) => (target, Version::HTTP_10),
        Some((target, "2")) => (target, Version::HTTP_2),
        _ => (target, Version::HTTP_11),
    };
    let mut request = Request::builder().method(method).uri(target).version(version);
    for line in lines.take(64) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], &line[colon + 1..]);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn edited(mut headers: HeaderMap) {
    let name = HeaderName::from_static;
    let value = HeaderValue::from_static;
    let edits = HeaderEdits {
        remove: vec![name("x-a"), name("host")],
        set: vec![(name("x-b"), value("1"))],
        add: vec![(name("x-a"), value("2")), (name("x-c"), value("3"))],
    };
    let before = headers.get_all("x-c").iter().count();
    rewrite::headers(&edits, &mut headers);
    assert!(!headers.contains_key("host"));
    assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["2"]);
    assert_eq!(headers.get_all("x-b").iter().collect::<Vec<_>>(), ["1"]);
    assert_eq!(headers.get_all("x-c").iter().count(), before + 1);
}
