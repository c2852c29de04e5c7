//! What a text becomes: the defaults, every key, the schema against the parser. The whole texts of
//! diagnostics are below, by table.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::observe::logs::{KEEP_MAX, Level, Rotation};

mod actions;
mod arbitrary;
mod every_key;
mod health;
mod keys;
mod listeners;
mod matchers;
mod pools;
mod routes;

/// A text with every key.
const EVERY_KEY: &str = include_str!("every-key.toml");

fn read(text: &str) -> Result<Config, Report> {
    let source = Source::new("edge-node.toml", text);
    parse(&source, Path::new("/etc/edge-node")).map_err(|mistakes| Report::new(source, mistakes))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let report = read(text).expect_err("the text has a mistake");
    assert_eq!(report.to_string(), expected.trim_start_matches('\n').trim_end());
}

/// The data listener of an empty config.
fn default_data() -> DataListener {
    DataListener {
        name: "data".into(),
        listener: Listener {
            address: "0.0.0.0:8080".parse().unwrap(),
            connections_max: 4096,
            header_read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            header_bytes_max: 16 * 1024,
        },
        connections_per_address_max: None,
        idle_timeout: Duration::from_secs(60),
        body_bytes_max: None,
        body_rate_min: None,
        http2_streams_max: 128,
        trusted_proxies: Vec::new(),
        tls: None,
    }
}

#[test]
fn an_empty_text_is_all_defaults() {
    let config = read("").unwrap();
    assert_eq!(config, defaults());
    let data = default_data();
    let address = "127.0.0.1:9464".parse::<SocketAddr>().unwrap();
    let admin = Listener { address, connections_max: 64, ..data.listener.clone() };
    assert!((1..=64).contains(&config.workers));
    assert_eq!(
        config,
        Config {
            listeners: Listeners { data: vec![data], admin },
            routes: Vec::new(),
            pools: Vec::new(),
            workers: config.workers,
            shutdown: Shutdown {
                unready_wait: Duration::from_secs(1),
                drain_timeout: Duration::from_secs(25),
            },
            log: Log {
                level: Level::Info,
                access: true,
                file: None,
                rotation: Rotation { bytes_max: 16 * 1024 * 1024, age_max: None, keep: 5 },
            },
        }
    );
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
  = note: the keys of `[listeners.data]` are `address`, `port`, `connections-max`, `header-read-timeout`, `write-timeout`, `header-bytes-max`, `connections-per-address-max`, `idle-timeout`, `body-bytes-max`, `body-rate-min`, `http2-streams-max`, `trusted-proxies`, `tls`

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
fn a_file_that_cannot_be_read_is_named() {
    let path = Path::new("missing").join("edge-node.toml");
    let error = load(&path).unwrap_err();
    let LoadError::Read { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::NotFound);
    assert_eq!(error.to_string(), format!("config file {}: {source}", path.display()));
}
