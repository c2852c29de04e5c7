//! Which names the members of a bundle have, and which of them cannot lie in it together.

use super::{Names, Rules, formats};
use crate::archive::PATH_BYTES_MAX;
use crate::config::model::{Format, Packages, System, Text};
use std::collections::BTreeMap;
use std::ops::Range;
use strict_toml::Diagnostic;

/// Bytes kept for the folder of an archive, `product-version-triple/`.
const FOLDER_BYTES_MAX: usize = 100;

/// The names that are taken in a bundle, as its system compares them.
pub(super) struct Taken {
    system: System,
    names: BTreeMap<String, By>,
}

#[derive(Clone)]
enum By {
    /// What the bundle holds anyway.
    Itself(&'static str),
    File(Range<usize>),
}

impl Taken {
    /// The names in a bundle before any declared file.
    pub(super) fn of(
        names: &Names<'_>,
        system: System,
        format: Format,
        texts: impl Iterator<Item = Text>,
        sources: &[&str],
    ) -> Self {
        let mut taken = Self { system, names: BTreeMap::new() };
        if format.is_package() {
            for name in [Packages::COPYRIGHT, Packages::CHANGELOG] {
                taken.add(name, By::Itself("what every package has in this folder has this name"));
            }
            return taken;
        }
        taken.add(&names.product.program(system), By::Itself("the program itself has this name"));
        if format != Format::Nsis {
            for text in texts {
                taken.add(&names.text(text), By::Itself("a rendered text has this name"));
            }
            return taken;
        }
        let configuration = names.text(Text::Configuration);
        taken.add(
            &format!("{configuration}.shipped"),
            By::Itself("the installer lays this file down"),
        );
        taken.add(&configuration, By::Itself("the configuration has this name"));
        taken
            .add(&names.text(Text::NsisScript), By::Itself("the installer's script has this name"));
        taken.add("uninstall.exe", By::Itself("the uninstaller has this name"));
        for folder in [".new", ".old", ".gone"] {
            taken.add(folder, By::Itself("the installer keeps files of an upgrade in this folder"));
        }
        let product = names.product;
        for source in std::iter::once(&product.license_file).chain(&product.icon) {
            if !sources.contains(&source.as_str()) {
                let name = source.rsplit('/').next().unwrap_or(source);
                taken.add(
                    name,
                    By::Itself("the licence or the icon, beside the script, has this name"),
                );
            }
        }
        taken
    }

    fn add(&mut self, path: &str, by: By) -> Option<By> {
        self.names.insert(self.folded(path), by)
    }

    fn folded(&self, path: &str) -> String {
        match self.system {
            System::Windows => path.to_lowercase(),
            System::Linux => path.to_owned(),
        }
    }

    /// A file that is the folder of the path, or lies in it.
    fn nested(&self, path: &str) -> bool {
        let path = self.folded(path);
        let is_in = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
        };
        self.names.keys().any(|other| is_in(other, &path) || is_in(&path, other))
    }
}

impl Names<'_> {
    /// Base name of a rendered text in a bundle; a test holds it against what is rendered.
    pub(super) fn text(&self, text: Text) -> String {
        let product = &self.product.name;
        match text {
            Text::Configuration => self.configuration.file_name.clone(),
            Text::NsisScript => format!("{product}.nsi"),
            Text::ServiceUnit => format!("{}.service", self.service.name),
            Text::Sysusers => format!("{product}.sysusers.conf"),
            Text::Tmpfiles => format!("{product}.tmpfiles.conf"),
            Text::InstallScript => "install.sh".to_owned(),
            Text::UninstallScript => "uninstall.sh".to_owned(),
            Text::ScrapeConfig => format!("{product}.scrape.yml"),
        }
    }
}

impl Rules<'_> {
    /// A path that its system can hold and that nothing else in the bundle has.
    pub(super) fn member(&mut self, path: &str, span: &Range<usize>, taken: &mut Taken) {
        let refused = path
            .split('/')
            .filter(|_| taken.system == System::Windows)
            .find_map(|part| formats::windows_name(part).err());
        if let Some(invalid) = refused {
            self.mistakes.push(
                Diagnostic::error(invalid.reason).at(span.clone(), "in a bundle for Windows"),
            );
        }
        let max = PATH_BYTES_MAX - FOLDER_BYTES_MAX;
        if path.len() > max {
            let message = format!("the path has {} bytes, more than {max}", path.len());
            self.mistakes.push(Diagnostic::error(message).at(span.clone(), "too long in a bundle"));
        }
        if taken.nested(path) {
            let message = format!("`{path}` is a file and a folder in the bundle");
            self.mistakes.push(Diagnostic::error(message).at(span.clone(), "not both"));
        }
        if let Some(first) = taken.add(path, By::File(span.clone())) {
            let mistake = Diagnostic::error(format!("`{path}` is in the bundle twice"))
                .at(span.clone(), "again");
            self.mistakes.push(match first {
                By::Itself(reason) => mistake.help(reason),
                By::File(first) => mistake.related(first, "first here"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{documents, tests::fixture};

    #[test]
    fn the_name_of_a_text_is_the_one_it_is_rendered_under() {
        let config = fixture::config();
        let (product, service) = (&config.product, &config.service);
        let names = Names { product, service, configuration: &config.configuration };
        let documents =
            documents(&config, &fixture::facts(), &fixture::templates(&config)).unwrap();
        let texts: Vec<_> = documents
            .iter()
            .filter_map(|document| Some((document.text?, &document.name)))
            .collect();
        assert!(texts.len() >= 8);
        for (text, name) in texts {
            assert_eq!(&names.text(text), name);
        }
    }
}
