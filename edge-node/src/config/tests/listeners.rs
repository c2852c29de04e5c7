//! Mistakes in `[listeners]`.

use super::*;

#[test]
fn two_listeners_on_one_port_are_reported_with_both_places() {
    check(
        r#"[listeners.data]
port = 9000
[listeners.admin]
port = 9000
"#,
        ONE_PORT,
    );
}

const ONE_PORT: &str = r#"
error: `listeners.data` and `listeners.admin` both bind port 9000
 --> edge-node.toml:4:8
  |
2 | port = 9000
  |        ---- bound here first
3 | [listeners.admin]
4 | port = 9000
  |        ^^^^ bound here again
  |
  = help: give one of them another `port`
"#;

#[test]
fn the_first_of_two_listeners_is_the_one_that_is_written_first() {
    check(
        r#"
[listeners.b]
port = 9000
[listeners.a]
port = 9000
"#,
        r#"
error: `listeners.a` and `listeners.b` both bind port 9000
 --> edge-node.toml:4:8
  |
2 | port = 9000
  |        ---- bound here first
3 | [listeners.a]
4 | port = 9000
  |        ^^^^ bound here again
  |
  = help: give one of them another `port`
"#,
    );
}

#[test]
fn a_listener_on_the_default_port_of_the_other_is_reported() {
    check("listeners.admin.port = 8080\n", DEFAULT_PORT);
}

const DEFAULT_PORT: &str = r#"
error: `listeners.data` and `listeners.admin` both bind port 8080
 --> edge-node.toml:1:24
  |
1 | listeners.admin.port = 8080
  |                        ^^^^ the default of `listeners.data.port`
  |
  = help: give one of them another `port`
"#;

#[test]
fn one_port_of_two_addresses_or_twice_any_port_is_fine() {
    for text in [
        "listeners.data = { address = '127.0.0.2', port = 80 }\nlisteners.admin.port = 80",
        "listeners.data.port = 0\nlisteners.admin.port = 0",
    ] {
        assert!(read(text).is_ok(), "{text}");
    }
}

#[test]
fn addresses_that_share_a_port_are_told_from_those_that_do_not() {
    for (data, admin, is_fine) in [
        ("::", "0.0.0.0", false),
        ("0.0.0.0", "::", false),
        ("::", "127.0.0.1", false),
        ("::1", "::", false),
        ("0.0.0.0", "127.0.0.1", false),
        ("::ffff:127.0.0.1", "127.0.0.1", false),
        ("0.0.0.0", "::1", true),
        ("::1", "127.0.0.1", true),
    ] {
        let text = format!(
            "listeners.data = {{ address = '{data}', port = 80 }}\n\
             listeners.admin = {{ address = '{admin}', port = 80 }}\n"
        );
        assert_eq!(read(&text).is_ok(), is_fine, "{text}");
    }
}

#[test]
fn an_ipv4_address_in_ipv6_form_is_that_ipv4_address() {
    let config = read("listeners.admin.address = '::ffff:127.0.0.1'").unwrap();
    assert_eq!(config.listeners.admin.address.to_string(), "127.0.0.1:9464");
}

#[test]
fn names_of_listeners_stay_short_and_plain() {
    check(
        r#"
[listeners.Data]
port = 1
[listeners."a b"]
port = 2
[listeners.-]
port = 3
"#,
        r#"
error: `Data` cannot be the name of a listener
 --> edge-node.toml:1:12
  |
1 | [listeners.Data]
  |            ^^^^ may have lower-case letters, digits and dashes between them
  |
  = help: for example `data`

error: `a b` cannot be the name of a listener
 --> edge-node.toml:3:12
  |
3 | [listeners."a b"]
  |            ^^^^^ may have lower-case letters, digits and dashes between them
  |
  = help: for example `a-b`

error: `-` cannot be the name of a listener
 --> edge-node.toml:5:12
  |
5 | [listeners.-]
  |            ^ may have lower-case letters, digits and dashes between them
"#,
    );
}

#[test]
fn a_name_that_is_too_long_is_reported() {
    check(
        r#"
[listeners.a23456789-123456789-123456789-123456789-1]
"#,
        r#"
error: `a23456789-123456789-123456789-123456789-1` cannot be the name of a listener
 --> edge-node.toml:1:12
  |
1 | [listeners.a23456789-123456789-123456789-123456789-1]
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ may have at most 40 characters
"#,
    );
}

#[test]
fn a_name_that_was_to_be_admin_is_no_data_listener() {
    check(
        r#"
[listeners.admn]
port = 1
"#,
        r#"
error: a listener named `admn` is easily taken for `admin`
 --> edge-node.toml:1:12
  |
1 | [listeners.admn]
  |            ^^^^ too near to `admin`
  |
  = help: did you mean `admin`? If not, choose another name
"#,
    );
}

#[test]
fn each_pair_of_listeners_on_one_port_is_reported() {
    check(
        r#"
[listeners.a]
[listeners.b]
address = "127.0.0.1"
[listeners.c]
address = "127.0.0.2"
port = 8080
"#,
        r#"
error: `listeners.a` and `listeners.b` both bind port 8080
 --> edge-node.toml:2:12
  |
1 | [listeners.a]
  |            - has the default port
2 | [listeners.b]
  |            ^ has the default port
  |
  = help: give one of them another `port`

error: `listeners.a` and `listeners.c` both bind port 8080
 --> edge-node.toml:6:8
  |
6 | port = 8080
  |        ^^^^ the default of `listeners.a.port`
  |
  = help: give one of them another `port`
"#,
    );
}

#[test]
fn limits_of_a_listener_have_ranges() {
    check(
        r#"
[listeners.data]
idle-timeout = "0s"
body-bytes-max = "2TiB"
body-rate-min = "0B"
http2-streams-max = 0
connections-per-address-max = 0
"#,
        r#"
error: `listeners.data.idle-timeout` is out of range: 0s
 --> edge-node.toml:2:16
  |
2 | idle-timeout = "0s"
  |                ^^^^ must be 1s to 1h

error: `listeners.data.body-bytes-max` is out of range: 2TiB
 --> edge-node.toml:3:18
  |
3 | body-bytes-max = "2TiB"
  |                  ^^^^^^ must be 0B to 1TiB

error: `listeners.data.body-rate-min` is out of range: 0B
 --> edge-node.toml:4:17
  |
4 | body-rate-min = "0B"
  |                 ^^^^ must be 1B to 1GiB

error: `listeners.data.http2-streams-max` is out of range: 0
 --> edge-node.toml:5:21
  |
5 | http2-streams-max = 0
  |                     ^ must be 1 to 10000

error: `listeners.data.connections-per-address-max` is out of range: 0
 --> edge-node.toml:6:31
  |
6 | connections-per-address-max = 0
  |                               ^ must be 1 to 1000000
"#,
    );
}

#[test]
fn trusted_proxies_are_networks() {
    check(
        r#"
[listeners.data]
trusted-proxies = ["10.0.0.1/8", "proxy.local", "10.0.0.0/33"]
"#,
        r#"
error: `listeners.data.trusted-proxies[]`: `10.0.0.1/8` has bits set behind its prefix
 --> edge-node.toml:2:20
  |
2 | trusted-proxies = ["10.0.0.1/8", "proxy.local", "10.0.0.0/33"]
  |                    ^^^^^^^^^^^^ expected an address or a network
  |
  = help: write "10.0.0.0/8", or "10.0.0.1" for this address only

error: `listeners.data.trusted-proxies[]`: `proxy.local` is not a network
 --> edge-node.toml:2:34
  |
2 | trusted-proxies = ["10.0.0.1/8", "proxy.local", "10.0.0.0/33"]
  |                                  ^^^^^^^^^^^^^ expected an address or a network
  |
  = help: for example "10.0.0.0/8" or "192.168.1.1"

error: `listeners.data.trusted-proxies[]`: `10.0.0.0/33` is not a network
 --> edge-node.toml:2:49
  |
2 | trusted-proxies = ["10.0.0.1/8", "proxy.local", "10.0.0.0/33"]
  |                                                 ^^^^^^^^^^^^^ expected an address or a network
  |
  = help: for example "10.0.0.0/8" or "192.168.1.1"
"#,
    );
}

#[test]
fn tls_needs_a_certificate_and_authorities_for_those_of_clients() {
    check(
        r#"
[listeners.data.tls]
certificates = []
version-min = "1.1"
clients = {}
"#,
        r#"
error: `listeners.data.tls.certificates` has no entries
 --> edge-node.toml:2:16
  |
2 | certificates = []
  |                ^^ needs at least 1 entry

error: unknown value `1.1` for `listeners.data.tls.version-min`
 --> edge-node.toml:3:15
  |
3 | version-min = "1.1"
  |               ^^^^^ expected one of `1.2`, `1.3`
  |
  = help: did you mean `1.2`?

error: missing key `authorities` in `[listeners.data.tls.clients]`
 --> edge-node.toml:4:11
  |
4 | clients = {}
  |           ^^ `authorities` (string) is required here
  |
  = note: `authorities`: PEM: the authorities that clients' certificates must lead to.
"#,
    );
}
