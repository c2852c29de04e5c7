//! What the text with every key becomes.

use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::*;

fn file(path: &str) -> PathBuf {
    Path::new("/etc/edge-node").join(path)
}

fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}

fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}

fn literal(text: &str) -> TemplateSegment {
    TemplateSegment::Literal(text.into())
}

fn every_key() -> Config {
    read(EVERY_KEY).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn the_text_has_every_key() {
    let places = keys::places(EVERY_KEY);
    for key in keys::declared() {
        let last = key.path.rsplit('.').next().unwrap();
        let is_there = last == "<name>" || places.iter().any(|(name, _)| name == last);
        assert!(is_there, "{}", key.path);
    }
}

#[test]
fn listeners_are_read() {
    let listener = |address: &str, connections_max, seconds, kib: usize| Listener {
        address: address.parse::<SocketAddr>().unwrap(),
        connections_max,
        header_read_timeout: Duration::from_secs(seconds),
        write_timeout: Duration::from_secs(2 * seconds),
        header_bytes_max: kib * 1024,
    };
    let tls = ServerTls {
        certificates: vec![CertificateFiles {
            chain: file("tls/site.pem"),
            key: file("tls/site.key"),
            ocsp: Some(PathBuf::from("/tls/site.ocsp")),
        }],
        version_min: TlsVersion::Tls13,
        clients: Some(ClientCertificates {
            authorities: file("tls/clients.pem"),
            revoked: vec![file("tls/clients.crl")],
            is_required: false,
        }),
    };
    let data = DataListener {
        name: "data".into(),
        listener: listener("[::1]:80", 7, 2, 8),
        connections_per_address_max: Some(2),
        idle_timeout: Duration::from_secs(5),
        body_bytes_max: Some(16 * 1024 * 1024),
        body_rate_min: Some(1024),
        http2_streams_max: 9,
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "192.168.1.1/32".parse().unwrap()],
        tls: Some(tls),
    };
    let plain = DataListener { name: "plain".into(), ..default_data() };
    let admin = listener("10.0.0.1:81", 8, 3, 32);
    assert_eq!(every_key().listeners, Listeners { data: vec![data, plain], admin });
}

#[test]
fn a_route_that_forwards_is_read() {
    let parameters = |first: &str| {
        vec![
            literal(first),
            TemplateSegment::Parameter("id".into()),
            TemplateSegment::Rest("rest".into()),
        ]
    };
    let expected = Route {
        name: "api".into(),
        listeners: vec!["data".into()],
        matcher: Matcher {
            hosts: vec![
                HostPattern::Exact("api.example.org".into()),
                HostPattern::Wildcard(".edge.local".into()),
            ],
            path: PathPattern::Template(parameters("v1")),
            methods: vec![Method::GET, Method::POST],
            headers: vec![
                HeaderMatch { name: name("x-canary"), value: Some(value("1")) },
                HeaderMatch { name: name("x-any"), value: None },
            ],
        },
        action: Action::Forward(Forward {
            pool: "web".into(),
            path: PathRewrite::Template(parameters("u")),
            host: HostRewrite::Fixed(value("api.internal:80")),
            timeout: Duration::from_secs(20),
            try_timeout: Duration::from_secs(10),
            retries_max: 2,
            stream_idle_timeout: Duration::from_secs(60),
        }),
        request_headers: HeaderEdits {
            remove: vec![name("x-internal")],
            set: vec![(name("x-edge"), value("1"))],
            add: vec![(name("via-site"), value("7"))],
        },
        response_headers: HeaderEdits {
            remove: vec![name("server")],
            set: vec![(name("x-a"), value("b"))],
            add: vec![(name("x-c"), value(""))],
        },
        rate_limit: Some(RateLimit { requests_per_second: 50, burst: 100, per: RatePer::Route }),
        body_bytes_max: Some(64 * 1024),
        clients: Some(ClientRules {
            is_required: true,
            allow: vec![
                NamePattern::Dns(HostPattern::Wildcard(".dev.site".into())),
                NamePattern::Uri { text: "spiffe://site/".into(), is_prefix: true },
                NamePattern::Ip("10.0.0.0/8".parse().unwrap()),
            ],
        }),
    };
    assert_eq!(every_key().routes[0], expected);
}

#[test]
fn the_other_actions_are_read_on_all_data_listeners() {
    let route = |name: &str, path, action| Route {
        name: name.into(),
        listeners: vec!["data".into(), "plain".into()],
        matcher: Matcher { hosts: vec![], path, methods: vec![], headers: vec![] },
        action,
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        rate_limit: None,
        body_bytes_max: None,
        clients: None,
    };
    let redirect = Redirect {
        status: StatusCode::MOVED_PERMANENTLY,
        scheme: Some("https".into()),
        authority: Some("www.example.org:8443".into()),
        path: PathRewrite::Prefix("/new".into()),
    };
    let respond = FixedResponse {
        status: StatusCode::SERVICE_UNAVAILABLE,
        body: "gone\n".into(),
        content_type: value("text/html"),
    };
    let files = Files { root: file("www"), index: "start.html".into() };
    let prefix = |text: &str| PathPattern::Prefix(text.into());
    assert_eq!(
        every_key().routes[1..],
        [
            route("old", prefix("/old"), Action::Redirect(redirect)),
            route("ping", PathPattern::Exact("/ping".into()), Action::Respond(respond)),
            route("www", prefix(""), Action::Files(files)),
        ]
    );
}

#[test]
fn a_pool_is_read() {
    let status = |code| StatusCode::from_u16(code).unwrap();
    let expected = Pool {
        name: "web".into(),
        upstreams: vec![
            Upstream {
                address: UpstreamAddress::Socket("127.0.0.1:3000".parse().unwrap()),
                weight: 2,
            },
            Upstream { address: UpstreamAddress::Name("app.local".into(), 80), weight: 1 },
        ],
        balance: Balance::ConsistentHash(HashKey::Header(name("x-user"))),
        protocol: Protocol::Http2,
        tls: Some(ClientTls {
            authorities: file("tls/ca.pem"),
            server_name: Some("app.local".into()),
            certificate: Some(CertificateFiles {
                chain: file("tls/edge.pem"),
                key: file("tls/edge.key"),
                ocsp: None,
            }),
        }),
        connect_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(30),
        connections_max: 10,
        pending_max: 11,
        retry_share_max: 0.1,
        slow_start: Duration::ZERO,
        probe: Some(Probe {
            kind: ProbeKind::Http {
                path: "/healthz".into(),
                host: Some("app".into()),
                status: vec![(status(200), status(299)), (status(404), status(404))],
                body_contains: Some("ok".into()),
            },
            interval: Duration::from_secs(1),
            jitter_percent: 20,
            timeout: Duration::from_millis(500),
            down_after: 1,
            up_after: 3,
        }),
        ejection: Ejection {
            consecutive_errors: None,
            success_rate: Some(SuccessRate {
                share_min: 0.9,
                window: Duration::from_secs(10),
                requests_min: 5,
            }),
            time_base: Duration::from_secs(1),
            time_max: Duration::from_secs(60),
            share_max: 0.25,
        },
    };
    let pools = every_key().pools;
    let names: Vec<&str> = pools.iter().map(|pool| &*pool.name).collect();
    assert_eq!(names, ["hashed", "rpc", "web"]);
    assert_eq!(pools[2], expected);
}

#[test]
fn a_pool_of_one_key_is_all_defaults() {
    let pool = read("pools.a.upstreams = [{ address = 'a:1' }]").unwrap().pools.remove(0);
    let upstream = Upstream { address: UpstreamAddress::Name("a".into(), 1), weight: 1 };
    let expected = Pool {
        name: "a".into(),
        upstreams: vec![upstream],
        balance: Balance::RoundRobin,
        protocol: Protocol::Http1,
        tls: None,
        connect_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_secs(60),
        connections_max: 256,
        pending_max: 1024,
        retry_share_max: 0.2,
        slow_start: Duration::from_secs(10),
        probe: None,
        ejection: Ejection {
            consecutive_errors: Some(5),
            success_rate: None,
            time_base: Duration::from_secs(5),
            time_max: Duration::from_secs(300),
            share_max: 0.5,
        },
    };
    assert_eq!(pool, expected);
}

#[test]
fn the_other_probes_and_hashes_are_read() {
    let pools = every_key().pools;
    let probe = |kind| Probe {
        kind,
        interval: Duration::from_secs(10),
        jitter_percent: 10,
        timeout: Duration::from_secs(2),
        down_after: 3,
        up_after: 2,
    };
    assert_eq!(pools[0].balance, Balance::ConsistentHash(HashKey::ClientAddress));
    assert_eq!(pools[0].probe, Some(probe(ProbeKind::Tcp)));
    assert_eq!(pools[1].probe, Some(probe(ProbeKind::Grpc { service: "a.B".into() })));
}

#[test]
fn what_is_about_the_service_is_read() {
    let Config { workers, shutdown, log, .. } = every_key();
    assert_eq!(workers, 3);
    let expected =
        Shutdown { unready_wait: Duration::ZERO, drain_timeout: Duration::from_secs(60) };
    assert_eq!(shutdown, expected);
    let expected = Log {
        level: Level::Fatal,
        access: false,
        file: Some(file("logs/edge.log")),
        rotation: Rotation {
            bytes_max: 1024 * 1024,
            age_max: Some(Duration::from_secs(7 * 24 * 3600)),
            keep: KEEP_MAX,
        },
    };
    assert_eq!(log, expected);
}
