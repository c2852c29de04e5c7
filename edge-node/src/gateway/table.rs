//! Which route takes a request: a table made of matchers, asked by host, path, method and headers. Pure.
//!
//! Of the routes that take a request, the most specific one gets it:
//! 1. host: exact, then wildcard, then any;
//! 2. path: exact, then template, then prefix; of templates the one with more literal segments, then, from left to
//!    right, a literal before a parameter before the rest; of prefixes the longest;
//! 3. headers: more matches first, then more of them with a value;
//! 4. methods: named before any; for HEAD, named before taken because of GET.
//!
//! Two routes that some request fits and that none of this tells apart are refused when the table is made. A header has
//! one value for this: a request with two, which fits two routes, gets the one that was named first.
//!
//! A request asks a hash table for its host, then a hash table for its exact path or a tree of segments; how many routes
//! there are does not matter. Nothing is allocated but for parameters.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::config::{HeaderMatch, HostPattern, Matcher, PathPattern, TemplateSegment};

mod fit;
mod tree;

pub(super) use fit::{has_headers, has_method, takes_host, takes_path};
use tree::{Hashing, Tree};

/// The routes of a listener, the most specific first; `T` is what a route leads to.
#[derive(Debug)]
pub struct Table<T> {
    /// In the order of rules 2 to 4.
    entries: Vec<Entry<T>>,
    exact: HashMap<Box<str>, Tree, Hashing>,
    /// By what follows the first label, the dot included.
    wildcard: HashMap<Box<str>, Tree, Hashing>,
    any: Tree,
}

#[derive(Debug)]
struct Entry<T> {
    matcher: Matcher,
    /// Of the path's parameters, in order.
    names: Box<[Arc<str>]>,
    route: T,
    /// Its place in what the table was made of.
    place: usize,
}

/// What the parameters of a path template stand for, in the order of the template.
pub type Parameters = Vec<(Arc<str>, String)>;

/// The route that takes a request.
#[derive(Debug)]
pub struct Found<'a, T> {
    /// What it leads to.
    pub route: &'a T,
    /// What its path pattern was.
    pub path: &'a PathPattern,
    /// What the pattern's parameters stand for.
    pub parameters: Parameters,
}

/// Why no route takes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// None fits host, path and headers.
    NoRoute,
    /// Some fit but for the method; these are theirs, HEAD with every GET, each once and sorted.
    Method(Vec<Method>),
}

/// Two routes that some request would fit equally well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ambiguity {
    /// The place of the one in what the table was to be made of.
    pub first: usize,
    /// The place of the other.
    pub second: usize,
}

/// A route of a table, for those who show it.
#[derive(Debug)]
pub struct Row<'a, T> {
    /// The host pattern by which it takes requests; none for every host.
    pub host: Option<&'a HostPattern>,
    /// All that it asks of requests.
    pub matcher: &'a Matcher,
    /// What it leads to.
    pub route: &'a T,
}

impl<T> Table<T> {
    /// Makes a table.
    ///
    /// # Errors
    /// Every pair of routes of which neither is the more specific, each pair once, in order.
    pub fn new(routes: Vec<(Matcher, T)>) -> Result<Self, Vec<Ambiguity>> {
        let mut entries: Vec<_> = routes
            .into_iter()
            .enumerate()
            .map(|(place, (matcher, route))| Entry {
                names: names(&matcher.path),
                matcher,
                route,
                place,
            })
            .collect();
        // Stable, so that the place decides what the rank does not.
        entries.sort_by_key(|entry| rank(&entry.matcher));
        let mut table = Self {
            entries: Vec::new(),
            exact: HashMap::default(),
            wildcard: HashMap::default(),
            any: Tree::default(),
        };
        for (index, entry) in entries.iter().enumerate() {
            let Matcher { hosts, path, .. } = &entry.matcher;
            if hosts.is_empty() {
                table.any.insert(path, index);
            }
            for host in hosts {
                let tree = match host {
                    HostPattern::Exact(host) => table.exact.entry(host.clone()),
                    HostPattern::Wildcard(suffix) => table.wildcard.entry(suffix.clone()),
                };
                tree.or_default().insert(path, index);
            }
        }
        let ambiguities = ambiguities(&entries);
        table.entries = entries;
        if ambiguities.is_empty() { Ok(table) } else { Err(ambiguities) }
    }

    /// The most specific route that takes a request. `host` is lower case and without a port, `path` normalised.
    ///
    /// # Errors
    /// When none does.
    pub fn find(
        &self,
        host: &str,
        path: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Found<'_, T>, Miss> {
        let fits = |index: usize| {
            let matcher = &self.entries[index].matcher;
            has_method(matcher, method) && has_headers(matcher, headers)
        };
        let found = self.trees(host).find_map(|tree| tree.first(path, &fits));
        let entry = &self.entries[found.ok_or_else(|| self.miss(host, path, headers))?];
        let pattern = &entry.matcher.path;
        Ok(Found {
            route: &entry.route,
            path: pattern,
            parameters: parameters(pattern, &entry.names, path),
        })
    }

    /// The trees that may hold a route for a host, the most specific first.
    fn trees(&self, host: &str) -> impl Iterator<Item = &Tree> {
        // A wildcard stands for a label, so for something.
        let suffix = host.find('.').filter(|dot| *dot > 0).map(|dot| &host[dot..]);
        let exact = self.exact.get(host);
        let wildcard = suffix.and_then(|suffix| self.wildcard.get(suffix));
        exact.into_iter().chain(wildcard).chain([&self.any])
    }

    fn miss(&self, host: &str, path: &str, headers: &HeaderMap) -> Miss {
        let mut methods = Vec::new();
        for tree in self.trees(host) {
            tree.visit(path, &mut |leaf| {
                for matcher in leaf.iter().map(|index| &self.entries[*index].matcher) {
                    if has_headers(matcher, headers) {
                        methods.extend_from_slice(&matcher.methods);
                    }
                }
            });
        }
        if methods.is_empty() {
            return Miss::NoRoute;
        }
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        methods.dedup();
        Miss::Method(methods)
    }

    /// Its routes as requests meet them, once for each of their hosts: exact hosts and then wildcards, each in
    /// alphabetical order, then routes for every host; of one host the most specific first. The first row that fits a
    /// request is the one that [`find`](Self::find) finds.
    #[must_use]
    pub fn rows(&self) -> Vec<Row<'_, T>> {
        let mut rows: Vec<_> = self
            .entries
            .iter()
            .flat_map(|Entry { matcher, route, .. }| {
                let any = matcher.hosts.is_empty().then_some(None);
                let hosts = matcher.hosts.iter().map(Some).chain(any);
                hosts.map(move |host| Row { host, matcher, route })
            })
            .collect();
        rows.sort_by_key(|row| match row.host {
            Some(HostPattern::Exact(host)) => (0, &**host),
            Some(HostPattern::Wildcard(suffix)) => (1, &**suffix),
            None => (2, ""),
        });
        rows
    }
}

/// By what routes for the same host are told apart: the lesser is the more specific.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub path: PathRank,
    pub headers: Reverse<usize>,
    pub values: Reverse<usize>,
    pub is_any_method: bool,
    /// HEAD may come to a route because of GET.
    pub is_without_head: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathRank {
    Exact,
    Template { literals: Reverse<usize>, kinds: Vec<SegmentKind> },
    Prefix { length: Reverse<usize> },
}

/// What a segment of a template takes: the lesser is the more specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SegmentKind {
    Literal,
    Parameter,
    Rest,
}

pub(super) fn rank(matcher: &Matcher) -> Rank {
    let values = matcher.headers.iter().filter(|header| header.value.is_some()).count();
    Rank {
        path: match &matcher.path {
            PathPattern::Exact(_) => PathRank::Exact,
            PathPattern::Template(segments) => {
                let kinds: Vec<_> = segments.iter().map(kind).collect();
                let literals =
                    Reverse(kinds.iter().filter(|kind| **kind == SegmentKind::Literal).count());
                PathRank::Template { literals, kinds }
            }
            PathPattern::Prefix(prefix) => PathRank::Prefix { length: Reverse(prefix.len()) },
        },
        headers: Reverse(matcher.headers.len()),
        values: Reverse(values),
        is_any_method: matcher.methods.is_empty(),
        is_without_head: !matcher.methods.contains(&Method::HEAD),
    }
}

fn kind(segment: &TemplateSegment) -> SegmentKind {
    match segment {
        TemplateSegment::Literal(_) => SegmentKind::Literal,
        TemplateSegment::Parameter(_) => SegmentKind::Parameter,
        TemplateSegment::Rest(_) => SegmentKind::Rest,
    }
}

fn names(pattern: &PathPattern) -> Box<[Arc<str>]> {
    let PathPattern::Template(segments) = pattern else { return Box::default() };
    segments
        .iter()
        .filter_map(|segment| match segment {
            TemplateSegment::Literal(_) => None,
            TemplateSegment::Parameter(name) | TemplateSegment::Rest(name) => Some((**name).into()),
        })
        .collect()
}

/// What a template's parameters stand for in a path that fits it.
fn parameters(pattern: &PathPattern, names: &[Arc<str>], path: &str) -> Parameters {
    let PathPattern::Template(segments) = pattern else { return Vec::new() };
    let mut names = names.iter();
    let mut parameters = Vec::with_capacity(names.len());
    let mut rest = &path[1..];
    for segment in segments {
        let (first, behind) = rest.split_once('/').unwrap_or((rest, ""));
        let value = match segment {
            TemplateSegment::Literal(_) => None,
            TemplateSegment::Parameter(_) => Some(first),
            TemplateSegment::Rest(_) => Some(rest),
        };
        if let Some(value) = value {
            let name = names.next().expect("each parameter has a name");
            parameters.push((Arc::clone(name), value.to_owned()));
        }
        rest = behind;
    }
    parameters
}

fn ambiguities<T>(entries: &[Entry<T>]) -> Vec<Ambiguity> {
    // Only routes with the same path can be alike: two prefixes of one length, or two templates of one form, that
    // take the same path are the same.
    let mut alike: BTreeMap<(_, _), Vec<&Entry<T>>> = BTreeMap::new();
    for entry in entries {
        // What is told apart by HEAD alone may still share other methods.
        let rank = Rank { is_without_head: false, ..rank(&entry.matcher) };
        alike.entry((rank, fit::form(&entry.matcher.path))).or_default().push(entry);
    }
    let mut found = Vec::new();
    for (at, one, group) in alike
        .values()
        .flat_map(|group| group.iter().enumerate().map(move |(at, one)| (at, one, group)))
    {
        for other in &group[at + 1..] {
            if fit::share_requests(&one.matcher, &other.matcher) {
                let (first, second) = (one.place.min(other.place), one.place.max(other.place));
                found.push(Ambiguity { first, second });
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests;
