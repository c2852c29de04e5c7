//! What a request costs before it goes to an upstream: `cargo bench -p edge-node --bench gateway`.
//!
//! One core serves some 60,000 requests a second, 16 µs each, nearly all of it in system calls; what is measured here
//! should stay below a twentieth of that.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use edge_node::config::{
    HeaderEdits, HostPattern, Matcher, PathPattern, PathRewrite, TemplateSegment,
};
use edge_node::gateway::table::Table;
use edge_node::gateway::{head, path, rewrite};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

/// Of every four routes: a prefix, an exact path and a template of a host, and a prefix of a wildcard.
fn table(routes: usize) -> Table<usize> {
    let matcher = |at: usize| {
        let service = at / 4 % 50;
        let (host, path) = match at % 4 {
            0 => (exact(service), PathPattern::Prefix(format!("/v{}/things", at / 200).into())),
            1 => (exact(service), PathPattern::Exact(format!("/v{}/health", at / 200).into())),
            2 => (exact(service), template(&format!("v{}", at / 200))),
            _ => {
                let host = HostPattern::Wildcard(format!(".s{service}.edge.local").into());
                (host, PathPattern::Prefix(format!("/v{}", at / 200).into()))
            }
        };
        Matcher {
            hosts: vec![host],
            path,
            methods: vec![Method::GET, Method::POST],
            headers: Vec::new(),
        }
    };
    Table::new((0..routes).map(|at| (matcher(at), at)).collect()).expect("no two of them are alike")
}

fn exact(service: usize) -> HostPattern {
    HostPattern::Exact(format!("s{service}.edge.local").into())
}

fn template(version: &str) -> PathPattern {
    PathPattern::Template(vec![
        TemplateSegment::Literal(version.into()),
        TemplateSegment::Literal("users".into()),
        TemplateSegment::Parameter("id".into()),
    ])
}

fn route_match(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route match");
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("*/*"));
    for routes in [10, 100, 1000] {
        let table = table(routes);
        for (kind, host, path) in [
            ("prefix", "s1.edge.local", "/v0/things/7/parts"),
            ("exact", "s1.edge.local", "/v0/health"),
            ("template", "s1.edge.local", "/v0/users/4711"),
            ("wildcard host", "a.s1.edge.local", "/v0/a/b/c"),
            ("miss", "other.example", "/wp-login.php"),
        ] {
            group.bench_function(BenchmarkId::new(kind, routes), |bencher| {
                bencher.iter(|| {
                    let (host, path) = (black_box(host), black_box(path));
                    table.find(host, path, &Method::GET, &headers).map(|found| *found.route)
                });
            });
        }
    }
}

fn path_normalisation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("path normalisation");
    for (kind, path) in [
        ("normal", "/v1/things/4711/parts/index.html"),
        ("normal with escapes", "/v1/caf%C3%A9/a%20b/parts/index"),
        ("escapes to decode", "/v1/%74hings/%34711/parts/index"),
        ("dots and slashes", "/v1/./things//4711/../parts/index"),
    ] {
        group.bench_function(kind, |bencher| {
            bencher.iter(|| path::normalise(black_box(path)).map(|path| path.len()));
        });
    }
}

fn request_head(criterion: &mut Criterion) {
    let request = Request::builder()
        .uri("/v1/things/4711?all=1")
        .header("host", "s1.edge.local:8080")
        .header("user-agent", "wrk")
        .header("accept", "*/*")
        .header("accept-encoding", "gzip");
    let mut parts = request.body(()).expect("the request is valid").into_parts().0;
    criterion.bench_function("request head", |bencher| {
        bencher.iter(|| {
            head::scrub(black_box(&mut parts.headers));
            head::check(black_box(&parts)).map(|head| head.host.len())
        });
    });
}

fn header_edits(criterion: &mut Criterion) {
    let text = HeaderValue::from_static;
    let name = HeaderName::from_static;
    let edits = HeaderEdits {
        remove: vec![name("x-internal"), name("cookie")],
        set: vec![(name("x-edge"), text("1")), (name("x-request-id"), text("0123456789abcdef"))],
        add: vec![(name("via-site"), text("7"))],
    };
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("host", "a"), ("accept", "*/*"), ("user-agent", "wrk"), ("cookie", "a=b")]
    {
        headers.insert(name, text(value));
    }
    let cloned = |bencher: &mut criterion::Bencher<'_>, edits: &HeaderEdits| {
        bencher.iter_batched_ref(
            || headers.clone(),
            |headers| rewrite::headers(black_box(edits), headers),
            criterion::BatchSize::SmallInput,
        );
    };
    let mut group = criterion.benchmark_group("header edits");
    group.bench_function("none", |bencher| cloned(bencher, &HeaderEdits::default()));
    group.bench_function("five", |bencher| cloned(bencher, &edits));
}

fn path_rewrite(criterion: &mut Criterion) {
    let pattern = PathPattern::Prefix("/v1".into());
    let mut group = criterion.benchmark_group("path rewrite");
    for (kind, how) in [("keep", PathRewrite::Keep), ("prefix", PathRewrite::Prefix("/v2".into()))]
    {
        group.bench_function(kind, |bencher| {
            bencher.iter(|| {
                rewrite::path(&how, &pattern, black_box("/v1/things/4711"), &Vec::new()).len()
            });
        });
    }
}

criterion_group!(
    gateway,
    route_match,
    path_normalisation,
    request_head,
    header_edits,
    path_rewrite
);
criterion_main!(gateway);
