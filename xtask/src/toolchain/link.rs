//! This program as a linker: what rustc calls so that a PDB does not name the folders of the machine it was made on.
//!
//! lld-link writes its arguments and the path of every object into the PDB, and the PDB's hash into the program. So
//! it is run in an empty folder where a link of a fixed name stands for each root, with the arguments rewritten to go
//! through these; the paths it then sees are the same everywhere. rustc passes `-flavor link` first (as it does to
//! rust-lld), and cargo passes on [`JOB`], which [`super::cargo_invocation`] wrote. Nothing here plans.

use super::{Host, ToolchainError};
use crate::tool::{self, Answer};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use xshell::cmd;

/// The environment variable that holds the [`Job`], as JSON.
pub const JOB: &str = "XTASK_LINK_JOB";

/// What the linker needs to know beyond its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Job {
    /// The linker itself, `rust-lld`.
    program: PathBuf,
    /// Folders of import libraries.
    libraries: Vec<PathBuf>,
    /// Absolute folders and the names that stand for them, the narrower before the wider.
    roots: Vec<(PathBuf, String)>,
}

impl Job {
    /// With the files that [`super::self_contained::install`] writes.
    pub fn self_contained(host: &Host) -> Self {
        Self::new(host, vec![host.support.clone()])
    }

    /// With an SDK in `cache`; cargo-xwin itself names the library folders.
    pub fn xwin(host: &Host, cache: &Path) -> Self {
        let mut job = Self::new(host, Vec::new());
        job.roots.insert(0, (cache.to_owned(), "xwin".to_owned()));
        job
    }

    fn new(host: &Host, libraries: Vec<PathBuf>) -> Self {
        let root = |path: &Path, name: &str| (path.to_owned(), name.to_owned());
        let roots = vec![
            root(&host.support, "support"),
            root(&host.target_dir, "target"),
            root(&host.workspace, "src"),
            root(&host.toolchain.sysroot, "rust"),
            root(&host.cargo_home, "cargo"),
        ];
        Self { program: host.rust_tool("rust-lld"), libraries, roots }
    }

    /// The value of [`JOB`].
    pub fn encode(&self) -> String {
        serde_json::to_string(self)
            .expect("a struct of paths that were checked to be Unicode has a JSON form")
    }

    /// An argument with the root in it, if one is, replaced by the link's name: `/root/file`, `/OPTION:/root/file`.
    fn rewrite(&self, argument: &str) -> String {
        for (root, name) in &self.roots {
            let Some(root) = root.to_str() else { continue };
            let Some(at) = argument.find(root) else { continue };
            let (before, after) = (&argument[..at], &argument[at + root.len()..]);
            let whole_path = before.is_empty() || before.ends_with(':');
            if whole_path && (after.is_empty() || after.starts_with('/')) {
                return format!("{before}{name}{after}");
            }
        }
        argument.to_owned()
    }
}

/// The folder with a random name in which rustc leaves what it makes for one link: before link-time optimisation a copy of
/// each library that holds C objects, without the Rust ones.
fn temporary_folder(argument: &str) -> Option<PathBuf> {
    let path = &argument[argument.find(":/").map_or(0, |colon| colon + 1)..];
    let is_random = |name: &str| {
        let random = name.strip_prefix("rustc").unwrap_or_default();
        random.len() == 6 && random.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let mut folders = Path::new(path).ancestors().skip(1);
    let found = folders
        .find(|folder| folder.file_name().and_then(|name| name.to_str()).is_some_and(is_random));
    found.filter(|folder| folder.is_absolute()).map(Path::to_path_buf)
}

/// Links, if this process was started as a linker; `None` says that it was not.
///
/// To be asked first thing in `main`, with the arguments after the program's name and the value of [`JOB`].
pub fn intercept(arguments: &[String], job: Option<&str>) -> Option<ExitCode> {
    let (flavor, job) = (arguments.first()?, job?);
    if flavor != "-flavor" {
        return None;
    }
    Some(link(arguments, job).unwrap_or_else(|error| {
        eprintln!("xtask as linker: {error}");
        ExitCode::FAILURE
    }))
}

fn link(arguments: &[String], job: &str) -> Result<ExitCode, ToolchainError> {
    let mut job: Job =
        serde_json::from_str(job).map_err(|source| ToolchainError::Job { source })?;
    let folder = tempfile::tempdir().map_err(|source| ToolchainError::File {
        action: "created as a temporary folder",
        path: std::env::temp_dir(),
        source,
    })?;
    let mut arguments = expanded(arguments)?;
    arguments.extend(job.libraries.iter().map(|folder| format!("/LIBPATH:{}", folder.display())));
    let program = if cfg!(unix) {
        // Named by their order here, which is the same in any folder.
        let mut temporary: Vec<PathBuf> = Vec::new();
        for folder in arguments.iter().filter_map(|argument| temporary_folder(argument)) {
            if !temporary.contains(&folder) {
                temporary.push(folder);
            }
        }
        let named =
            temporary.into_iter().enumerate().map(|(at, path)| (path, format!("rustc{at}")));
        job.roots.splice(..0, named);
        arguments = arguments.iter().map(|argument| job.rewrite(argument)).collect();
        // What the linker makes of a relative path where it wants an absolute one.
        arguments.push("/PDBSOURCEPATH:/build".to_owned());
        for (root, name) in &job.roots {
            symlink(root, &folder.path().join(name))?;
        }
        symlink(&job.program, &folder.path().join("rust-lld"))?;
        PathBuf::from("./rust-lld")
    } else {
        job.program.clone()
    };
    spawn(&program, &arguments, folder.path())
}

fn spawn(program: &Path, arguments: &[String], folder: &Path) -> Result<ExitCode, ToolchainError> {
    let shell = tool::shell_in(folder)?;
    let (flavor, rest) = arguments.split_at(arguments.len().min(2));
    let response = folder.join("arguments");
    write(&response, &rest.iter().map(|argument| quoted(argument)).collect::<String>())?;
    let mut command = cmd!(shell, "{program} {flavor...} @arguments");
    for variable in ["LIB", "LINK", "_LINK_"] {
        command = command.env_remove(variable);
    }
    let Answer { printed, status, .. } = tool::ask(command)?;
    eprint!("{printed}");
    for library in missing_libraries(&printed) {
        eprintln!(
            "xtask as linker: there is no import library for {library}.dll; {HINT}/{library}.def"
        );
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const HINT: &str = "list the names it exports in xtask/src/toolchain/self_contained/imports";

/// What the linker could not open, by its own words: `could not open 'winmm.lib': …`.
fn missing_libraries(printed: &str) -> std::collections::BTreeSet<&str> {
    printed
        .lines()
        .filter_map(|line| line.split_once("could not open '")?.1.split_once(".lib'"))
        .map(|(library, _)| library)
        .filter(|library| !library.contains('/'))
        .collect()
}

/// The arguments with a file of arguments (`@FILE`, which rustc uses when there are too many) read in.
fn expanded(arguments: &[String]) -> Result<Vec<String>, ToolchainError> {
    let mut all = Vec::new();
    for argument in arguments {
        match argument.strip_prefix('@') {
            Some(file) => all.extend(response_file(Path::new(file))?),
            None => all.push(argument.clone()),
        }
    }
    Ok(all)
}

/// rustc writes an argument a line, quoted, as UTF-16 with a byte order mark for this flavor of linker.
fn response_file(path: &Path) -> Result<Vec<String>, ToolchainError> {
    let bytes = std::fs::read(path).map_err(|source| ToolchainError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let text = match bytes.strip_prefix(b"\xff\xfe") {
        Some(units) => {
            let units: Vec<u16> =
                units.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
            String::from_utf16(&units).ok()
        }
        None => String::from_utf8(bytes).ok(),
    };
    let text = text.ok_or_else(|| ToolchainError::ResponseFile { path: path.to_owned() })?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(unquoted).collect())
}

fn quoted(argument: &str) -> String {
    format!("\"{}\"\n", argument.replace('"', "\\\""))
}

fn unquoted(line: &str) -> String {
    let inner = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(line);
    inner.replace("\\\"", "\"")
}

fn write(path: &Path, contents: &str) -> Result<(), ToolchainError> {
    std::fs::write(path, contents).map_err(|source| ToolchainError::File {
        action: "written",
        path: path.to_owned(),
        source,
    })
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> Result<(), ToolchainError> {
    std::os::unix::fs::symlink(target, link).map_err(|source| ToolchainError::File {
        action: "linked",
        path: link.to_owned(),
        source,
    })
}

/// Never called: elsewhere the arguments stay as they are.
#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> Result<(), ToolchainError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let roots = [("/w/target/x", "support"), ("/w/target", "target"), ("/w", "src")];
        Job {
            program: "/rust/rust-lld".into(),
            libraries: Vec::new(),
            roots: roots.map(|(path, name)| (path.into(), name.into())).into(),
        }
    }

    #[test]
    fn paths_below_a_root_go_through_its_link() {
        assert_eq!(job().rewrite("/w/target/deps/a.o"), "target/deps/a.o");
        assert_eq!(job().rewrite("/OUT:/w/target/a.exe"), "/OUT:target/a.exe");
        assert_eq!(job().rewrite("/LIBPATH:/w/target/x"), "/LIBPATH:support");
        assert_eq!(job().rewrite("/w/lib/a.lib"), "src/lib/a.lib");
    }

    #[test]
    fn paths_that_only_look_alike_stay() {
        for argument in ["/wide/a.o", "/x/w/a.o", "/OUT:rel/w", "kernel32.lib", "/Brepro"] {
            assert_eq!(job().rewrite(argument), argument);
        }
    }

    #[test]
    fn a_folder_with_a_random_name_of_rustcs_is_found() {
        let found = |argument| temporary_folder(argument);
        let folder = Some(PathBuf::from("/w/target/deps/rustcL6h4XO"));
        assert_eq!(found("/w/target/deps/rustcL6h4XO/libring-9610d3263097eb3c.rlib"), folder);
        assert_eq!(found("/DEF:/w/target/deps/rustcL6h4XO/lib.def"), folder);
        assert_eq!(found("/w/rustc/a.o"), None);
        assert_eq!(found("/rust/lib/rustlib/x/librustc_demangle-0123.rlib"), None);
        assert_eq!(found("/Brepro"), None);
    }

    #[test]
    fn a_job_survives_its_encoding() {
        assert_eq!(serde_json::from_str::<Job>(&job().encode()).unwrap(), job());
    }

    #[test]
    fn another_start_is_not_taken_for_a_linker() {
        let job = job().encode();
        assert!(intercept(&["dist".to_owned()], Some(&job)).is_none());
        assert!(intercept(&["-flavor".to_owned(), "link".to_owned()], None).is_none());
        assert!(intercept(&[], Some(&job)).is_none());
    }

    #[test]
    fn response_files_are_read_in_both_encodings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("args");
        let text = "\"/OUT:a b.exe\"\n\"say \\\"hi\\\"\"\n";
        let wide = text.encode_utf16().flat_map(u16::to_le_bytes);
        for bytes in [text.as_bytes().to_vec(), b"\xff\xfe".iter().copied().chain(wide).collect()] {
            std::fs::write(&path, bytes).unwrap();
            let arguments =
                expanded(&["-flavor".to_owned(), format!("@{}", path.display())]).unwrap();
            assert_eq!(arguments, ["-flavor", "/OUT:a b.exe", "say \"hi\""]);
        }
    }

    #[test]
    fn a_missing_import_library_is_named_once() {
        let printed = "rust-lld: error: could not open 'winmm.lib': No such file or directory\n"
            .repeat(2)
            + "rust-lld: error: could not open '/a/b.lib': No such file or directory\n";
        assert_eq!(missing_libraries(&printed).into_iter().collect::<Vec<_>>(), ["winmm"]);
    }
}
