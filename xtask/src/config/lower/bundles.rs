//! Rules about `bundles.<name>` as seen from a target.

use super::names::Taken;
use super::{Names, Rules};
use crate::config::model::{Bundle, File, Format, System, Text};
use crate::config::raw;
use std::collections::BTreeMap;
use strict_toml::{Diagnostic, Spanned};

impl Rules<'_> {
    pub(super) fn bundles(
        &mut self,
        system: System,
        names: &[Spanned<String>],
        declared: &BTreeMap<Spanned<String>, raw::Bundle>,
        own_files: &[raw::File],
        all: &Names<'_>,
    ) -> Vec<Bundle> {
        // A name that is not declared may be that of an installer.
        let is_installer = |raw: &raw::Bundle| *raw.format.get() == Format::Nsis;
        let installs = names.iter().any(|name| declared.get(name).is_none_or(is_installer));
        let mut made: Vec<(Format, &Spanned<String>)> = Vec::new();
        let mut bundles = Vec::new();
        for name in names {
            let Some(raw) = self.declared_bundle(name, declared) else { continue };
            let format = *raw.format.get();
            if let Some((_, first)) = made.iter().find(|(other, _)| *other == format) {
                self.mistakes.push(
                    Diagnostic::error(format!(
                        "bundles `{first}` and `{name}` would have the same file name"
                    ))
                    .at(name.span(), "the same format")
                    .related(first.span(), "first here"),
                );
            }
            made.push((format, name));
            let script = raw.texts.iter().find(|text| *text.get() == Text::NsisScript);
            if let Some(script) = script.filter(|_| system == System::Windows && !installs) {
                self.mistakes.push(
                    Diagnostic::error("there is no installer script for this target")
                        .at(script.span(), "made for a target with an installer only")
                        .help("add a bundle of format \"nsis\" to the target, or remove this text"),
                );
            }
            bundles.push(self.bundle(system, name, raw, own_files, all));
        }
        bundles
    }

    fn bundle(
        &mut self,
        system: System,
        name: &Spanned<String>,
        raw: &raw::Bundle,
        own_files: &[raw::File],
        names: &Names<'_>,
    ) -> Bundle {
        let raw::Bundle { format, compression, texts, files } = raw;
        if (*format.get(), system) == (Format::Nsis, System::Linux) {
            self.mistakes.push(
                Diagnostic::error(format!("bundle `{name}` is an installer for Windows"))
                    .at(name.span(), "of a Linux target")
                    .related(format.span(), "its format"),
            );
        }
        if let Some(compression) = compression.as_ref().filter(|_| *format.get() != Format::Nsis) {
            self.mistakes.push(
                Diagnostic::error(format!("bundle `{name}` is no installer"))
                    .at(compression.span(), "for the format \"nsis\" alone")
                    .related(format.span(), "its format")
                    .help("remove `compression`"),
            );
        }
        if format.get().is_package() {
            self.package(system, name, format);
        }
        if *format.get() == Format::Nsis && names.product.icon.is_none() {
            self.mistakes.push(
                Diagnostic::error(format!("bundle `{name}` is an installer and needs an icon"))
                    .at(format.span(), "an installer")
                    .help("set `icon` in `[product]`"),
            );
        }
        self.install_script(texts);
        for text in texts {
            self.text(system, *format.get(), text);
        }
        let sources: Vec<&str> =
            files.iter().chain(own_files).map(|file| file.source.as_str()).collect();
        let own_texts = texts.iter().map(|text| *text.get());
        let mut taken = Taken::of(names, system, *format.get(), own_texts, &sources);
        let files = files
            .iter()
            .chain(own_files)
            .map(|file| self.bundled_file(file, *format.get(), &mut taken))
            .collect();
        let texts = texts.iter().map(|text| *text.get()).collect();
        let compression = compression.as_ref().map(|it| *it.get()).unwrap_or_default();
        Bundle { name: name.get().clone(), format: *format.get(), compression, texts, files }
    }

    fn package(&mut self, system: System, name: &Spanned<String>, format: &Spanned<Format>) {
        if system == System::Windows {
            self.mistakes.push(
                Diagnostic::error(format!("bundle `{name}` is a package for Linux"))
                    .at(name.span(), "of a Windows target")
                    .related(format.span(), "its format"),
            );
        }
    }

    /// `install.sh` refuses to run without the files that it lays down.
    fn install_script(&mut self, texts: &[Spanned<Text>]) {
        const NEEDED: [(Text, &str); 5] = [
            (Text::Configuration, "configuration"),
            (Text::ServiceUnit, "service-unit"),
            (Text::Sysusers, "sysusers"),
            (Text::Tmpfiles, "tmpfiles"),
            (Text::UninstallScript, "uninstall-script"),
        ];
        let find = |wanted| texts.iter().find(|text| *text.get() == wanted);
        let Some(script) = find(Text::InstallScript) else { return };
        let missing: Vec<_> = NEEDED
            .iter()
            .filter(|(text, _)| find(*text).is_none())
            .map(|(_, name)| format!("`{name}`"))
            .collect();
        if !missing.is_empty() {
            let help = format!("add {} to the texts", missing.join(", "));
            self.mistakes.push(
                Diagnostic::error("the installing script lacks what it installs")
                    .at(script.span(), "refuses to run without them")
                    .help(help),
            );
        }
    }

    /// A text belongs to one system, and an installer lays down its configuration only: the rest is for archives.
    fn text(&mut self, system: System, format: Format, text: &Spanned<Text>) {
        let refused = match (text.get(), system, format) {
            (Text::Configuration | Text::ScrapeConfig, _, Format::Zip | Format::TarGz)
            | (Text::Configuration, _, Format::Nsis)
            | (Text::NsisScript, System::Windows, Format::Zip | Format::TarGz)
            | (
                Text::ServiceUnit
                | Text::Sysusers
                | Text::Tmpfiles
                | Text::InstallScript
                | Text::UninstallScript,
                System::Linux,
                Format::Zip | Format::TarGz,
            ) => None,
            (_, _, Format::Deb | Format::Rpm | Format::Oci) => {
                Some("a package holds what the service needs, and no other text")
            }
            (Text::NsisScript | Text::ScrapeConfig, _, Format::Nsis) => {
                Some("an installer cannot hold this text")
            }
            (Text::NsisScript, System::Linux, _) => Some("for Windows targets only"),
            (
                Text::ServiceUnit
                | Text::Sysusers
                | Text::Tmpfiles
                | Text::InstallScript
                | Text::UninstallScript,
                ..,
            ) => Some("for Linux targets only"),
        };
        if let Some(reason) = refused {
            self.mistakes.push(
                Diagnostic::error("this text does not belong in this bundle")
                    .at(text.span(), reason),
            );
        }
    }

    fn bundled_file(&mut self, raw: &raw::File, format: Format, taken: &mut Taken) -> File {
        let raw::File { source, path, executable } = raw;
        self.file(source);
        let base_name = source.rsplit('/').next().unwrap_or(source).to_owned();
        let span = path.as_ref().map_or_else(|| source.span(), Spanned::span);
        let path = path.as_ref().map_or(base_name, |path| path.get().clone());
        if format == Format::Nsis && path.contains('/') {
            let message = format!("`{path}` has a folder");
            self.mistakes.push(
                Diagnostic::error(message)
                    .at(span.clone(), "an installer lays all files into the installation folder"),
            );
        }
        self.member(&path, &span, taken);
        File { source: source.get().clone(), path, executable: *executable }
    }
}
