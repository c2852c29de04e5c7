//! What running a plan needs beside the plan, for every command that runs one.

use super::{Credentials, Project};
use crate::doctor::Finding;
use crate::error::Error;
use crate::exec::keys::KeyPair;
use crate::exec::{Context, files};
use crate::plan::Roots;
use crate::toolchain::Host;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What running a plan needs.
pub(super) fn context(
    project: &Project,
    findings: &[Finding],
    keys: Option<KeyPair>,
    credentials: Credentials,
    out: PathBuf,
    jobs: Option<usize>,
) -> Context {
    let work = project.facts.work_dir();
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    Context {
        roots: Roots {
            workspace: project.facts.root.clone(),
            target: project.facts.target_dir.clone(),
            release: work.join("release"),
            work,
        },
        out,
        host: Host { secret_variables: project.config.secret_variables(), ..project.facts.host() },
        keys,
        codesign: credentials.codesign,
        gpg: credentials.gpg,
        tools: tools(project, findings),
        jobs: jobs.unwrap_or_else(processors),
    }
}

/// The versions of what takes part in making bytes.
fn tools(project: &Project, findings: &[Finding]) -> BTreeMap<String, String> {
    let makers = findings.iter().filter(|finding| finding.makes_bytes());
    let found = makers.filter_map(|finding| Some((finding.name.clone(), finding.found.clone()?)));
    found
        .chain([
            ("rustc".to_owned(), project.facts.toolchain.rustc.clone()),
            ("xtask".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ])
        .collect()
}

/// Two runs in one work folder would write the same files.
pub(super) fn lock(work: &Path) -> Result<File, Error> {
    files::create_folder(work)?;
    let path = work.join("lock");
    let file = File::create(&path).map_err(files::at("cannot make", &path))?;
    if file.try_lock().is_err() {
        eprintln!("another `cargo xtask dist` works in {}; waiting for it", work.display());
        file.lock().map_err(files::at("cannot lock", &path))?;
    }
    Ok(file)
}
