//! Tells the program which target it is compiled for, a fact cargo gives to build scripts only.

#[expect(
    clippy::disallowed_methods,
    reason = "cargo talks to a build script through its environment"
)]
fn main() {
    let target = std::env::var("TARGET").expect("cargo sets TARGET for every build script");
    println!("cargo::rustc-env=EDGE_NODE_TARGET={target}");
    println!("cargo::rerun-if-changed=build.rs");
}
