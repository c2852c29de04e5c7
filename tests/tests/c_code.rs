//! Where there is C code and where there is none: the toolkit must build on a machine that cannot compile it, and the
//! declaration must say of each target whether the service contains it.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use tests::{declared, tools};

/// Whether the package takes `cc`, by which build scripts compile C, for a target.
#[track_caller]
fn contains_c(package: &str, target: &str) -> bool {
    let output = Command::new(env!("CARGO"))
        .current_dir(tools::workspace())
        .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none"])
        .args(["--package", package, "--target", target])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.starts_with(package), "{tree}");
    tree.lines().any(|line| line.starts_with("cc v"))
}

#[test]
fn the_toolkit_contains_no_c() {
    for host in ["x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin"] {
        assert!(!contains_c("xtask", host), "{host}");
    }
}

#[test]
fn a_c_compiler_is_declared_exactly_for_the_targets_whose_program_contains_c() {
    for (triple, target) in declared::declaration()["targets"].as_table().unwrap() {
        let declared = target.get("c-compiler").is_some_and(|value| value.as_bool().unwrap());
        assert_eq!(declared, contains_c(&declared::product(), triple), "{triple}");
    }
}

/// Runs `.cargo/host-cc` where these are the only compilers, and gives what it printed: which was called.
#[track_caller]
fn host_cc(compilers: &[&str], cc: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    symlink("/bin/sh", folder.path().join("sh")).unwrap();
    for name in compilers {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho {name} \"$@\"\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cargo/host-cc");
    let mut command = Command::new(script);
    command.env("PATH", folder.path()).env_remove("CC").arg("-c");
    let output = command.envs(cc.map(|cc| ("CC", cc))).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn the_compiler_of_this_machine_is_cc_or_what_is_asked_for_or_clang() {
    assert_eq!(host_cc(&["cc", "clang"], None), "cc -c\n");
    assert_eq!(host_cc(&["clang"], None), "clang -c\n");
    assert_eq!(host_cc(&["cc", "gcc-13"], Some("gcc-13 -O1")), "gcc-13 -O1 -c\n");
    let hint = "there is no C compiler; `cargo xtask test --install-tools` installs clang";
    assert_eq!(host_cc(&[], None), format!("host-cc: {hint}\n"));
}
