//! The programs that make load: their command lines, and what they print.
//!
//! Pure.

use super::{Latency, Row, Saturate};
use std::net::SocketAddr;

/// The command line that saturates a proxy, word by word. `message` is a file with the body of a call.
pub(super) fn saturating(
    row: &Row,
    address: SocketAddr,
    seconds: u32,
    message: &str,
) -> Vec<String> {
    let Row { path, connections, streams, .. } = row;
    let scheme = if row.kind == "http1" { "http" } else { "https" };
    let url = format!("{scheme}://{address}{path}");
    let mut words = match row.saturate {
        Saturate::Wrk { .. } => {
            format!("wrk --threads 1 --connections {connections} --duration {seconds}s")
        }
        Saturate::H2load { .. } => format!(
            "h2load --threads=1 --clients={connections} --max-concurrent-streams={streams} --duration={seconds}"
        ),
    }
    .split(' ')
    .map(str::to_owned)
    .collect::<Vec<_>>();
    match row.saturate {
        Saturate::Wrk { close: true } => words.extend(header("--header", "Connection: close")),
        Saturate::H2load { calls: true } => {
            words.push(format!("--data={message}"));
            words.extend(header("--header", "content-type: application/grpc"));
            words.extend(header("--header", "te: trailers"));
        }
        Saturate::Wrk { close: false } | Saturate::H2load { calls: false } => {}
    }
    words.push(url);
    words
}

fn header(option: &str, line: &str) -> [String; 2] {
    [option.to_owned(), line.to_owned()]
}

/// How many requests were answered as they should be.
pub(super) fn answered(row: &Row, printed: &str) -> Result<u64, String> {
    match row.saturate {
        Saturate::Wrk { .. } => by_wrk(printed),
        Saturate::H2load { .. } => by_h2load(printed),
    }
}

/// `  N requests in 5.00s, 64.1MB read`; a line about failures stands there only if there were some.
fn by_wrk(printed: &str) -> Result<u64, String> {
    let failures = ["Socket errors:", "Non-2xx or 3xx responses:"];
    let is_failure = |line: &&str| failures.iter().any(|failure| line.trim().starts_with(failure));
    if let Some(line) = printed.lines().find(is_failure) {
        return Err(format!("wrk: {}", line.trim()));
    }
    let count = |line: &str| line.trim().split_once(" requests in ")?.0.parse().ok();
    printed.lines().find_map(count).filter(|count| *count > 0).ok_or_else(|| nothing(printed))
}

/// `status codes: N 2xx, 0 3xx, 0 4xx, 0 5xx`.
fn by_h2load(printed: &str) -> Result<u64, String> {
    let find = |start: &str| printed.lines().find_map(|line| line.strip_prefix(start));
    let codes = find("status codes: ").ok_or_else(|| nothing(printed))?;
    let requests = find("requests: ").unwrap_or_default();
    let mut counts = codes.split(", ").filter_map(|part| part.split_once(' '));
    let good = counts.next().and_then(|(count, _)| count.parse().ok()).unwrap_or_default();
    let is_bad = counts.any(|(count, _)| count != "0");
    if is_bad || !requests.contains(" 0 failed, 0 errored") {
        return Err(format!("h2load: {codes}; {requests}"));
    }
    if good == 0 { Err(nothing(printed)) } else { Ok(good) }
}

fn nothing(printed: &str) -> String {
    let end: Vec<_> = printed.lines().rev().filter(|line| !line.is_empty()).take(3).collect();
    format!("nothing was answered: {}", end.into_iter().rev().collect::<Vec<_>>().join("; "))
}

/// The arguments of `bench_load`.
#[cfg(target_os = "linux")]
pub(super) fn at_rate(row: &Row, address: SocketAddr, rate: f64, seconds: u32) -> Vec<String> {
    vec![
        row.kind.to_owned(),
        address.to_string(),
        row.path.to_owned(),
        format!("{rate:.1}"),
        seconds.to_string(),
        row.connections.to_string(),
        row.streams.to_string(),
    ]
}

/// What `bench_load` found. All must have been answered.
pub(super) fn latency(printed: &str, rate: f64) -> Result<Latency, String> {
    let line =
        printed.lines().find(|line| line.starts_with('{')).ok_or_else(|| nothing(printed))?;
    let found: serde_json::Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let number = |name: &str| found[name].as_f64().unwrap_or_default();
    if number("failed") > 0.0 || number("answered") == 0.0 {
        let rest: Vec<_> = printed.lines().filter(|line| !line.starts_with('{')).collect();
        return Err(format!("bench_load: {line} {}", rest.join("; ")));
    }
    Ok(Latency { rate, p50: number("p50"), p99: number("p99"), p999: number("p999") })
}

#[cfg(test)]
mod tests {
    use super::super::ROWS;
    use super::*;

    const WRK: &str = "\
Running 1s test @ http://127.0.0.1:9/1024
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.20ms  300.00us   9.00ms   90.00%
    Req/Sec    53.10k     1.20k   55.00k    70.00%
  53211 requests in 1.00s, 60.11MB read
Requests/sec:  53100.12
";
    const H2LOAD: &str = "\
finished in 1.00s, 21034.00 req/s, 22.00MB/s
requests: 21034 total, 21162 started, 21034 done, 21034 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 21034 2xx, 0 3xx, 0 4xx, 0 5xx
";

    fn row(name: &str) -> &'static Row {
        ROWS.iter().find(|row| row.name == name).unwrap()
    }

    #[test]
    fn answers_are_counted_and_one_bad_answer_spoils_the_run() {
        assert_eq!(answered(row("http1-1k"), WRK), Ok(53211));
        let bad = format!("{WRK}  Non-2xx or 3xx responses: 7\n");
        let error = answered(row("http1-1k"), &bad).unwrap_err();
        assert_eq!(error, "wrk: Non-2xx or 3xx responses: 7");
        assert_eq!(answered(row("grpc"), H2LOAD), Ok(21034));
        assert!(answered(row("grpc"), &H2LOAD.replace("0 5xx", "3 5xx")).is_err());
        assert!(answered(row("grpc"), &H2LOAD.replace("0 failed", "9 failed")).is_err());
        assert_eq!(answered(row("grpc"), "bang\n"), Err("nothing was answered: bang".to_owned()));
    }

    #[test]
    fn a_row_says_what_saturates_it() {
        let address = "127.0.0.1:9".parse().unwrap();
        assert_eq!(
            saturating(row("handshakes"), address, 5, "m").join("|"),
            "wrk|--threads|1|--connections|64|--duration|5s|--header|Connection: close|https://127.0.0.1:9/1024"
        );
        assert_eq!(
            saturating(row("grpc"), address, 5, "m").join("|"),
            "h2load|--threads=1|--clients=16|--max-concurrent-streams=8|--duration=5|--data=m|--header|\
             content-type: application/grpc|--header|te: trailers|https://127.0.0.1:9/bench.Echo/Unary"
        );
    }

    #[test]
    fn a_latency_counts_only_when_all_was_answered() {
        let line = r#"{"due":10,"answered":10,"failed":0,"p50":80,"p99":200,"p999":900}"#;
        let expected = Latency { rate: 7.0, p50: 80.0, p99: 200.0, p999: 900.0 };
        assert_eq!(latency(line, 7.0), Ok(expected));
        assert!(latency(&line.replace("\"failed\":0", "\"failed\":1"), 7.0).is_err());
    }
}
