//! `cargo xtask docs`: the pages, or parts of pages, that are made from the code.

use crate::cli::Docs;
use crate::error::Error;
use crate::exec::files;
use crate::facts::gather;
use crate::{documentation, report};
use similar::TextDiff;
use std::path::Path;

pub(super) fn run(arguments: &Docs) -> Result<(), Error> {
    let root = gather(Path::new("."))?.root;
    let mut differing = 0;
    for page in documentation::pages() {
        let path = root.join(page.path);
        let old = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        if old == page.contents {
            continue;
        }
        differing += 1;
        if arguments.check {
            let diff = TextDiff::from_lines(&old, &page.contents);
            report::data(&diff.unified_diff().header(page.path, page.path).to_string());
        } else {
            files::write(&path, page.contents.as_bytes(), 0o644)?;
            report::data(page.path);
        }
    }
    if arguments.check && differing > 0 {
        return Err(Error::Findings(format!(
            "{differing} pages differ; run `cargo xtask docs` to write them"
        )));
    }
    Ok(())
}
