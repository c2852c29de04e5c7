//! Mistakes in what becomes of requests.

use super::*;

#[test]
fn a_rewrite_uses_parameters_of_its_own_route() {
    check(
        r#"
pools.api.upstreams = [{ address = "a:1" }]
[routes.a]
path = { template = "/users/{id}/{rest...}" }
forward = { pool = "api", path = { template = "/u/{idd}" } }
[routes.b]
path = { template = "/teams/{id}/{rest...}" }
forward = { pool = "api", path = { template = "/{rest}" } }
[routes.c]
path = { prefix = "/c" }
forward = { pool = "api", path = { template = "/{id}" } }
"#,
        r#"
error: `routes.a.forward.path.template`: the path of the route has no parameter `{idd}`
 --> edge-node.toml:4:47
  |
4 | forward = { pool = "api", path = { template = "/u/{idd}" } }
  |                                               ^^^^^^^^^^ expected a path template
  |
  = help: did you mean `{id}`?

error: `routes.b.forward.path.template`: the path of the route has no parameter `{rest}`
 --> edge-node.toml:7:47
  |
7 | forward = { pool = "api", path = { template = "/{rest}" } }
  |                                               ^^^^^^^^^ expected a path template
  |
  = help: did you mean `{rest...}`?

error: `routes.c.forward.path.template`: the path of the route has no parameter `{id}`
  --> edge-node.toml:10:47
   |
10 | forward = { pool = "api", path = { template = "/{id}" } }
   |                                               ^^^^^^^ expected a path template
   |
   = help: give the route `path = { template = … }`
"#,
    );
}

#[test]
fn a_prefix_is_rewritten_only_where_one_is_taken() {
    check(
        r#"
pools.api.upstreams = [{ address = "a:1" }]
[routes.a]
path = { exact = "/a" }
forward = { pool = "api", path = { prefix = "/b" } }
"#,
        r#"
error: `routes.a.forward.path.prefix` has no prefix to stand for
 --> edge-node.toml:4:45
  |
4 | forward = { pool = "api", path = { prefix = "/b" } }
  |                                             ^^^^ the route's `path` is not a prefix
  |
  = help: write `{ template = "/b" }`, or give the route `path = { prefix = … }`
"#,
    );
}

#[test]
fn a_template_that_is_offered_starts_with_a_slash() {
    check(
        r#"
pools.api.upstreams = [{ address = "a:1" }]
[routes.a]
path = { exact = "/a" }
forward = { pool = "api", path = { prefix = "b" } }
"#,
        r#"
error: `routes.a.forward.path.prefix` has no prefix to stand for
 --> edge-node.toml:4:45
  |
4 | forward = { pool = "api", path = { prefix = "b" } }
  |                                             ^^^ the route's `path` is not a prefix
  |
  = help: write `{ template = "/b" }`, or give the route `path = { prefix = … }`

error: `routes.a.forward.path.prefix`: `b` does not start with a slash
 --> edge-node.toml:4:45
  |
4 | forward = { pool = "api", path = { prefix = "b" } }
  |                                             ^^^ expected the start of a path
  |
  = help: write "/b"
"#,
    );
}

#[test]
fn a_try_is_no_longer_than_all_tries() {
    check(
        r#"
pools.api.upstreams = [{ address = "a:1" }]
[routes.a]
path = { exact = "/a" }
forward = { pool = "api", timeout = "1s", try-timeout = "2s" }
[routes.b]
path = { exact = "/b" }
forward = { pool = "api", try-timeout = "31s" }
"#,
        r#"
error: `routes.a.forward.try-timeout` is longer than `routes.a.forward.timeout`: 2s
 --> edge-node.toml:4:57
  |
4 | forward = { pool = "api", timeout = "1s", try-timeout = "2s" }
  |                                     ----                ^^^^ may be 1s at most
  |                                     |
  |                                     because of this

error: `routes.b.forward.try-timeout` is longer than `routes.b.forward.timeout`: 31s
 --> edge-node.toml:7:41
  |
7 | forward = { pool = "api", try-timeout = "31s" }
  |                                         ^^^^^ the default of `routes.b.forward.timeout` is 30s
"#,
    );
}

#[test]
fn times_of_a_route_have_ranges() {
    check(
        r#"
pools.api.upstreams = [{ address = "a:1" }]
[routes.a.forward]
pool = "api"
timeout = "2h"
stream-idle-timeout = "0s"
retries-max = 11
"#,
        r#"
error: `routes.a.forward.timeout` is out of range: 2h
 --> edge-node.toml:4:11
  |
4 | timeout = "2h"
  |           ^^^^ must be 1ms to 1h

error: `routes.a.forward.stream-idle-timeout` is out of range: 0s
 --> edge-node.toml:5:23
  |
5 | stream-idle-timeout = "0s"
  |                       ^^^^ must be 10ms to 1d

error: `routes.a.forward.retries-max` is out of range: 11
 --> edge-node.toml:6:15
  |
6 | retries-max = 11
  |               ^^ must be 0 to 10
"#,
    );
}

#[test]
fn a_fixed_host_is_a_host() {
    check(
        r#"
pools.api.upstreams = [{ address = "a:1" }]
[routes.a.forward]
pool = "api"
host = { fixed = "http://api" }
"#,
        r#"
error: `routes.a.forward.host.fixed`: `http://api` has the scheme `http`
 --> edge-node.toml:4:18
  |
4 | host = { fixed = "http://api" }
  |                  ^^^^^^^^^^^^ expected a host
  |
  = help: write "api"
"#,
    );
}

#[test]
fn a_redirect_leads_elsewhere() {
    check(
        r#"
[listeners.plain]
[listeners.tls]
port = 8443
tls = { certificates = [{ chain = "a", key = "b" }] }
[routes.a]
path = { exact = "/a" }
redirect = {}
[routes.b]
path = { exact = "/b" }
redirect = { scheme = "https" }
"#,
        r#"
error: `routes.a.redirect` leads to where the client is
 --> edge-node.toml:7:12
  |
7 | redirect = {}
  |            ^^ changes nothing
  |
  = help: set `scheme`, `authority` or `path`

error: on listener `tls` the redirect to `https` leads to itself
  --> edge-node.toml:10:12
   |
 2 | [listeners.tls]
   |            --- speaks https
...
10 | redirect = { scheme = "https" }
   |            ^^^^^^^^^^^^^^^^^^^^ changes nothing there
   |
   = help: name other `listeners` of the route
"#,
    );
}

#[test]
fn a_redirect_has_a_status_of_redirects_and_a_host() {
    check(
        r#"
[routes.a.redirect]
status = 304
authority = "https://example.org"
"#,
        r#"
error: `routes.a.redirect.status` is not a redirect: 304
 --> edge-node.toml:2:10
  |
2 | status = 304
  |          ^^^ expected one of `301`, `302`, `303`, `307`, `308`

error: `routes.a.redirect.authority`: `https://example.org` has the scheme `https`
 --> edge-node.toml:3:13
  |
3 | authority = "https://example.org"
  |             ^^^^^^^^^^^^^^^^^^^^^ expected a host
  |
  = help: write "example.org"
"#,
    );
}

#[test]
fn an_answer_without_a_body_has_none() {
    check(
        r#"
[routes.a.respond]
status = 204
body = "x"
content-type = "text"
"#,
        r#"
error: `routes.a.respond` has a body and the status 204
 --> edge-node.toml:3:8
  |
2 | status = 204
  |          --- has no body
3 | body = "x"
  |        ^^^ an answer with this status has no body

error: `routes.a.respond.content-type`: `text` is not a media type
 --> edge-node.toml:4:16
  |
4 | content-type = "text"
  |                ^^^^^^ expected a media type
  |
  = help: for example "application/json"
"#,
    );
}

#[test]
fn an_index_is_a_file_of_its_folder() {
    check(
        r#"
[routes.a.files]
root = ""
index = "../index.html"
"#,
        r#"
error: `routes.a.files.root` is empty
 --> edge-node.toml:2:8
  |
2 | root = ""
  |        ^^ must not be empty

error: `routes.a.files.index`: `../index.html` is not the name of a file in its folder
 --> edge-node.toml:3:9
  |
3 | index = "../index.html"
  |         ^^^^^^^^^^^^^^^ expected a file's name
  |
  = help: for example "index.html"
"#,
    );
}

#[test]
fn a_redirect_by_a_header_of_a_proxy_may_keep_the_scheme_of_the_listener() {
    let text = "[routes.a]\nheaders = [{ name = 'x-forwarded-proto', value = 'https' }]\n\
                redirect = { scheme = 'http' }";
    assert!(read(text).is_ok());
}

#[test]
fn a_rewrite_of_a_route_whose_path_has_a_mistake_is_not_judged_by_it() {
    let text = "pools.a.upstreams = [{ address = 'a:1' }]\n[routes.a]\npath.template = '{id}'\n\
                forward = { pool = 'a', path = { template = '/{id}' } }";
    assert_eq!(read(text).unwrap_err().diagnostics().len(), 1);
}
