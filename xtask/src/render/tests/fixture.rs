//! A declaration, facts and the repository's templates.

use crate::config::{self, Workspace, model::Config};
use crate::facts::{Commit, Facts, Toolchain};
use crate::render::Templates;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const DECLARATION: &str = include_str!("fixture.toml");

/// A workspace in which every declared file exists.
pub(crate) struct Everything;

impl Workspace for Everything {
    fn is_file(&self, _: &str) -> bool {
        true
    }
    fn is_folder(&self, _: &str) -> bool {
        true
    }
    fn siblings(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn packages(&self) -> BTreeMap<String, Vec<String>> {
        BTreeMap::from([
            ("acme".to_owned(), vec!["acmed".to_owned()]),
            ("edge-node".to_owned(), vec!["edge-node".to_owned()]),
        ])
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// A product whose names all differ from each other and from ours.
pub(crate) fn config() -> Config {
    config::parse(&strict_toml::Source::new("fixture.toml", DECLARATION), &Everything)
        .unwrap_or_else(|report| panic!("{report}"))
}

pub(crate) fn facts() -> Facts {
    let nowhere = PathBuf::from("/nowhere");
    Facts {
        root: nowhere.clone(),
        target_dir: nowhere.clone(),
        xtask: nowhere.clone(),
        cargo_home: nowhere.clone(),
        home: None,
        toolchain: Toolchain {
            host: "x86_64-unknown-linux-gnu".to_owned(),
            rustc: "rustc 1.95.0".to_owned(),
            release: "1.95.0".to_owned(),
            commit_hash: "0".repeat(40),
            sysroot: nowhere,
            targets: Default::default(),
        },
        version: semver::Version::parse("1.2.0-rc.1").expect("a version"),
        commit: Commit { hash: "0".repeat(40), time: 0, dirty: false },
        epoch: 1_700_000_000,
    }
}

/// The templates of the repository.
pub(crate) fn templates(config: &Config) -> Templates {
    Templates::load(root(), config).unwrap_or_else(|reports| panic!("{}", reports[0]))
}
