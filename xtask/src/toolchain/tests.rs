//! What cargo is told, for every target and linker; and that the support files are written once.

use super::*;

fn host(triple: &str) -> Host {
    let toolchain = Toolchain {
        host: triple.to_owned(),
        rustc: "rustc 1.95.0".to_owned(),
        release: "1.95.0".to_owned(),
        commit_hash: "c0ffee".to_owned(),
        targets: std::collections::BTreeSet::new(),
        sysroot: "/home/me/.rustup/toolchains/1.95".into(),
    };
    Host {
        toolchain,
        workspace: "/home/me/code".into(),
        target_dir: "/home/me/code/target".into(),
        cargo_home: "/home/me/.cargo".into(),
        home: Some("/home/me".into()),
        xtask: "/home/me/code/target/debug/xtask".into(),
        support: "/home/me/code/target/xtask/support".into(),
        secret_variables: Vec::new(),
    }
}

fn request(triple: &str, linker: LinkerChoice) -> BuildRequest {
    BuildRequest {
        triple: triple.to_owned(),
        linker,
        package: "edge-node".to_owned(),
        binary: "edge-node".to_owned(),
        epoch: 1_700_000_000,
    }
}

const LINUX: &str = "x86_64-unknown-linux-gnu";
const WINDOWS: &str = "x86_64-pc-windows-msvc";

#[track_caller]
fn invocation(triple: &str, linker: LinkerChoice, on: &str) -> CargoInvocation {
    cargo_invocation(&request(triple, linker), &host(on)).unwrap()
}

fn xwin() -> LinkerChoice {
    LinkerChoice::Xwin { sdk: "10.0.26100".to_owned(), crt: "14.44.17.14".to_owned() }
}

fn rustflags(invocation: &CargoInvocation) -> Vec<&str> {
    invocation.environment["CARGO_ENCODED_RUSTFLAGS"].split('\u{1f}').collect()
}

#[test]
fn a_build_is_locked_and_names_one_binary() {
    let built = invocation("x86_64-unknown-linux-musl", LinkerChoice::ByHost, LINUX);
    let expected = "build --locked --release --target x86_64-unknown-linux-musl --package edge-node --bin edge-node";
    assert_eq!(built.arguments.join(" "), expected);
    assert_eq!(built.environment["SOURCE_DATE_EPOCH"], "1700000000");
    assert_eq!(built.support, None);
}

#[test]
fn the_users_own_flags_cannot_reach_a_release() {
    for target in Target::ALL {
        let built = invocation(target.triple(), LinkerChoice::ByHost, LINUX);
        assert!(built.removed.iter().any(|name| name == "RUSTFLAGS"));
        assert!(
            built.environment.contains_key("CARGO_ENCODED_RUSTFLAGS"),
            "it outranks every other source"
        );
    }
}

#[test]
fn every_folder_of_the_machine_is_remapped_the_narrowest_last() {
    for target in Target::ALL {
        let built = invocation(target.triple(), LinkerChoice::ByHost, LINUX);
        let remaps: Vec<_> = rustflags(&built)
            .into_iter()
            .filter_map(|flag| flag.strip_prefix("--remap-path-prefix="))
            .collect();
        let folders: Vec<_> = remaps.iter().map(|pair| pair.split_once('=').unwrap().0).collect();
        for (at, wide) in folders.iter().enumerate() {
            for narrow in &folders[..at] {
                assert!(!narrow.starts_with(&format!("{wide}/")), "{wide} would hide {narrow}");
            }
        }
        assert!(remaps.contains(&"/home/me/code=/src"));
        assert!(
            remaps.contains(&"/home/me/.rustup/toolchains/1.95/lib/rustlib/src/rust=/rustc/c0ffee")
        );
    }
}

#[test]
fn windows_programs_are_linked_by_this_program_off_windows() {
    let built = invocation(WINDOWS, LinkerChoice::ByHost, LINUX);
    assert_eq!(built.support, Some(Support::Libraries));
    assert_eq!(
        built.environment["CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER"],
        "/home/me/code/target/debug/xtask"
    );
    assert!(built.environment[link::JOB].contains("/home/me/code/target/xtask/support"));
    for argument in ["/Brepro", "/DYNAMICBASE", "/HIGHENTROPYVA", "/NXCOMPAT"] {
        assert!(
            rustflags(&built).contains(&format!("-Clink-arg={argument}").as_str()),
            "{argument}"
        );
    }
}

#[test]
fn windows_links_with_microsofts_linker_and_nothing_but_flags() {
    let built = invocation(WINDOWS, LinkerChoice::ByHost, WINDOWS);
    assert_eq!(built.support, None);
    assert!(!built.environment.keys().any(|name| name.ends_with("_LINKER") || name == link::JOB));
    assert!(!rustflags(&built).contains(&"-Clinker-flavor=lld-link"));
}

#[test]
fn the_sdk_is_pinned_and_its_folder_is_named_by_the_pins() {
    let built = invocation(WINDOWS, xwin(), LINUX);
    assert_eq!(built.arguments[..2], ["xwin", "build"]);
    assert_eq!(built.environment["XWIN_SDK_VERSION"], "10.0.26100");
    assert_eq!(built.environment["XWIN_CRT_VERSION"], "14.44.17.14");
    assert!(built.environment["XWIN_CACHE_DIR"].ends_with("xwin/sdk-10.0.26100-crt-14.44.17.14"));
}

#[test]
fn linux_programs_are_linked_by_what_rustup_brings() {
    for triple in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"] {
        let built = invocation(triple, LinkerChoice::SelfContained, LINUX);
        let variable = format!("CARGO_TARGET_{}_LINKER", triple.replace('-', "_").to_uppercase());
        assert_eq!(built.environment[&variable], "rust-lld");
        assert!(rustflags(&built).contains(&"-Clinker-flavor=ld.lld"));
    }
}

#[test]
fn linkers_that_cannot_serve_are_refused_by_name() {
    let refused = |triple, linker, on: &str| {
        cargo_invocation(&request(triple, linker), &host(on)).unwrap_err().to_string()
    };
    assert_eq!(
        refused(WINDOWS, LinkerChoice::Msvc, LINUX),
        "linker msvc cannot link x86_64-pc-windows-msvc on a x86_64-unknown-linux-gnu host"
    );
    assert!(
        refused("x86_64-unknown-linux-musl", xwin(), LINUX).starts_with("linker xwin cannot link")
    );
    assert_eq!(
        refused("riscv64gc-unknown-linux-gnu", LinkerChoice::ByHost, LINUX),
        "target riscv64gc-unknown-linux-gnu cannot be linked; those that can: x86_64-pc-windows-msvc, \
         x86_64-unknown-linux-musl, aarch64-unknown-linux-musl"
    );
}

#[test]
fn c_flags_with_spaces_stay_one_argument() {
    let mut host = host(LINUX);
    host.workspace = "/home/me/my work".into();
    let variables = c_compiler::environment(Target::WindowsX64, &host).unwrap();
    let flags = &variables["CFLAGS_x86_64_pc_windows_msvc"];
    assert!(flags.contains("'-ffile-prefix-map=/home/me/my work=/src'"), "{flags}");
}

#[test]
fn c_code_for_linux_sees_no_headers_of_the_machine_and_arm_those_of_its_own_first() {
    let flags = |target: Target| {
        let variables = c_compiler::environment(target, &host(LINUX)).unwrap();
        assert_eq!(variables[&format!("CC_{}", target.variable())], "clang");
        variables[&format!("CFLAGS_{}", target.variable())].clone()
    };
    let folders = |flags: &str| -> Vec<String> {
        flags
            .split("-isystem ")
            .skip(1)
            .map(|at| at.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let (x64, arm64) = (flags(Target::LinuxX64), flags(Target::LinuxArm64));
    assert!(x64.starts_with("--target=x86_64-linux-musl -nostdlibinc "), "{x64}");
    assert!(arm64.starts_with("--target=aarch64-linux-musl -nostdlibinc "), "{arm64}");
    assert_eq!(folders(&x64)[0], "/usr/include/x86_64-linux-musl");
    assert_eq!(folders(&arm64)[0], "/home/me/code/target/xtask/support/musl-aarch64");
    assert!(folders(&arm64).contains(&folders(&x64)[0]));
}

#[test]
fn c_code_holds_neither_a_time_nor_debug_information() {
    for target in Target::ALL {
        let variables = c_compiler::environment(target, &host(LINUX)).unwrap();
        let flags = &variables[&format!("CFLAGS_{}", target.variable())];
        for flag in ["-g0", r#"'-D__DATE__="redacted"'"#, r#"'-D__TIME__="redacted"'"#] {
            assert!(flags.contains(flag), "{target:?}: {flags}");
        }
    }
}

#[test]
fn a_c_compiler_is_asked_for_exactly_where_a_program_contains_c() {
    for target in Target::ALL {
        let names = |c_code| -> Vec<String> {
            let all = requirement::for_target(target, &LinkerChoice::SelfContained, c_code);
            all.into_iter().map(|requirement| requirement.name).collect()
        };
        let (without, with) = (names(false), names(true));
        let added: Vec<_> = with.iter().filter(|name| !without.contains(name)).collect();
        let headers = format!("C headers for {}", target.triple());
        assert_eq!(added, ["clang", "llvm-ar", &headers]);
    }
    assert!(
        requirement::for_target(Target::WindowsX64, &LinkerChoice::Msvc, true)
            .iter()
            .all(|tool| tool.name != "clang"),
        "Microsoft's compiler comes with its linker"
    );
}

#[test]
fn what_c_for_linux_takes_is_a_package_where_there_is_one() {
    for target in [Target::LinuxX64, Target::LinuxArm64] {
        let all = requirement::for_target(target, &LinkerChoice::SelfContained, true);
        let headers = all.iter().find(|tool| tool.name.starts_with("C headers")).unwrap();
        assert_eq!(headers.packages.apt, Some("musl-dev"));
        assert_eq!(headers.packages.dnf, Some("musl-devel"));
    }
}

#[test]
fn outputs_are_named_as_cargo_names_them() {
    let windows = outputs(WINDOWS, "edge-node").unwrap();
    assert_eq!(windows.program, "x86_64-pc-windows-msvc/release/edge-node.exe");
    assert_eq!(windows.symbols.unwrap(), "x86_64-pc-windows-msvc/release/edge_node.pdb");
}

#[test]
fn import_definitions_name_their_dll_and_no_symbol_twice() {
    for (dll, definition) in self_contained::IMPORTS {
        let mut lines = definition.lines().filter(|line| !line.starts_with(';'));
        assert_eq!(lines.next().unwrap(), format!("LIBRARY {dll}.dll"));
        assert_eq!(lines.next().unwrap(), "EXPORTS");
        let mut names: Vec<_> = lines
            .flat_map(|line| match line.split_once(" == ") {
                Some((name, _)) => vec![name],
                None => line.split_whitespace().collect(),
            })
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{dll} lists a name twice");
    }
}
