//! What a Linux package holds: the texts that only a package has, their view, and where every file goes.
//!
//! Source of the formats: deb-control(5), Debian Policy. Escaping is in [`escape`] and, for the scripts, in
//! [`super::shell`].

mod escape;

pub(super) use escape::FILTERS;

use super::engine::Language;
use super::{Group, Job, systemd, view};
use crate::config::model::{Config, Format, LinuxPaths, Packages, System, Target, Text};
use crate::facts::Facts;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use semver::Version;
use serde::Serialize;
use std::collections::BTreeSet;

/// The templates of Debian packages below the templates folder, each with the file it becomes.
const DEB: [(&str, &str, Language); 8] = [
    ("deb/control.j2", "control", Language::Deb),
    ("deb/conffiles.j2", "conffiles", Language::Deb),
    ("deb/postinst.j2", "postinst", Language::Shell),
    ("deb/prerm.j2", "prerm", Language::Shell),
    ("deb/postrm.j2", "postrm", Language::Shell),
    ("deb/copyright.j2", "copyright", Language::Deb),
    ("deb/changelog.j2", "changelog.Debian", Language::Deb),
    ("deb/lintian-overrides.j2", "lintian-overrides", Language::Deb),
];

/// The same of RPM packages.
const RPM: [(&str, &str, Language); 4] = [
    ("rpm/preamble.j2", "preamble", Language::Deb),
    ("rpm/post.j2", "post", Language::Shell),
    ("rpm/preun.j2", "preun", Language::Shell),
    ("rpm/postun.j2", "postun", Language::Shell),
];

/// The same of images.
const OCI: [(&str, &str, Language); 1] = [("oci/config.json.j2", "config.json", Language::Json)];

/// The licences of which every Debian system has the text in [`COMMON_FOLDER`] (Debian Policy 12.5).
const COMMON_LICENSES: [&str; 13] = [
    "Apache-2.0",
    "Artistic",
    "BSD",
    "CC0-1.0",
    "GFDL-1.2",
    "GFDL-1.3",
    "GPL-1",
    "GPL-2",
    "GPL-3",
    "LGPL-2",
    "LGPL-3",
    "MPL-1.1",
    "MPL-2.0",
];
const COMMON_FOLDER: &str = "/usr/share/common-licenses";

/// What the templates below `deb/`, `rpm/` and `oci/` see.
#[derive(Serialize)]
struct PackageView {
    name: String,
    display_name: String,
    /// As the package manager compares it.
    version: String,
    /// As the package manager calls it.
    architecture: &'static str,
    publisher: String,
    contact: String,
    section: String,
    homepage: String,
    description: String,
    details: String,
    license: String,
    /// Where its text is once installed, absolute.
    license_file: String,
    year: i16,
    /// RFC 5322.
    date: String,
    /// RFC 3339.
    created: String,
    /// The commit.
    revision: String,
    unit: String,
    user: String,
    /// Arguments of the program.
    arguments: Vec<String>,
    /// Arguments with which the program asks the running service whether it is ready; none if it cannot.
    health: Vec<String>,
    /// Nanoseconds in which a failed health check says nothing yet.
    start_timeout_ns: u128,
    /// The ports that other hosts can reach.
    ports: BTreeSet<u16>,
    path: PathsView,
}

/// Absolute paths.
#[derive(Serialize)]
struct PathsView {
    program: String,
    config: String,
    state: String,
    logs: String,
    sysusers: String,
    tmpfiles: String,
}

/// A file of a package, before it is known where its bytes lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// Its bytes.
    pub source: Source,
    /// Path in the package.
    pub path: String,
    /// Mode 0755 rather than 0644.
    pub executable: bool,
}

/// Where the bytes of a file of a package come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The program.
    Program,
    /// A rendered text that other bundles hold too.
    Text(Text),
    /// The document of this path.
    Document(String),
    /// The document of this path, compressed by gzip.
    Compressed(String),
    /// A file of the workspace.
    Workspace(String),
}

/// The templates that the declared packages need.
pub(super) fn templates(config: &Config) -> Vec<&'static str> {
    let formats = Format::PACKED.into_iter().filter(|format| has(config, |it| it == *format));
    formats.flat_map(own_texts).map(|(template, ..)| *template).collect()
}

/// The templates that only packages of a format have.
fn own_texts(format: Format) -> &'static [(&'static str, &'static str, Language)] {
    match format {
        Format::Zip | Format::TarGz | Format::Nsis => &[],
        Format::Deb => &DEB,
        Format::Rpm => &RPM,
        Format::Oci => &OCI,
    }
}

fn has(config: &Config, wanted: impl Fn(Format) -> bool) -> bool {
    config.targets.iter().flat_map(|target| &target.bundles).any(|bundle| wanted(bundle.format))
}

/// The documents of the declared packages: the unit, which starts another program than an unpacked archive's, and for
/// each target what its package manager reads.
pub(super) fn jobs(config: &Config, facts: &Facts) -> Vec<Job> {
    let Some(packages) = &config.packages else { return Vec::new() };
    if !has(config, Format::is_package) {
        return Vec::new();
    }
    let mut jobs = vec![systemd::packaged_unit(config, &unit_path(config))];
    for target in config.targets_of(System::Linux) {
        for format in target.bundles.iter().map(|bundle| bundle.format) {
            let view = view(&package_view(config, packages, facts, target, format));
            jobs.extend(own_texts(format).iter().map(|(template, name, language)| Job {
                template: format!("{}/{template}", config.templates),
                language: *language,
                view: view.clone(),
                group: Group::Package,
                text: None,
                target: Some(target.triple.clone()),
                path: path(target, format, name),
                name: (*name).to_owned(),
                executable: *language == Language::Shell,
            }));
        }
    }
    jobs
}

/// Path of a text that only a package has, as a document.
fn path(target: &Target, format: Format, name: &str) -> String {
    format!("package/{}/{}/{name}", target.triple, format.extension())
}

/// Path of the unit that packages hold, as a document.
fn unit_path(config: &Config) -> String {
    format!("package/{}.service", config.service.name)
}

fn package_view(
    config: &Config,
    packages: &Packages,
    facts: &Facts,
    target: &Target,
    format: Format,
) -> PackageView {
    let (product, paths, time) = (&config.product, LinuxPaths::packaged(config), time(facts.epoch));
    let (version, architecture) = match format {
        Format::Rpm => (rpm_version(&facts.version), rpm_architecture(target)),
        Format::Oci => (facts.version.to_string(), deb_architecture(target)),
        Format::Zip | Format::TarGz | Format::Nsis | Format::Deb => {
            (deb_version(&facts.version), deb_architecture(target))
        }
    };
    let service = &config.service;
    let filled = |argument: &String| argument.replace("{config}", &paths.config);
    let reachable = config.listeners.values().filter(|listener| !listener.address.is_loopback());
    PackageView {
        name: product.name.clone(),
        display_name: product.display_name.clone(),
        version,
        architecture,
        publisher: product.publisher.clone(),
        contact: packages.contact.clone(),
        section: packages.section.clone(),
        homepage: product.homepage.clone(),
        description: product.description.clone(),
        details: packages.details.clone(),
        license: packages.license.clone(),
        license_file: match common_license(packages) {
            true => format!("{COMMON_FOLDER}/{}", packages.license),
            false => format!("/{}/{}", documentation(config), license_name(config)),
        },
        year: time.year(),
        date: time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        unit: format!("{}.service", config.service.name),
        user: config.service.user.clone(),
        created: time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        revision: facts.commit.hash.clone(),
        arguments: service.arguments.iter().map(filled).collect(),
        health: service.health.iter().map(filled).collect(),
        start_timeout_ns: service.start_timeout.as_nanos(),
        ports: reachable.map(|listener| listener.port).collect(),
        path: PathsView {
            program: paths.program,
            config: paths.config,
            state: paths.state,
            logs: paths.logs,
            sysusers: paths.sysusers,
            tmpfiles: paths.tmpfiles,
        },
    }
}

fn time(epoch: u64) -> DateTime {
    let seconds = i64::try_from(epoch).unwrap_or(i64::MAX);
    TimeZone::UTC.to_datetime(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

fn common_license(packages: &Packages) -> bool {
    COMMON_LICENSES.contains(&packages.license.as_str())
}

fn license_name(config: &Config) -> &str {
    let path = &config.product.license_file;
    path.rsplit('/').next().unwrap_or(path)
}

/// Folder of the documentation, without a slash at its beginning.
fn documentation(config: &Config) -> String {
    format!("usr/share/doc/{}", config.product.name)
}

/// A version as dpkg orders it (deb-version(7)): a tilde sorts before the end, so that a pre-release comes before its
/// release. The revision, behind the last hyphen, is always 1: another package is another release.
fn deb_version(version: &Version) -> String {
    format!("{}-1", tilde_version(version))
}

/// A version in which a pre-release is told by a tilde.
fn tilde_version(version: &Version) -> String {
    let Version { major, minor, patch, pre, build } = version;
    let pre = if pre.is_empty() { String::new() } else { format!("~{pre}") };
    let build = if build.is_empty() { String::new() } else { format!("+{build}") };
    format!("{major}.{minor}.{patch}{pre}{build}")
}

/// Debian's name of the processor (dpkg-architecture(1)).
fn deb_architecture(target: &Target) -> &'static str {
    if target.triple.starts_with("aarch64-") { "arm64" } else { "amd64" }
}

/// A version as rpm orders it (rpm-version(7)), the release apart. A hyphen separates the two, so there is none.
/// Where semver has a number before a word (`alpha.1`, `alpha.beta`), rpm has it behind.
fn rpm_version(version: &Version) -> String {
    tilde_version(version).replace('-', "_")
}

/// rpm's name of the processor.
fn rpm_architecture(target: &Target) -> &'static str {
    if target.triple.starts_with("aarch64-") { "aarch64" } else { "x86_64" }
}

/// Every file of a package.
pub fn files(config: &Config, target: &Target, format: Format) -> Vec<PackageFile> {
    let mut files = installed(config, target, format);
    files.extend(match format {
        Format::Zip | Format::TarGz | Format::Nsis => Vec::new(),
        Format::Deb => deb_files(config, target),
        Format::Rpm => rpm_files(config, target),
        Format::Oci => return image_files(config, target, files),
    });
    files
}

/// The configuration of the image, the licence, and of what packages install what a single process needs.
fn image_files(config: &Config, target: &Target, files: Vec<PackageFile>) -> Vec<PackageFile> {
    let of_systemd = |source: &Source| match source {
        Source::Document(_) | Source::Text(Text::Sysusers | Text::Tmpfiles) => true,
        Source::Program | Source::Text(_) | Source::Compressed(_) | Source::Workspace(_) => false,
    };
    let image = PackageFile {
        source: Source::Document(path(target, Format::Oci, "config.json")),
        path: "config.json".to_owned(),
        executable: false,
    };
    let files = files.into_iter().filter(|file| !of_systemd(&file.source)).chain([license(config)]);
    let below_root =
        |file: PackageFile| PackageFile { path: format!("rootfs/{}", file.path), ..file };
    files.map(below_root).chain([image]).collect()
}

/// The licence where systems other than Debian look for it.
fn license(config: &Config) -> PackageFile {
    PackageFile {
        source: Source::Workspace(config.product.license_file.clone()),
        path: format!("usr/share/licenses/{}/{}", config.product.name, license_name(config)),
        executable: false,
    }
}

/// What rpm itself reads, and the licence.
fn rpm_files(config: &Config, target: &Target) -> Vec<PackageFile> {
    let own = RPM.iter().map(|(_, name, language)| PackageFile {
        source: Source::Document(path(target, Format::Rpm, name)),
        path: format!("RPM/{name}"),
        executable: *language == Language::Shell,
    });
    own.chain([license(config)]).collect()
}

/// The files that every package installs, in the same places.
fn installed(config: &Config, target: &Target, format: Format) -> Vec<PackageFile> {
    let paths = LinuxPaths::packaged(config);
    let file = |source, path: &str, executable| PackageFile {
        source,
        path: path.trim_start_matches('/').to_owned(),
        executable,
    };
    let bundle = target.bundles.iter().find(|bundle| bundle.format == format);
    let documentation = documentation(config);
    let own = bundle.into_iter().flat_map(|bundle| &bundle.files).map(|own| PackageFile {
        source: Source::Workspace(own.source.clone()),
        path: format!("{documentation}/{}", own.path),
        executable: own.executable,
    });
    let files = [
        file(Source::Program, &paths.program, true),
        file(Source::Text(Text::Configuration), &paths.config, false),
        file(Source::Document(unit_path(config)), &paths.unit, false),
        file(Source::Text(Text::Sysusers), &paths.sysusers, false),
        file(Source::Text(Text::Tmpfiles), &paths.tmpfiles, false),
    ];
    files.into_iter().chain(own).collect()
}

/// Control files, and what Debian's policy wants in each package.
fn deb_files(config: &Config, target: &Target) -> Vec<PackageFile> {
    let documentation = documentation(config);
    let place = |name: &str| match name {
        "copyright" => format!("{documentation}/{}", Packages::COPYRIGHT),
        "changelog.Debian" => format!("{documentation}/{}", Packages::CHANGELOG),
        "lintian-overrides" => format!("usr/share/lintian/overrides/{}", config.product.name),
        _ => format!("DEBIAN/{name}"),
    };
    let mut files: Vec<_> = DEB
        .iter()
        .map(|(_, name, language)| PackageFile {
            source: match *name {
                "changelog.Debian" => Source::Compressed(path(target, Format::Deb, name)),
                _ => Source::Document(path(target, Format::Deb, name)),
            },
            path: place(name),
            executable: *language == Language::Shell,
        })
        .collect();
    if config.packages.as_ref().is_some_and(|packages| !common_license(packages)) {
        files.push(PackageFile {
            source: Source::Workspace(config.product.license_file.clone()),
            path: format!("{documentation}/{}", license_name(config)),
            executable: false,
        });
    }
    files
}

#[cfg(test)]
mod tests;
