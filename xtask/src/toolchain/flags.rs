//! The compiler flags of each target: hardening, and nothing of the building machine in the result.
//!
//! Pure. The flags reach rustc through `CARGO_ENCODED_RUSTFLAGS`, which outranks every other source of flags
//! (`RUSTFLAGS`, configuration files), so a release does not depend on them.

use super::{Host, Target, ToolchainError, text};
use crate::config::model::LinkerChoice;
use std::path::PathBuf;

/// Where the workspace seems to have been in messages and debug information.
pub const SOURCE_ROOT: &str = "/src";

/// The flags for a target, after [`super::resolve`].
///
/// # Errors
/// [`ToolchainError::NotUnicode`].
pub fn rustflags(
    target: Target,
    linker: &LinkerChoice,
    host: &Host,
) -> Result<Vec<String>, ToolchainError> {
    let mut flags = Vec::new();
    for (from, to) in remapped(host) {
        flags.push(format!("--remap-path-prefix={}={to}", text(&from)?));
    }
    if target.is_windows() {
        if *linker != LinkerChoice::Msvc {
            flags.push("-Clinker-flavor=lld-link".to_owned());
        }
        flags.extend(PE.map(|argument| format!("-Clink-arg={argument}")));
    } else {
        flags.extend(ELF_FLAGS.map(str::to_owned));
        flags.extend(if target == Target::LinuxArm64 {
            arm64(host)?
        } else {
            vec!["-Clink-self-contained=yes".to_owned()]
        });
        flags.extend(ELF.map(|argument| format!("-Clink-arg={argument}")));
    }
    Ok(flags)
}

/// Folders of the building machine and what stands in their place. rustc applies the last that matches, so the
/// narrower ones come last (rustc book, "Remap source paths").
pub fn remapped(host: &Host) -> Vec<(PathBuf, String)> {
    let library = host.toolchain.sysroot.join("lib/rustlib/src/rust");
    let mut pairs: Vec<_> =
        host.home.iter().map(|home| (home.clone(), "/home".to_owned())).collect();
    pairs.extend([
        (host.toolchain.sysroot.clone(), "/rust".to_owned()),
        // The name under which the distributed standard library knows its own source.
        (library, format!("/rustc/{}", host.toolchain.commit_hash)),
    ]);
    pairs.extend(sources(host));
    pairs
}

/// Those of them that hold what is compiled. clang before version 17 has no order among them but that of the alphabet, in
/// which the home folder would come before what is in it: so it is not among these.
pub fn sources(host: &Host) -> [(PathBuf, String); 3] {
    [
        (host.cargo_home.clone(), "/cargo".to_owned()),
        (host.workspace.clone(), SOURCE_ROOT.to_owned()),
        (host.target_dir.clone(), format!("{SOURCE_ROOT}/target")),
    ]
}

/// Arguments of lld-link and link.exe. `/Brepro` makes the time stamp a hash of the contents, the next three are
/// address space layout randomisation with 64 bits of it and data that is never executed
/// (learn.microsoft.com, "MSVC linker options"). rustc itself gives `/DEBUG` and `/PDBALTPATH:%_PDB%`. Subsystem 10.00
/// says what is so: the C runtime that is imported came with Windows 10.
const PE: [&str; 5] =
    ["/Brepro", "/DYNAMICBASE", "/HIGHENTROPYVA", "/NXCOMPAT", "/SUBSYSTEM:CONSOLE,10.00"];

/// A static program at a random address, linked with what rustup brings: no C compiler, no C library of the machine.
const ELF_FLAGS: [&str; 3] =
    ["-Clinker-flavor=ld.lld", "-Ctarget-feature=+crt-static", "-Crelocation-model=pie"];

/// What `-Clink-self-contained=yes` does for x86-64, with other start files: for ARM rustc 1.95 takes those of a program
/// at a fixed address, although it brings musl's `rcrt1.o`, which relocates the program it starts. `crti.o` and
/// `crtn.o` are the first and last part of `.init` and `.fini`, which nothing else here contributes to.
fn arm64(host: &Host) -> Result<Vec<String>, ToolchainError> {
    let folder = host
        .toolchain
        .sysroot
        .join("lib/rustlib")
        .join(Target::LinuxArm64.triple())
        .join("lib/self-contained");
    let folder = text(&folder)?;
    let files = ["rcrt1.o", "crti.o", "crtbeginS.o", "crtendS.o", "crtn.o"];
    let arguments = ["-pie", "--no-dynamic-linker", "-ztext"].map(str::to_owned).into_iter();
    let arguments = arguments
        .chain([format!("-L{folder}")])
        .chain(files.map(|file| format!("{folder}/{file}")));
    let mut flags = vec!["-Clink-self-contained=no".to_owned()];
    flags.extend(arguments.map(|argument| format!("-Clink-arg={argument}")));
    Ok(flags)
}

/// Arguments of `ld.lld`(1): relocations resolved at start and read-only from then on, no executable stack, code in
/// pages of its own, and a build id that is a hash of the contents.
const ELF: [&str; 5] = ["-zrelro", "-znow", "-znoexecstack", "-zseparate-code", "--build-id=sha1"];
