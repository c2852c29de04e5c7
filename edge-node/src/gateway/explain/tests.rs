//! What is told of requests, to the letter.

use std::path::Path;

use super::*;

const CONFIG: &str = r#"
[listeners.data]
body-bytes-max = "16MiB"
[listeners.inner]
port = 8081

[routes.api]
hosts = ["api.example.org", "*.edge.local"]
path = { prefix = "/v1" }
methods = ["GET", "POST"]
forward = { pool = "api", path = { prefix = "/v2" }, host = "upstream" }
request-headers = { remove = ["x-internal"], set = { authorization = "Basic abc" }, add = { via = "1" } }
rate-limit = { requests-per-second = 50 }

[routes.canary]
hosts = ["api.example.org"]
path = { prefix = "/v1" }
headers = [{ name = "x-canary", value = "1" }]
respond = { status = 200, body = "canary\n" }

[routes.user]
listeners = ["data"]
path = { template = "/users/{id}/{rest...}" }
forward = { pool = "api", path = { template = "/u/{id}/{rest...}" } }

[routes.old]
path = { exact = "/old" }
redirect = { scheme = "https", path = { template = "/new" } }

[routes.www]
path = { prefix = "/site" }
methods = ["GET"]
files = { root = "www" }

[pools.api]
upstreams = [{ address = "127.0.0.1:3000" }, { address = "app.local:80", weight = 2 }]
"#;

fn config(text: &str) -> Config {
    let source = strict_toml::Source::new("edge-node.toml".to_owned(), text.to_owned());
    crate::config::parse(&source, Path::new("")).unwrap()
}

/// A request as `METHOD URL name=value`.
fn question(text: &str) -> Question {
    let mut words = text.split(' ');
    let (method, url) = (words.next().unwrap().parse().unwrap(), words.next().unwrap().to_owned());
    let headers = words
        .map(|word| word.split_once('=').unwrap())
        .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    Question { method, url, headers, listener: Some("data".to_owned()) }
}

fn told(request: &str) -> String {
    explain(&config(CONFIG), &question(request)).unwrap().to_string()
}

#[track_caller]
fn check(request: &str, expected: &[&str]) {
    let told = told(request);
    assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{request}");
}

#[test]
fn a_forwarded_request_is_told_with_all_that_becomes_of_it() {
    check(
        "GET http://api.example.org/v1/./things?x=1 x_real_ip=1",
        &[
            "GET /v1/things for api.example.org, at listener data",
            "header x_real_ip is dropped: programs behind may take it for another one",
            "route api takes it",
            "  takes      GET,POST, api.example.org, prefix /v1",
            "  forwards   to pool api, round robin, HTTP/1.1",
            "  upstream   127.0.0.1:3000, weight 1",
            "  upstream   app.local:80, weight 2",
            "  path       /v2/things?x=1",
            "  host       the upstream's own address",
            "  timeouts   30s in all, 30s a try, 300s without a byte",
            "  retries    1",
            "  request    without x-internal",
            "  request    sets authorization: [redacted]",
            "  request    adds via: 1",
            "  limit      16777216 bytes of body",
            "  limit      50 requests a second, 50 at once, for each client",
        ],
    );
}

#[test]
fn a_route_is_told_with_the_rule_by_which_it_wins() {
    check(
        "POST http://api.example.org/v1 x-canary=1",
        &[
            "POST /v1 for api.example.org, at listener data",
            "route canary takes it",
            "  takes      any method, api.example.org, prefix /v1, x-canary: 1",
            "  wins over  api: more headers come before fewer (1, 0)",
            "  responds   with 200, 7 bytes of text/plain; charset=utf-8",
            "  limit      16777216 bytes of body",
        ],
    );
}

#[test]
fn every_rule_has_its_words() {
    let respond = "respond = { status = 200 }";
    for (winner, other, because) in [
        ("hosts = ['a.x']", "hosts = ['*.x']", "exact host a.x comes before wildcard host *.x"),
        ("hosts = ['*.x']", "", "wildcard host *.x comes before any host"),
        (
            "path = { exact = '/a/b' }",
            "path = { template = '/a/{b}' }",
            "exact path /a/b comes before template path /a/{b}",
        ),
        (
            "path = { template = '/a/{b}' }",
            "path = { template = '/{a}/{b}' }",
            "template path /a/{b} comes before template path /{a}/{b}: more literal segments",
        ),
        (
            "path = { template = '/a/{b}' }",
            "path = { template = '/{a}/b' }",
            "template path /a/{b} comes before template path /{a}/b: a literal segment before a parameter, \
             from left to right",
        ),
        (
            "path = { template = '/{a}/{b}' }",
            "path = { template = '/{a}/{b...}' }",
            "template path /{a}/{b} comes before template path /{a}/{b...}: one segment before all that is left",
        ),
        (
            "path = { prefix = '/a' }",
            "",
            "prefix path /a comes before prefix path /: the longer prefix",
        ),
        (
            "headers = [{ name = 'x', value = '1' }]",
            "headers = [{ name = 'x' }]",
            "more header values come before fewer (1, 0)",
        ),
        ("methods = ['HEAD']", "", "named methods come before any method"),
        (
            "methods = ['HEAD']",
            "methods = ['GET']",
            "HEAD that is named comes before HEAD that GET brings",
        ),
        (
            "headers = [{ name = 'x', value = '1' }]",
            "headers = [{ name = 'x', value = '2' }]",
            "both fit alike, as the request has two values of a header: the first by name",
        ),
    ] {
        let config =
            config(&format!("[routes.a]\n{winner}\n{respond}\n[routes.b]\n{other}\n{respond}"));
        let told = explain(&config, &question("HEAD http://a.x/a/b x=1 x=2")).unwrap();
        let Verdict::Taken(taken) = told.verdict else { panic!("{told}") };
        assert_eq!(taken.route, "a");
        let wins: Vec<_> = taken.wins_over.iter().map(|win| (&*win.route, &*win.because)).collect();
        assert_eq!(wins, [("b", because)]);
    }
}

#[test]
fn redirects_files_and_parameters_are_told_as_they_come_out() {
    assert!(
        told("GET http://h:8080/old?a").contains("\n  redirects  with 308 to https://h/new?a\n")
    );
    assert!(
        told("GET http://h/site/a/")
            .contains("\n  files      /a/ in www, of a folder index.html\n")
    );
    let told = told("GET http://h:8080/users/7/a%2Cb/");
    for line in [
        "parameter  id = 7",
        "parameter  rest = a%2Cb/",
        "path       /u/7/a%2Cb/",
        "host       h:8080",
    ] {
        assert!(told.contains(&format!("\n  {line}\n")), "{told}");
    }
}

#[test]
fn a_miss_is_told_with_the_nearest_route_and_what_did_not_fit() {
    check(
        "PUT http://x.edge.local/v1",
        &[
            "PUT /v1 for x.edge.local, at listener data",
            "no route takes it: answered with 405",
            "  allow      GET, HEAD, POST",
            "  nearest    api (GET,POST, *.edge.local, prefix /v1)",
            "  but        method PUT is not one of GET, POST",
        ],
    );
    check(
        "GET http://h/sites",
        &[
            "GET /sites for h, at listener data",
            "no route takes it: answered with 404",
            "  nearest    www (GET, any host, prefix /site)",
            "  but        path /sites does not fit the prefix /site",
        ],
    );
    let canary = config(
        "[routes.a]\nheaders = [{ name = 'x', value = '1' }, { name = 'y' }]\nrespond = { status = 200 }",
    );
    let told = explain(&canary, &question("GET http://h/ x=2")).unwrap().to_string();
    assert!(
        told.ends_with(
            "  but        header `x: 2` is not `x: 1`\n  but        header y is missing\n"
        ),
        "{told}"
    );
}

#[test]
fn what_is_refused_before_routing_is_told_with_its_status() {
    check(
        "GET http://h/..",
        &["GET /.. for h, at listener data", "refused with 400: path leads above the root"],
    );
    assert!(told("GET /a").ends_with("refused with 400: no Host header\n"));
    assert!(told("GET /old host=a").contains("route old takes it"));
    assert!(told("CONNECT http://h/").ends_with("refused with 501: method is not implemented\n"));
    let told = explain(&config(""), &question("GET http://h/")).unwrap().to_string();
    assert!(told.contains("there are no routes"), "{told}");
}

#[test]
fn a_query_may_follow_the_host() {
    let told = told("GET http://h?x=1");
    assert!(told.starts_with("GET / for h, at listener data\n"), "{told}");
}

#[test]
fn the_listener_is_the_one_that_the_url_tells() {
    let config = config(CONFIG);
    let ask = |url: &str, listener: Option<&str>| {
        let mut question = question(&format!("GET {url}"));
        question.listener = listener.map(str::to_owned);
        explain(&config, &question).map(|told| told.listener).map_err(|error| error.to_string())
    };
    assert_eq!(ask("http://h:8081/", None), Ok("inner".to_owned()));
    assert_eq!(ask("http://h/", Some("inner")), Ok("inner".to_owned()));
    let which =
        "the request could come to any of the listeners data, inner: name one by --listener";
    assert_eq!(ask("http://h/", None), Err(which.to_owned()));
    let unknown = "no data listener is named outer: there are data, inner";
    assert_eq!(ask("http://h/", Some("outer")), Err(unknown.to_owned()));
    for url in ["h:80", "ftp://h"] {
        let refusal = format!("{url} is not a path or an http URL");
        assert_eq!(ask(url, Some("data")), Err(refusal));
    }
}

#[test]
fn routes_are_listed_in_the_order_in_which_requests_meet_them() {
    let config = config(CONFIG);
    let told: Vec<_> = listings(&config, None).unwrap().iter().map(ToString::to_string).collect();
    let expected = "\
listener inner at 0.0.0.0:8081
  api.example.org  prefix /v1    any method, x-canary: 1  canary  respond 200
  api.example.org  prefix /v1    GET,POST                 api     forward to api
  *.edge.local     prefix /v1    GET,POST                 api     forward to api
  *                exact /old    any method               old     redirect 308
  *                prefix /site  GET                      www     files of www
";
    assert_eq!(told[1], expected);
    assert_eq!(listings(&config, Some("inner")).unwrap().len(), 1);
    assert!(listings(&config, Some("outer")).is_err());
    let none = listings(&self::config(""), None).unwrap();
    assert_eq!(none[0].to_string(), "listener data at 0.0.0.0:8080\n  no routes\n");
}

#[test]
fn programs_get_the_same_as_json() {
    let told = explain(&config(CONFIG), &question("GET http://h/site/a")).unwrap();
    let json = serde_json::json!(told);
    assert_eq!(json["listener"], "data");
    let taken = &json["verdict"]["taken"];
    assert_eq!(taken["route"], "www");
    assert_eq!(taken["takes"]["path-kind"], "prefix");
    assert_eq!(taken["action"]["files"]["path"], "/a");
    assert_eq!(taken["limits"]["body-bytes-max"], 16 * 1024 * 1024);
}
