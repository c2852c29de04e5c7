//! Arguments in, exit code out; nothing else.

use std::process::ExitCode;

/// A request makes and drops a dozen small values, which the allocator of musl is slow at.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(edge_node::main(std::env::args_os()).code())
}
