//! The whole texts of diagnostics, the defaults, and the schema against the parser.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::observe::logs::{KEEP_MAX, Level, Rotation};

fn read(text: &str) -> Result<Config, Report> {
    let source = Source::new("edge-node.toml", text);
    parse(&source, Path::new("/etc/edge-node")).map_err(|mistakes| Report::new(source, mistakes))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let report = read(text).expect_err("the text has a mistake");
    assert_eq!(report.to_string(), expected.trim_start_matches('\n').trim_end());
}

#[test]
fn an_empty_text_is_all_defaults() {
    let config = read("").unwrap();
    assert_eq!(config, defaults());
    let listener = |address: &str, connections_max| Listener {
        address: address.parse::<SocketAddr>().unwrap(),
        connections_max,
        header_read_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(30),
        header_bytes_max: 16 * 1024,
    };
    assert_eq!(
        config,
        Config {
            listeners: Listeners {
                data: listener("0.0.0.0:8080", 4096),
                admin: listener("127.0.0.1:9464", 64),
            },
            shutdown: Shutdown {
                unready_wait: Duration::from_secs(1),
                drain_timeout: Duration::from_secs(25),
            },
            log: Log {
                level: Level::Info,
                file: None,
                rotation: Rotation { bytes_max: 16 * 1024 * 1024, age_max: None, keep: 5 },
            },
        }
    );
}

#[test]
fn every_key_is_read() {
    let config = read(
        r#"
        [listeners.data]
        address = "::1"
        port = 80
        connections-max = 7
        header-read-timeout = "2s"
        write-timeout = "4s"
        header-bytes-max = "8KiB"
        [listeners.admin]
        address = "10.0.0.1"
        port = 81
        connections-max = 8
        header-read-timeout = "3s"
        write-timeout = "6s"
        header-bytes-max = "32KiB"
        [shutdown]
        unready-wait = "0s"
        drain-timeout = "1m"
        [log]
        level = "fatal"
        file = "logs/edge.log"
        rotate-size = "1MiB"
        rotate-age = "7d"
        keep = 100
        "#,
    )
    .unwrap();
    let listener = |address: &str, connections_max, seconds, kib: usize| Listener {
        address: address.parse::<SocketAddr>().unwrap(),
        connections_max,
        header_read_timeout: Duration::from_secs(seconds),
        write_timeout: Duration::from_secs(2 * seconds),
        header_bytes_max: kib * 1024,
    };
    assert_eq!(
        config,
        Config {
            listeners: Listeners {
                data: listener("[::1]:80", 7, 2, 8),
                admin: listener("10.0.0.1:81", 8, 3, 32),
            },
            shutdown: Shutdown {
                unready_wait: Duration::ZERO,
                drain_timeout: Duration::from_secs(60),
            },
            log: Log {
                level: Level::Fatal,
                file: Some(Path::new("/etc/edge-node").join("logs/edge.log")),
                rotation: Rotation {
                    bytes_max: 1024 * 1024,
                    age_max: Some(Duration::from_secs(7 * 24 * 3600)),
                    keep: KEEP_MAX,
                },
            },
        }
    );
}

#[test]
fn every_default_in_the_schema_is_a_value_the_parser_accepts() {
    let mut text = String::new();
    for key in strict_toml::reference(&config_schema()) {
        if let Some(default) = key.default.filter(|_| key.kind != "table") {
            text.push_str(&format!("{} = {default}\n", key.path));
        }
    }
    assert!(text.contains("listeners.admin.port = 9464\n"), "{text}");
    assert_eq!(read(&text).unwrap(), read("").unwrap(), "{text}");
}

#[test]
fn every_key_misspelled_gets_the_right_one_suggested() {
    for key in strict_toml::reference(&config_schema()) {
        let misspelled = format!("{}x = 1\n", key.path);
        let report = read(&misspelled).unwrap_err().to_string();
        let name = key.path.rsplit('.').next().unwrap();
        assert!(report.contains(&format!("did you mean `{name}`?")), "{misspelled}{report}");
    }
}

#[test]
fn a_relative_log_file_starts_at_the_folder_of_the_config_and_an_absolute_one_does_not() {
    let file = |text| read(text).unwrap().log.file.unwrap();
    assert_eq!(file("log.file = 'a.log'"), Path::new("/etc/edge-node/a.log"));
    assert_eq!(file("log.file = '/var/a.log'"), Path::new("/var/a.log"));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    check(
        r#"[listeners.data]
addres = "::"
port = 70000

[listeners.admin]
address = "localhost"

[shutdown]
drain-timeout = 25

[log]
level = "verbose"
"#,
        ALL_AT_ONCE,
    );
}

const ALL_AT_ONCE: &str = r#"
error: unknown key `addres` in `[listeners.data]`
 --> edge-node.toml:2:1
  |
2 | addres = "::"
  | ^^^^^^ unknown key
  |
  = help: did you mean `address`?
  = note: the keys of `[listeners.data]` are `address`, `port`, `connections-max`, `header-read-timeout`, `write-timeout`, `header-bytes-max`

error: `listeners.data.port` is out of range: 70000
 --> edge-node.toml:3:8
  |
3 | port = 70000
  |        ^^^^^ must be 0 to 65535

error: `listeners.admin.address`: `localhost` is not an IP address
 --> edge-node.toml:6:11
  |
6 | address = "localhost"
  |           ^^^^^^^^^^^ expected an IP address
  |
  = help: for example "127.0.0.1"

error: `shutdown.drain-timeout` must be a duration, not an integer
 --> edge-node.toml:9:17
  |
9 | drain-timeout = 25
  |                 ^^ expected a duration
  |
  = help: write it with a unit, in quotes: "25s"

error: unknown value `verbose` for `log.level`
  --> edge-node.toml:12:9
   |
12 | level = "verbose"
   |         ^^^^^^^^^ expected one of `trace`, `debug`, `info`, `warn`, `error`, `fatal`
"#;

#[test]
fn values_out_of_range_are_reported_with_their_range() {
    check(
        r#"[listeners.data]
header-read-timeout = "0s"
header-bytes-max = "1KiB"
[shutdown]
drain-timeout = "2h"
[log]
rotate-size = "63KiB"
rotate-age = "59s"
"#,
        RANGES,
    );
}

const RANGES: &str = r#"
error: `listeners.data.header-read-timeout` is out of range: 0s
 --> edge-node.toml:2:23
  |
2 | header-read-timeout = "0s"
  |                       ^^^^ must be 1s to 10m

error: `listeners.data.header-bytes-max` is out of range: 1KiB
 --> edge-node.toml:3:20
  |
3 | header-bytes-max = "1KiB"
  |                    ^^^^^^ must be 8KiB to 1MiB

error: `shutdown.drain-timeout` is out of range: 2h
 --> edge-node.toml:5:17
  |
5 | drain-timeout = "2h"
  |                 ^^^^ must be 0s to 1h

error: `log.rotate-size` is out of range: 63KiB
 --> edge-node.toml:7:15
  |
7 | rotate-size = "63KiB"
  |               ^^^^^^^ must be 64KiB to 1GiB

error: `log.rotate-age` is out of range: 59s
 --> edge-node.toml:8:14
  |
8 | rotate-age = "59s"
  |              ^^^^^ must be 1m to 366d
"#;

#[test]
fn as_many_rotated_files_are_kept_as_have_a_number() {
    for (keep, is_fine) in [(0, false), (1, true), (KEEP_MAX, true), (KEEP_MAX + 1, false)] {
        assert_eq!(read(&format!("log.keep = {keep}\n")).is_ok(), is_fine, "{keep}");
    }
}

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

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let path = Path::new("missing").join("edge-node.toml");
    let error = load(&path).unwrap_err();
    let LoadError::Read { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::NotFound);
    assert_eq!(error.to_string(), format!("config file {}: {source}", path.display()));
}
