//! Mistakes in `[pools]`.

use super::*;

#[test]
fn names_of_pools_and_routes_follow_the_same_rule() {
    check(
        r#"
routes.Ping.respond = {}
[pools.Api_1]
upstreams = [{ address = "a:1" }]
"#,
        r#"
error: `Ping` cannot be the name of a route
 --> edge-node.toml:1:8
  |
1 | routes.Ping.respond = {}
  |        ^^^^ may have lower-case letters, digits and dashes between them
  |
  = help: for example `ping`

error: `Api_1` cannot be the name of a pool
 --> edge-node.toml:2:8
  |
2 | [pools.Api_1]
  |        ^^^^^ may have lower-case letters, digits and dashes between them
  |
  = help: for example `api-1`
"#,
    );
}

#[test]
fn a_pool_that_no_route_uses_is_odd_and_no_mistake() {
    let text = r#"
[pools.used]
upstreams = [{ address = "a:1" }]
[pools.spare]
upstreams = [{ address = "b:1" }]
[routes.all]
forward = { pool = "used" }
"#;
    let source = Source::new("edge-node.toml", text.trim_start());
    let lowered = super::super::read(&source, Path::new("")).unwrap();
    assert_eq!(lowered.config.pools.len(), 2);
    let warnings = Report::new(source, lowered.warnings);
    assert!(!warnings.has_errors());
    assert_eq!(
        warnings.to_string(),
        r#"
warning: pool `spare` is used by no route
 --> edge-node.toml:3:8
  |
3 | [pools.spare]
  |        ^^^^^ no request goes there
  |
  = help: `forward = { pool = "spare" }` in a route sends some there
"#
        .trim(),
    );
}

#[test]
fn a_pool_has_upstreams() {
    check(
        r#"
[pools.a]
upstreams = []
[pools.b]
"#,
        r#"
error: `pools.a.upstreams` has no entries
 --> edge-node.toml:2:13
  |
2 | upstreams = []
  |             ^^ needs at least 1 entry

error: missing key `upstreams` in `[pools.b]`
 --> edge-node.toml:3:1
  |
3 | [pools.b]
  | ^^^^^^^^^ `upstreams` (list of tables) is required here
  |
  = note: `upstreams`: Who is in it.
"#,
    );
}

#[test]
fn addresses_of_upstreams_have_a_host_and_a_port() {
    check(
        r#"
[pools.a]
upstreams = [
    { address = "127.0.0.1" },
    { address = "::1" },
    { address = "app.local" },
    { address = "https://app.local:443/x" },
    { address = "app.local:0" },
    { address = "app_local:http" },
    { address = "1.2.3:80" },
]
"#,
        r#"
error: `pools.a.upstreams[].address`: `127.0.0.1` has no port
 --> edge-node.toml:3:17
  |
3 |     { address = "127.0.0.1" },
  |                 ^^^^^^^^^^^ expected the address of an upstream
  |
  = help: for example "127.0.0.1:8080"

error: `pools.a.upstreams[].address`: `::1` has no port
 --> edge-node.toml:4:17
  |
4 |     { address = "::1" },
  |                 ^^^^^ expected the address of an upstream
  |
  = help: for example "[::1]:8080"

error: `pools.a.upstreams[].address`: `app.local` has no port
 --> edge-node.toml:5:17
  |
5 |     { address = "app.local" },
  |                 ^^^^^^^^^^^ expected the address of an upstream
  |
  = help: for example "app.local:8080"

error: `pools.a.upstreams[].address`: `https://app.local:443/x` has the scheme `https`
 --> edge-node.toml:6:17
  |
6 |     { address = "https://app.local:443/x" },
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^ expected the address of an upstream
  |
  = help: write "app.local:443"; TLS is set by `tls` of the pool

error: `pools.a.upstreams[].address`: `app.local:0` has the port `0`
 --> edge-node.toml:7:17
  |
7 |     { address = "app.local:0" },
  |                 ^^^^^^^^^^^^^ expected the address of an upstream
  |
  = help: a port is a number from 1 to 65535

error: `pools.a.upstreams[].address`: `app_local:http` has the port `http`
 --> edge-node.toml:8:17
  |
8 |     { address = "app_local:http" },
  |                 ^^^^^^^^^^^^^^^^ expected the address of an upstream
  |
  = help: a port is a number from 1 to 65535

error: `pools.a.upstreams[].address`: `1.2.3` is not an IPv4 address
 --> edge-node.toml:9:17
  |
9 |     { address = "1.2.3:80" },
  |                 ^^^^^^^^^^ expected the address of an upstream
"#,
    );
}

#[test]
fn what_is_missing_beside_a_colon_is_told() {
    check(
        r#"
[pools.a]
upstreams = [
    { address = "[::1]" },
    { address = "::1:80" },
    { address = ":80" },
    { address = "" },
]
"#,
        r#"
error: `pools.a.upstreams[].address`: `[::1]` has no port
 --> edge-node.toml:3:17
  |
3 |     { address = "[::1]" },
  |                 ^^^^^^^ expected the address of an upstream
  |
  = help: for example "[::1]:8080"

error: `pools.a.upstreams[].address`: `::1:80` has no port
 --> edge-node.toml:4:17
  |
4 |     { address = "::1:80" },
  |                 ^^^^^^^^ expected the address of an upstream
  |
  = help: write "[::1]:80" if `80` is the port, else for example "[::1:80]:8080"

error: `pools.a.upstreams[].address`: `:80` has no host
 --> edge-node.toml:5:17
  |
5 |     { address = ":80" },
  |                 ^^^^^ expected the address of an upstream
  |
  = help: for example "127.0.0.1:80"

error: `pools.a.upstreams[].address`: it is empty
 --> edge-node.toml:6:17
  |
6 |     { address = "" },
  |                 ^^ expected the address of an upstream
  |
  = help: for example "127.0.0.1:80"
"#,
    );
}

#[test]
fn a_lone_address_or_pool_is_told_its_table() {
    check(
        r#"
pools.api.upstreams = ["127.0.0.1:80"]
routes.a.forward = "api"
"#,
        r#"
error: an entry of `pools.api.upstreams` must be a table, not a string
 --> edge-node.toml:1:24
  |
1 | pools.api.upstreams = ["127.0.0.1:80"]
  |                        ^^^^^^^^^^^^^^ expected a table
  |
  = help: write `{ address = "127.0.0.1:80" }`

error: `routes.a.forward` must be a table, not a string
 --> edge-node.toml:2:20
  |
2 | routes.a.forward = "api"
  |                    ^^^^^ expected a table
  |
  = help: write `{ pool = "api" }`
"#,
    );
}

#[cfg(unix)]
#[test]
fn a_unix_socket_has_an_absolute_path() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "unix:app.sock" }]
"#,
        r#"
error: `pools.a.upstreams[].address`: `unix:app.sock` is not an absolute path
 --> edge-node.toml:2:26
  |
2 | upstreams = [{ address = "unix:app.sock" }]
  |                          ^^^^^^^^^^^^^^^ expected the address of an upstream
  |
  = help: for example "unix:/run/app.sock"
"#,
    );
}

#[test]
fn an_address_that_is_good_on_one_interface_only_is_refused() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "[fe80::1%2]:80" }]
"#,
        r#"
error: `pools.a.upstreams[].address`: `[fe80::1%2]:80` has the scope `2`
 --> edge-node.toml:2:26
  |
2 | upstreams = [{ address = "[fe80::1%2]:80" }]
  |                          ^^^^^^^^^^^^^^^^ expected the address of an upstream
  |
  = help: use an address or a name that needs none
"#,
    );
}

#[test]
fn an_upstream_is_listed_once() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "[::1]:80" }, { address = "[0::1]:80", weight = 1001 }]
"#,
        r#"
error: `pools.a.upstreams` has `[::1]:80` twice
 --> edge-node.toml:2:52
  |
2 | upstreams = [{ address = "[::1]:80" }, { address = "[0::1]:80", weight = 1001 }]
  |                          ----------                ^^^^^^^^^^^ listed again here
  |                          |
  |                          first listed here
  |
  = help: for a greater share of requests give it a `weight`

error: `pools.a.upstreams[].weight` is out of range: 1001
 --> edge-node.toml:2:74
  |
2 | upstreams = [{ address = "[::1]:80" }, { address = "[0::1]:80", weight = 1001 }]
  |                                                                          ^^^^ must be 1 to 1000
"#,
    );
}

#[cfg(unix)]
#[test]
fn a_unix_socket_with_tls_needs_a_name() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "unix:/run/app.sock" }]
tls = { authorities = "ca.pem" }
"#,
        r#"
error: `pools.a.upstreams` has a Unix socket, whose certificate has no known name
 --> edge-node.toml:2:26
  |
2 | upstreams = [{ address = "unix:/run/app.sock" }]
  |                          ^^^^^^^^^^^^^^^^^^^^ is no name
3 | tls = { authorities = "ca.pem" }
  |       -------------------------- has no `server-name`
  |
  = help: set `server-name` of the pool's `tls`
"#,
    );
}

#[test]
fn a_name_of_a_certificate_is_a_host() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "a:1" }]
tls = { authorities = "ca.pem", server-name = "app.local:443", certificate = { chain = "a" } }
"#,
        r#"
error: `pools.a.tls.server-name`: `app.local:443` has a port
 --> edge-node.toml:3:47
  |
3 | tls = { authorities = "ca.pem", server-name = "app.local:443", certificate = { chain = "a" } }
  |                                               ^^^^^^^^^^^^^^^ expected the name of a certificate
  |
  = help: write "app.local"

error: missing key `key` in `[pools.a.tls.certificate]`
 --> edge-node.toml:3:78
  |
3 | tls = { authorities = "ca.pem", server-name = "app.local:443", certificate = { chain = "a" } }
  |                                                                              ^^^^^^^^^^^^^^^ `key` (string) is required here
  |
  = note: `key`: PEM: its private key, in PKCS #8, SEC 1 or PKCS #1.
"#,
    );
}

#[test]
fn a_hash_is_of_a_header_or_the_address() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "a:1" }]
balance = { consistent-hash = { header = "a b" } }
[pools.b]
upstreams = [{ address = "a:1" }]
balance = "consistent-hash"
[pools.c]
upstreams = [{ address = "a:1" }]
balance = { consistent-hash = "client-adress" }
"#,
        r#"
error: `pools.a.balance.consistent-hash.header`: `a b` is not a header's name
 --> edge-node.toml:3:42
  |
3 | balance = { consistent-hash = { header = "a b" } }
  |                                          ^^^^^ expected a header's name
  |
  = help: a name has letters, digits and dashes

error: unknown value `consistent-hash` for `pools.b.balance`
 --> edge-node.toml:6:11
  |
6 | balance = "consistent-hash"
  |           ^^^^^^^^^^^^^^^^^ expected one of `round-robin`, `least-requests`
  |
  = help: `consistent-hash` needs content: write `{ consistent-hash = … }`

error: unknown value `client-adress` for `pools.c.balance.consistent-hash`
 --> edge-node.toml:9:31
  |
9 | balance = { consistent-hash = "client-adress" }
  |                               ^^^^^^^^^^^^^^^ expected `client-address`
  |
  = help: did you mean `client-address`?
"#,
    );
}

#[test]
fn numbers_of_a_pool_have_ranges() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "a:1" }]
connect-timeout = "6m"
idle-timeout = "1ms"
connections-max = 0
retry-share-max = 1.5
slow-start = "2h"
"#,
        r#"
error: `pools.a.connect-timeout` is out of range: 6m
 --> edge-node.toml:3:19
  |
3 | connect-timeout = "6m"
  |                   ^^^^ must be 1ms to 5m

error: `pools.a.idle-timeout` is out of range: 1ms
 --> edge-node.toml:4:16
  |
4 | idle-timeout = "1ms"
  |                ^^^^^ must be 10ms to 1h

error: `pools.a.connections-max` is out of range: 0
 --> edge-node.toml:5:19
  |
5 | connections-max = 0
  |                   ^ must be 1 to 100000

error: `pools.a.retry-share-max` is out of range: 1.5
 --> edge-node.toml:6:19
  |
6 | retry-share-max = 1.5
  |                   ^^^ must be 0 to 1

error: `pools.a.slow-start` is out of range: 2h
 --> edge-node.toml:7:14
  |
7 | slow-start = "2h"
  |              ^^^^ must be 0s to 1h
"#,
    );
}
