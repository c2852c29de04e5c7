//! What the world says, gathered once: host, workspace, version, commit and its time.
//!
//! [`Facts`] is plain data that planning reads; [`gather`] is the only effect here. Which tools are installed is not
//! among them: the plan does not depend on it, [`crate::doctor`] does.

mod gather;

pub use gather::{FactsError, Surroundings, gather};

use crate::toolchain;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What planning needs to know of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The workspace root, absolute.
    pub root: PathBuf,
    /// Cargo's target folder, absolute.
    pub target_dir: PathBuf,
    /// `$CARGO_HOME`, absolute.
    pub cargo_home: PathBuf,
    /// The home folder of the user, if there is one.
    pub home: Option<PathBuf>,
    /// This program, which rustc is told to call as the linker.
    pub xtask: PathBuf,
    /// What compiles.
    pub toolchain: Toolchain,
    /// Version of the product, from the manifest of its package.
    pub version: semver::Version,
    /// What is released.
    pub commit: Commit,
    /// The instant every time stamp in the release is set to, seconds since 1970-01-01 UTC: `SOURCE_DATE_EPOCH`, else
    /// the commit's time (<https://reproducible-builds.org/specs/source-date-epoch/>).
    pub epoch: u64,
}

/// The Rust toolchain that is in force in the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Host triple.
    pub host: String,
    /// `rustc -V`.
    pub rustc: String,
    /// Release, `1.95.0`.
    pub release: String,
    /// Commit hash of the compiler, as it appears in paths of the standard library (`/rustc/HASH`).
    pub commit_hash: String,
    /// The sysroot, absolute.
    pub sysroot: PathBuf,
    /// Triples whose standard library is installed.
    pub targets: BTreeSet<String>,
}

/// The commit that is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Full hash; `unknown` outside a repository.
    pub hash: String,
    /// Its committer time, seconds since 1970-01-01 UTC; 0 outside a repository.
    pub time: u64,
    /// Whether files differ from it, new ones that are not ignored included.
    pub dirty: bool,
}

impl Facts {
    /// The folder the toolkit works in, which survives from run to run.
    pub fn work_dir(&self) -> PathBuf {
        self.target_dir.join("xtask")
    }

    /// The building machine, as cross-linking sees it.
    pub fn host(&self) -> toolchain::Host {
        toolchain::Host {
            toolchain: self.toolchain.clone(),
            workspace: self.root.clone(),
            target_dir: self.target_dir.clone(),
            cargo_home: self.cargo_home.clone(),
            home: self.home.clone(),
            xtask: self.xtask.clone(),
            support: self.work_dir().join("support"),
            secret_variables: Vec::new(),
        }
    }
}
