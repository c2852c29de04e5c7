//! The table of metrics in `docs/operations.md` has all families there are.

use super::*;
use crate::upstream::Pool;
use crate::upstream::pool::tests::probed;

#[tokio::test]
async fn the_page_for_operators_has_a_row_for_every_family() {
    const PAGE: &str = include_str!("../../../../../docs/operations.md");
    const HEAD: &str = "| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n";
    let (_, table) = PAGE.split_once(HEAD).expect("the page has the table");
    let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let text = text_of_all();
    let expected: Vec<_> = text.split("# HELP ").skip(1).map(row).collect();
    assert_eq!(rows, expected, "write:\n{}", expected.join("\n"));
}

/// The classic text with a line of every family: one without a line is not told.
fn text_of_all() -> String {
    let mut metrics = Metrics::new(Counter::default());
    metrics.add_logs(&LogCounters::default());
    let pools = Pools::default();
    pools.set(vec![Pool::new(&probed(1), None)]);
    metrics.add_upstreams(&pools);
    let any = || Arc::<str>::from("any");
    let method = "GET";
    let HttpMetrics {
        requests,
        durations,
        in_flight,
        connections,
        connection_cap_reached,
        refused,
        tunnels,
        upstream_connections,
        retries,
        certificates,
    } = metrics.http();
    let request = RequestLabels { listener: any(), route: any(), method, code: 200 };
    drop(requests.get_or_create(&request));
    drop(durations.get_or_create(&RouteLabels { listener: any(), route: any(), method }));
    for gauge in [in_flight, connections, tunnels] {
        drop(gauge.get_or_create(&labels(&any())));
    }
    drop(connection_cap_reached.get_or_create(&labels(&any())));
    drop(refused.get_or_create(&RefusedLabels { listener: any(), reason: "any" }));
    let upstream = UpstreamLabels { pool: any(), upstream: any() };
    drop(upstream_connections.get_or_create(&upstream));
    drop(retries.get_or_create(&RetryLabels { pool: any(), outcome: "any" }));
    let certificate = CertificateLabels { listener: any(), certificate: any() };
    drop(certificates.get_or_create(&certificate));
    metrics.expose(Exposition::Classic)
}

/// The row of a family in a Markdown table, from its text behind `# HELP `.
fn row(family: &str) -> String {
    let mut lines = family.lines();
    let (name, meaning) = lines.next().unwrap().split_once(' ').unwrap();
    let (_, kind) = lines.next().unwrap().rsplit_once(' ').unwrap();
    let sample = lines.next().unwrap();
    let labels = sample.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
    let labels: Vec<_> = labels
        .split_terminator(',')
        .map(|label| label.split_once('=').unwrap().0)
        .filter(|label| *label != "le")
        .map(|label| format!("`{label}`"))
        .collect();
    let meaning = meaning.trim_end_matches('.');
    let cell = if labels.is_empty() { " ".to_owned() } else { format!(" {} ", labels.join(", ")) };
    format!("| `{name}` | {kind} |{cell}| {meaning} |")
}
