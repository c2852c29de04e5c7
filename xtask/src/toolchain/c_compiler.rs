//! C code among the dependencies: the variables by which cc-rs (and what follows its conventions) finds a compiler.
//!
//! Pure. clang compiles for every target; what differs is the C library's headers. They are looked for in the places
//! where the distributions lay them, and clang passes over a folder that does not exist, so nothing is probed here.
//! Without C code the variables are never read and neither compiler nor headers are needed.
//!
//! What comes out depends on clang's version and on the headers, and on nothing else of the machine.

use super::{Host, Target, ToolchainError, flags, musl_arm64, text};
use std::collections::BTreeMap;

/// Folders of mingw-w64's headers: Debian (`mingw-w64-common`), Fedora (`mingw64-headers`), Homebrew (`mingw-w64`).
pub const MINGW_HEADERS: [&str; 4] = [
    "/usr/share/mingw-w64/include",
    "/usr/x86_64-w64-mingw32/sys-root/mingw/include",
    "/opt/homebrew/opt/mingw-w64/toolchain-x86_64/x86_64-w64-mingw32/include",
    "/usr/local/opt/mingw-w64/toolchain-x86_64/x86_64-w64-mingw32/include",
];

/// Flags for C that ends in an msvc program. The headers are mingw-w64's, so the code must believe in that system;
/// `_UCRT` selects the C runtime that is part of Windows 10. The two `-fno` name what only a mingw runtime brings.
const MINGW: [&str; 5] = [
    "--target=x86_64-w64-windows-gnu",
    "-D_UCRT",
    "-fno-stack-protector",
    "-fno-emulated-tls",
    "-w",
];

/// Without debug information: DWARF would stay in a Windows program, CodeView would bring clang's whole command line
/// into the PDB, and both the folders. The names of C functions are among the symbols all the same. And without the time
/// of the build (clang reads `SOURCE_DATE_EPOCH` from version 16 on only); what stands in its place is what Bazel puts
/// there.
const REPRODUCIBLE: [&str; 5] = [
    "-g0",
    "-Wno-builtin-macro-redefined",
    "-D__DATE__=\"redacted\"",
    "-D__TIME__=\"redacted\"",
    "-D__TIMESTAMP__=\"redacted\"",
];

/// For musl: nothing from the machine's own `/usr/include`, which is another C library's. clang's own headers stay.
const NO_LIBRARY_OF_THE_MACHINE: &str = "-nostdlibinc";

/// Folders of musl's headers: Debian's (`musl-dev`), a hand-made cross toolchain's, and Fedora's (`musl-devel`).
fn musl_headers(architecture: &str) -> [String; 3] {
    [
        format!("/usr/include/{architecture}-linux-musl"),
        format!("/usr/{architecture}-linux-musl/include"),
        format!("/usr/{architecture}-linux-musl/usr/include"),
    ]
}

/// The folders in which the headers for a target are looked for.
pub fn headers(target: Target) -> Vec<String> {
    match target {
        Target::WindowsX64 => MINGW_HEADERS.map(str::to_owned).to_vec(),
        Target::LinuxX64 => musl_headers("x86_64").to_vec(),
        // What those for x86-64 have of their processor is hidden by `musl_arm64`.
        Target::LinuxArm64 => ["aarch64", "x86_64"].map(musl_headers).concat(),
    }
}

/// `CC_`, `AR_` and `CFLAGS_` of the target (cc-rs, "External configuration via environment variables").
///
/// # Errors
/// [`ToolchainError::NotUnicode`].
pub fn environment(
    target: Target,
    host: &Host,
) -> Result<BTreeMap<String, String>, ToolchainError> {
    let own = match target {
        Target::WindowsX64 => MINGW.to_vec(),
        Target::LinuxX64 => vec!["--target=x86_64-linux-musl", NO_LIBRARY_OF_THE_MACHINE],
        Target::LinuxArm64 => vec!["--target=aarch64-linux-musl", NO_LIBRARY_OF_THE_MACHINE],
    };
    let mut arguments: Vec<_> = own.into_iter().chain(REPRODUCIBLE).map(str::to_owned).collect();
    let mut folders = headers(target);
    if target == Target::LinuxArm64 {
        folders.insert(0, text(&musl_arm64::folder(host))?.to_owned());
    }
    for folder in folders {
        arguments.extend(["-isystem".to_owned(), folder]);
    }
    for (from, to) in flags::sources(host) {
        arguments.push(format!("-ffile-prefix-map={}={to}", text(&from)?));
    }
    let flags = arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ");
    let variable = target.variable();
    Ok(BTreeMap::from([
        ("CC_SHELL_ESCAPED_FLAGS".to_owned(), "1".to_owned()),
        (format!("CC_{variable}"), "clang".to_owned()),
        (format!("CXX_{variable}"), "clang++".to_owned()),
        (format!("AR_{variable}"), "llvm-ar".to_owned()),
        (format!("CFLAGS_{variable}"), flags.clone()),
        (format!("CXXFLAGS_{variable}"), flags),
    ]))
}

/// Quoted for a POSIX shell where it must be, which is how cc-rs reads flags under `CC_SHELL_ESCAPED_FLAGS`.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,+:@".contains(c);
    if argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}
