//! `makensis` is believed only when what it wrote is there and of a likely size.
//!
//! The compiler here is a shell script that runs the "NSIS script" as one, so each test says what the compiler does.

use super::*;
use crate::plan::Location;
use std::path::PathBuf;

const PAYLOAD_BYTES: u64 = 1000;

struct Site {
    folder: tempfile::TempDir,
    makensis: PathBuf,
}

impl Site {
    /// A compiler that does `what`.
    fn new(what: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let makensis = folder.path().join("makensis");
        // Written by another process: a file that this one has open for writing when it forks cannot be executed.
        let shell = tool::shell_in(folder.path()).unwrap();
        let text = "#!/bin/sh\nfor script; do :; done\n. ./$script\n";
        let program = "cat > \"$0\" && chmod 755 \"$0\"";
        cmd!(shell, "sh -c {program} {makensis}").stdin(text).quiet().run().unwrap();
        let work = folder.path().join("work");
        files::write(&work.join("setup.nsi"), what.as_bytes(), 0o644).unwrap();
        files::write(&work.join("program"), &vec![b'x'; PAYLOAD_BYTES as usize], 0o755).unwrap();
        Self { folder, makensis }
    }

    fn compile(&self, size_max: u64) -> Result<(), String> {
        let member = |name: &str| Member {
            source: Location::Work(name.to_owned()),
            path: name.to_owned(),
            mode: 0o644,
        };
        let payload = [member("program"), member("setup.nsi")];
        let output = &self.folder.path().join("release/setup.exe");
        let (script, installer, payload) = ("setup.nsi", "setup.exe", &payload);
        let secret_variables = &["CARGO_MANIFEST_DIR".to_owned()];
        let uninstaller = None;
        let job =
            Job { script, payload, installer, size_max, output, uninstaller, secret_variables };
        compile_with(&self.makensis, &job, &self.roots()).map_err(|cause| cause.to_string())
    }

    fn roots(&self) -> Roots {
        let root = self.folder.path();
        Roots {
            workspace: root.to_path_buf(),
            target: root.to_path_buf(),
            work: root.join("work"),
            release: root.join("release"),
        }
    }

    /// The installer, if there is one in the release.
    fn made(&self) -> Option<Vec<u8>> {
        fs::read(self.folder.path().join("release/setup.exe")).ok()
    }

    /// Compiling fails so, and nothing reaches the release or stays in the scratch folder.
    #[track_caller]
    fn refuses(&self, expected: &str) {
        let error = self.compile(1_000_000).unwrap_err();
        let error = error.replace(&self.makensis.display().to_string(), "makensis");
        assert_eq!(error, expected);
        self.leaves_nothing();
    }

    #[track_caller]
    fn leaves_nothing(&self) {
        assert_eq!(self.made(), None);
        let scratch = self.folder.path().join("work").join(SCRATCH);
        assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
    }
}

#[test]
fn what_the_compiler_writes_beside_the_payload_reaches_the_release() {
    let site = Site::new("cat program program > setup.exe");
    site.compile(1_000_000).unwrap();
    assert_eq!(site.made().unwrap(), [b'x'; 2000]);
    assert_eq!(fs::read_dir(site.folder.path().join("work").join(SCRATCH)).unwrap().count(), 0);
}

#[test]
fn it_does_not_see_the_variables_with_secrets() {
    // One that cargo sets for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let site = Site::new("test -z \"$CARGO_MANIFEST_DIR\" && cat program > setup.exe");
    site.compile(1_000_000).unwrap();
}

#[test]
fn the_folder_it_compiles_in_holds_the_payload_and_nothing_else() {
    let site = Site::new("{ ls -A; cat program; } > ../../list; cp ../../list setup.exe");
    site.compile(1_000_000).unwrap();
    let list = String::from_utf8(site.made().unwrap()).unwrap();
    assert!(list.starts_with("program\nsetup.nsi\nx"), "{list}");
}

#[test]
fn a_failure_is_told_with_command_status_and_output() {
    Site::new("echo compiling; echo 'Error in line 7' >&2; exit 1").refuses(
        "makensis -NOCONFIG -V2 -WX -INPUTCHARSET UTF8 setup.nsi\nexit status: 1\n    compiling\n    Error in line 7",
    );
}

#[test]
fn success_without_an_installer_is_a_failure() {
    Site::new("echo Error: nothing done").refuses(
        "makensis -NOCONFIG -V2 -WX -INPUTCHARSET UTF8 setup.nsi\nsetup.exe has 0 bytes for a payload of 1024\n    Error: nothing done",
    );
}

#[test]
fn an_installer_that_cannot_hold_its_payload_is_refused() {
    let site = Site::new("printf stub > setup.exe");
    site.refuses("makensis -NOCONFIG -V2 -WX -INPUTCHARSET UTF8 setup.nsi\nsetup.exe has 4 bytes for a payload of 1023");
}

#[test]
fn an_installer_above_its_limit_is_refused() {
    let site = Site::new("cat program > setup.exe");
    site.compile(PAYLOAD_BYTES).unwrap();
    fs::remove_file(site.folder.path().join("release/setup.exe")).unwrap();
    let error = site.compile(PAYLOAD_BYTES - 1).unwrap_err();
    assert_eq!(
        error,
        "setup.exe has 1000 bytes, 999 are allowed (raise the limit in packaging/release.toml if that is meant)"
    );
    site.leaves_nothing();
}

#[test]
fn a_compiler_that_is_not_there_is_named() {
    let mut site = Site::new("");
    site.makensis = PathBuf::from("no-such-compiler");
    let error = site.compile(1).unwrap_err();
    assert!(error.contains("no-such-compiler"), "{error}");
    site.leaves_nothing();
}
