//! What is made once and used by many tests: under `target/rigs/`, whole or not there at all.

use std::fs::File;
use std::path::{Path, PathBuf};

/// The folder of all rigs: `rigs` in cargo's target folder.
///
/// # Panics
/// When it cannot be made.
pub fn folder() -> PathBuf {
    let folder = target_folder().join("rigs");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Cargo's target folder: a test program is `target/PROFILE/deps/NAME`.
///
/// # Panics
/// When the test program was moved elsewhere.
pub fn target_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).expect("cargo puts tests three folders deep").to_owned()
}

/// Holds the lock `name` until dropped, against other test programs as well.
///
/// # Panics
/// When the lock file cannot be made.
pub fn lock(name: &str) -> File {
    let file = File::create(folder().join(format!("{name}.lock"))).unwrap();
    file.lock().unwrap();
    file
}

/// The folder `name`, made by `make` unless it is there already; `make` fills the folder it is given, which gets its
/// name only when that is done.
///
/// # Panics
/// When folders cannot be made, or `make` does.
pub fn once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let made = folder().join(name);
    let _lock = lock(name);
    if !made.exists() {
        let unfinished = folder().join(format!("{name}.unfinished"));
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).unwrap();
        }
        std::fs::create_dir(&unfinished).unwrap();
        make(&unfinished);
        std::fs::rename(&unfinished, &made).unwrap();
    }
    made
}
