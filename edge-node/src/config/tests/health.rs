//! Mistakes in how the health of upstreams is known.

use super::*;

#[test]
fn a_probe_asks_one_thing() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "a:1" }]
probe = { interval = "1s" }
[pools.b]
upstreams = [{ address = "a:1" }]
probe = { tcp = {}, http = {} }
"#,
        r#"
error: `pools.a.probe` has none of `http`, `tcp`, `grpc`
 --> edge-node.toml:3:9
  |
3 | probe = { interval = "1s" }
  |         ^^^^^^^^^^^^^^^^^^^ needs exactly one of them

error: `pools.b.probe` has both `tcp` and `http`
 --> edge-node.toml:6:28
  |
6 | probe = { tcp = {}, http = {} }
  |                 --         ^^ only one of `http`, `tcp`, `grpc` may be set
  |                 |
  |                 already chosen here
"#,
    );
}

#[test]
fn grpc_is_probed_where_it_is_spoken() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "a:1" }]
probe = { grpc = {} }
"#,
        r#"
error: `pools.a.probe.grpc` needs HTTP/2
 --> edge-node.toml:3:18
  |
3 | probe = { grpc = {} }
  |                  ^^ the pool speaks HTTP/1.1
  |
  = help: set `pools.a.protocol` to "http2", or probe by `tcp`
"#,
    );
}

#[test]
fn an_http_probe_has_a_path_and_statuses() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "a:1" }]
[pools.a.probe]
http = { path = "healthz", host = "A", status = ["2xx", "299-200", "200-299"], body-contains = "" }
interval = "1ms"
timeout = "10m"
jitter-percent = 51
"#,
        r#"
error: `pools.a.probe.http.path`: `healthz` does not start with a slash
 --> edge-node.toml:4:17
  |
4 | http = { path = "healthz", host = "A", status = ["2xx", "299-200", "200-299"], body-contains = "" }
  |                 ^^^^^^^^^ expected a path
  |
  = help: for example "/healthz"

error: `pools.a.probe.http.host`: `A` is not in lower case
 --> edge-node.toml:4:35
  |
4 | http = { path = "healthz", host = "A", status = ["2xx", "299-200", "200-299"], body-contains = "" }
  |                                   ^^^ expected a host
  |
  = help: write "a"

error: `pools.a.probe.http.status[]`: `2xx` is not a status or a range of them
 --> edge-node.toml:4:50
  |
4 | http = { path = "healthz", host = "A", status = ["2xx", "299-200", "200-299"], body-contains = "" }
  |                                                  ^^^^^ expected a status or a range of them
  |
  = help: for example "200-299" or "204"; a status is 200 to 599

error: `pools.a.probe.http.status[]`: `299-200` ends before it starts
 --> edge-node.toml:4:57
  |
4 | http = { path = "healthz", host = "A", status = ["2xx", "299-200", "200-299"], body-contains = "" }
  |                                                         ^^^^^^^^^ expected a status or a range of them
  |
  = help: write "200-299"

error: `pools.a.probe.http.body-contains` is empty
 --> edge-node.toml:4:96
  |
4 | http = { path = "healthz", host = "A", status = ["2xx", "299-200", "200-299"], body-contains = "" }
  |                                                                                                ^^ must not be empty

error: `pools.a.probe.interval` is out of range: 1ms
 --> edge-node.toml:5:12
  |
5 | interval = "1ms"
  |            ^^^^^ must be 10ms to 1h

error: `pools.a.probe.timeout` is out of range: 10m
 --> edge-node.toml:6:11
  |
6 | timeout = "10m"
  |           ^^^^^ must be 1ms to 5m

error: `pools.a.probe.jitter-percent` is out of range: 51
 --> edge-node.toml:7:18
  |
7 | jitter-percent = 51
  |                  ^^ must be 0 to 50
"#,
    );
}

#[test]
fn the_longest_ejection_is_not_shorter_than_the_first() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "a:1" }]
ejection = { time-base = "10s", time-max = "5s" }
[pools.b]
upstreams = [{ address = "a:1" }]
ejection = { time-max = "4s" }
[pools.c]
upstreams = [{ address = "a:1" }]
ejection = { time-base = "6m" }
"#,
        r#"
error: `pools.a.ejection.time-base` is longer than `pools.a.ejection.time-max`: 10s
 --> edge-node.toml:3:26
  |
3 | ejection = { time-base = "10s", time-max = "5s" }
  |                          ^^^^^             ---- because of this
  |                          |
  |                          may be 5s at most

error: `pools.b.ejection.time-max` is shorter than `pools.b.ejection.time-base`: 4s
 --> edge-node.toml:6:25
  |
6 | ejection = { time-max = "4s" }
  |                         ^^^^ the default of `pools.b.ejection.time-base` is 5s

error: `pools.c.ejection.time-base` is longer than `pools.c.ejection.time-max`: 6m
 --> edge-node.toml:9:26
  |
9 | ejection = { time-base = "6m" }
  |                          ^^^^ the default of `pools.c.ejection.time-max` is 5m
"#,
    );
}

#[test]
fn shares_are_between_nothing_and_all() {
    check(
        r#"
[pools.a]
upstreams = [{ address = "a:1" }]
ejection = { share-max = 2, success-rate = { share-min = -0.5, window = "0s", requests-min = 0 } }
"#,
        r#"
error: `pools.a.ejection.share-max` is out of range: 2
 --> edge-node.toml:3:26
  |
3 | ejection = { share-max = 2, success-rate = { share-min = -0.5, window = "0s", requests-min = 0 } }
  |                          ^ must be 0 to 1

error: `pools.a.ejection.success-rate.share-min` is out of range: -0.5
 --> edge-node.toml:3:58
  |
3 | ejection = { share-max = 2, success-rate = { share-min = -0.5, window = "0s", requests-min = 0 } }
  |                                                          ^^^^ must be 0 to 1

error: `pools.a.ejection.success-rate.window` is out of range: 0s
 --> edge-node.toml:3:73
  |
3 | ejection = { share-max = 2, success-rate = { share-min = -0.5, window = "0s", requests-min = 0 } }
  |                                                                         ^^^^ must be 1s to 10m

error: `pools.a.ejection.success-rate.requests-min` is out of range: 0
 --> edge-node.toml:3:94
  |
3 | ejection = { share-max = 2, success-rate = { share-min = -0.5, window = "0s", requests-min = 0 } }
  |                                                                                              ^ must be 1 to 1000000
"#,
    );
}
