//! Debug symbols of ELF programs: out of the program, into a file of their own.
//!
//! The linker of PE programs writes a PDB by itself. For ELF, `rust-objcopy` does it, which rustup brings with the
//! compiler. The program keeps the name and checksum of the file, by which gdb(1) finds it (".gnu_debuglink").

use super::{Host, ToolchainError};
use crate::tool;
use std::path::Path;
use xshell::cmd;

/// Writes `program` without symbols to `stripped` and its symbols to `symbols`; all three must differ. The base name
/// of `symbols` goes into the program.
///
/// # Errors
/// [`ToolchainError::File`], [`ToolchainError::Tool`].
pub fn split(
    host: &Host,
    program: &Path,
    stripped: &Path,
    symbols: &Path,
) -> Result<(), ToolchainError> {
    let shell = tool::shell_in(&host.workspace)?;
    let objcopy = host.rust_tool("rust-objcopy");
    for file in [stripped, symbols] {
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|source| ToolchainError::File {
            action: "created",
            path: folder.to_owned(),
            source,
        })?;
    }
    // It wants LLVM's library in the toolchain and, unlike rust-lld, does not know where that is; a program that cargo
    // runs finds it by these variables, any other does not.
    let libraries = host.toolchain.sysroot.join("lib");
    for variable in ["LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
        shell.set_var(variable, &libraries);
    }
    let keep = cmd!(shell, "{objcopy} --only-keep-debug {program} {symbols}");
    tool::run(host.without_secrets(keep))?;
    let strip =
        cmd!(shell, "{objcopy} --strip-all --add-gnu-debuglink={symbols} {program} {stripped}");
    tool::run(host.without_secrets(strip))?;
    Ok(())
}
