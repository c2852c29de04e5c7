//! The release under test: built by `xtask dist` as a user builds it, once.
//!
//! Where `XTASK_TEST_RELEASE` names a folder, the release there is tested instead; that is how one that was built
//! elsewhere is put through the same tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::{cache, declared, process, tools};

/// Names a folder with a finished release, to be tested as it is.
pub const RELEASE_VARIABLE: &str = "XTASK_TEST_RELEASE";
/// A cold build of all targets, on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// A folder of artifacts.
#[derive(Debug)]
pub struct Release {
    folder: PathBuf,
    manifest: Value,
}

impl Release {
    /// The release of this workspace as it stands, built unless that was done.
    ///
    /// # Panics
    /// When it cannot be built.
    #[track_caller]
    pub fn built() -> &'static Self {
        static RELEASE: OnceLock<Release> = OnceLock::new();
        RELEASE.get_or_init(|| {
            let given = std::env::var_os(RELEASE_VARIABLE).map(PathBuf::from);
            let folder = given.unwrap_or_else(build);
            let text = std::fs::read_to_string(folder.join("release.json")).unwrap();
            Self { folder, manifest: serde_json::from_str(&text).unwrap() }
        })
    }

    /// Where the artifacts are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The public key that the release is signed with: the declared one, else the development key of this workspace.
    pub fn public_key(&self) -> PathBuf {
        match declared::declaration().get("signing").and_then(|signing| signing.get("public-key")) {
            Some(key) => tools::workspace().join(key.as_str().unwrap()),
            None => cache::target_folder().join("xtask-development-key/minisign.pub"),
        }
    }

    /// `release.json`.
    pub fn manifest(&self) -> &Value {
        &self.manifest
    }

    /// The path of an artifact named `PRODUCT-VERSION-rest`.
    ///
    /// # Panics
    /// When it does not exist.
    #[track_caller]
    pub fn artifact(&self, rest: &str) -> PathBuf {
        let [product, version] =
            ["product", "version"].map(|key| self.manifest[key].as_str().unwrap());
        let path = self.folder.join(format!("{product}-{version}-{rest}"));
        assert!(path.is_file(), "{} does not exist", path.display());
        path
    }

    /// Unpacks a `.tar.gz` artifact into `to` and gives the one folder it holds.
    ///
    /// # Panics
    /// When it cannot be unpacked or holds something else.
    #[track_caller]
    pub fn unpack(&self, rest: &str, to: &Path) -> PathBuf {
        let mut command = Command::new("tar");
        command.args([
            "-xzf".as_ref(),
            self.artifact(rest).as_os_str(),
            "-C".as_ref(),
            to.as_os_str(),
        ]);
        process::run(&mut command, Duration::from_secs(300)).success();
        let entries: Vec<_> =
            std::fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [folder] = &entries[..] else { panic!("not one folder: {entries:?}") };
        folder.clone()
    }
}

/// Builds the release of this workspace with `addition` at the end of its declaration, and the environment variables
/// given, into `out`. The declaration is another one for that command only. Needs root, `unshare` and `mount`.
///
/// # Panics
/// When it cannot be built.
#[track_caller]
pub fn build_declared_with(addition: &str, variables: &[(&str, &str)], out: &Path) {
    const SCRIPT: &str = "mount --bind \"$0\" \"$1\" && shift && exec \"$@\"";
    let declaration = tools::workspace().join("packaging/release.toml");
    let text = std::fs::read_to_string(&declaration).unwrap();
    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(other.path(), format!("{text}\n{addition}")).unwrap();
    let _lock = cache::lock("dist");
    let mut wrapper = Command::new("unshare");
    wrapper.args(["--mount", "--propagation=private", "sh", "-c", SCRIPT]);
    wrapper.arg(other.path()).arg(&declaration);
    let mut command = xtask();
    command.args(["dist", "--target", "x86_64-pc-windows-msvc", "--out"]).arg(out);
    command.envs(variables.iter().copied());
    process::run(&mut process::through(wrapper, &command), BUILD_LIMIT).success();
}

fn build() -> PathBuf {
    let folder = cache::folder().join("dist");
    let _lock = cache::lock("dist");
    process::run(xtask().args(["dist", "--out"]).arg(&folder), BUILD_LIMIT).success();
    folder
}

/// The command `cargo xtask`, in the workspace.
///
/// # Panics
/// When it does not compile.
#[track_caller]
pub fn xtask() -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(|| program("xtask")));
    command.current_dir(tools::workspace());
    command
}

/// A program of this workspace, built for this machine without optimisation.
///
/// # Panics
/// When it does not compile.
#[track_caller]
pub fn program(package: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package]).current_dir(tools::workspace());
    process::run(&mut command, BUILD_LIMIT).success();
    cache::target_folder().join("debug").join(format!("{package}{}", std::env::consts::EXE_SUFFIX))
}
