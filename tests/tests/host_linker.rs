//! The linker of a machine without a C compiler (`.cargo/host-linker`): what it links runs, panics, unwinds and
//! loads, as it would had `cc` linked it. Whether the whole workspace builds on such a machine is not asked here.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Uses what the start files and run-time libraries are for: arguments, threads, thread-locals with
/// destructors, unwinding, floating-point functions of libm.
const PROGRAM: &str = r#"
use std::cell::RefCell;
struct Loud;
impl Drop for Loud { fn drop(&mut self) { println!("thread-local dropped"); } }
thread_local! { static LOCAL: RefCell<Option<Loud>> = const { RefCell::new(None) }; }
fn main() {
    std::thread::spawn(|| LOCAL.with(|local| *local.borrow_mut() = Some(Loud))).join().unwrap();
    let caught = std::panic::catch_unwind(|| { if std::env::args().count() == 2 { panic!("boom") } });
    println!("caught {}", caught.is_err());
    println!("sine {:.3}", std::hint::black_box(1.0_f64).sin());
    println!("{}", std::fs::metadata("/").unwrap().is_dir());
    std::process::exit(7);
}
"#;

/// Makes a folder to be `PATH`: what the linker script calls, and no C compiler.
fn path_without_cc(parent: &Path) -> PathBuf {
    let folder = parent.join("bin");
    std::fs::create_dir(&folder).unwrap();
    for tool in ["sh", "dirname", "grep", "mkdir", "mv", "rmdir", "sed"] {
        let places = ["/usr/bin", "/bin"].map(|bin| Path::new(bin).join(tool));
        let found = places.iter().find(|path| path.exists()).expect("every system has it");
        symlink(found, folder.join(tool)).unwrap();
    }
    folder
}

fn sysroot() -> PathBuf {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn host_linker() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cargo/host-linker").canonicalize().unwrap()
}

/// Compiles `source` in `folder`, with `linker` and no C compiler in reach.
#[track_caller]
fn compile(folder: &Path, source: &str, linker: &Path, options: &[&str]) -> PathBuf {
    let (input, output) = (folder.join("input.rs"), folder.join("libseven.so"));
    std::fs::write(&input, source).unwrap();
    let result = Command::new(sysroot().join("bin/rustc"))
        .env("PATH", path_without_cc(folder))
        .env("CARGO_TARGET_DIR", folder)
        .args(["--edition", "2024", "-C"])
        .arg(format!("linker={}", linker.display()))
        .args(options)
        .arg("-o")
        .args([&output, &input])
        .output()
        .unwrap();
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    output
}

#[track_caller]
fn assert_program_works(program: &Path) {
    let Output { status, stdout, stderr } = Command::new(program).arg("panic").output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    let expected = "thread-local dropped\ncaught true\nsine 0.841\ntrue\n";
    assert_eq!(String::from_utf8_lossy(&stdout), expected, "{stderr}");
    assert_eq!(status.code(), Some(7));
}

#[test]
fn a_program_linked_without_a_c_compiler_runs() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), PROGRAM, &host_linker(), &[]);
    assert!(folder.path().join("host-linker/start.o").exists(), "cc was used");
    assert_program_works(&program);
}

#[test]
fn a_program_linked_from_a_response_file_runs() {
    let folder = tempfile::Builder::new().prefix("with space").tempdir().unwrap();
    let wrapper = folder.path().join("wrapper");
    // What rustc does when the command line is too long for the kernel.
    let script = format!(
        "#!/bin/sh\nfor argument do printf '%s\\n' \"$argument\" | sed 's/[\\ ]/\\\\&/g'; done >'{0}/args'\n\
         exec '{1}' '@{0}/args'\n",
        folder.path().display(),
        host_linker().display()
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    assert_program_works(&compile(folder.path(), PROGRAM, &wrapper, &[]));
}

#[test]
fn a_proc_macro_linked_without_a_c_compiler_loads() {
    let source = "extern crate proc_macro;\n#[proc_macro] pub fn seven(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n\
                  \"7\".parse().unwrap()\n}\n";
    let folder = tempfile::tempdir().unwrap();
    let options = ["--crate-type", "proc-macro", "--crate-name", "seven"];
    let library = compile(folder.path(), source, &host_linker(), &options);
    let user = tempfile::tempdir().unwrap();
    let seven = format!("seven={}", library.display());
    let source = "fn main() { std::process::exit(seven::seven!()) }";
    let program = compile(user.path(), source, &host_linker(), &["--extern", &seven]);
    assert_eq!(Command::new(program).status().unwrap().code(), Some(7));
}

#[test]
fn many_links_side_by_side_do_not_disturb_each_other() {
    let source = "fn main() { std::process::exit(7) }";
    std::thread::scope(|scope| {
        let link = || {
            let folder = tempfile::tempdir().unwrap();
            let program = compile(folder.path(), source, &host_linker(), &[]);
            assert_eq!(Command::new(program).status().unwrap().code(), Some(7));
        };
        let links: Vec<_> = (0..8).map(|_| scope.spawn(link)).collect();
        for link in links {
            link.join().unwrap();
        }
    });
}
