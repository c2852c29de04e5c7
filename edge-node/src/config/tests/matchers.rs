//! Mistakes in what a route asks of requests.

use super::*;

#[test]
fn hosts_are_written_as_in_requests() {
    check(
        r#"
[routes.a]
hosts = ["Api.example.org", "api.example.org:80", "*", "https://a.b/c", "::1", "bücher.example", "1.2.3"]
respond = {}
"#,
        r#"
error: `routes.a.hosts[]`: `Api.example.org` is not in lower case
 --> edge-node.toml:2:10
  |
2 | hosts = ["Api.example.org", "api.example.org:80", "*", "https://a.b/c", "::1", "bücher.example", "1.2.3"]
  |          ^^^^^^^^^^^^^^^^^ expected a host
  |
  = help: write "api.example.org"

error: `routes.a.hosts[]`: `api.example.org:80` has a port
 --> edge-node.toml:2:29
  |
2 | hosts = ["Api.example.org", "api.example.org:80", "*", "https://a.b/c", "::1", "bücher.example", "1.2.3"]
  |                             ^^^^^^^^^^^^^^^^^^^^ expected a host
  |
  = help: write "api.example.org"

error: `routes.a.hosts[]`: `*` has a star in a wrong place
 --> edge-node.toml:2:51
  |
2 | hosts = ["Api.example.org", "api.example.org:80", "*", "https://a.b/c", "::1", "bücher.example", "1.2.3"]
  |                                                   ^^^ expected a host
  |
  = help: leave `hosts` out for every host

error: `routes.a.hosts[]`: `https://a.b/c` has the scheme `https`
 --> edge-node.toml:2:56
  |
2 | hosts = ["Api.example.org", "api.example.org:80", "*", "https://a.b/c", "::1", "bücher.example", "1.2.3"]
  |                                                        ^^^^^^^^^^^^^^^ expected a host
  |
  = help: write "a.b"

error: `routes.a.hosts[]`: `::1` is an IPv6 address without brackets
 --> edge-node.toml:2:73
  |
2 | hosts = ["Api.example.org", "api.example.org:80", "*", "https://a.b/c", "::1", "bücher.example", "1.2.3"]
  |                                                                         ^^^^^ expected a host
  |
  = help: write "[::1]"

error: `routes.a.hosts[]`: `bücher.example` is not in ASCII
 --> edge-node.toml:2:80
  |
2 | hosts = ["Api.example.org", "api.example.org:80", "*", "https://a.b/c", "::1", "bücher.example", "1.2.3"]
  |                                                                                ^^^^^^^^^^^^^^^^ expected a host
  |
  = help: write it as in requests, in Punycode: xn--…

error: `routes.a.hosts[]`: `1.2.3` is not an IPv4 address
 --> edge-node.toml:2:98
  |
2 | hosts = ["Api.example.org", "api.example.org:80", "*", "https://a.b/c", "::1", "bücher.example", "1.2.3"]
  |                                                                                                  ^^^^^^^ expected a host
"#,
    );
}

#[test]
fn paths_start_with_a_slash_and_have_no_query() {
    check(
        r#"
routes.a = { path = { prefix = "v1" }, respond = {} }
routes.b = { path = { exact = "/a?b=c" }, respond = {} }
routes.c = { path = { exact = "/{id}" }, respond = {} }
routes.d = { path = { prefix = "/a b" }, respond = {} }
"#,
        r#"
error: `routes.a.path.prefix`: `v1` does not start with a slash
 --> edge-node.toml:1:32
  |
1 | routes.a = { path = { prefix = "v1" }, respond = {} }
  |                                ^^^^ expected the start of a path
  |
  = help: write "/v1"

error: `routes.b.path.exact`: `/a?b=c` has more than a path
 --> edge-node.toml:2:31
  |
2 | routes.b = { path = { exact = "/a?b=c" }, respond = {} }
  |                               ^^^^^^^^ expected a path
  |
  = help: write "/a"

error: `routes.c.path.exact`: `/{id}` has a parameter
 --> edge-node.toml:3:31
  |
3 | routes.c = { path = { exact = "/{id}" }, respond = {} }
  |                               ^^^^^^^ expected a path
  |
  = help: write { template = "/{id}" }

error: `routes.d.path.prefix`: `/a b` has ' '
 --> edge-node.toml:4:32
  |
4 | routes.d = { path = { prefix = "/a b" }, respond = {} }
  |                                ^^^^^^ expected the start of a path
  |
  = help: requests have it as `%20`
"#,
    );
}

#[test]
fn paths_are_in_their_normal_form() {
    check(
        r#"
routes.a = { path = { prefix = "/a//b" }, respond = {} }
routes.b = { path = { exact = "/a/../b" }, respond = {} }
routes.c = { path = { exact = "/%7euser" }, respond = {} }
routes.d = { path = { exact = "/../a" }, respond = {} }
routes.e = { path = { template = "/{a}//b" }, respond = {} }
"#,
        r#"
error: `routes.a.path.prefix`: `/a//b` is not in its normal form
 --> edge-node.toml:1:32
  |
1 | routes.a = { path = { prefix = "/a//b" }, respond = {} }
  |                                ^^^^^^^ expected the start of a path
  |
  = help: write "/a/b"

error: `routes.b.path.exact`: `/a/../b` is not in its normal form
 --> edge-node.toml:2:31
  |
2 | routes.b = { path = { exact = "/a/../b" }, respond = {} }
  |                               ^^^^^^^^^ expected a path
  |
  = help: write "/b"

error: `routes.c.path.exact`: `/%7euser` is not in its normal form
 --> edge-node.toml:3:31
  |
3 | routes.c = { path = { exact = "/%7euser" }, respond = {} }
  |                               ^^^^^^^^^^ expected a path
  |
  = help: write "/~user"

error: `routes.d.path.exact`: `/../a` is refused in requests: path leads above the root
 --> edge-node.toml:4:31
  |
4 | routes.d = { path = { exact = "/../a" }, respond = {} }
  |                               ^^^^^^^ expected a path

error: `routes.e.path.template`: `/{a}//b` is not in its normal form
 --> edge-node.toml:5:34
  |
5 | routes.e = { path = { template = "/{a}//b" }, respond = {} }
  |                                  ^^^^^^^^^ expected a path template
  |
  = help: no `.` and `..`, no doubled slashes, nothing encoded that need not be
"#,
    );
}

#[test]
fn templates_have_whole_segments_that_differ_and_the_rest_last() {
    check(
        r#"
routes.a = { path = { template = "/a/x{id}" }, respond = {} }
routes.b = { path = { template = "/{id}/{id}" }, respond = {} }
routes.c = { path = { template = "/{rest...}/b" }, respond = {} }
routes.d = { path = { template = "/a/b" }, respond = {} }
routes.e = { path = { template = "/a/{b c}" }, respond = {} }
"#,
        r#"
error: `routes.a.path.template`: `/a/x{id}` has a parameter within `x{id}`
 --> edge-node.toml:1:34
  |
1 | routes.a = { path = { template = "/a/x{id}" }, respond = {} }
  |                                  ^^^^^^^^^^ expected a path template
  |
  = help: a parameter is a whole segment: "/users/{id}"

error: `routes.b.path.template`: `/{id}/{id}` has the parameter `id` twice
 --> edge-node.toml:2:34
  |
2 | routes.b = { path = { template = "/{id}/{id}" }, respond = {} }
  |                                  ^^^^^^^^^^^^ expected a path template

error: `routes.c.path.template`: `/{rest...}/b` goes on after `{rest...}`
 --> edge-node.toml:3:34
  |
3 | routes.c = { path = { template = "/{rest...}/b" }, respond = {} }
  |                                  ^^^^^^^^^^^^^^ expected a path template
  |
  = help: only the last segment can stand for all that is left

error: `routes.d.path.template`: `/a/b` has no parameter
 --> edge-node.toml:4:34
  |
4 | routes.d = { path = { template = "/a/b" }, respond = {} }
  |                                  ^^^^^^ expected a path template
  |
  = help: write { exact = "/a/b" }

error: `routes.e.path.template`: `{b c}` is not a parameter
 --> edge-node.toml:5:34
  |
5 | routes.e = { path = { template = "/a/{b c}" }, respond = {} }
  |                                  ^^^^^^^^^^ expected a path template
  |
  = help: its name has letters, digits, `-` and `_`: "{id}", or "{rest...}"
"#,
    );
}

#[test]
fn a_path_is_one_of_three_kinds() {
    check(
        r#"
[routes.a]
path = { prefix = "/a", exact = "/b" }
respond = {}
"#,
        r#"
error: `routes.a.path` is both `prefix` and `exact`
 --> edge-node.toml:2:25
  |
2 | path = { prefix = "/a", exact = "/b" }
  |          ------         ^^^^^ only one of `prefix`, `exact`, `template` may be set
  |          |
  |          already chosen here
"#,
    );
}

#[test]
fn methods_are_tokens_in_their_case_as_text() {
    check(
        r#"
[routes.a]
methods = ["get", "A B", "CONNECT"]
respond = {}
"#,
        r#"
error: `routes.a.methods[]`: `get` is not `GET`: methods are told apart by case
 --> edge-node.toml:2:12
  |
2 | methods = ["get", "A B", "CONNECT"]
  |            ^^^^^ expected a method
  |
  = help: write "GET"

error: `routes.a.methods[]`: `A B` is not a method
 --> edge-node.toml:2:19
  |
2 | methods = ["get", "A B", "CONNECT"]
  |                   ^^^^^ expected a method

error: `routes.a.methods[]`: `CONNECT` never comes to a route: the gateway refuses it
 --> edge-node.toml:2:26
  |
2 | methods = ["get", "A B", "CONNECT"]
  |                          ^^^^^^^^^ expected a method
"#,
    );
}

#[test]
fn headers_that_are_asked_for_have_names_and_values() {
    check(
        r#"
[routes.a]
headers = [{ name = "a b" }, { name = "Host" }, { name = "x", value = " y" }, { name = "z", value = "ä" }]
respond = {}
"#,
        r#"
error: `routes.a.headers[].name`: `a b` is not a header's name
 --> edge-node.toml:2:21
  |
2 | headers = [{ name = "a b" }, { name = "Host" }, { name = "x", value = " y" }, { name = "z", value = "ä" }]
  |                     ^^^^^ expected a header's name
  |
  = help: a name has letters, digits and dashes

error: `routes.a.headers[].name`: the host is no header here: HTTP/2 has none
 --> edge-node.toml:2:39
  |
2 | headers = [{ name = "a b" }, { name = "Host" }, { name = "x", value = " y" }, { name = "z", value = "ä" }]
  |                                       ^^^^^^ expected a header's name
  |
  = help: use `hosts` of the route

error: `routes.a.headers[].value`: ` y` has white space around it
 --> edge-node.toml:2:71
  |
2 | headers = [{ name = "a b" }, { name = "Host" }, { name = "x", value = " y" }, { name = "z", value = "ä" }]
  |                                                                       ^^^^ expected a header's value
  |
  = help: write "y"

error: `routes.a.headers[].value`: `ä` has characters that a header does not
 --> edge-node.toml:2:101
  |
2 | headers = [{ name = "a b" }, { name = "Host" }, { name = "x", value = " y" }, { name = "z", value = "ä" }]
  |                                                                                                     ^^^ expected a header's value
  |
  = help: a value has printable ASCII characters
"#,
    );
}
