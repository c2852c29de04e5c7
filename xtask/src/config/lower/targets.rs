//! Rules about `targets.<triple>`.

use super::{Names, Rules, formats, unknown};
use crate::config::model::{Format, LinkerChoice, System, Target};
use crate::config::raw;
use crate::toolchain;
use std::collections::{BTreeMap, BTreeSet};
use strict_toml::{ByteSize, Diagnostic, Spanned, suggest};

impl Rules<'_> {
    pub(super) fn targets(
        &mut self,
        raw: &BTreeMap<Spanned<String>, raw::Target>,
        bundles: &BTreeMap<Spanned<String>, raw::Bundle>,
        names: &Names<'_>,
    ) -> Vec<Target> {
        let targets: Vec<_> = raw
            .iter()
            .filter_map(|(triple, target)| self.target(triple, target, bundles, names))
            .collect();
        let used: BTreeSet<_> =
            raw.values().flat_map(|target| &target.bundles).map(Spanned::get).collect();
        for name in bundles.keys().filter(|name| !used.contains(name.get())) {
            let message = format!("bundle `{name}` is declared, but no target makes it");
            self.mistakes.push(
                Diagnostic::error(message)
                    .at(name.span(), "not used")
                    .help("list it in `targets.<triple>.bundles`"),
            );
        }
        targets
    }

    fn target(
        &mut self,
        triple: &Spanned<String>,
        raw: &raw::Target,
        declared: &BTreeMap<Spanned<String>, raw::Bundle>,
        names: &Names<'_>,
    ) -> Option<Target> {
        let raw::Target {
            linker,
            xwin_sdk_version,
            xwin_crt_version,
            required,
            c_compiler,
            size_max,
            installer_size_max,
            dlls,
            bundles,
            files,
        } = raw;
        let system = self.system(triple)?;
        let linker = self.linker(
            triple,
            system,
            linker.as_ref(),
            xwin_sdk_version.as_ref(),
            xwin_crt_version.as_ref(),
        );
        self.windows_only(system, "dlls", dlls.first().map(Spanned::span));
        self.dlls(dlls);
        for size in std::iter::once(size_max).chain(installer_size_max) {
            self.size(size);
        }
        let bundles = self.bundles(system, bundles, declared, files, names);
        let installs = bundles.iter().any(|bundle| bundle.format == Format::Nsis);
        Some(Target {
            triple: triple.get().clone(),
            system,
            linker,
            required: *required,
            c_compiler: *c_compiler,
            size_max: size_max.get().as_u64(),
            installer_size_max: self.installer_size_max(
                triple,
                installer_size_max.as_ref(),
                installs,
            ),
            dlls: dlls.iter().map(|dll| dll.to_ascii_lowercase()).collect(),
            bundles,
        })
    }

    fn dlls(&mut self, dlls: &[Spanned<String>]) {
        for (index, dll) in dlls.iter().enumerate() {
            self.valid(dll, formats::dll_name);
            let mut before = dlls[..index].iter();
            // The same spelling twice is what the schema refuses.
            if let Some(first) =
                before.find(|first| first.eq_ignore_ascii_case(dll) && *first != dll)
            {
                self.mistakes.push(
                    Diagnostic::error(format!("DLL `{dll}` is listed twice"))
                        .at(dll.span(), "again, in other letters")
                        .related(first.span(), "first here"),
                );
            }
        }
    }

    fn size(&mut self, size: &Spanned<ByteSize>) {
        if size.get().as_u64() == 0 {
            self.mistakes.push(
                Diagnostic::error("a size of 0 bytes allows nothing")
                    .at(size.span(), "must be at least \"1B\""),
            );
        }
    }

    fn system(&mut self, triple: &Spanned<String>) -> Option<System> {
        if let Ok(target) = toolchain::Target::parse(triple) {
            return Some(if target.is_windows() { System::Windows } else { System::Linux });
        }
        let known = toolchain::Target::ALL.map(toolchain::Target::triple);
        let diagnostic = Diagnostic::error(format!("unknown target `{triple}`"))
            .at(triple.span(), "not supported");
        let diagnostic = match suggest(triple, known) {
            Some(close) => diagnostic.help(format!("did you mean `{close}`?")),
            None => diagnostic,
        };
        let all = known.map(|known| format!("`{known}`")).join(", ");
        self.mistakes.push(diagnostic.help(format!("allowed: {all}")));
        None
    }

    fn linker(
        &mut self,
        triple: &Spanned<String>,
        system: System,
        linker: Option<&Spanned<raw::Linker>>,
        sdk: Option<&Spanned<String>>,
        crt: Option<&Spanned<String>>,
    ) -> LinkerChoice {
        let kind = linker.map(|linker| *linker.get());
        if let (System::Linux, Some(raw::Linker::Xwin | raw::Linker::Msvc), Some(linker)) =
            (system, kind, linker)
        {
            self.mistakes.push(
                Diagnostic::error(format!("this linker does not make programs for `{triple}`"))
                    .at(linker.span(), "for Windows only")
                    .help("allowed: \"self-contained\""),
            );
        }
        if kind != Some(raw::Linker::Xwin) {
            for version in [sdk, crt].into_iter().flatten() {
                self.mistakes.push(
                    Diagnostic::error("an xwin version without the xwin linker")
                        .at(version.span(), "read by cargo-xwin only")
                        .help("remove it, or set `linker = \"xwin\"`"),
                );
            }
        }
        match (kind, sdk, crt) {
            (None, ..) => LinkerChoice::ByHost,
            (Some(raw::Linker::SelfContained), ..) => LinkerChoice::SelfContained,
            (Some(raw::Linker::Msvc), ..) => LinkerChoice::Msvc,
            (Some(raw::Linker::Xwin), Some(sdk), Some(crt)) => {
                LinkerChoice::Xwin { sdk: sdk.get().clone(), crt: crt.get().clone() }
            }
            (Some(raw::Linker::Xwin), ..) => {
                let span = linker.map_or(0..0, Spanned::span);
                self.mistakes.push(
                    Diagnostic::error("the xwin linker needs pinned versions")
                        .at(span, "which versions?")
                        .help("set `xwin-sdk-version` and `xwin-crt-version`; cargo-xwin takes the newest otherwise"),
                );
                LinkerChoice::ByHost
            }
        }
    }

    fn installer_size_max(
        &mut self,
        triple: &Spanned<String>,
        raw: Option<&Spanned<ByteSize>>,
        installs: bool,
    ) -> u64 {
        match (raw, installs) {
            (Some(size), true) => size.get().as_u64(),
            (None, false) => 0,
            (Some(size), false) => {
                self.mistakes.push(
                    Diagnostic::error(format!(
                        "target `{triple}` has an installer size but no installer"
                    ))
                    .at(size.span(), "no bundle of format \"nsis\""),
                );
                0
            }
            (None, true) => {
                self.mistakes.push(
                    Diagnostic::error(format!(
                        "target `{triple}` has an installer but no `installer-size-max`"
                    ))
                    .at(triple.span(), "in this target")
                    .help("for example `installer-size-max = \"4MB\"`"),
                );
                0
            }
        }
    }

    fn windows_only(&mut self, system: System, key: &str, span: Option<std::ops::Range<usize>>) {
        if let (System::Linux, Some(span)) = (system, span) {
            self.mistakes.push(
                Diagnostic::error(format!("`{key}` is for Windows targets"))
                    .at(span, "not read here"),
            );
        }
    }

    pub(super) fn declared_bundle<'a>(
        &mut self,
        name: &Spanned<String>,
        declared: &'a BTreeMap<Spanned<String>, raw::Bundle>,
    ) -> Option<&'a raw::Bundle> {
        let found = declared.get(name);
        if found.is_none() {
            let names: Vec<String> = declared.keys().map(|name| name.get().clone()).collect();
            self.mistakes.push(unknown("bundle", name, names.iter()));
        }
        found
    }
}
