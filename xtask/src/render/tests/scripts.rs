//! The shell scripts, run by a real shell on a staged root.

use super::fixture;
use crate::config::model::Text;
use crate::render::{Document, documents};
use crate::stock_tools::run;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const CONFIG: &str = "etc/acme-gate/gate.toml";
const NEW: &str = "etc/acme-gate/gate.toml.new";

/// An unpacked bundle and a root to stage into.
struct Staging {
    folder: TempDir,
}

impl Staging {
    fn new() -> Self {
        let config = fixture::config();
        let documents = documents(&config, &fixture::facts(), &fixture::templates(&config))
            .unwrap_or_else(|reports| panic!("{}", reports[0]));
        let staging = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(staging.bundle()).unwrap();
        let wanted = |document: &&Document| {
            document.serves("x86_64-unknown-linux-musl") && document.text.is_some()
        };
        for document in documents.iter().filter(wanted) {
            assert_ne!(document.text, Some(Text::NsisScript));
            staging.ship(&document.name, &document.contents);
        }
        staging.ship("acmed", "program 1");
        staging
    }

    fn bundle(&self) -> PathBuf {
        // Spaces and quotes in the folder an administrator unpacks to are nobody's fault.
        self.folder.path().join("un'packed here")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("the root")
    }

    fn ship(&self, name: &str, contents: &str) {
        std::fs::write(self.bundle().join(name), contents).unwrap();
    }

    /// Runs a script; nothing where there is no shell.
    #[track_caller]
    fn run(&self, script: &str, arguments: &[&str]) -> Option<String> {
        let script = self.bundle().join(script);
        let root = self.root();
        let mut words = vec![script.to_str().unwrap(), "--root", root.to_str().unwrap()];
        words.extend(arguments);
        let answer = run(self.folder.path(), "sh", &words, "")?;
        assert!(answer.success, "{}", answer.text);
        Some(answer.text)
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root().join(path)).ok()
    }

    /// Every file below the root.
    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.root(), &self.root(), &mut files);
        files.sort();
        files
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn installing_twice_changes_nothing_the_second_time() {
    let staging = Staging::new();
    let Some(said) = staging.run("install.sh", &[]) else { return };
    assert!(said.contains("wrote "), "{said}");
    assert_eq!(
        staging.files(),
        [
            CONFIG,
            "etc/systemd/system/acme.service",
            "etc/sysusers.d/acme-gate.conf",
            "etc/tmpfiles.d/acme-gate.conf",
            "usr/local/bin/acmed",
            "usr/local/share/acme-gate/gate.toml",
            "usr/local/share/acme-gate/made-folders",
            "usr/local/share/acme-gate/uninstall.sh",
        ]
    );
    let said = staging.run("install.sh", &["--no-start"]).unwrap();
    assert!(!said.contains("wrote "), "{said}");
}

#[cfg(unix)]
#[test]
fn programs_can_be_run_and_the_configuration_is_not_for_everybody() {
    use std::os::unix::fs::PermissionsExt;
    let staging = Staging::new();
    if staging.run("install.sh", &[]).is_none() {
        return;
    }
    for (path, mode) in [("usr/local/bin/acmed", 0o755), (CONFIG, 0o640)] {
        let permissions = std::fs::metadata(staging.root().join(path)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn an_edited_configuration_is_kept_and_the_new_default_laid_beside_it() {
    let staging = Staging::new();
    if staging.run("install.sh", &[]).is_none() {
        return;
    }
    std::fs::write(staging.root().join(CONFIG), "edited").unwrap();
    staging.ship("gate.toml", "default 2");
    let said = staging.run("install.sh", &[]).unwrap();
    assert!(said.contains("which was edited"), "{said}");
    assert_eq!(staging.read(CONFIG).unwrap(), "edited");
    assert_eq!(staging.read(NEW).unwrap(), "default 2");
    let said = staging.run("uninstall.sh", &[]).unwrap();
    assert!(said.contains("it was edited"), "{said}");
    assert_eq!(staging.files(), [CONFIG], "nothing but the edited configuration is left");
    let said = staging.run("uninstall.sh", &["--purge"]).unwrap();
    assert!(!said.contains("kept"), "{said}");
    assert_eq!(staging.files(), [""; 0]);
}

#[test]
fn a_configuration_that_nobody_edited_follows_the_release_and_leaves_with_it() {
    let staging = Staging::new();
    if staging.run("install.sh", &[]).is_none() {
        return;
    }
    staging.ship("gate.toml", "default 2");
    staging.ship("acmed", "program 2");
    staging.run("install.sh", &[]).unwrap();
    assert_eq!(staging.read(CONFIG).unwrap(), "default 2");
    assert_eq!(staging.read(NEW), None);
    assert_eq!(staging.read("usr/local/bin/acmed").unwrap(), "program 2");
    staging.run("uninstall.sh", &[]).unwrap();
    assert_eq!(staging.files(), [""; 0]);
    assert!(!staging.root().join("etc").exists(), "a folder that was made is left");
    staging.run("uninstall.sh", &[]).unwrap();
}

#[test]
fn state_is_kept_unless_it_is_empty_or_purged() {
    let staging = Staging::new();
    if staging.run("install.sh", &[]).is_none() {
        return;
    }
    std::fs::create_dir_all(staging.root().join("var/lib/acme-gate")).unwrap();
    std::fs::create_dir_all(staging.root().join("var/log/acme-gate")).unwrap();
    std::fs::write(staging.root().join("var/log/acme-gate/a.log"), "a").unwrap();
    let said = staging.run("uninstall.sh", &[]).unwrap();
    assert!(said.contains("it is not empty"), "{said}");
    assert_eq!(staging.files(), ["var/log/acme-gate/a.log"]);
    assert!(!staging.root().join("var/lib/acme-gate").exists());
    staging.run("uninstall.sh", &["--purge"]).unwrap();
    assert_eq!(staging.files(), [""; 0]);
}

#[test]
fn help_teaches_and_a_wrong_argument_is_refused() {
    let staging = Staging::new();
    for script in ["install.sh", "uninstall.sh"] {
        let Some(help) = staging.run(script, &["--help"]) else { return };
        assert!(help.contains("usage: ") && help.contains("Acme Gate"), "{help}");
        let path = staging.bundle().join(script);
        let answer =
            run(staging.folder.path(), "sh", &[path.to_str().unwrap(), "--rot"], "").unwrap();
        assert!(
            !answer.success && answer.text.contains("unknown argument: --rot"),
            "{}",
            answer.text
        );
    }
}

#[test]
fn an_empty_root_is_refused_rather_than_taken_for_the_live_system() {
    let staging = Staging::new();
    for script in ["install.sh", "uninstall.sh"] {
        let path = staging.bundle().join(script);
        // `--help` behind it: a script that takes the empty root goes no further than that.
        for root in [&["--root", "", "--help"][..], &["--root=", "--help"], &["--root"]] {
            let words: Vec<&str> = [path.to_str().unwrap()].iter().chain(root).copied().collect();
            let command = "sh \"$@\"; echo \"code $?\"";
            let words = [&["-c", command, "sh"], &words[..]].concat();
            let Some(answer) = run(staging.folder.path(), "sh", &words, "") else { return };
            assert!(answer.text.contains("--root needs a folder"), "{}", answer.text);
            assert!(answer.text.contains("code 2"), "{}", answer.text);
        }
    }
}

#[test]
fn nothing_in_an_image_tells_of_the_folder_it_was_staged_in() {
    let staging = Staging::new();
    if staging.run("install.sh", &[]).is_none() {
        return;
    }
    let folder = staging.folder.path().to_str().unwrap();
    for file in staging.files() {
        assert!(!staging.read(&file).unwrap().contains(folder), "{file}");
    }
    let made = staging.read("usr/local/share/acme-gate/made-folders").unwrap();
    assert!(made.lines().any(|line| line == "/etc/acme-gate"), "{made}");
}

#[test]
fn an_incomplete_bundle_is_not_half_installed() {
    let staging = Staging::new();
    std::fs::remove_file(staging.bundle().join("acme.service")).unwrap();
    let path = staging.bundle().join("install.sh");
    let root = staging.root();
    let words = [path.to_str().unwrap(), "--root", root.to_str().unwrap()];
    let Some(answer) = run(staging.folder.path(), "sh", &words, "") else { return };
    assert!(!answer.success && answer.text.contains("acme.service is missing"), "{}", answer.text);
    assert_eq!(staging.files(), [""; 0]);
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let config = fixture::config();
    let documents = documents(&config, &fixture::facts(), &fixture::templates(&config))
        .unwrap_or_else(|reports| panic!("{}", reports[0]));
    // Packages execute their scripts too.
    let scripts: Vec<_> = documents.iter().filter(|document| document.executable).collect();
    assert!(scripts.len() >= 8);
    for script in scripts {
        let arguments = ["--shell=sh", "-"];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let Some(answer) = run(folder, "shellcheck", &arguments, &script.contents) else { return };
        assert!(answer.success, "{}: {}", script.path, answer.text);
    }
}
