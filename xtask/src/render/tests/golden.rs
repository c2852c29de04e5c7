//! Every rendered file against the one in `golden/`. `UPDATE_GOLDEN=1 cargo test -p xtask golden` writes them anew.

use super::fixture;
use crate::render::documents;
use std::path::{Path, PathBuf};

#[test]
fn every_document_is_as_reviewed() {
    let config = fixture::config();
    let documents = documents(&config, &fixture::facts(), &fixture::templates(&config))
        .unwrap_or_else(|reports| panic!("{}", reports[0]));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/render/tests/golden");
    let mut expected: Vec<PathBuf> = Vec::new();
    for document in &documents {
        let file = folder.join(&document.path);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("golden folder");
            std::fs::write(&file, &document.contents).expect("golden file");
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
        assert_eq!(document.contents, golden, "{}", file.display());
        expected.push(file);
    }
    let mut found = files(&folder);
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "a golden file without a document");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("golden folder");
    let paths = entries.map(|entry| entry.expect("golden entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
