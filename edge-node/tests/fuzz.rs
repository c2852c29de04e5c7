//! The bodies of the fuzz targets without a fuzzer: on their seeds, on what the fuzzer once found, and for a second on
//! what proptest invents. With libfuzzer they run from `edge-node/fuzz`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

#[path = "../fuzz/src/lib.rs"]
mod bodies;

/// How long each body gets invented input.
const TIME: Duration = Duration::from_secs(1);

/// Runs a body on the seeds of its name, and on parts of them that changed places or a few bytes.
fn drive(name: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let seeds: Vec<Vec<u8>> = fs::read_dir(&folder)
        .expect("every target has seeds")
        .map(|entry| {
            fs::read(entry.expect("the folder can be read").path()).expect("a seed can be read")
        })
        .collect();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    seeds.iter().for_each(|seed| body(seed));
    let seed = prop::sample::select(seeds);
    let bytes = prop::collection::vec(any::<u8>(), 0..64);
    let changed = (
        seed.clone(),
        seed,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        bytes.clone(),
    );
    let changed = changed.prop_map(|(one, other, cut, at, bytes)| {
        let cut = cut.index(one.len() + 1);
        let mut data = [&one[..cut], &other[cut.min(other.len())..]].concat();
        let at = at.index(data.len() + 1);
        let few = &bytes[..bytes.len() / 16];
        data.splice(at..(at + few.len()).min(data.len()), few.iter().copied());
        data
    });
    let strategy = prop_oneof![4 => changed, 1 => bytes];
    let mut runner = TestRunner::default();
    let start = Instant::now();
    while start.elapsed() < TIME {
        let data = strategy.new_tree(&mut runner).expect("nothing is filtered").current();
        // Told before it is tried, so that a panic has its input beside it.
        let shown = Shown(&data);
        body(&data);
        std::mem::forget(shown);
    }
}

/// Tells an input if the body panics on it.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        eprintln!("on the input: {}", self.0.escape_ascii());
    }
}

#[test]
fn a_config_file_is_read_or_its_mistakes_are_told() {
    drive("config", bodies::config);
}

#[test]
fn a_path_comes_into_its_normal_form_or_is_refused() {
    drive("path", bodies::path);
}

#[test]
fn a_table_finds_the_first_of_its_rows_that_fits() {
    drive("route_match", bodies::route_match);
}

#[test]
fn a_head_is_sane_or_refused_and_edits_keep_it_so() {
    drive("head", bodies::head);
}

#[test]
fn what_comes_from_clients_and_upstreams_is_read_as_it_is_promised() {
    drive("edges", bodies::edges);
}
