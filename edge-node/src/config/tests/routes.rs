//! Mistakes in `[routes]` as a whole, and in what is done to requests whatever becomes of them.

use super::*;

#[test]
fn an_unknown_listener_is_reported_with_the_known_ones() {
    check(
        r#"
[listeners.plain]
[listeners.tls]
port = 8443
[routes.a]
listeners = ["plane", "admin"]
respond = {}
"#,
        r#"
error: unknown listener `plane`
 --> edge-node.toml:5:14
  |
5 | listeners = ["plane", "admin"]
  |              ^^^^^^^ no such listener is declared
  |
  = note: the listeners are `plain`, `tls`

error: unknown listener `admin`
 --> edge-node.toml:5:23
  |
5 | listeners = ["plane", "admin"]
  |                       ^^^^^^^ no such listener is declared
  |
  = help: the admin listener has no routes
  = note: the listeners are `plain`, `tls`
"#,
    );
}

#[test]
fn an_unknown_pool_is_reported_with_the_known_ones() {
    check(
        r#"
routes.a.forward.pool = "apj"
[pools.api]
upstreams = [{ address = "a:1" }]
[pools.web]
upstreams = [{ address = "a:1" }]
"#,
        r#"
error: unknown pool `apj`
 --> edge-node.toml:1:25
  |
1 | routes.a.forward.pool = "apj"
  |                         ^^^^^ no such pool is declared
  |
  = help: did you mean `api`?
  = note: the pools are `api`, `web`
"#,
    );
}

#[test]
fn where_there_is_no_pool_it_is_said_how_to_declare_one() {
    check(
        r#"
routes.a.forward.pool = "api"
"#,
        r#"
error: unknown pool `api`
 --> edge-node.toml:1:25
  |
1 | routes.a.forward.pool = "api"
  |                         ^^^^^ no such pool is declared
  |
  = help: declare it: `[pools.api]`
"#,
    );
}

#[test]
fn a_route_does_one_thing() {
    check(
        r#"
[routes.nothing]
path = { prefix = "/a" }
[routes.much.respond]
[routes.much.files]
root = "www"
"#,
        r#"
error: route `nothing` has none of `forward`, `redirect`, `respond`, `files`
 --> edge-node.toml:1:9
  |
1 | [routes.nothing]
  |         ^^^^^^^ needs exactly one of them

error: route `much` has both `respond` and `files`
 --> edge-node.toml:4:1
  |
3 | [routes.much.respond]
  | --------------------- already chosen here
4 | [routes.much.files]
  | ^^^^^^^^^^^^^^^^^^^ only one of `forward`, `redirect`, `respond`, `files` may be set
"#,
    );
}

#[test]
fn a_misspelled_action_is_not_a_missing_one() {
    check(
        r#"
[routes.a.respnd]
status = 204
"#,
        r#"
error: unknown key `respnd` in `[routes.a]`
 --> edge-node.toml:1:11
  |
1 | [routes.a.respnd]
  |           ^^^^^^ unknown key
  |
  = help: did you mean `respond`?
  = note: the keys of `[routes.a]` are `listeners`, `hosts`, `path`, `methods`, `headers`, `forward`, `redirect`, `respond`, `files`, `request-headers`, `response-headers`, `rate-limit`, `body-bytes-max`, `clients`
"#,
    );
}

#[test]
fn the_label_of_requests_without_a_route_is_no_name_of_one() {
    check(
        r#"
routes.unmatched.respond = {}
"#,
        r#"
error: `unmatched` cannot be the name of a route
 --> edge-node.toml:1:8
  |
1 | routes.unmatched.respond = {}
  |        ^^^^^^^^^ in metrics it stands for requests that no route takes
"#,
    );
}

#[test]
fn what_belongs_to_a_connection_is_not_edited() {
    check(
        r#"
[routes.a]
respond = {}
[routes.a.request-headers]
remove = ["Connection", "Content-Length", "a b"]
set = { host = "a" }
add = { Transfer-Encoding = "chunked" }
[routes.a.response-headers]
set = { x = "a\nb", X = "c" }
"#,
        r#"
error: `routes.a.request-headers.remove[]`: `Connection` belongs to a connection, not to a request
 --> edge-node.toml:4:11
  |
4 | remove = ["Connection", "Content-Length", "a b"]
  |           ^^^^^^^^^^^^ expected a header's name
  |
  = help: the gateway sets it where it is needed

error: `routes.a.request-headers.remove[]`: `Content-Length` says where a body ends
 --> edge-node.toml:4:25
  |
4 | remove = ["Connection", "Content-Length", "a b"]
  |                         ^^^^^^^^^^^^^^^^ expected a header's name
  |
  = help: the gateway sets it where it is needed

error: `routes.a.request-headers.remove[]`: `a b` is not a header's name
 --> edge-node.toml:4:43
  |
4 | remove = ["Connection", "Content-Length", "a b"]
  |                                           ^^^^^ expected a header's name
  |
  = help: a name has letters, digits and dashes

error: `routes.a.request-headers.set`: `host` is not edited as a header
 --> edge-node.toml:5:9
  |
5 | set = { host = "a" }
  |         ^^^^ expected a header's name
  |
  = help: use `host` of `forward`

error: `routes.a.request-headers.add`: `Transfer-Encoding` belongs to a connection, not to a request
 --> edge-node.toml:6:9
  |
6 | add = { Transfer-Encoding = "chunked" }
  |         ^^^^^^^^^^^^^^^^^ expected a header's name
  |
  = help: the gateway sets it where it is needed

error: `routes.a.response-headers.set`: `a\nb` has characters that a header does not
 --> edge-node.toml:8:13
  |
8 | set = { x = "a\nb", X = "c" }
  |             ^^^^^^ expected a header's value
  |
  = help: a value has printable ASCII characters

error: `routes.a.response-headers.set` has `X` twice
 --> edge-node.toml:8:21
  |
8 | set = { x = "a\nb", X = "c" }
  |         -           ^ the same header in another case
  |         |
  |         first here
"#,
    );
}

#[test]
fn limits_of_a_route_have_ranges() {
    check(
        r#"
[routes.a]
respond = {}
body-bytes-max = "2TiB"
rate-limit = { requests-per-second = 0, burst = 0, per = "clients" }
"#,
        r#"
error: `routes.a.body-bytes-max` is out of range: 2TiB
 --> edge-node.toml:3:18
  |
3 | body-bytes-max = "2TiB"
  |                  ^^^^^^ must be 0B to 1TiB

error: `routes.a.rate-limit.requests-per-second` is out of range: 0
 --> edge-node.toml:4:38
  |
4 | rate-limit = { requests-per-second = 0, burst = 0, per = "clients" }
  |                                      ^ must be 1 to 1000000

error: `routes.a.rate-limit.burst` is out of range: 0
 --> edge-node.toml:4:49
  |
4 | rate-limit = { requests-per-second = 0, burst = 0, per = "clients" }
  |                                                 ^ must be 1 to 1000000

error: unknown value `clients` for `routes.a.rate-limit.per`
 --> edge-node.toml:4:58
  |
4 | rate-limit = { requests-per-second = 0, burst = 0, per = "clients" }
  |                                                          ^^^^^^^^^ expected one of `client`, `route`
  |
  = help: did you mean `client`?
"#,
    );
}

#[test]
fn who_a_client_is_must_be_asked_for() {
    check(
        r#"
[listeners.plain]
[listeners.tls]
port = 8443
tls = { certificates = [{ chain = "a", key = "b" }] }
[listeners.mutual]
port = 8444
tls = { certificates = [{ chain = "a", key = "b" }], clients = { authorities = "c" } }
[routes.a]
respond = {}
clients = {}
"#,
        r#"
error: route `a` has `clients`, and listener `plain` asks for none
  --> edge-node.toml:10:11
   |
 1 | [listeners.plain]
   |            ----- has no `tls.clients`
...
10 | clients = {}
   |           ^^ needs certificates of clients
   |
   = help: set `[listeners.plain.tls.clients]`, or name other `listeners` of the route

error: route `a` has `clients`, and listener `tls` asks for none
  --> edge-node.toml:10:11
   |
 2 | [listeners.tls]
   |            --- has no `tls.clients`
...
10 | clients = {}
   |           ^^ needs certificates of clients
   |
   = help: set `[listeners.tls.tls.clients]`, or name other `listeners` of the route
"#,
    );
}

#[test]
fn the_default_listener_asks_no_client() {
    check(
        r#"
[routes.a]
respond = {}
clients = {}
"#,
        r#"
error: route `a` has `clients`, and listener `data` asks for none
 --> edge-node.toml:3:11
  |
3 | clients = {}
  |           ^^ needs certificates of clients
  |
  = help: set `[listeners.data.tls.clients]`, or name other `listeners` of the route
"#,
    );
}

#[test]
fn names_of_clients_are_patterns() {
    check(
        r#"
[listeners.data.tls]
certificates = [{ chain = "a", key = "b" }]
clients = { authorities = "c" }
[routes.a]
respond = {}
clients.allow = [{ dns = "a.*" }, { uri = "site" }, { ip = "10.0.0.1/8" }]
"#,
        r#"
error: `routes.a.clients.allow[].dns`: `a.*` has a star in a wrong place
 --> edge-node.toml:6:26
  |
6 | clients.allow = [{ dns = "a.*" }, { uri = "site" }, { ip = "10.0.0.1/8" }]
  |                          ^^^^^ expected a DNS name
  |
  = help: a star stands for exactly one label, the first: "*.example.org"

error: `routes.a.clients.allow[].uri`: `site` is not a URI
 --> edge-node.toml:6:43
  |
6 | clients.allow = [{ dns = "a.*" }, { uri = "site" }, { ip = "10.0.0.1/8" }]
  |                                           ^^^^^^ expected a URI
  |
  = help: for example "spiffe://site/app", or "spiffe://site/*" for all that start so

error: `routes.a.clients.allow[].ip`: `10.0.0.1/8` has bits set behind its prefix
 --> edge-node.toml:6:60
  |
6 | clients.allow = [{ dns = "a.*" }, { uri = "site" }, { ip = "10.0.0.1/8" }]
  |                                                            ^^^^^^^^^^^^ expected an address or a network
  |
  = help: write "10.0.0.0/8", or "10.0.0.1" for this address only
"#,
    );
}

#[test]
fn an_empty_list_of_clients_is_not_every_client() {
    check(
        r#"
[listeners.data.tls]
certificates = [{ chain = "a", key = "b" }]
clients = { authorities = "c" }
[routes.a]
respond = {}
clients = { allow = [] }
"#,
        r#"
error: `routes.a.clients.allow` has no entries
 --> edge-node.toml:6:21
  |
6 | clients = { allow = [] }
  |                     ^^ needs at least 1 entry
"#,
    );
}

#[test]
fn routes_that_take_the_same_requests_are_reported_with_both_places() {
    check(
        r#"
[listeners.one]
[listeners.two]
port = 8081
[routes.first]
path = { prefix = "/a" }
respond = {}
[routes.second]
path = { prefix = "/a/" }
methods = ["GET"]
respond = {}
[routes.third]
listeners = ["two"]
path = { prefix = "/a" }
methods = ["GET", "PUT"]
respond = {}
"#,
        r#"
error: routes `second` and `third` take the same requests of listener `two`, and neither is the more specific
  --> edge-node.toml:11:9
   |
 7 | [routes.second]
   |         ------ fits
...
11 | [routes.third]
   |         ^^^^^ fits as well
   |
   = help: tell them apart by `hosts`, `path`, `methods`, `headers` or `listeners`
"#,
    );
}

#[test]
fn routes_that_something_tells_apart_are_fine() {
    for (one, other) in [
        ("hosts = ['a']", "hosts = ['b']"),
        ("hosts = ['a.b']", "hosts = ['*.b']"),
        ("path.exact = '/a'", "path.prefix = '/a'"),
        ("path.template = '/{a}'", "path.prefix = '/'"),
        ("methods = ['GET']", "methods = ['PUT']"),
        ("headers = [{ name = 'x' }]", ""),
        ("listeners = ['one']", "listeners = ['two']"),
    ] {
        let text = format!(
            "listeners = {{ one = {{}}, two = {{ port = 8081 }} }}\n\
             [routes.a]\nrespond = {{}}\n{one}\n[routes.b]\nrespond = {{}}\n{other}\n"
        );
        let read = read(&text);
        assert!(read.is_ok(), "{text}{}", read.unwrap_err());
    }
}

#[test]
fn a_mistake_of_the_schema_hides_no_broken_rule() {
    let text = "[routes.a]\nhosts = 'a'\nforward.pool = 'b'\n";
    let report = read(text).unwrap_err().to_string();
    assert!(report.contains("`routes.a.hosts` must be a list"), "{report}");
    assert!(report.contains("unknown pool `b`"), "{report}");
}
