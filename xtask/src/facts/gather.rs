//! Asks rustc, cargo and git, side by side, and reads the few environment variables that matter.

use super::{Commit, Facts, Toolchain};
use crate::config::Workspace;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use thiserror::Error;
use xshell::{Shell, cmd};

/// Why the world could not be asked.
#[derive(Debug, Error)]
pub enum FactsError {
    /// A command did not run or did not succeed.
    #[error("{0}")]
    Command(#[from] xshell::Error),
    /// A command printed something else than expected.
    #[error("{command} printed something unexpected: {reason}")]
    Output {
        /// The command line.
        command: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// `SOURCE_DATE_EPOCH` is not a number of seconds.
    #[error("SOURCE_DATE_EPOCH is `{0}`, not a number of seconds")]
    Epoch(String),
    /// There is no declaration here or above.
    #[error("no {} in {folder} or above it", crate::config::PATH)]
    NoDeclaration {
        /// Where the search started.
        folder: PathBuf,
    },
    /// A folder could not be looked at.
    #[error("{path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// What was asked before the declaration is read: it takes part in checking it, and [`Surroundings::facts`] turns it
/// into [`Facts`] once the package is known.
#[derive(Debug)]
pub struct Surroundings {
    /// The workspace root, absolute.
    pub root: PathBuf,
    xtask: PathBuf,
    toolchain: Toolchain,
    metadata: Metadata,
    commit: Commit,
    epoch: u64,
    cargo_home: PathBuf,
    home: Option<PathBuf>,
}

/// The part of `cargo metadata` that is read (the Cargo book, "cargo metadata").
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: semver::Version,
    targets: Vec<CargoTarget>,
}

#[derive(Debug, Deserialize)]
struct CargoTarget {
    kind: Vec<String>,
    name: String,
}

/// Finds the workspace and asks its tools.
///
/// # Errors
/// There is no declaration in `start` or above it, a tool is missing or fails, `SOURCE_DATE_EPOCH` is not a number.
pub fn gather(start: &Path) -> Result<Surroundings, FactsError> {
    let root = find_root(start)?;
    let cargo = environment("CARGO").map(PathBuf::from);
    let (toolchain, metadata, commit) = std::thread::scope(|scope| {
        let toolchain = scope.spawn(|| toolchain(&root, cargo.as_deref()));
        let metadata = scope.spawn(|| metadata(&root, cargo.as_deref()));
        let commit = commit(&root);
        let join = "a thread that asks a tool does not panic";
        (toolchain.join().expect(join), metadata.join().expect(join), commit)
    });
    let (commit, home) = (commit?, std::env::home_dir());
    let this = std::env::current_exe();
    let xtask =
        this.map_err(|source| FactsError::Io { path: PathBuf::from("this program"), source })?;
    let epoch = match environment("SOURCE_DATE_EPOCH") {
        Some(text) => text.parse().map_err(|_| FactsError::Epoch(text))?,
        None => commit.time,
    };
    let cargo_home = environment("CARGO_HOME").map(PathBuf::from);
    let cargo_home =
        cargo_home.or_else(|| home.as_ref().map(|home| home.join(".cargo"))).unwrap_or_default();
    Ok(Surroundings {
        root,
        xtask,
        toolchain: toolchain?,
        metadata: metadata?,
        commit,
        epoch,
        cargo_home,
        home,
    })
}

impl Surroundings {
    /// The facts about one package of the workspace.
    ///
    /// # Panics
    /// The package is not in the workspace; [`crate::config::parse`] refuses such a declaration.
    #[must_use]
    pub fn facts(&self, package: &str) -> Facts {
        let found = self.metadata.packages.iter().find(|candidate| candidate.name == package);
        Facts {
            root: self.root.clone(),
            target_dir: self.metadata.target_directory.clone(),
            cargo_home: self.cargo_home.clone(),
            home: self.home.clone(),
            xtask: self.xtask.clone(),
            toolchain: self.toolchain.clone(),
            version: found
                .expect("the declaration was checked against these packages")
                .version
                .clone(),
            commit: self.commit.clone(),
            epoch: self.epoch,
        }
    }
}

impl Workspace for Surroundings {
    fn is_file(&self, path: &str) -> bool {
        self.root.join(path).is_file()
    }

    fn is_folder(&self, path: &str) -> bool {
        self.root.join(path).is_dir()
    }

    fn siblings(&self, path: &str) -> Vec<String> {
        let path = self.root.join(path);
        let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok());
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    fn packages(&self) -> BTreeMap<String, Vec<String>> {
        let is_binary = |target: &&CargoTarget| target.kind.iter().any(|kind| kind == "bin");
        let binaries = |package: &Package| {
            package.targets.iter().filter(is_binary).map(|target| target.name.clone()).collect()
        };
        self.metadata
            .packages
            .iter()
            .map(|package| (package.name.clone(), binaries(package)))
            .collect()
    }
}

fn find_root(start: &Path) -> Result<PathBuf, FactsError> {
    let folder = std::path::absolute(start)
        .map_err(|source| FactsError::Io { path: start.to_path_buf(), source })?;
    let root = folder
        .ancestors()
        .find(|folder| folder.join(crate::config::PATH).is_file())
        .map(Path::to_path_buf);
    root.ok_or(FactsError::NoDeclaration { folder })
}

#[expect(clippy::disallowed_methods, reason = "facts are where the environment is read")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The compiler beside the cargo that runs us, where there is one: rustup's proxies cost 10 ms each.
fn toolchain(root: &Path, cargo: Option<&Path>) -> Result<Toolchain, FactsError> {
    const COMMAND: &str = "rustc -vV";
    let shell = shell_in(root)?;
    let beside = cargo
        .and_then(Path::parent)
        .map(|bin| bin.join(rustc_name()))
        .filter(|rustc| rustc.is_file());
    let rustc = beside.unwrap_or_else(|| PathBuf::from("rustc"));
    let printed = cmd!(shell, "{rustc} -vV").quiet().read()?;
    let field = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned)
            .ok_or_else(|| FactsError::Output { command: COMMAND, reason: format!("no {name}") })
    };
    // With `-vV` rustc prints nothing else, so the sysroot is asked for on its own, unless the path tells it.
    let installed =
        rustc.parent().and_then(Path::parent).filter(|folder| folder.join("lib/rustlib").is_dir());
    let sysroot = match installed {
        Some(folder) => folder.to_owned(),
        None => PathBuf::from(cmd!(shell, "{rustc} --print sysroot").quiet().read()?),
    };
    Ok(Toolchain {
        host: field("host")?,
        rustc: printed.lines().next().unwrap_or_default().to_owned(),
        release: field("release")?,
        commit_hash: field("commit-hash")?,
        targets: installed_targets(&sysroot),
        sysroot,
    })
}

fn rustc_name() -> &'static str {
    if cfg!(windows) { "rustc.exe" } else { "rustc" }
}

/// A target is installed when its folder in the sysroot holds a standard library.
fn installed_targets(sysroot: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(sysroot.join("lib/rustlib")).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join("lib").is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn metadata(root: &Path, cargo: Option<&Path>) -> Result<Metadata, FactsError> {
    const COMMAND: &str = "cargo metadata --no-deps --offline --format-version 1";
    let shell = shell_in(root)?;
    let cargo = cargo.unwrap_or(Path::new("cargo"));
    let printed =
        cmd!(shell, "{cargo} metadata --no-deps --offline --format-version 1").quiet().read()?;
    serde_json::from_str(&printed)
        .map_err(|error| FactsError::Output { command: COMMAND, reason: error.to_string() })
}

/// A workspace outside a repository is released as commit `unknown`, dirty. Where there is a repository, a git that
/// cannot read it (another owner's, say) is an error: the release would silently lose where it comes from.
fn commit(root: &Path) -> Result<Commit, FactsError> {
    const COMMAND: &str = "git log -1 --format=%H/%ct";
    if !root.ancestors().any(|folder| folder.join(".git").exists()) {
        return Ok(Commit { hash: "unknown".to_owned(), time: 0, dirty: true });
    }
    let shell = shell_in(root)?;
    let head = own_repository(cmd!(shell, "git log -1 --format=%H/%ct")).read()?;
    // Asking must not write: git would refresh its index. A new file may be part of a program, so it counts.
    let status = cmd!(shell, "git --no-optional-locks status --porcelain --untracked-files=normal");
    let changes = own_repository(status).read()?;
    let unexpected = || FactsError::Output { command: COMMAND, reason: format!("`{head}`") };
    let (hash, time) = head.split_once('/').ok_or_else(unexpected)?;
    let time = time.parse().map_err(|_| unexpected())?;
    Ok(Commit { hash: hash.to_owned(), time, dirty: !changes.is_empty() })
}

/// git hooks and worktree scripts set these, and git would then answer for another repository (git(1)).
fn own_repository(command: xshell::Cmd<'_>) -> xshell::Cmd<'_> {
    command.quiet().env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env_remove("GIT_INDEX_FILE")
}

fn shell_in(folder: &Path) -> Result<Shell, FactsError> {
    let shell = Shell::new()?;
    shell.change_dir(folder);
    Ok(shell)
}
