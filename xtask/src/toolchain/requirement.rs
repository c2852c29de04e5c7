//! The tools of the trade: what each is for, how it is found, and what installs it.
//!
//! Data only. [`crate::doctor`] probes and reports, `--install-tools` runs the package managers. A tool that is here
//! and optional is one whose absence costs a check or a comfort, never the release.

use super::{Target, c_compiler};
use crate::config::model::{Codesign, LinkerChoice, Signer};

/// Something that must or should be on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Its name, as a person would say it.
    pub name: String,
    /// What it is needed for, a lowercase fragment.
    pub purpose: &'static str,
    /// Whether a release can be made without it.
    pub need: Need,
    /// How it is found.
    pub probe: Probe,
    /// The oldest version that serves, dotted numbers.
    pub minimum: Option<&'static str>,
    /// Versions to be warned about.
    pub known_bad: &'static [KnownBad],
    /// What installs it.
    pub packages: Packages,
}

/// Whether a release can be made without a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// It cannot.
    Release,
    /// It can, but the project's whole test suite cannot be run.
    Tests,
    /// Both can.
    Comfort,
}

/// How a tool is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The command runs and prints its version.
    Command(&'static [&'static str]),
    /// The sysroot has a library folder of the triple.
    RustTarget(&'static str),
    /// One of the files or folders exists.
    Path(Vec<String>),
    /// The program is in the toolchain's own folder, see [`super::Host::rust_tool`].
    RustTool(&'static str),
}

/// Versions to be warned about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownBad {
    /// All versions below this one, dotted numbers.
    pub below: &'static str,
    /// What is wrong with them, a lowercase fragment.
    pub reason: &'static str,
}

/// The names of a tool in the package managers; `None` where a manager does not have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packages {
    /// Debian, Ubuntu.
    pub apt: Option<&'static str>,
    /// Fedora, RHEL.
    pub dnf: Option<&'static str>,
    /// Homebrew.
    pub brew: Option<&'static str>,
    /// Chocolatey.
    pub choco: Option<&'static str>,
    /// winget, as package identifier.
    pub winget: Option<&'static str>,
    /// A crate that `cargo install --locked` builds.
    pub cargo: Option<&'static str>,
}

const NONE: Packages =
    Packages { apt: None, dnf: None, brew: None, choco: None, winget: None, cargo: None };

/// What building one target takes, after [`super::resolve`]; with `c_code` when its dependencies contain C.
pub fn for_target(target: Target, linker: &LinkerChoice, c_code: bool) -> Vec<Requirement> {
    let mut all = vec![Requirement {
        name: format!("Rust target {}", target.triple()),
        purpose: "the standard library for the target",
        need: Need::Release,
        probe: Probe::RustTarget(target.triple()),
        minimum: None,
        known_bad: &[],
        packages: NONE,
    }];
    match linker {
        LinkerChoice::ByHost | LinkerChoice::SelfContained => {
            all.push(rust_tool("rust-lld", "linking without the target's own tools"));
            if c_code {
                all.extend(c_tools(target));
            }
        }
        LinkerChoice::Xwin { .. } => {
            all.extend([rust_tool("rust-lld", "linking against Microsoft's SDK"), cargo_xwin()]);
            if c_code {
                all.extend([clang(), llvm_ar()]);
            }
        }
        LinkerChoice::Msvc => all.push(msvc()),
    }
    if !target.is_windows() {
        all.push(rust_tool("rust-objcopy", "debug symbols in a file of their own"));
    }
    all
}

/// What code-signs Windows programs, and what checks that. A command of the declaration's own names itself when it is
/// not there.
pub fn signers(declared: &Codesign) -> Vec<Requirement> {
    let mut all = Vec::new();
    if matches!(declared.signer, Signer::Signtool { .. }) {
        all.push(signtool());
    }
    if matches!(declared.signer, Signer::Osslsigncode { .. }) || declared.authorities.is_some() {
        all.push(Requirement { need: Need::Release, ..osslsigncode() });
    }
    all
}

/// What signs packages for their managers.
pub fn package_signer() -> Requirement {
    Requirement { need: Need::Release, ..gpg() }
}

/// What the toolkit uses beside compilers, on the given host.
pub fn tools(windows_installers: bool, host: &str) -> Vec<Requirement> {
    let mut all = vec![git()];
    if windows_installers {
        all.push(makensis());
    }
    all.extend([minisign(), promtool(), prometheus()]);
    if host.contains("-linux-") {
        all.extend([
            systemd_analyze(),
            shellcheck(),
            wine(),
            debootstrap(),
            systemd_nspawn(),
            ip(),
            strace(),
            qemu(),
            unzip(),
            lintian(),
            rpm(),
            rpmlint(),
            skopeo(),
            podman(),
            runc(),
            osslsigncode(),
            openssl(),
            softhsm(),
            pkcs11_engine(),
            gpg(),
        ]);
        all.extend(gateway_peers());
        // The suite compiles C for Windows, whether or not the product does.
        all.extend(
            c_tools(Target::WindowsX64)
                .into_iter()
                .map(|tool| Requirement { need: Need::Tests, ..tool }),
        );
    }
    all
}

/// The programs that the tests put before and behind the gateway.
fn gateway_peers() -> Vec<Requirement> {
    let peer = |name, purpose, probe, apt, dnf| {
        command(name, purpose, Need::Tests, probe, Packages { apt: Some(apt), dnf, ..NONE })
    };
    vec![
        peer("curl", "asking the gateway", &["curl", "--version"], "curl", Some("curl")),
        peer(
            "nghttp",
            "asking the gateway by HTTP/2",
            &["nghttp", "--version"],
            "nghttp2-client",
            Some("nghttp2"),
        ),
        peer(
            "h2load",
            "many requests to the gateway by HTTP/2",
            &["h2load", "--version"],
            "nghttp2-client",
            Some("nghttp2"),
        ),
        peer(
            "Python's requests",
            "asking the gateway as scripts do",
            &["python3", "-c", "import requests; print(requests.__version__)"],
            "python3-requests",
            Some("python3-requests"),
        ),
        peer("nginx", "an upstream of the gateway", &["nginx", "-v"], "nginx", Some("nginx")),
        peer("caddy", "an upstream of the gateway", &["caddy", "version"], "caddy", Some("caddy")),
    ]
}

fn command(
    name: &str,
    purpose: &'static str,
    need: Need,
    probe: &'static [&'static str],
    packages: Packages,
) -> Requirement {
    let probe = Probe::Command(probe);
    Requirement {
        name: name.to_owned(),
        purpose,
        need,
        probe,
        minimum: None,
        known_bad: &[],
        packages,
    }
}

fn rust_tool(name: &'static str, purpose: &'static str) -> Requirement {
    let mut tool = command(name, purpose, Need::Release, &[], NONE);
    tool.probe = Probe::RustTool(name);
    tool
}

fn c_tools(target: Target) -> Vec<Requirement> {
    let packages = match target {
        Target::WindowsX64 => Packages {
            apt: Some("mingw-w64-common"),
            dnf: Some("mingw64-headers"),
            brew: Some("mingw-w64"),
            ..NONE
        },
        // Those for ARM come from the same package, see `musl_arm64`.
        Target::LinuxX64 | Target::LinuxArm64 => {
            Packages { apt: Some("musl-dev"), dnf: Some("musl-devel"), ..NONE }
        }
    };
    let headers = Requirement {
        name: format!("C headers for {}", target.triple()),
        purpose: "C code among the dependencies",
        need: Need::Release,
        probe: Probe::Path(c_compiler::headers(target)),
        minimum: None,
        known_bad: &[],
        packages,
    };
    vec![clang(), llvm_ar(), headers]
}

fn clang() -> Requirement {
    let packages = Packages {
        apt: Some("clang"),
        dnf: Some("clang"),
        brew: Some("llvm"),
        choco: Some("llvm"),
        winget: Some("LLVM.LLVM"),
        cargo: None,
    };
    command(
        "clang",
        "C code among the dependencies",
        Need::Release,
        &["clang", "--version"],
        packages,
    )
}

fn llvm_ar() -> Requirement {
    let packages = Packages {
        apt: Some("llvm"),
        dnf: Some("llvm"),
        brew: Some("llvm"),
        choco: Some("llvm"),
        winget: Some("LLVM.LLVM"),
        cargo: None,
    };
    command("llvm-ar", "archives of C objects", Need::Release, &["llvm-ar", "--version"], packages)
}

fn cargo_xwin() -> Requirement {
    let packages = Packages { cargo: Some("cargo-xwin"), ..NONE };
    command("cargo-xwin", "linker xwin", Need::Release, &["cargo", "xwin", "--version"], packages)
}

fn msvc() -> Requirement {
    let packages = Packages {
        choco: Some("visualstudio2022-workload-vctools"),
        winget: Some("Microsoft.VisualStudio.2022.BuildTools"),
        ..NONE
    };
    let mut tool = command("Visual C++ build tools", "linker msvc", Need::Release, &[], packages);
    let editions = ["Enterprise", "Professional", "Community", "BuildTools"];
    let folder =
        |edition| format!(r"C:\Program Files\Microsoft Visual Studio\2022\{edition}\VC\Tools\MSVC");
    let mut paths: Vec<_> = editions.map(folder).into();
    paths.push(
        r"C:\Program Files (x86)\Microsoft Visual Studio\2022\BuildTools\VC\Tools\MSVC".to_owned(),
    );
    tool.probe = Probe::Path(paths);
    tool
}

fn git() -> Requirement {
    let packages = Packages {
        apt: Some("git"),
        dnf: Some("git"),
        brew: Some("git"),
        choco: Some("git"),
        winget: Some("Git.Git"),
        cargo: None,
    };
    command("git", "the commit that is released", Need::Release, &["git", "--version"], packages)
}

fn makensis() -> Requirement {
    let packages = Packages {
        apt: Some("nsis"),
        dnf: Some("mingw32-nsis"),
        brew: Some("makensis"),
        choco: Some("nsis"),
        winget: Some("NSIS.NSIS"),
        cargo: None,
    };
    let mut tool = command(
        "makensis",
        "the Windows installer",
        Need::Release,
        &["makensis", "-VERSION"],
        packages,
    );
    tool.minimum = Some("3.08");
    tool.known_bad = &[KnownBad {
        below: "3.11",
        reason: "installers run as SYSTEM can be made to load a foreign plug-in (CVE-2025-43715)",
    }];
    tool
}

fn osslsigncode() -> Requirement {
    let packages = Packages {
        apt: Some("osslsigncode"),
        dnf: Some("osslsigncode"),
        brew: Some("osslsigncode"),
        winget: Some("MichalTrojnara.osslsigncode"),
        ..NONE
    };
    let probe = &["osslsigncode", "--version"];
    let mut tool = command("osslsigncode", "Authenticode signatures", Need::Tests, probe, packages);
    // The oldest that was tried; Debian 12 has it.
    tool.minimum = Some("2.5");
    tool.known_bad = &[KnownBad {
        below: "2.8",
        reason: "built with OpenSSL 3.2 or newer, it finds no signature valid (osslsigncode issue 325)",
    }];
    tool
}

fn signtool() -> Requirement {
    let purpose = "Authenticode signatures (part of the Windows SDK)";
    command("signtool", purpose, Need::Release, &["signtool", "/?"], NONE)
}

fn openssl() -> Requirement {
    let packages =
        Packages { apt: Some("openssl"), dnf: Some("openssl"), brew: Some("openssl"), ..NONE };
    let purpose = "certificates that sign in the tests";
    command("openssl", purpose, Need::Tests, &["openssl", "version"], packages)
}

fn softhsm() -> Requirement {
    let packages = Packages { apt: Some("softhsm2"), dnf: Some("softhsm"), ..NONE };
    let purpose = "a token with a key that signs in the tests";
    let probe = &["softhsm2-util", "--version"];
    command("softhsm2-util", purpose, Need::Tests, probe, packages)
}

fn pkcs11_engine() -> Requirement {
    let packages =
        Packages { apt: Some("libengine-pkcs11-openssl"), dnf: Some("openssl-pkcs11"), ..NONE };
    let purpose = "reaching that token in the tests";
    let mut tool = command("OpenSSL engine pkcs11", purpose, Need::Tests, &[], packages);
    let folders = ["x86_64-linux-gnu/engines-3", "aarch64-linux-gnu/engines-3", "engines-3"];
    let paths = folders.map(|folder| format!("/usr/lib/{folder}/pkcs11.so"));
    tool.probe = Probe::Path(
        paths.into_iter().chain(["/usr/lib64/engines-3/pkcs11.so".to_owned()]).collect(),
    );
    tool
}

fn gpg() -> Requirement {
    let packages = Packages {
        apt: Some("gnupg"),
        dnf: Some("gnupg2"),
        brew: Some("gnupg"),
        choco: Some("gnupg"),
        winget: Some("GnuPG.GnuPG"),
        cargo: None,
    };
    let purpose = "signatures that apt and rpm check";
    let mut tool = command("gpg", purpose, Need::Tests, &["gpg", "--version"], packages);
    // The oldest with `--show-keys`.
    tool.minimum = Some("2.2.8");
    tool
}

fn minisign() -> Requirement {
    let packages = Packages {
        apt: Some("minisign"),
        dnf: Some("minisign"),
        brew: Some("minisign"),
        choco: Some("minisign"),
        winget: Some("jedisct1.minisign"),
        cargo: None,
    };
    command(
        "minisign",
        "checking signatures as a user does",
        Need::Tests,
        &["minisign", "-v"],
        packages,
    )
}

fn promtool() -> Requirement {
    let packages = Packages { apt: Some("prometheus"), brew: Some("prometheus"), ..NONE };
    command(
        "promtool",
        "checking the Prometheus files",
        Need::Tests,
        &["promtool", "--version"],
        packages,
    )
}

fn prometheus() -> Requirement {
    let packages = Packages { apt: Some("prometheus"), brew: Some("prometheus"), ..NONE };
    let purpose = "scraping the running program in the tests";
    let mut tool =
        command("prometheus", purpose, Need::Tests, &["prometheus", "--version"], packages);
    // The oldest whose promtool knows every expression in the rules; Debian 12 has it.
    tool.minimum = Some("2.42");
    tool
}

fn systemd_analyze() -> Requirement {
    let packages = Packages { apt: Some("systemd"), dnf: Some("systemd"), ..NONE };
    let probe = &["systemd-analyze", "--version"];
    let mut tool = command("systemd-analyze", "checking the units", Need::Tests, probe, packages);
    // `security --offline` came with 250.
    tool.minimum = Some("250");
    tool
}

fn shellcheck() -> Requirement {
    let packages = Packages {
        apt: Some("shellcheck"),
        dnf: Some("ShellCheck"),
        brew: Some("shellcheck"),
        ..NONE
    };
    let probe = &["shellcheck", "--version"];
    command("shellcheck", "checking the install scripts", Need::Tests, probe, packages)
}

fn wine() -> Requirement {
    // Debian's wine64 alone brings no command `wine`.
    let packages = Packages { apt: Some("wine"), dnf: Some("wine-core"), ..NONE };
    let probe = &["wine", "--version"];
    let mut tool =
        command("wine", "running the Windows program and installer", Need::Tests, probe, packages);
    tool.minimum = Some("8.0");
    tool
}

fn debootstrap() -> Requirement {
    let packages = Packages { apt: Some("debootstrap"), dnf: Some("debootstrap"), ..NONE };
    let purpose = "a Linux system to install on in the tests";
    command("debootstrap", purpose, Need::Tests, &["debootstrap", "--version"], packages)
}

fn systemd_nspawn() -> Requirement {
    let packages =
        Packages { apt: Some("systemd-container"), dnf: Some("systemd-container"), ..NONE };
    let probe = &["systemd-nspawn", "--version"];
    command("systemd-nspawn", "booting that system", Need::Tests, probe, packages)
}

fn ip() -> Requirement {
    let packages = Packages { apt: Some("iproute2"), dnf: Some("iproute"), ..NONE };
    let purpose = "networks with every port free in the tests";
    command("ip", purpose, Need::Tests, &["ip", "-V"], packages)
}

fn qemu() -> Requirement {
    let packages =
        Packages { apt: Some("qemu-user-static"), dnf: Some("qemu-user-static-aarch64"), ..NONE };
    let probe = &["qemu-aarch64-static", "--version"];
    command("qemu-aarch64-static", "running the ARM program", Need::Tests, probe, packages)
}

fn unzip() -> Requirement {
    let packages = Packages { apt: Some("unzip"), dnf: Some("unzip"), ..NONE };
    command("unzip", "reading archives as a user does", Need::Tests, &["unzip", "-v"], packages)
}

fn lintian() -> Requirement {
    let packages = Packages { apt: Some("lintian"), ..NONE };
    let probe = &["lintian", "--version"];
    command("lintian", "checking the Debian package", Need::Tests, probe, packages)
}

fn rpm() -> Requirement {
    let packages = Packages { apt: Some("rpm"), dnf: Some("rpm"), ..NONE };
    let purpose = "installing the RPM package in the tests";
    command("rpm", purpose, Need::Tests, &["rpm", "--version"], packages)
}

fn rpmlint() -> Requirement {
    let packages = Packages { apt: Some("rpmlint"), dnf: Some("rpmlint"), ..NONE };
    let probe = &["rpmlint", "--version"];
    command("rpmlint", "checking the RPM package", Need::Tests, probe, packages)
}

fn skopeo() -> Requirement {
    let packages = Packages { apt: Some("skopeo"), dnf: Some("skopeo"), ..NONE };
    let probe = &["skopeo", "--version"];
    command("skopeo", "reading the image as a registry does", Need::Tests, probe, packages)
}

fn podman() -> Requirement {
    let packages = Packages { apt: Some("podman"), dnf: Some("podman"), ..NONE };
    let probe = &["podman", "--version"];
    command("podman", "running the image in the tests", Need::Tests, probe, packages)
}

fn runc() -> Requirement {
    let packages = Packages { apt: Some("runc"), dnf: Some("runc"), ..NONE };
    let probe = &["runc", "--version"];
    command("runc", "running the image in the tests", Need::Tests, probe, packages)
}

fn strace() -> Requirement {
    let packages = Packages { apt: Some("strace"), dnf: Some("strace"), ..NONE };
    let purpose = "interrupting a release at each of its steps in the tests";
    command("strace", purpose, Need::Tests, &["strace", "--version"], packages)
}

/// What `bench gateway` compares with, and compares by. It is installed by hand: a package of a proxy may start it as a
/// service of the machine.
pub fn gateway_bench() -> Vec<Requirement> {
    let same = |name| Packages { apt: Some(name), dnf: Some(name), brew: Some(name), ..NONE };
    let tool =
        |name, purpose, probe, packages| command(name, purpose, Need::Comfort, probe, packages);
    let compared = "comparing the gateway with it";
    let h2load = Packages { brew: Some("nghttp2"), dnf: Some("nghttp2"), ..same("nghttp2-client") };
    let util = Packages { brew: None, ..same("util-linux") };
    let mut all = vec![
        tool("nginx", compared, &["nginx", "-v"], same("nginx")),
        tool("haproxy", compared, &["haproxy", "-v"], same("haproxy")),
        tool("caddy", compared, &["caddy", "version"], same("caddy")),
        tool("wrk", "load by HTTP/1.1", &["wrk", "-v"], same("wrk")),
        tool("h2load", "load by HTTP/2", &["h2load", "--version"], h2load),
        tool("taskset", "a processor for each side", &["taskset", "--version"], util),
        tool("unshare", "a network of its own", &["unshare", "--version"], util),
    ];
    all.extend([ip(), openssl()]);
    all
}
