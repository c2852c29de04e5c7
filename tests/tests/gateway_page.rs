//! `docs/gateway.md` is true: its reference is made from the types that read the file, its examples are read.
//!
//! `UPDATE_DOCS=1 cargo test -p tests --test gateway_page` writes the reference anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use edge_node::config::{self, Action};
use strict_toml::{Report, Source};
use tests::tools;
#[cfg(target_os = "linux")]
use tests::{gateway::Gateway, keep_alive::Client, upstream::Upstream};

/// Says that the page is to be written, not compared.
const UPDATE_VARIABLE: &str = "UPDATE_DOCS";
const PAGE: &str = "docs/gateway.md";
const BEGIN: &str = "<!-- made from the code: keys -->\n";
const END: &str = "<!-- end -->\n";

fn page() -> String {
    fs::read_to_string(tools::workspace().join(PAGE)).unwrap()
}

/// The page with the reference as it should be.
fn with_reference(page: &str) -> String {
    let (before, rest) = page.split_once(BEGIN).expect("the reference has a place");
    let (_old, after) = rest.split_once(END).expect("the reference has an end");
    let keys = strict_toml::reference(&config::config_schema());
    let reference = xtask::documentation::sections(&keys, "###");
    format!("{before}{BEGIN}\n{reference}\n{END}{after}")
}

/// The blocks of a language in the page.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let page = page();
    let blocks = page.split(&fence).skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

fn read(text: &str) -> Result<config::Config, Report> {
    let source = Source::new("edge-node.toml", text);
    config::parse(&source, Path::new("")).map_err(|mistakes| Report::new(source, mistakes))
}

#[test]
fn the_reference_is_made_from_the_code() {
    let page = page();
    let expected = with_reference(&page);
    if std::env::var_os(UPDATE_VARIABLE).is_some_and(|value| value == "1") {
        return fs::write(tools::workspace().join(PAGE), expected).unwrap();
    }
    assert!(
        page == expected,
        "{PAGE} differs from the code; run {UPDATE_VARIABLE}=1 cargo test -p tests --test gateway_page"
    );
}

#[test]
fn every_key_is_in_an_example() {
    let examples = blocks("toml").join("\n");
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let words: std::collections::HashSet<&str> =
        examples.split(|letter| !is_name(letter)).collect();
    let keys = strict_toml::reference(&config::config_schema());
    let names = keys.iter().map(|key| key.path.rsplit('.').next().unwrap());
    let names = names.map(|name| name.trim_end_matches("[]")).filter(|name| !name.starts_with('<'));
    let missing: Vec<_> = names.filter(|name| !words.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_example_is_read_without_a_mistake() {
    let blocks = blocks("toml");
    assert!(blocks.len() >= 6, "{}", blocks.len());
    for block in blocks {
        let read = read(&block);
        assert!(read.is_ok(), "{block}\n{}", read.unwrap_err());
    }
}

#[test]
fn the_examples_show_every_action_and_a_plain_and_a_mutual_tls() {
    let read: Vec<_> = blocks("toml").iter().map(|block| read(block).unwrap()).collect();
    let shows = |does: fn(&Action) -> bool| {
        read.iter().flat_map(|config| &config.routes).any(|route| does(&route.action))
    };
    assert!(shows(|action| matches!(action, Action::Forward(_))));
    assert!(shows(|action| matches!(action, Action::Redirect(_))));
    assert!(shows(|action| matches!(action, Action::Respond(_))));
    assert!(shows(|action| matches!(action, Action::Files(_))));
    let tls = || {
        let data = read.iter().flat_map(|config| &config.listeners.data);
        data.filter_map(|listener| listener.tls.as_ref())
    };
    assert!(tls().any(|tls| tls.clients.is_none()) && tls().any(|tls| tls.clients.is_some()));
}

#[test]
fn the_mistake_that_is_shown_is_reported_so() {
    let shown = blocks("console").into_iter().find(|block| block.contains("check --config"));
    let shown = shown.unwrap();
    let (_, report) = shown.split_once('\n').unwrap();
    let text =
        "[routes.app.forward]\npool = \"apj\"\n[pools.api]\nupstreams = [{ address = \"a:1\" }]\n";
    assert_eq!(read(text).unwrap_err().to_string(), report.trim_end());
}

/// The page's first example at work: what it says of its two pools, with the addresses of upstreams that are there.
#[cfg(target_os = "linux")]
#[test]
fn the_first_example_does_what_the_page_says() {
    use tests::upstream::Behaviour;

    let upstreams = [(); 3].map(|()| Upstream::start());
    let [first, second, site] = &upstreams;
    let mut example = blocks("toml").remove(0);
    for (shown, there) in [
        ("127.0.0.1:3000", first.address().to_string()),
        ("127.0.0.1:3001", second.address().to_string()),
        ("app.local:80", site.address().to_string()),
        ("address = \"0.0.0.0\"\nport = 8080", "address = \"127.0.0.1\"\nport = 0".to_owned()),
    ] {
        assert!(example.contains(shown), "{shown} is not in {example}");
        example = example.replace(shown, &there);
    }
    let gateway = Gateway::of(&format!("{example}\n[listeners.admin]\nport = 0\n"));
    let mut client = Client::new(gateway.data());
    for upstream in [first, second] {
        gateway.wait_for_state("api", upstream.address(), "healthy");
    }
    // "Requests below `/api` go to two upstreams, and these see the path without `/api`."
    for number in 0..30 {
        assert_eq!(client.get(&format!("/api/a/{number}?q")).unwrap().body, b"ok\n");
    }
    for upstream in [first, second] {
        assert!(upstream.requests() > 0, "each gets its share");
        assert!(upstream.last_target().starts_with("/a/"), "{}", upstream.last_target());
    }
    assert_eq!(first.requests() + second.requests(), 30);
    // "All others go to a third one."
    assert_eq!(client.get("/other").unwrap().status, 200);
    assert_eq!((site.requests(), site.last_target().as_str()), (1, "/other"));
    // "An upstream that … answers 502, 503 or 504 five times in a row is left out for a while".
    first.set(Behaviour::Status(503));
    let before = first.requests();
    while gateway.upstream("api", first.address())["state"] == "healthy" {
        assert!([200, 503].contains(&client.get("/api/b").unwrap().status));
    }
    assert_eq!(first.requests() - before, 5);
    assert_eq!(gateway.upstream("api", first.address())["state"], "ejected");
    for _ in 0..20 {
        assert_eq!(client.get("/api/c").unwrap().status, 200);
    }
    assert_eq!(first.requests() - before, 5);
}

#[test]
fn an_old_reference_is_replaced() {
    let made = with_reference(&format!("prose\n{BEGIN}old\n{END}more\n"));
    assert!(made.starts_with("prose\n") && made.ends_with("more\n") && !made.contains("old\n"));
    assert_eq!(with_reference(&made), made);
}
