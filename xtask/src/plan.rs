//! The plan: every step and artifact of a release as plain data, in order.
//!
//! Nothing here touches the world. [`crate::stage`] fills a plan, `cargo xtask plan` prints it, [`crate::exec`] runs
//! the very same value. Texts are rendered while planning, so a step that writes a file holds its final contents.

use crate::apt;
use crate::config::model::{self, Algorithm, Format};
use crate::manifest::ArtifactKind;
use crate::signature::TrustedComment;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Everything a release takes and leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Product name.
    pub product: String,
    /// Version of the release.
    pub version: String,
    /// Release channel.
    pub channel: String,
    /// Steps in an order in which they can be run.
    pub steps: Vec<Step>,
    /// What the release folder holds in the end, in the order of `release.json`, which itself comes last.
    pub artifacts: Vec<Artifact>,
    /// Declared targets that are not built here, and why.
    pub skipped: Vec<Skipped>,
}

/// A file of the release folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// Base name.
    pub name: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// The triple it is for, if it is for one.
    pub target: Option<String>,
}

/// A declared target that is not built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The triple.
    pub target: String,
    /// What is missing, a lowercase fragment.
    pub reason: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Unique within the plan: `stage`, a slash, and what it is about.
    pub id: String,
    /// The stage that added it.
    pub stage: Stage,
    /// The triple it is for, if it is for one.
    pub target: Option<String>,
    /// Files it reads.
    pub inputs: Vec<Location>,
    /// Files it writes.
    pub outputs: Vec<Location>,
    /// What it does.
    pub action: Action,
}

/// The stages, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Write the files the linker needs, then compile and link.
    Build,
    /// Refuse a program whose bytes are not as they should be.
    Inspect,
    /// Sign the Windows programs as Windows wants it (Authenticode).
    Codesign,
    /// Write the rendered texts.
    Render,
    /// Compile the installers.
    Installer,
    /// Sign the installers as the programs in them.
    CodesignInstaller,
    /// Pack the archives.
    Archive,
    /// Sign packages as their managers check it (OpenPGP).
    SignPackages,
    /// Write `release.json`.
    Manifest,
    /// Write the checksum files.
    Checksum,
    /// Sign the manifest, the checksum files and each package (minisign).
    Sign,
    /// Read the finished folder back as a downloader would.
    Verify,
    /// Put it in the place of the previous one.
    Publish,
}

/// What a step does; [`crate::exec`] matches it without a catch-all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Write the files that building for a target without its system needs: import libraries, C headers.
    Support {
        /// The target triple.
        triple: String,
        /// Folder to write them to.
        folder: Location,
    },
    /// Compile with cargo and lay the program and its debug symbols at the outputs.
    Cargo(CargoBuild),
    /// Write stand-ins for what cargo would have made.
    Stub,
    /// Check the bytes of a program.
    Inspect(Inspect),
    /// Move the debug symbols of an ELF program into a file of their own.
    SplitSymbols {
        /// The program as linked.
        program: Location,
        /// The program without symbols.
        stripped: Location,
        /// The symbols.
        symbols: Location,
    },
    /// Put an Authenticode signature into a program or an installer.
    Codesign(Box<Codesign>),
    /// Write a text.
    Write {
        /// Its contents.
        contents: String,
        /// Mode 0755 rather than 0644.
        executable: bool,
    },
    /// Run `makensis` on a script in a folder that holds nothing but the payload.
    Makensis {
        /// Base name of the script in the payload.
        script: String,
        /// What is laid beside it.
        payload: Vec<Member>,
        /// Base name of the installer the script writes.
        installer: String,
        /// Bytes the installer may have.
        size_max: u64,
        /// How its uninstaller is code-signed while it is compiled, if it is.
        uninstaller: Option<Box<Codesigning>>,
    },
    /// Compress the only input by gzip.
    Compress,
    /// Compress the only input to a stream that several archives hold.
    Deflate,
    /// Pack an archive.
    Archive {
        /// Its format; never [`Format::Nsis`].
        format: Format,
        /// What goes into it, sorted by path.
        members: Vec<Member>,
        /// Time of every member, seconds since 1970-01-01 UTC.
        epoch: u64,
        /// The member that is compressed already, if one is.
        deflated: Option<Deflated>,
    },
    /// Put an OpenPGP signature into an RPM package.
    SignRpm {
        /// The package without it.
        unsigned: Location,
        /// How it is signed.
        how: Box<GpgSigning>,
    },
    /// Write apt's index of the inputs, which are Debian packages.
    IndexDebs,
    /// Write what vouches for that index, with an OpenPGP signature around it.
    SignIndex {
        /// The index.
        index: Location,
        /// What the repository says of itself.
        repository: apt::Repository,
        /// How it is signed.
        how: Box<GpgSigning>,
    },
    /// Write `release.json`.
    Manifest(Box<ManifestHead>),
    /// Write a checksum file over all inputs.
    Checksum {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// Write a detached signature of the only input.
    Sign {
        /// Signed with the file, and shown by `minisign -V`.
        trusted_comment: TrustedComment,
    },
    /// Read the finished folder back as a downloader would.
    Verify,
    /// Put the finished folder in the place of the previous one.
    Publish,
}

/// A `cargo build`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CargoBuild {
    /// The target triple.
    pub triple: String,
    /// Arguments after `cargo`.
    pub arguments: Vec<String>,
    /// Environment variables to set, each with its whole value.
    pub environment: BTreeMap<String, String>,
    /// Environment variables that must not reach cargo; a name that ends in `*` stands for all that begin with it.
    pub removed: Vec<String>,
    /// What cargo makes, and where it is laid.
    pub products: Vec<CargoProduct>,
}

/// A file that cargo makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CargoProduct {
    /// Where cargo leaves it.
    pub from: Location,
    /// Where it is laid.
    pub to: Location,
}

/// What the bytes of a program are checked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspect {
    /// The target triple, which says machine and format.
    pub triple: String,
    /// The program.
    pub program: Location,
    /// Its debug symbols, which must be its own.
    pub symbols: Location,
    /// Bytes it may have.
    pub size_max: u64,
    /// DLLs it may import beside those every Windows 10 has.
    pub dlls: Vec<String>,
    /// Texts that may not occur in it: folders of the build machine.
    pub forbidden: Vec<String>,
}

/// A program that gets an Authenticode signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Codesign {
    /// The program without it.
    pub unsigned: Location,
    /// The program with it.
    pub signed: Location,
    /// How it is signed.
    pub how: Codesigning,
    /// Bytes the signed program may have.
    pub size_max: u64,
}

/// How Windows programs are code-signed. It holds references to secrets, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Codesigning {
    /// What is declared.
    pub declared: model::Codesign,
    /// What Windows calls the program when it asks whether to run it.
    pub description: String,
    /// Where to read more about it.
    pub homepage: String,
    /// The time that the signature states, seconds since 1970-01-01 UTC; only a time stamp proves one.
    pub epoch: u64,
    /// Environment variables with secrets that must not reach what signs or compiles.
    pub removed: Vec<String>,
}

/// How package managers' signatures are made. It holds references to secrets, never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpgSigning {
    /// What is declared.
    pub declared: model::Gpg,
    /// The time that the signature states, seconds since 1970-01-01 UTC.
    pub epoch: u64,
    /// Environment variables with secrets that must not reach `gpg`.
    pub removed: Vec<String>,
}

/// A file that was code-signed, and what it was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeSigned {
    /// With the signature.
    pub signed: Location,
    /// Without it.
    pub unsigned: Location,
}

/// A file inside an archive or an installer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The file whose bytes it has.
    pub source: Location,
    /// Its path inside, with forward slashes.
    pub path: String,
    /// Unix permission bits: 0o755 or 0o644.
    pub mode: u32,
}

/// A file that is compressed once for all archives that hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deflated {
    /// The file.
    pub source: Location,
    /// Its deflate stream.
    pub stream: Location,
}

/// What `release.json` says beside the artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManifestHead {
    /// Product name.
    pub product: String,
    /// Version of the release.
    pub version: String,
    /// Release channel.
    pub channel: String,
    /// The commit that is released.
    pub commit: crate::facts::Commit,
    /// Time of every file in the release, seconds since 1970-01-01 UTC.
    pub epoch: u64,
    /// `rustc -V`.
    pub rustc: String,
    /// Whether a development key signs.
    pub development: bool,
    /// Whether the programs are stand-ins.
    pub stub: bool,
    /// The digests to write for each file.
    pub algorithms: Vec<Algorithm>,
    /// The artifacts, each with its members.
    pub contents: Vec<Contents>,
    /// The files among them, and inside them, that were code-signed.
    pub code_signed: Vec<CodeSigned>,
    /// Whether packages are signed for their managers.
    pub packages_signed: bool,
}

/// An artifact and what is inside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// The artifact.
    pub artifact: Artifact,
    /// Where it lies.
    pub file: Location,
    /// What is inside.
    pub members: Vec<Member>,
}

/// A file, by the folder that is known where the plan is run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Location {
    /// Below the workspace root.
    Workspace(String),
    /// Below cargo's target folder.
    Target(String),
    /// Below the folder the toolkit works in, which survives from run to run.
    Work(String),
    /// In the release folder.
    Release(String),
}

/// The folders that [`Location`]s are relative to, absolute.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The workspace root.
    pub workspace: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// The folder the toolkit works in.
    pub work: PathBuf,
    /// The release folder while it is being filled.
    pub release: PathBuf,
}

impl Location {
    /// The absolute path.
    pub fn resolve(&self, roots: &Roots) -> PathBuf {
        match self {
            Self::Workspace(path) => roots.workspace.join(path),
            Self::Target(path) => roots.target.join(path),
            Self::Work(path) => roots.work.join(path),
            Self::Release(path) => roots.release.join(path),
        }
    }

    /// The last component.
    pub fn base_name(&self) -> &str {
        let (Self::Workspace(path) | Self::Target(path) | Self::Work(path) | Self::Release(path)) =
            self;
        path.rsplit('/').next().unwrap_or(path)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workspace(path) => write!(f, "{path}"),
            Self::Target(path) => write!(f, "target/{path}"),
            Self::Work(path) => write!(f, "target/xtask/{path}"),
            Self::Release(path) => write!(f, "dist/{path}"),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Build => "build",
            Self::Inspect => "inspect",
            Self::Codesign => "codesign",
            Self::Render => "render",
            Self::Installer => "installer",
            Self::CodesignInstaller => "codesign-installer",
            Self::Archive => "archive",
            Self::SignPackages => "sign-packages",
            Self::Manifest => "manifest",
            Self::Checksum => "checksum",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::Publish => "publish",
        })
    }
}
