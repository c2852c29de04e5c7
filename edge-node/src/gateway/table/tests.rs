//! Which route wins, which pairs are refused, and a plain model of both.

use std::cmp::Ordering;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

/// A route as `METHOD,METHOD host,host pattern header=value header`, each but the pattern `*` for any.
fn matcher(text: &str) -> Matcher {
    let mut words = text.split(' ');
    let list = |word: Option<&str>| -> Vec<String> {
        let word = word.unwrap();
        if word == "*" { Vec::new() } else { word.split(',').map(str::to_owned).collect() }
    };
    let methods = list(words.next()).iter().map(|method| method.parse().unwrap()).collect();
    let hosts = list(words.next()).iter().map(|host| host_pattern(host)).collect();
    let path = path_pattern(words.next().unwrap());
    let headers = words
        .map(|word| {
            let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
            HeaderMatch {
                name: name.parse().unwrap(),
                value: value.map(|value| HeaderValue::from_str(value).unwrap()),
            }
        })
        .collect();
    Matcher { hosts, path, methods, headers }
}

fn host_pattern(text: &str) -> HostPattern {
    match text.strip_prefix('*') {
        Some(suffix) => HostPattern::Wildcard(suffix.into()),
        None => HostPattern::Exact(text.into()),
    }
}

/// `/a...` is a prefix, what has braces a template.
fn path_pattern(text: &str) -> PathPattern {
    if text.contains('{') {
        let segment =
            |text: &str| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
                None => TemplateSegment::Literal(text.into()),
                Some(name) => match name.strip_suffix("...") {
                    None => TemplateSegment::Parameter(name.into()),
                    Some(name) => TemplateSegment::Rest(name.into()),
                },
            };
        return PathPattern::Template(text[1..].split('/').map(segment).collect());
    }
    match text.strip_suffix("...") {
        Some(prefix) => PathPattern::Prefix(prefix.trim_end_matches('/').into()),
        None => PathPattern::Exact(text.into()),
    }
}

fn table<'a>(routes: &[&'a str]) -> Result<Table<&'a str>, Vec<Ambiguity>> {
    Table::new(routes.iter().map(|text| (matcher(text), *text)).collect())
}

/// A request as `METHOD host path header=value`.
fn find<'a, T: Copy>(table: &'a Table<T>, request: &str) -> Result<Found<'a, T>, Miss> {
    let mut words = request.split(' ');
    let method: Method = words.next().unwrap().parse().unwrap();
    let (host, path) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in words.map(|word| word.split_once('=').unwrap()) {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    table.find(host, path, &method, &headers)
}

#[track_caller]
fn check(routes: &[&str], request: &str, expected: &str) {
    // In both orders: the place must not matter.
    let mut routes = routes.to_vec();
    for _ in 0..2 {
        routes.reverse();
        let table = table(&routes).unwrap();
        assert_eq!(find(&table, request).map(|found| *found.route), Ok(expected), "{request}");
    }
}

#[track_caller]
fn check_miss(routes: &[&str], request: &str, expected: Miss) {
    let table = table(routes).unwrap();
    assert_eq!(find(&table, request).map(|found| *found.route), Err(expected), "{request}");
}

#[test]
fn an_exact_host_wins_over_a_wildcard_and_that_over_any() {
    let routes = ["* a.x /...", "* *.x /...", "* * /..."];
    check(&routes, "GET a.x /", routes[0]);
    check(&routes, "GET b.x /", routes[1]);
    check(&routes, "GET b.a.x /", routes[2]);
    check(&routes, "GET .x /", routes[2]);
    check(&routes, "GET x /", routes[2]);
    check(&routes, "OPTIONS  /", routes[2]);
}

#[test]
fn what_fits_less_of_the_host_gets_what_the_others_do_not_take() {
    let routes = ["GET a.x /v1...", "* * /..."];
    check(&routes, "GET a.x /v2", routes[1]);
    check(&routes, "POST a.x /v1", routes[1]);
}

#[test]
fn an_exact_path_wins_over_a_template_and_that_over_the_longest_prefix() {
    let routes = [
        "* * /u/me",
        "* * /u/{id}",
        "* * /u/{id}/{rest...}",
        "* * /u...",
        "* * /u/x/y...",
        "* * /...",
    ];
    check(&routes, "GET h /u/me", routes[0]);
    check(&routes, "GET h /u/you", routes[1]);
    check(&routes, "GET h /u/you/", routes[2]);
    check(&routes, "GET h /u/x/y/z", routes[2]);
    check(&routes, "GET h /u/", routes[3]);
    check(&routes, "GET h /u", routes[3]);
    check(&routes, "GET h /ux", routes[5]);
}

#[test]
fn of_prefixes_the_longest_wins_by_whole_segments() {
    let routes = ["* * /a/b...", "* * /a...", "* * /..."];
    check(&routes, "GET h /a/b/c", routes[0]);
    check(&routes, "GET h /a/b/", routes[0]);
    check(&routes, "GET h /a/bc", routes[1]);
    check(&routes, "GET h /ab", routes[2]);
}

#[test]
fn of_templates_the_one_with_more_literals_wins_and_then_the_one_with_the_first() {
    let routes = ["* * /{x}/b/c", "* * /a/{y}/{z}", "* * /{x}/b/{z}", "* * /a/{rest...}"];
    check(&routes, "GET h /a/b/c", routes[0]);
    check(&routes, "GET h /a/b/d", routes[1]);
    check(&routes, "GET h /e/b/d", routes[2]);
    check(&routes, "GET h /a/b", routes[3]);
    check(&routes, "GET h /a/", routes[3]);
    check_miss(&routes, "GET h /a", Miss::NoRoute);
}

#[test]
fn a_longer_prefix_that_does_not_fit_otherwise_leaves_it_to_a_shorter_one() {
    let routes = ["POST * /a/b...", "GET * /a..."];
    check(&routes, "GET h /a/b", routes[1]);
    let routes = ["POST * /a/b", "GET * /a/{x}", "* * /a..."];
    check(&routes, "GET h /a/b", routes[1]);
    check(&routes, "PUT h /a/b", routes[2]);
}

#[test]
fn more_headers_win_then_more_values_then_named_methods() {
    let routes = ["* * / x=1 y", "* * / x=1", "POST * / x", "* * / x", "GET * /", "* * /"];
    check(&routes, "GET h / x=1 y=2", routes[0]);
    check(&routes, "POST h / x=1", routes[1]);
    check(&routes, "POST h / x=2", routes[2]);
    check(&routes, "GET h / x=2", routes[3]);
    check(&routes, "GET h / x=2 x=1", routes[1]);
    check(&routes, "GET h / y=2", routes[4]);
    check(&routes, "PUT h /", routes[5]);
}

#[test]
fn head_goes_where_get_goes_unless_a_route_names_it() {
    check(&["GET * /"], "HEAD h /", "GET * /");
    check(&["GET * /", "HEAD * /"], "HEAD h /", "HEAD * /");
    check(&["GET * /", "HEAD,POST * /"], "HEAD h /", "HEAD,POST * /");
    check(&["GET * /", "HEAD,POST * /"], "GET h /", "GET * /");
}

#[test]
fn a_miss_by_method_tells_the_methods_of_all_that_fit_otherwise() {
    let routes = ["GET a.x /a", "PUT * /{p}", "DELETE * /...", "POST * /a x", "PATCH b /a"];
    let methods = |list: &[Method]| Miss::Method(list.to_vec());
    let expected = methods(&[Method::DELETE, Method::GET, Method::HEAD, Method::PUT]);
    check_miss(&routes, "LOCK a.x /a", expected);
    check_miss(&routes, "LOCK b.x /b/c", methods(&[Method::DELETE]));
    check_miss(&["GET a.x /a"], "GET a.x /b", Miss::NoRoute);
    check_miss(&["GET a.x /a"], "POST b.x /a", Miss::NoRoute);
    check_miss(&["* * /a x"], "GET h /a", Miss::NoRoute);
    check_miss(&[], "GET h /a", Miss::NoRoute);
}

#[test]
fn parameters_are_told_in_order_with_their_escapes() {
    let table = table(&["* * /u/{id}/f/{rest...}"]).unwrap();
    let found = find(&table, "GET h /u/a%2Cb/f/c/d/").unwrap();
    let parameters: Vec<_> =
        found.parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(parameters, [("id", "a%2Cb"), ("rest", "c/d/")]);
    let found = find(&table, "GET h /u/1/f/").unwrap();
    assert_eq!(&*found.parameters[1].1, "");
}

#[track_caller]
fn check_alike(routes: &[&str], pairs: &[(usize, usize)]) {
    let pairs: Vec<_> =
        pairs.iter().map(|(first, second)| Ambiguity { first: *first, second: *second }).collect();
    assert_eq!(table(routes).map(|_table| ()), if pairs.is_empty() { Ok(()) } else { Err(pairs) });
}

#[test]
fn routes_that_nothing_tells_apart_are_refused_in_pairs() {
    check_alike(&["* * /a", "* * /a"], &[(0, 1)]);
    check_alike(&["* a,b /", "* c,b,a /"], &[(0, 1)]);
    check_alike(&["* * /{x}", "* * /{y}"], &[(0, 1)]);
    check_alike(&["GET,PUT * /", "PUT,POST * /", "POST * /"], &[(0, 1), (1, 2)]);
    check_alike(&["GET * /", "GET,HEAD * /"], &[(0, 1)]);
    check_alike(&["* * / x=1", "* * / y=1"], &[(0, 1)]);
    check_alike(&["* * / x", "* * / y"], &[(0, 1)]);
    check_alike(&["* * / x=1 y=1", "* * / x=1 z=1"], &[(0, 1)]);
}

#[test]
fn routes_that_no_request_fits_both_of_are_not() {
    check_alike(&["* a /", "* b /", "* *.a /", "* * /"], &[]);
    check_alike(&["* * /a", "* * /b", "* * /a/"], &[]);
    check_alike(&["* * /a/{x}", "* * /b/{x}", "* * /{x}/a", "* * /a/{x}/"], &[]);
    check_alike(&["GET * /", "POST * /", "* * /", "HEAD * /"], &[]);
    check_alike(&["* * / x=1", "* * / x=2", "* * / x"], &[]);
    check_alike(&["* * / x=1 y=1", "* * / x=2 y=1"], &[]);
}

#[test]
fn rows_are_in_the_order_in_which_requests_meet_them() {
    let table = table(&["* * /...", "GET b,*.x /", "* a /...", "* *.x /...", "* b /a..."]).unwrap();
    let rows: Vec<_> = table.rows().iter().map(|row| *row.route).collect();
    let expected =
        ["* a /...", "GET b,*.x /", "* b /a...", "GET b,*.x /", "* *.x /...", "* * /..."];
    assert_eq!(rows, expected);
}

const HOSTS: [&str; 4] = ["", "x", "a.x", "b.x"];
const PATHS: [&str; 9] = ["/", "/a", "/b", "/a/", "/a/b", "/b/a", "/a/b/", "/a/b/c", "/ab"];
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];
const HEADERS: [&str; 6] = ["", " x=1", " x=2", " y=1", " x=1 y=1", " x=2 y=1"];

fn requests() -> impl Iterator<Item = String> {
    let with = |list: &'static [&'static str], begun: String, between: &'static str| {
        list.iter().map(move |part| format!("{begun}{between}{part}"))
    };
    METHODS
        .iter()
        .flat_map(move |method| with(&HOSTS, (*method).to_owned(), " "))
        .flat_map(move |begun| with(&PATHS, begun, " "))
        .flat_map(move |begun| with(&HEADERS, begun, ""))
}

fn routes() -> impl Strategy<Value = Vec<String>> {
    let methods = prop::sample::select(vec!["*", "GET", "HEAD", "POST", "GET,POST", "GET,HEAD"]);
    let hosts = prop::sample::select(vec!["*", "x", "a.x", "*.x", "a.x,*.x"]);
    let paths = prop::sample::select(vec![
        "/",
        "/a",
        "/...",
        "/a...",
        "/a/b...",
        "/{p}",
        "/{q}",
        "/a/{p}",
        "/{p}/b",
        "/{r...}",
        "/a/{r...}",
        "/{p}/{r...}",
        "/{p}/{q}",
        "/a/{p}/",
    ]);
    let headers = prop::sample::select(vec!["", "", " x", " x=1", " x=2", " y=1", " x y=1"]);
    let route = (methods, hosts, paths, headers)
        .prop_map(|(method, host, path, header)| format!("{method} {host} {path}{header}"));
    prop::collection::vec(route, 0..6)
}

/// The rules once more, as a list of questions in order. Which host pattern takes the request is settled before.
fn compare(one: &Matcher, other: &Matcher, request: &str) -> Ordering {
    let host_class = |matcher: &Matcher| {
        let host = request.split(' ').nth(1).unwrap();
        let is_exact = matcher.hosts.contains(&HostPattern::Exact(host.into()));
        if is_exact {
            0
        } else if matcher.hosts.is_empty() {
            2
        } else {
            1
        }
    };
    let path_class = |matcher: &Matcher| match &matcher.path {
        PathPattern::Exact(_) => (0, 0, String::new()),
        PathPattern::Template(segments) => {
            let kinds: String = segments
                .iter()
                .map(|segment| match segment {
                    TemplateSegment::Literal(_) => 'a',
                    TemplateSegment::Parameter(_) => 'b',
                    TemplateSegment::Rest(_) => 'c',
                })
                .collect();
            (1, 100 - kinds.matches('a').count(), kinds)
        }
        PathPattern::Prefix(prefix) => (2, 100 - prefix.len(), String::new()),
    };
    let values = |matcher: &Matcher| matcher.headers.iter().filter(|h| h.value.is_some()).count();
    let is_head_by_get = |matcher: &Matcher| {
        request.starts_with("HEAD")
            && !matcher.methods.is_empty()
            && !matcher.methods.contains(&Method::HEAD)
    };
    host_class(one)
        .cmp(&host_class(other))
        .then_with(|| path_class(one).cmp(&path_class(other)))
        .then_with(|| other.headers.len().cmp(&one.headers.len()))
        .then_with(|| values(other).cmp(&values(one)))
        .then_with(|| one.methods.is_empty().cmp(&other.methods.is_empty()))
        .then_with(|| is_head_by_get(one).cmp(&is_head_by_get(other)))
}

/// The places of the routes that take a request, whatever their rank.
fn takers(matchers: &[Matcher], request: &str) -> Vec<usize> {
    let mut words = request.split(' ');
    let method: Method = words.next().unwrap().parse().unwrap();
    let (host, path) = (words.next().unwrap(), words.next().unwrap());
    let headers: HeaderMap = words
        .map(|word| word.split_once('=').unwrap())
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let takes = |matcher: &Matcher| {
        (matcher.hosts.is_empty() || matcher.hosts.iter().any(|one| takes_host(Some(one), host)))
            && takes_path(&matcher.path, path)
            && has_method(matcher, &method)
            && has_headers(matcher, &headers)
    };
    (0..matchers.len()).filter(|place| takes(&matchers[*place])).collect()
}

proptest! {
    // Each case asks for every request there is.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_table_finds_what_a_plain_search_finds(routes in routes()) {
        let matchers: Vec<_> = routes.iter().map(|route| matcher(route)).collect();
        let made = Table::new(matchers.iter().cloned().zip(0..).collect());
        let mut alike = std::collections::BTreeSet::new();
        for request in requests() {
            let takers = takers(&matchers, &request);
            for (at, first) in takers.iter().enumerate() {
                for second in &takers[at + 1..] {
                    if compare(&matchers[*first], &matchers[*second], &request).is_eq() {
                        alike.insert(Ambiguity { first: *first, second: *second });
                    }
                }
            }
            let best = takers.iter().copied().min_by(|one, other| {
                compare(&matchers[*one], &matchers[*other], &request)
            });
            if let Ok(table) = &made {
                let found = find(table, &request).map(|found| *found.route);
                prop_assert_eq!(found.as_ref().ok(), best.as_ref(), "{}", request);
                let row = table.rows().into_iter().find(|row| {
                    let one = Matcher { hosts: row.host.into_iter().cloned().collect(), ..row.matcher.clone() };
                    !self::takers(&[one], &request).is_empty()
                });
                prop_assert_eq!(row.map(|row| *row.route), best, "{}", request);
            }
        }
        let alike: Vec<_> = alike.into_iter().collect();
        prop_assert_eq!(made.err().unwrap_or_default(), alike);
    }
}
