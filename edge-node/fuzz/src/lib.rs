//! What each fuzz target does with some bytes: plain functions that panic where a promise is broken. The fuzz targets
//! call them, and so does `edge-node/tests/fuzz.rs`, which includes this file.

use std::path::Path;

use edge_node::config;
use edge_node::gateway::{explain, path as paths};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

mod edges;
mod head;
mod route_match;

pub use edges::edges;
pub use head::head;
pub use route_match::route_match;

/// Reads a config file: mistakes are told, what has none can be listed and asked.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = strict_toml::Source::new("edge-node.toml".to_owned(), text.to_owned());
    match config::parse(&source, Path::new("")) {
        Ok(config) => {
            let listings = explain::listings(&config, None).expect("all listeners are there");
            for listing in listings {
                assert!(!listing.to_string().is_empty());
                let url = "http://a.x/a/b".to_owned();
                let headers = HeaderMap::new();
                let listener = Some(listing.listener);
                let question = explain::Question { method: Method::GET, url, headers, listener };
                let told = explain::explain(&config, &question).expect("the request is one");
                assert!(!told.to_string().is_empty());
            }
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            assert!(!strict_toml::Report::new(source, mistakes).render(false).is_empty());
        }
    }
}

/// Brings a path into its normal form.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(normal) = paths::normalise(text) {
        assert_normal(&normal);
    }
}

#[track_caller]
fn assert_normal(path: &str) {
    assert_eq!(paths::normalise(path).as_deref(), Ok(path));
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'), "{path}");
    let mut segments: Vec<_> = path.split('/').skip(1).collect();
    assert!(segments.iter().all(|segment| !matches!(*segment, "." | "..")), "{path}");
    segments.pop();
    assert!(!segments.contains(&""), "{path}");
    let text = path.to_ascii_lowercase();
    let hidden = ["%2e", "%2f", "%5c", "%00", "/..;"];
    assert!(hidden.iter().all(|hidden| !text.contains(hidden)), "{path}");
}

/// Reads headers, one a line: `name:value`. What is none is passed over.
fn headers<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines.take(64).filter_map(header) {
        headers.append(name, value);
    }
    headers
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?))
}

fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == b'\n')
}

/// Cuts where these bytes are first, which are in neither part.
fn cut<'a>(data: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = data.windows(at.len()).position(|window| window == at)?;
    Some((&data[..start], &data[start + at.len()..]))
}
