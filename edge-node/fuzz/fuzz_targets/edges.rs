//! Runs `edge_node_fuzz::edges` on what libfuzzer invents.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| edge_node_fuzz::edges(data));
