//! Linking for Windows with what rustup brings: import libraries and a startup object, made here.
//!
//! [`install`] writes them with `rust-lld` (which is a librarian, too) and `rustc`. The names in `imports/` say what
//! each DLL exports; `startup.rs` is what a C runtime's start files would do, `stdio.rs` what C code is missing in
//! the DLL. Nothing of Microsoft's is downloaded, and the C runtime is `ucrtbase.dll`, part of Windows 10.

use super::{Host, ToolchainError};
use crate::tool;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// The DLLs for which there is an import library, and the definition it is made from.
pub const IMPORTS: [(&str, &str); 16] = [
    ("advapi32", include_str!("self_contained/imports/advapi32.def")),
    ("bcrypt", include_str!("self_contained/imports/bcrypt.def")),
    ("crypt32", include_str!("self_contained/imports/crypt32.def")),
    ("dbghelp", include_str!("self_contained/imports/dbghelp.def")),
    ("iphlpapi", include_str!("self_contained/imports/iphlpapi.def")),
    ("kernel32", include_str!("self_contained/imports/kernel32.def")),
    ("ntdll", include_str!("self_contained/imports/ntdll.def")),
    ("ole32", include_str!("self_contained/imports/ole32.def")),
    ("oleaut32", include_str!("self_contained/imports/oleaut32.def")),
    ("psapi", include_str!("self_contained/imports/psapi.def")),
    ("secur32", include_str!("self_contained/imports/secur32.def")),
    ("shell32", include_str!("self_contained/imports/shell32.def")),
    ("ucrtbase", include_str!("self_contained/imports/ucrtbase.def")),
    ("user32", include_str!("self_contained/imports/user32.def")),
    ("userenv", include_str!("self_contained/imports/userenv.def")),
    ("ws2_32", include_str!("self_contained/imports/ws2_32.def")),
];

/// The objects that go into `msvcrt.lib`, and their sources.
const OBJECTS: [(&str, &str); 2] = [
    ("startup", include_str!("self_contained/startup.rs")),
    ("stdio", include_str!("self_contained/stdio.rs")),
];

/// Libraries that std or C objects may ask for and that need hold nothing: `msvcrt` has it all.
const EMPTY: [&str; 6] =
    ["libcmt", "oldnames", "ucrt", "uuid", "vcruntime", "legacy_stdio_definitions"];

/// Holds a digest of everything the files were made from; written last.
const STAMP: &str = "made-from.sha256";

/// Fills [`Host::support`] with what [`super::link`] gives to the linker. Says whether anything had to be written:
/// files that were made from the same sources by the same compiler are left as they are.
///
/// Each file appears under its name only when it is complete, so processes may do this side by side.
///
/// # Errors
/// [`ToolchainError::File`] and [`ToolchainError::Tool`] (the Rust target is not
/// installed, for one).
pub fn install(host: &Host) -> Result<bool, ToolchainError> {
    let stamp = stamp(host);
    let stamped =
        std::fs::read_to_string(host.support.join(STAMP)).is_ok_and(|found| found == stamp);
    if stamped && files().iter().all(|name| host.support.join(name).is_file()) {
        return Ok(false);
    }
    let file = |action, path: &Path| {
        let path = path.to_owned();
        move |source| ToolchainError::File { action, path, source }
    };
    std::fs::create_dir_all(&host.support).map_err(file("created", &host.support))?;
    let draft = tempfile::tempdir_in(&host.support).map_err(file("written to", &host.support))?;
    let made = make(host, draft.path())?;
    std::fs::write(draft.path().join(STAMP), stamp)
        .map_err(file("written", &draft.path().join(STAMP)))?;
    for name in made.iter().map(String::as_str).chain([STAMP]) {
        let place = host.support.join(name);
        std::fs::rename(draft.path().join(name), &place)
            .map_err(file("renamed into place", &place))?;
    }
    Ok(true)
}

/// Names of the files that [`install`] leaves, without the stamp.
pub fn files() -> Vec<String> {
    let imports = IMPORTS.iter().map(|(dll, _)| *dll).filter(|dll| *dll != "ucrtbase");
    imports.chain(EMPTY).chain(["msvcrt"]).map(|name| format!("{name}.lib")).collect()
}

fn make(host: &Host, folder: &Path) -> Result<Vec<String>, ToolchainError> {
    let shell = tool::shell_in(folder)?;
    let librarian = host.rust_tool("rust-lld");
    for (name, definition) in IMPORTS {
        import_library(host, &shell, folder, name, definition)?;
    }
    for name in EMPTY {
        import_library(host, &shell, folder, name, &format!("LIBRARY {name}.dll\nEXPORTS\n"))?;
    }
    let rustc =
        host.toolchain.sysroot.join("bin").join(format!("rustc{}", std::env::consts::EXE_SUFFIX));
    // A library's object; panics cannot happen in it, and it must not bring a panic handler that std has, too.
    let options = "--edition=2024 --crate-type=lib --emit=obj -Cpanic=abort -Copt-level=s -Ccodegen-units=1 \
                   -Coverflow-checks=no --target=x86_64-pc-windows-msvc";
    for (name, source) in OBJECTS {
        write(&folder.join(format!("{name}.rs")), source)?;
        let options = options.split_whitespace();
        let compile = cmd!(
            shell,
            "{rustc} {options...} --remap-path-prefix={folder}= -o {name}.obj {name}.rs"
        );
        tool::run(host.without_secrets(compile))?;
    }
    let objects = OBJECTS.map(|(name, _)| format!("{name}.obj"));
    let join = cmd!(
        shell,
        "{librarian} -flavor link /lib /machine:x64 /out:msvcrt.lib {objects...} ucrtbase.lib"
    );
    tool::run(host.without_secrets(join))?;
    Ok(files())
}

fn import_library(
    host: &Host,
    shell: &Shell,
    folder: &Path,
    name: &str,
    definition: &str,
) -> Result<(), ToolchainError> {
    write(&folder.join(format!("{name}.def")), definition)?;
    let librarian = host.rust_tool("rust-lld");
    let make =
        cmd!(shell, "{librarian} -flavor link /lib /machine:x64 /def:{name}.def /out:{name}.lib");
    tool::run(host.without_secrets(make))?;
    Ok(())
}

/// What the files depend on, as a digest.
fn stamp(host: &Host) -> String {
    let mut digest = Sha256::new();
    let parts = [host.toolchain.commit_hash.as_str(), include_str!("self_contained.rs")];
    for part in parts.into_iter().chain(OBJECTS.into_iter().chain(IMPORTS).map(|(_, text)| text)) {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(path: &PathBuf, contents: &str) -> Result<(), ToolchainError> {
    std::fs::write(path, contents).map_err(|source| ToolchainError::File {
        action: "written",
        path: path.clone(),
        source,
    })
}
