//! The body of `route_match`.

use std::collections::BTreeSet;

use edge_node::config::{HeaderMatch, HostPattern, Matcher, PathPattern, TemplateSegment};
use edge_node::gateway::table::Table;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

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

pub(super) fn takes_path(pattern: &PathPattern, path: &str) -> bool {
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
