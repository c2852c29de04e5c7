//! The toolchain on a real program: what it links runs, and is the same to the byte wherever it was built.
//!
//! The program is `tests/fixtures/runtime`, which has no dependencies, so a build takes seconds and no network.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tests::needs;
use xtask::config::model::LinkerChoice;
use xtask::facts::Toolchain;
use xtask::inspect::{self, Rules};
use xtask::toolchain::{self, BuildRequest, Host, Target};

const OUTPUT: &str = "thread-local: used
thread-local: dropped
panic: generated.rs
thread-local: dropped
unwind: true
tcp: hello
hash map: found
environment: true
mathematics: 3.670
large frame: 1
child: Some(7)
clocks: true
";

const C_OUTPUT: &str = "c: 123 copy 8.0 1970, thread 42, built redacted at redacted
c: 0
c: at exit
";

/// The program this workspace's toolkit is, built on first use; rustc is to call it as the linker.
fn xtask() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(tests::tools::workspace()).args([
            "build",
            "--quiet",
            "--package",
            "xtask",
        ]);
        assert!(command.status().unwrap().success());
        let deps = std::env::current_exe().unwrap();
        deps.ancestors().nth(2).unwrap().join("xtask")
    };
    BUILT.get_or_init(build).clone()
}

fn rust() -> &'static Toolchain {
    static RUST: OnceLock<Toolchain> = OnceLock::new();
    RUST.get_or_init(|| {
        xtask::facts::gather(tests::tools::workspace()).unwrap().facts("xtask").toolchain
    })
}

/// A copy of the program's source in a folder of its own, and what it is built with.
struct Site {
    host: Host,
}

/// What a build left.
struct Built {
    program: PathBuf,
    symbols: PathBuf,
}

impl Site {
    fn new(root: &Path) -> Self {
        let workspace = root.join("work");
        copy(&tests::tools::workspace().join("tests/fixtures/runtime"), &workspace);
        let home = std::env::home_dir();
        let cargo_home = std::env::var_os("CARGO_HOME")
            .map_or_else(|| home.clone().unwrap().join(".cargo"), PathBuf::from);
        let target_dir = workspace.join("target");
        let support = target_dir.join("support");
        let toolchain = rust().clone();
        Self {
            host: Host {
                toolchain,
                workspace,
                target_dir,
                cargo_home,
                home,
                xtask: xtask(),
                support,
                secret_variables: Vec::new(),
            },
        }
    }

    #[track_caller]
    fn build(&self, target: Target, options: &[&str]) -> Built {
        let request = BuildRequest {
            triple: target.triple().to_owned(),
            linker: LinkerChoice::SelfContained,
            package: "runtime-check".to_owned(),
            binary: "runtime-check".to_owned(),
            epoch: 1_700_000_000,
        };
        let invocation = toolchain::cargo_invocation(&request, &self.host).unwrap();
        if let Some(support) = invocation.support {
            support.install(&self.host).unwrap();
        }
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(&self.host.workspace).args(invocation.arguments).args(options);
        for name in &invocation.removed {
            command.env_remove(name);
        }
        // The copy lies outside the workspace, whose configuration names the linker for a host without `cc`.
        if cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")) {
            let linker = tests::tools::workspace().join(".cargo/host-linker");
            command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", linker);
        }
        let output = command.envs(invocation.environment).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let outputs = toolchain::outputs(target.triple(), "runtime-check").unwrap();
        let program = self.host.target_dir.join(outputs.program);
        let built = match outputs.symbols {
            Some(symbols) => Built { program, symbols: self.host.target_dir.join(symbols) },
            None => {
                let [stripped, symbols] =
                    ["program", "program.debug"].map(|name| program.with_file_name(name));
                toolchain::symbols::split(&self.host, &program, &stripped, &symbols).unwrap();
                Built { program: stripped, symbols }
            }
        };
        self.inspect(target, &built);
        built
    }

    /// The gate, on a program that really was built in the folders it must not name.
    #[track_caller]
    fn inspect(&self, target: Target, built: &Built) {
        let [program, symbols] =
            [&built.program, &built.symbols].map(|path| std::fs::read(path).unwrap());
        let host = &self.host;
        let folders = [
            Some(&host.workspace),
            Some(&host.cargo_home),
            Some(&host.toolchain.sysroot),
            host.home.as_ref(),
        ];
        let forbidden = inspect::forbidden(folders.into_iter().flatten().map(PathBuf::as_path));
        let rules = Rules { target, size_max: 2_000_000, dlls: Vec::new(), forbidden };
        inspect::inspect(&program, &rules).unwrap();
        let name = built.symbols.file_name().unwrap().to_str().unwrap();
        inspect::symbols::check(target, &program, &symbols, name).unwrap();
        for folder in &rules.forbidden {
            let named = symbols.windows(folder.len()).any(|bytes| bytes == folder.as_bytes());
            assert!(!named, "{} names {folder}", built.symbols.display());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}

#[track_caller]
fn same_bytes_from_two_folders(target: Target, options: &[&str]) {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // Paths of different lengths, so that nothing can be equal by padding.
    let [near, far] = [folders[0].path().join("a"), folders[1].path().join("a/rather longer/path")]
        .map(|root| Site::new(&root).build(target, options));
    for (one, other) in [(&near.program, &far.program), (&near.symbols, &far.symbols)] {
        let [one_bytes, other_bytes] = [one, other].map(|path| std::fs::read(path).unwrap());
        let differs = one_bytes.iter().zip(&other_bytes).position(|(a, b)| a != b);
        assert!(one_bytes == other_bytes, "{} differs first at byte {differs:?}", one.display());
    }
}

#[test]
fn a_windows_program_and_its_pdb_do_not_depend_on_the_folder() {
    needs!(Target("x86_64-pc-windows-msvc"));
    same_bytes_from_two_folders(Target::WindowsX64, &[]);
}

#[test]
fn an_x86_64_linux_program_and_its_symbols_do_not_depend_on_the_folder() {
    needs!(Target("x86_64-unknown-linux-musl"));
    same_bytes_from_two_folders(Target::LinuxX64, &[]);
}

#[test]
fn an_arm64_linux_program_and_its_symbols_do_not_depend_on_the_folder() {
    needs!(Target("aarch64-unknown-linux-musl"));
    same_bytes_from_two_folders(Target::LinuxArm64, &[]);
}

#[test]
fn c_code_does_not_bring_the_folder_into_the_program() {
    needs!(Target("x86_64-pc-windows-msvc"), Tool("clang"), Tool("llvm-ar"));
    same_bytes_from_two_folders(Target::WindowsX64, &["--features", "c"]);
}

#[test]
fn c_code_does_not_bring_the_folder_into_a_linux_program() {
    needs!(
        Target("x86_64-unknown-linux-musl"),
        Target("aarch64-unknown-linux-musl"),
        Tool("clang"),
        Tool("llvm-ar"),
        MuslHeaders
    );
    same_bytes_from_two_folders(Target::LinuxX64, &["--features", "c"]);
    same_bytes_from_two_folders(Target::LinuxArm64, &["--features", "c"]);
}

#[test]
fn a_linux_program_with_c_code_runs() {
    needs!(Target("x86_64-unknown-linux-musl"), Tool("clang"), Tool("llvm-ar"), MuslHeaders);
    let folder = tempfile::tempdir().unwrap();
    let built = Site::new(folder.path()).build(Target::LinuxX64, &["--features", "c"]);
    let output = Command::new(&built.program).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{OUTPUT}{C_OUTPUT}"));
}

#[test]
fn an_arm64_program_with_c_code_runs() {
    needs!(
        Target("aarch64-unknown-linux-musl"),
        Tool("qemu-aarch64-static"),
        Tool("clang"),
        Tool("llvm-ar"),
        MuslHeaders
    );
    let folder = tempfile::tempdir().unwrap();
    let built = Site::new(folder.path()).build(Target::LinuxArm64, &["--features", "c"]);
    let mut command = Command::new(tests::tools::find("qemu-aarch64-static").unwrap());
    let output = command.arg(&built.program).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().ends_with(C_OUTPUT));
}

#[test]
fn a_windows_program_runs() {
    needs!(Target("x86_64-pc-windows-msvc"), Tool("wine"), Root);
    let folder = tempfile::tempdir().unwrap();
    let built = Site::new(folder.path()).build(Target::WindowsX64, &[]);
    assert_eq!(run_in_wine(&built.program), OUTPUT);
}

#[test]
fn a_windows_program_with_c_code_runs() {
    needs!(Target("x86_64-pc-windows-msvc"), Tool("wine"), Tool("clang"), Tool("llvm-ar"), Root);
    let folder = tempfile::tempdir().unwrap();
    let built = Site::new(folder.path()).build(Target::WindowsX64, &["--features", "c"]);
    assert_eq!(run_in_wine(&built.program), format!("{OUTPUT}{C_OUTPUT}"));
}

#[test]
fn a_linux_program_runs_without_its_symbols() {
    needs!(Target("x86_64-unknown-linux-musl"));
    let folder = tempfile::tempdir().unwrap();
    let built = Site::new(folder.path()).build(Target::LinuxX64, &[]);
    let output = Command::new(&built.program).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), OUTPUT);
}

#[test]
fn an_arm64_program_runs() {
    needs!(Target("aarch64-unknown-linux-musl"), Tool("qemu-aarch64-static"));
    let folder = tempfile::tempdir().unwrap();
    let built = Site::new(folder.path()).build(Target::LinuxArm64, &[]);
    let mut command = Command::new(tests::tools::find("qemu-aarch64-static").unwrap());
    let output = command.arg(&built.program).output().unwrap();
    // Its child would have to be started through the emulator, which the kernel may not know to do.
    let but_child = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with("child: ")).map(str::to_owned).collect()
    };
    assert_eq!(but_child(&String::from_utf8(output.stdout).unwrap()), but_child(OUTPUT));
}

#[test]
fn support_files_are_written_once_and_again_when_one_is_of_other_sources() {
    needs!(Target("x86_64-pc-windows-msvc"));
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path());
    assert!(toolchain::self_contained::install(&site.host).unwrap());
    assert!(!toolchain::self_contained::install(&site.host).unwrap());
    let mut host = site.host.clone();
    host.toolchain.commit_hash = "another compiler".to_owned();
    assert!(toolchain::self_contained::install(&host).unwrap());
    for name in toolchain::self_contained::files() {
        assert!(site.host.support.join(&name).is_file(), "{name}");
    }
}

#[track_caller]
fn run_in_wine(program: &Path) -> String {
    let wine = tests::wine::Wine::start();
    wine.run(program, &[]).success().replace("\r\n", "\n")
}
