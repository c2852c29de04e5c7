//! A release takes the place of the previous one whole, or the previous one stays.

use super::*;
use std::collections::BTreeMap;

/// A finished release in `from`, and the place it is to go to.
struct Site {
    folder: tempfile::TempDir,
}

const NAMES: [&str; 2] = ["a.zip", "release.json"];

impl Site {
    /// Nothing is published yet.
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        site.make("one");
        site
    }

    /// A release whose files say `text`.
    fn make(&self, text: &str) {
        for name in NAMES {
            files::write(&self.from().join(name), says(name, text).as_bytes(), 0o600).unwrap();
        }
    }

    fn from(&self) -> PathBuf {
        self.folder.path().join("from")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("dist")
    }

    fn publish(&self) -> Result<(), PublishError> {
        publish(&self.from(), &NAMES, &self.out())
    }

    #[track_caller]
    fn published(&self, text: &str) {
        let expected: BTreeMap<_, _> =
            NAMES.iter().map(|name| ((*name).to_owned(), says(name, text))).collect();
        assert_eq!(contents(&self.out()), expected);
    }

    /// Nothing but these lies beside the release.
    #[track_caller]
    fn beside(&self, expected: &[&str]) {
        assert_eq!(names(self.folder.path()), expected);
    }
}

/// What a file of a release says: `release.json`, which lists the others, says it as the product of a manifest.
fn says(name: &str, text: &str) -> String {
    if name != manifest::FILE_NAME {
        return format!("{name} {text}");
    }
    let manifest = serde_json::json!({
        "schema-version": manifest::SCHEMA_VERSION, "product": text, "version": "1.0.0", "channel": "stable",
        "signed-by": "development", "stub": true, "timestamp": "1970-01-01T00:00:00Z", "tools": {},
        "commit": { "hash": "unknown", "time": "1970-01-01T00:00:00Z", "dirty": true },
        "artifacts": [{
            "name": "a.zip", "kind": "archive", "size": 0, "digests": { "sha256": "" }, "files": [],
        }],
    });
    manifest.to_string()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn contents(folder: &Path) -> BTreeMap<String, String> {
    let read = |name: String| {
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        (name, text)
    };
    names(folder).into_iter().map(read).collect()
}

#[test]
fn a_release_is_published_where_there_was_none_and_over_another() {
    let site = Site::new();
    site.publish().unwrap();
    site.published("one");
    site.make("two");
    site.publish().unwrap();
    site.published("two");
    site.beside(&["dist", "from"]);
}

#[test]
fn what_a_release_consists_of_is_replaced_and_a_file_that_is_not_of_it_keeps_everything() {
    let site = Site::new();
    site.publish().unwrap();
    // All that a release.json of one archive implies.
    for name in ["SHA256SUMS", "SHA256SUMS.minisig", "release.json.minisig"] {
        files::write(&site.out().join(name), b"", 0o644).unwrap();
    }
    site.make("two");
    for foreign in ["notes.txt", "a.zip.minisig", "B2SUMS"] {
        let path = site.out().join(foreign);
        files::write(&path, b"kept", 0o644).unwrap();
        let before = contents(&site.out());
        let error = site.publish().unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{} would be replaced, but {foreign:?} in it is not of its release (move that away, or choose another --out)",
                site.out().display()
            )
        );
        assert_eq!(contents(&site.out()), before);
        site.beside(&["dist", "from"]);
        fs::remove_file(path).unwrap();
    }
    site.publish().unwrap();
    site.published("two");
}

#[test]
fn an_empty_folder_is_replaced() {
    let site = Site::new();
    fs::create_dir(site.out()).unwrap();
    site.publish().unwrap();
    site.published("one");
}

#[test]
fn what_is_published_already_is_not_touched() {
    let site = Site::new();
    site.publish().unwrap();
    let before = fs::metadata(site.out()).unwrap().modified().unwrap();
    site.publish().unwrap();
    assert_eq!(fs::metadata(site.out()).unwrap().modified().unwrap(), before);
}

#[test]
fn what_a_killed_run_left_is_cleared_even_where_nothing_is_new() {
    let site = Site::new();
    site.publish().unwrap();
    for leftover in [".dist.partial/release.json", ".dist.previous/release.json"] {
        files::write(&site.folder.path().join(leftover), b"old", 0o644).unwrap();
    }
    site.publish().unwrap();
    site.published("one");
    site.beside(&["dist", "from"]);
}

#[test]
fn a_folder_that_is_no_release_is_refused_and_kept() {
    let site = Site::new();
    let thesis = site.out().join("thesis.txt");
    files::write(&thesis, b"ten years of work", 0o644).unwrap();
    let error = site.publish().unwrap_err().to_string();
    let out = site.out();
    assert_eq!(
        error,
        format!(
            "{} would be replaced, but it is not empty and holds no release.json (choose another --out, or remove it)",
            out.display()
        )
    );
    assert_eq!(contents(&out).into_values().collect::<Vec<_>>(), ["ten years of work"]);
    site.beside(&["dist", "from"]);
}

#[test]
fn a_release_json_of_something_else_or_a_folder_beside_it_is_no_release() {
    let site = Site::new();
    files::write(&site.out().join("release.json"), b"{}", 0o644).unwrap();
    let error = site.publish().unwrap_err().to_string();
    assert!(error.contains("its release.json is not that of a release"), "{error}");
    files::write(&site.out().join("release.json"), says("release.json", "x").as_bytes(), 0o644)
        .unwrap();
    files::write(&site.out().join("src/a"), b"kept", 0o644).unwrap();
    let error = site.publish().unwrap_err().to_string();
    assert!(error.contains("\"src\" in it is not of its release"), "{error}");
    assert_eq!(fs::read(site.out().join("src/a")).unwrap(), b"kept");
}

#[test]
fn the_toolkits_own_folder_is_refused() {
    let site = Site::new();
    for out in [site.from().join("dist"), site.folder.path().to_path_buf()] {
        let error = check(&out, &site.from()).unwrap_err().to_string();
        assert!(error.contains("the toolkit's own folder"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_refused() {
    let site = Site::new();
    std::os::unix::fs::symlink(site.folder.path().join("nowhere"), site.out()).unwrap();
    assert!(site.publish().unwrap_err().to_string().contains("a link to nowhere"));
}

#[test]
fn a_file_in_the_place_of_the_folder_is_refused() {
    let site = Site::new();
    fs::write(site.out(), "").unwrap();
    let error = site.publish().unwrap_err().to_string();
    let expected = format!("{}: cannot read the folder: ", site.out().display());
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_copy_that_fails_leaves_the_previous_release_and_no_half_of_the_new() {
    let site = Site::new();
    site.publish().unwrap();
    site.make("two");
    fs::remove_file(site.from().join("release.json")).unwrap();
    let error = site.publish().unwrap_err().to_string();
    let expected = format!("{}: cannot read: ", site.from().join("release.json").display());
    assert!(error.starts_with(&expected), "{error}");
    site.published("one");
    site.beside(&["dist", "from"]);
}

#[test]
fn without_an_exchange_the_previous_release_is_moved_aside() {
    let site = Site::new();
    site.publish().unwrap();
    site.make("two");
    let [partial, aside] = ["partial", "previous"].map(|suffix| beside(&site.out(), suffix));
    fill(&partial, &site.from(), &NAMES).unwrap();
    move_over(&partial, &site.out(), &aside).unwrap();
    site.published("two");
    assert_eq!(contents(&aside)["a.zip"], "a.zip one");
    site.publish().unwrap();
    site.beside(&["dist", "from"]);
}

#[test]
fn a_move_that_fails_is_undone() {
    let site = Site::new();
    site.publish().unwrap();
    let [partial, aside] = ["partial", "previous"].map(|suffix| beside(&site.out(), suffix));
    let error = move_over(&partial, &site.out(), &aside).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot rename to: ", site.out().display())), "{error}");
    site.published("one");
    site.beside(&["dist", "from"]);
}

#[test]
fn a_release_that_was_only_moved_aside_comes_back_when_the_next_one_fails() {
    let site = Site::new();
    site.publish().unwrap();
    fs::rename(site.out(), beside(&site.out(), "previous")).unwrap();
    fs::remove_file(site.from().join("a.zip")).unwrap();
    site.publish().unwrap_err();
    site.published("one");
    site.beside(&["dist", "from"]);
}

#[cfg(unix)]
#[test]
fn where_a_link_leads_to_the_folder_the_link_stays() {
    let site = Site::new();
    let real = site.folder.path().join("real");
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, site.out()).unwrap();
    site.publish().unwrap();
    site.make("two");
    site.publish().unwrap();
    site.published("two");
    assert_eq!(contents(&real), contents(&site.out()));
    assert!(fs::symlink_metadata(site.out()).unwrap().is_symlink());
    site.beside(&["dist", "from", "real"]);
}
