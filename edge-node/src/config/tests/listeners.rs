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
