//! Reads the templates from the workspace: the one effect of rendering.

use crate::config::model::Config;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use strict_toml::{Diagnostic, Report, Source};

/// The text of every template, by its path relative to the workspace root (`templates/nsis/installer.nsi.j2`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates(BTreeMap<String, String>);

impl Templates {
    /// Reads the templates a declaration needs. `root` is the workspace root.
    ///
    /// # Errors
    /// Every template that is missing, unreadable or not UTF-8, one report each.
    pub fn load(root: &Path, config: &Config) -> Result<Self, Vec<Report>> {
        let (templates, reports) = Self::readable(root, config);
        if reports.is_empty() { Ok(templates) } else { Err(reports) }
    }

    /// Those that can be read, and a report for each of the others.
    pub(super) fn readable(root: &Path, config: &Config) -> (Self, Vec<Report>) {
        let (mut templates, mut reports) = (BTreeMap::new(), Vec::new());
        for (name, purpose) in super::template_paths(config) {
            match read(&root.join(&name)) {
                Ok(text) => drop(templates.insert(name, text)),
                Err(reason) => {
                    let mistake = Diagnostic::error(format!("template `{name}` {reason}"))
                        .note(format!("{purpose} is made from it"));
                    reports.push(Report::new(Source::new(name, ""), vec![mistake]));
                }
            }
        }
        (Self::new(templates), reports)
    }

    /// Takes texts that were read elsewhere. CRLF becomes LF, so that a checkout on Windows renders the same bytes.
    pub fn new(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(texts.into_iter().map(|(path, text)| (path, text.replace("\r\n", "\n"))).collect())
    }

    /// The text of a template.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Every template with its path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

/// The text of a file, or why there is none.
fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() == ErrorKind::NotFound {
        true => "is missing".to_owned(),
        false => format!("cannot be read: {error}"),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        format!("is not UTF-8 in line {line}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::fixture;

    #[test]
    fn all_templates_that_cannot_be_read_are_told_with_what_they_are_for() {
        let config = fixture::config();
        let folder = tempfile::tempdir().unwrap();
        for (name, _) in super::super::template_paths(&config) {
            let path = folder.path().join(&name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text: &[u8] = if name.ends_with(".nsi.j2") { b"a\nb\xff\n" } else { b"" };
            if !name.ends_with("uninstall.sh.j2") {
                std::fs::write(path, text).unwrap();
            }
        }
        let reports = Templates::load(folder.path(), &config).unwrap_err();
        let told: Vec<String> = reports.iter().map(ToString::to_string).collect();
        assert_eq!(
            told.join("\n"),
            "error: template `templates/nsis/installer.nsi.j2` is not UTF-8 in line 2
--> templates/nsis/installer.nsi.j2
 = note: the installer script is made from it
error: template `templates/systemd/uninstall.sh.j2` is missing
--> templates/systemd/uninstall.sh.j2
 = note: a text of the Linux bundles is made from it"
        );
    }
}
