//! Cross-linking: what cargo must be told so that a bare machine links each target, reproducibly and hardened.
//!
//! [`cargo_invocation`] is pure: arguments and environment as plain data, which the plan prints and [`crate::exec`]
//! runs. Three linkers stand behind it: [`self_contained`] (what rustup brings, and files made here), [`xwin`]
//! (Microsoft's SDK through cargo-xwin) and Microsoft's own on Windows, which needs nothing but the common flags.
//! The effects are two: [`Support::install`] writes the files that building needs, and [`link`] is what runs when rustc
//! calls this very program as the linker.

pub mod c_compiler;
pub mod flags;
pub mod link;
pub mod musl_arm64;
pub mod requirement;
pub mod self_contained;
pub mod support;
pub mod symbols;
pub mod xwin;

pub use support::Support;

use crate::config::model::LinkerChoice;
use crate::facts::Toolchain;
use crate::tool::ToolError;
use std::collections::BTreeMap;
use std::path::PathBuf;
use xshell::Cmd;

/// What to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRequest {
    /// Target triple.
    pub triple: String,
    /// What links it.
    pub linker: LinkerChoice,
    /// Cargo package.
    pub package: String,
    /// Cargo binary, without `.exe`.
    pub binary: String,
    /// Seconds since 1970-01-01 UTC that tools which stamp a time are to use.
    pub epoch: u64,
}

/// What the building machine is like; every path is absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The Rust toolchain.
    pub toolchain: Toolchain,
    /// The workspace root.
    pub workspace: PathBuf,
    /// Cargo's target folder.
    pub target_dir: PathBuf,
    /// `$CARGO_HOME`.
    pub cargo_home: PathBuf,
    /// The home folder of the user.
    pub home: Option<PathBuf>,
    /// The program that rustc is to call as the linker: this one, see [`link`].
    pub xtask: PathBuf,
    /// The folder that [`Support::install`] writes to.
    pub support: PathBuf,
    /// Environment variables that hold secrets. What compiles and links does not see them.
    pub secret_variables: Vec<String>,
}

/// A run of cargo as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CargoInvocation {
    /// Arguments after `cargo`.
    pub arguments: Vec<String>,
    /// Environment variables to set, each with its whole value.
    pub environment: BTreeMap<String, String>,
    /// Environment variables that must not reach cargo.
    pub removed: Vec<String>,
    /// What must have been installed in the folder [`Host::support`] before.
    pub support: Option<Support>,
}

/// What a build leaves, as paths below cargo's target folder, with forward slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// The program.
    pub program: String,
    /// The debug symbols that the linker writes beside it; an ELF program carries them inside until
    /// [`symbols::split`].
    pub symbols: Option<String>,
}

/// The target triples that can be linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// `x86_64-pc-windows-msvc`.
    WindowsX64,
    /// `x86_64-unknown-linux-musl`.
    LinuxX64,
    /// `aarch64-unknown-linux-musl`.
    LinuxArm64,
}

/// Why a target cannot be linked or its files not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// Not one of [`Target::ALL`].
    #[error("target {triple} cannot be linked; those that can: {}", Target::names())]
    UnknownTarget {
        /// The triple.
        triple: String,
    },
    /// The linker and the target do not fit.
    #[error("linker {linker} cannot link {triple} on a {host} host")]
    WrongLinker {
        /// The linker.
        linker: &'static str,
        /// The triple.
        triple: &'static str,
        /// The host triple.
        host: String,
    },
    /// A path that must go into an environment variable is not Unicode.
    #[error("path {} is not valid Unicode", path.display())]
    NotUnicode {
        /// The path.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{} could not be {action}: {source}", path.display())]
    File {
        /// `read`, `written` …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A command could not be run, or failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The environment variable that [`link`] reads is not what [`cargo_invocation`] writes.
    #[error("environment variable {} is malformed: {source}", link::JOB)]
    Job {
        /// What is wrong.
        source: serde_json::Error,
    },
    /// rustc's file of linker arguments is neither UTF-8 nor UTF-16.
    #[error("linker arguments in {} are neither UTF-8 nor UTF-16", path.display())]
    ResponseFile {
        /// The file.
        path: PathBuf,
    },
}

/// What cargo must be given for a reproducible, hardened program of the target.
///
/// # Errors
/// [`ToolchainError::UnknownTarget`], [`ToolchainError::WrongLinker`], [`ToolchainError::NotUnicode`].
pub fn cargo_invocation(
    request: &BuildRequest,
    host: &Host,
) -> Result<CargoInvocation, ToolchainError> {
    let target = Target::parse(&request.triple)?;
    let linker = resolve(&request.linker, target, &host.toolchain.host)?;
    let mut environment = BTreeMap::from([
        (
            "CARGO_ENCODED_RUSTFLAGS".to_owned(),
            flags::rustflags(target, &linker, host)?.join("\u{1f}"),
        ),
        ("CARGO_INCREMENTAL".to_owned(), "0".to_owned()),
        ("CARGO_TARGET_DIR".to_owned(), text(&host.target_dir)?.to_owned()),
        ("SOURCE_DATE_EPOCH".to_owned(), request.epoch.to_string()),
    ]);
    let mut program = vec!["build"];
    let linker_variable = format!("CARGO_TARGET_{}_LINKER", target.variable().to_uppercase());
    match &linker {
        LinkerChoice::SelfContained | LinkerChoice::ByHost if target.is_windows() => {
            environment.insert(linker_variable, text(&host.xtask)?.to_owned());
            environment.insert(link::JOB.to_owned(), link::Job::self_contained(host).encode());
            environment.extend(c_compiler::environment(target, host)?);
        }
        LinkerChoice::SelfContained | LinkerChoice::ByHost => {
            environment.insert(linker_variable, "rust-lld".to_owned());
            environment.extend(c_compiler::environment(target, host)?);
        }
        LinkerChoice::Xwin { sdk, crt } => {
            let cache = xwin::cache(host, sdk, crt);
            environment.insert(linker_variable, text(&host.xtask)?.to_owned());
            environment.insert(link::JOB.to_owned(), link::Job::xwin(host, &cache).encode());
            environment.extend(xwin::environment(&cache, sdk, crt)?);
            program = vec!["xwin", "build"];
        }
        LinkerChoice::Msvc => {}
    }
    let options = [
        "--locked",
        "--release",
        "--target",
        target.triple(),
        "--package",
        &request.package,
        "--bin",
        &request.binary,
    ];
    Ok(CargoInvocation {
        arguments: program.into_iter().chain(options).map(str::to_owned).collect(),
        environment,
        removed: REMOVED.map(str::to_owned).to_vec(),
        support: Support::of(target).filter(|_| linker == LinkerChoice::SelfContained),
    })
}

/// What a user's shell, or the cargo that runs this program, may set and a release must not depend on. `LIB` and `LINK`
/// are read by lld-link; `CARGO_MANIFEST_*`, `CARGO_PKG_*` and `OUT_DIR` describe xtask, and build scripts that watch them
/// would run again; the others are read by cargo
/// (<https://doc.rust-lang.org/cargo/reference/environment-variables.html>) and cc-rs. A name that ends in `*` stands for
/// all that begin with it.
pub(crate) const REMOVED: [&str; 32] = [
    "AR",
    "CARGO_BUILD_*",
    "CARGO_ENCODED_RUSTDOCFLAGS",
    "CARGO_MANIFEST_*",
    "CARGO_PKG_*",
    "CARGO_PROFILE_*",
    "CC",
    "CFLAGS",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "HOST_AR",
    "HOST_CC",
    "HOST_CFLAGS",
    "HOST_CXX",
    "HOST_CXXFLAGS",
    "LDFLAGS",
    "LIB",
    "LINK",
    "OUT_DIR",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "TARGET_AR",
    "TARGET_CC",
    "TARGET_CFLAGS",
    "TARGET_CXX",
    "TARGET_CXXFLAGS",
    "_LINK_",
];

/// The variables by which build scripts find a C compiler for a target, for a cargo command that links nothing; none
/// where the target's own compiler is at home.
///
/// # Errors
/// [`ToolchainError::UnknownTarget`], [`ToolchainError::NotUnicode`].
pub fn c_environment(
    triple: &str,
    host: &Host,
) -> Result<BTreeMap<String, String>, ToolchainError> {
    let target = Target::parse(triple)?;
    match resolve(&LinkerChoice::ByHost, target, &host.toolchain.host)? {
        LinkerChoice::Msvc => Ok(BTreeMap::new()),
        LinkerChoice::ByHost | LinkerChoice::SelfContained | LinkerChoice::Xwin { .. } => {
            c_compiler::environment(target, host)
        }
    }
}

/// The linker that is meant, after [`LinkerChoice::ByHost`] was decided.
///
/// # Errors
/// [`ToolchainError::WrongLinker`].
pub fn resolve(
    choice: &LinkerChoice,
    target: Target,
    host: &str,
) -> Result<LinkerChoice, ToolchainError> {
    let windows_host = host.contains("-windows-");
    let wrong = |linker| ToolchainError::WrongLinker {
        linker,
        triple: target.triple(),
        host: host.to_owned(),
    };
    match choice {
        LinkerChoice::ByHost if target.is_windows() && windows_host => Ok(LinkerChoice::Msvc),
        LinkerChoice::ByHost | LinkerChoice::SelfContained => Ok(LinkerChoice::SelfContained),
        LinkerChoice::Xwin { .. } if target.is_windows() && !windows_host => Ok(choice.clone()),
        LinkerChoice::Xwin { .. } => Err(wrong("xwin")),
        LinkerChoice::Msvc if target.is_windows() && windows_host => Ok(LinkerChoice::Msvc),
        LinkerChoice::Msvc => Err(wrong("msvc")),
    }
}

/// What a build of the binary leaves.
///
/// # Errors
/// [`ToolchainError::UnknownTarget`].
pub fn outputs(triple: &str, binary: &str) -> Result<Outputs, ToolchainError> {
    let target = Target::parse(triple)?;
    Ok(if target.is_windows() {
        Outputs {
            program: format!("{triple}/release/{binary}.exe"),
            // The linker names the PDB after the crate, and a crate has underscores.
            symbols: Some(format!("{triple}/release/{}.pdb", binary.replace('-', "_"))),
        }
    } else {
        Outputs { program: format!("{triple}/release/{binary}"), symbols: None }
    })
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::WindowsX64, Self::LinuxX64, Self::LinuxArm64];

    /// The target of a triple.
    ///
    /// # Errors
    /// [`ToolchainError::UnknownTarget`].
    pub fn parse(triple: &str) -> Result<Self, ToolchainError> {
        Self::ALL
            .into_iter()
            .find(|target| target.triple() == triple)
            .ok_or_else(|| ToolchainError::UnknownTarget { triple: triple.to_owned() })
    }

    /// Its triple.
    pub const fn triple(self) -> &'static str {
        match self {
            Self::WindowsX64 => "x86_64-pc-windows-msvc",
            Self::LinuxX64 => "x86_64-unknown-linux-musl",
            Self::LinuxArm64 => "aarch64-unknown-linux-musl",
        }
    }

    /// Whether its programs are PE files.
    pub const fn is_windows(self) -> bool {
        matches!(self, Self::WindowsX64)
    }

    /// The triple as it stands in the names of environment variables.
    pub fn variable(self) -> String {
        self.triple().replace('-', "_")
    }

    fn names() -> String {
        Self::ALL.map(Self::triple).join(", ")
    }
}

impl Host {
    /// A command that does not see the variables with secrets.
    pub fn without_secrets<'a>(&self, command: Cmd<'a>) -> Cmd<'a> {
        self.secret_variables.iter().fold(command, Cmd::env_remove)
    }

    /// Where rustup lays the programs of the toolchain that are not for the user's path.
    pub fn rust_tool(&self, name: &str) -> PathBuf {
        let Toolchain { host, sysroot, .. } = &self.toolchain;
        sysroot
            .join("lib/rustlib")
            .join(host)
            .join("bin")
            .join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

fn text(path: &std::path::Path) -> Result<&str, ToolchainError> {
    path.to_str().ok_or_else(|| ToolchainError::NotUnicode { path: path.to_owned() })
}

#[cfg(test)]
mod tests;
