//! A small workspace of another product in a folder of its own, on which the toolkit is run as its users run it.
//!
//! It is `tests/fixtures/field-probe`, with this repository's templates. Release builds of it are stand-ins: what is
//! tested is everything around the compiler.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{self, Finished};
use crate::{release, tools};

/// No command on a workspace this small takes longer, on the slowest machine.
const LIMIT: Duration = Duration::from_secs(300);
/// The declaration, in a workspace.
pub const DECLARATION: &str = "packaging/release.toml";

/// Every file of a folder and those below it, by its path with forward slashes.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// A workspace, removed when dropped.
#[derive(Debug)]
pub struct Workspace {
    folder: TempDir,
}

impl Workspace {
    /// The product `field-probe`, of which nothing was built yet.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn field_probe() -> Self {
        Self::field_probe_in("probe-")
    }

    /// The same in a folder whose name begins so.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn field_probe_in(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(name).tempdir().unwrap();
        let own = tools::workspace();
        let root = folder.path();
        copy(&own.join("tests/fixtures/field-probe"), root);
        copy(&own.join("templates"), &root.join("release/templates"));
        std::fs::copy(
            own.join("packaging/windows/edge-node.ico"),
            root.join("packaging/probe.ico"),
        )
        .unwrap();
        std::fs::copy(own.join("rust-toolchain.toml"), root.join("rust-toolchain.toml")).unwrap();
        Self { folder }
    }

    /// Its root folder.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The absolute path of `path` in it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Where its release goes.
    pub fn dist(&self) -> PathBuf {
        self.path("target/dist")
    }

    /// Replaces the only occurrence of `from` in a file.
    ///
    /// # Panics
    /// When it occurs never or more than once.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {}", path.display());
        std::fs::write(&path, text.replace(from, to)).unwrap();
    }

    /// `cargo xtask` with these arguments, to be run in it.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = release::xtask();
        command.args(arguments);
        self.inside(&mut command);
        command
    }

    /// Makes a command run in it, and nowhere else.
    pub fn inside(&self, command: &mut Command) {
        command.current_dir(self.root());
        command.env_remove("CARGO_TARGET_DIR").env("SOURCE_DATE_EPOCH", "1700000000");
    }

    /// Runs `cargo xtask` with these arguments to its end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn xtask(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
        process::run(&mut self.command(arguments), LIMIT)
    }

    /// Makes a release around stand-ins.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn release(&self) -> Tree {
        self.xtask(["dist", "--stub-build"]).success();
        tree(&self.dist())
    }
}

/// Reads every file of a folder and those below it; a folder that is not there has none.
///
/// # Panics
/// When something cannot be read.
pub fn tree(folder: &Path) -> Tree {
    let mut files = Tree::new();
    add(folder, "", &mut files);
    files
}

fn add(folder: &Path, prefix: &str, files: &mut Tree) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            add(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}

/// Copies a folder with all it holds.
///
/// # Panics
/// When something cannot be copied.
pub fn copy(from: &Path, to: &Path) {
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
