//! Files are whole or not there, and an error says where.

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn writing_makes_the_folder_and_leaves_nothing_else() {
    let folder = folder();
    let path = folder.path().join("a/b/file");
    write(&path, b"one", 0o644).unwrap();
    write(&path, b"two", 0o644).unwrap();
    assert_eq!(read(&path).unwrap(), b"two");
    assert_eq!(names(path.parent().unwrap()), ["file"]);
}

#[cfg(unix)]
#[test]
fn a_file_has_the_mode_that_was_asked_for_whatever_it_had() {
    let folder = folder();
    let path = folder.path().join("file");
    for wanted in [0o644, 0o755, 0o600] {
        write(&path, b"", wanted).unwrap();
        assert_eq!(mode(&path), wanted);
    }
}

/// A reader that has the file open keeps the old contents: the file is replaced, not written over.
#[cfg(unix)]
#[test]
fn a_reader_sees_the_old_or_the_new_contents() {
    let folder = folder();
    let path = folder.path().join("file");
    write(&path, b"old contents", 0o644).unwrap();
    let mut reader = fs::File::open(&path).unwrap();
    write(&path, b"new", 0o644).unwrap();
    let mut seen = String::new();
    io::Read::read_to_string(&mut reader, &mut seen).unwrap();
    assert_eq!(seen, "old contents");
}

#[test]
fn what_is_there_already_is_not_written() {
    let folder = folder();
    let path = folder.path().join("file");
    assert!(write_if_changed(&path, b"one", 0o644).unwrap());
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    assert!(!write_if_changed(&path, b"one", 0o644).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    assert!(write_if_changed(&path, b"two", 0o644).unwrap());
}

#[cfg(unix)]
#[test]
fn the_same_contents_with_another_mode_are_written() {
    let folder = folder();
    let path = folder.path().join("file");
    assert!(write_if_changed(&path, b"#!/bin/sh\n", 0o644).unwrap());
    assert!(write_if_changed(&path, b"#!/bin/sh\n", 0o755).unwrap());
    assert_eq!(mode(&path), 0o755);
    assert!(!write_if_changed(&path, b"#!/bin/sh\n", 0o755).unwrap());
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_beside_it() {
    let folder = folder();
    let path = folder.path().join("taken");
    fs::create_dir_all(path.join("by a folder")).unwrap();
    let error = write(&path, b"text", 0o644).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot rename to: ", path.display())), "{error}");
    assert_eq!(names(folder.path()), ["taken"]);
    assert_eq!(names(&path), ["by a folder"]);
}

#[test]
fn every_error_has_its_path() {
    let folder = folder();
    let missing = folder.path().join("missing");
    let below_a_file = folder.path().join("file/below");
    fs::write(folder.path().join("file"), "").unwrap();
    #[track_caller]
    fn check<T: std::fmt::Debug>(result: Result<T, FileError>, path: &Path) {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: cannot ", path.display())), "{error}");
    }
    check(read(&missing), &missing);
    check(read_text(&missing), &missing);
    check(copy(&missing, &folder.path().join("to"), 0o644), &missing);
    check(create_folder(&below_a_file), &below_a_file);
    check(write(&below_a_file, b"", 0o644), &folder.path().join("file"));
}

#[test]
fn what_a_killed_write_left_is_removed_and_nothing_else() {
    let folder = folder();
    for name in [".unfinished-x1", ".hidden", "unfinished-", "file"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    remove_unfinished(folder.path()).unwrap();
    assert_eq!(names(folder.path()), [".hidden", "file", "unfinished-"]);
    remove_unfinished(&folder.path().join("missing")).unwrap();
}

#[test]
fn removing_a_folder_that_is_not_there_is_fine() {
    let folder = folder();
    let path = folder.path().join("a");
    write(&path.join("b/c"), b"", 0o644).unwrap();
    remove_folder(&path).unwrap();
    remove_folder(&path).unwrap();
    assert_eq!(names(folder.path()), [""; 0]);
}
