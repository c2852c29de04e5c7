//! The installer script: its view, its exit codes, and what has to lie beside it when it is compiled.
//!
//! Source of the language: NSIS Users Manual 3 (<https://nsis.sourceforge.io/Docs/>); of the service calls: the Win32
//! reference of `advapi32`. Escaping is in `escape`.

mod escape;
mod exit;
pub mod parameter;
mod version;

pub(super) use escape::FILTERS;
pub use exit::{EXIT_CODES, ExitCode};

use super::engine::Language;
use super::service_config::PortPlace;
use super::{Group, Job, view};
use crate::config::model::{
    Bundle, Compression, Config, Format, Restart, Target, Text, WindowsAccount, WindowsStart,
};
use crate::facts::Facts;
use parameter::Parameter;
use serde::Serialize;
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::time::Duration;

/// The templates of this language, below the templates folder.
/// The script is all of them, one after the other.
pub(super) const TEMPLATES: &[&str] = &[
    "nsis/installer.nsi.j2",
    "nsis/shared.nsh.j2",
    "nsis/parameters.nsh.j2",
    "nsis/folders.nsh.j2",
    "nsis/configuration.nsh.j2",
    "nsis/service.nsh.j2",
    "nsis/upgrade.nsh.j2",
    "nsis/install.nsh.j2",
    "nsis/uninstall.nsh.j2",
];

/// Where a file that the installer script reads comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadSource {
    /// The program of the target.
    Program,
    /// The document [`Text::Configuration`] of the target.
    Configuration,
    /// A file of the workspace, relative to its root.
    File(String),
}

/// A file that lies beside the installer script when it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadFile {
    /// Where it comes from.
    pub source: PayloadSource,
    /// Base name beside the script.
    pub name: String,
    /// Whether it is laid onto the machine; else only the compiler needs it.
    pub installed: bool,
}

/// What lies beside the installer script of a target; none if the target has no installer.
///
/// The script needs nothing else, so it can be compiled again from any folder that holds these files.
pub fn payload(config: &Config, target: &Target) -> Option<Vec<PayloadFile>> {
    let bundle = installer_bundle(target)?;
    let file =
        |source, name: &str, installed| PayloadFile { source, name: name.to_owned(), installed };
    let mut files = vec![
        file(PayloadSource::Program, &config.product.program(target.system), true),
        file(PayloadSource::Configuration, &config.configuration.file_name, true),
    ];
    for listed in &bundle.files {
        files.push(file(PayloadSource::File(listed.source.clone()), &listed.path, true));
    }
    for needed in std::iter::once(&config.product.license_file).chain(&config.product.icon) {
        if !bundle.files.iter().any(|listed| listed.source == *needed) {
            files.push(file(PayloadSource::File(needed.clone()), base_name(needed), false));
        }
    }
    Some(files)
}

/// Base name of the installer script.
pub fn script_name(config: &Config) -> String {
    format!("{}.nsi", config.product.name)
}

/// Base name of the installer that the script writes.
pub fn installer_name(config: &Config, facts: &Facts, target: &Target) -> String {
    format!("{}-{}-{}-setup.exe", config.product.name, facts.version, target.triple)
}

/// What the templates of the script see.
#[derive(Serialize)]
struct InstallerView {
    name: String,
    display_name: String,
    publisher: String,
    description: String,
    homepage: String,
    version: String,
    /// Four numbers: all that a version resource holds.
    version_numbers: String,
    /// What is compared to find out which of two versions is newer.
    version_key: String,
    version_major: u32,
    version_minor: u32,
    /// Base name of what is compiled.
    installer: String,
    /// The compressor, as NSIS calls it.
    compressor: Compression,
    /// Base names beside the script.
    program: String,
    configuration: String,
    license: String,
    icon: String,
    files: Vec<String>,
    /// Where in the configuration the port of `/PORT=` stands; of length 0 if there is no `/PORT=`.
    port: PortPlace,
    service: ServiceView,
    setup_parameters: Vec<Parameter>,
    uninstaller_parameters: Vec<Parameter>,
    exit: BTreeMap<&'static str, u8>,
    exit_codes: Vec<ExitCode>,
}

#[derive(Serialize)]
struct ServiceView {
    name: String,
    arguments: Vec<String>,
    check: Vec<String>,
    health: Vec<String>,
    /// Account name as `CreateServiceW` takes it.
    account: String,
    /// The account in a security descriptor string.
    account_sid: String,
    /// `SERVICE_AUTO_START` or `SERVICE_DEMAND_START`.
    start_type: u8,
    /// 1 if it is started once it is installed, else 0.
    automatic: u8,
    /// Whether it starts some time after the machine.
    delayed: bool,
    firewall: bool,
    /// How many restarts are listed. `Always` is `OnFailure`: Windows cannot restart a service that ended well.
    restart_count: u8,
    restart_delay_ms: u128,
    start_timeout_ms: u128,
    stop_timeout_ms: u128,
}

/// The parts of the script of a target, if it has an installer. `port` is where in its configuration the port of
/// `/PORT=` stands.
pub(super) fn jobs(config: &Config, facts: &Facts, target: &Target, port: PortPlace) -> Vec<Job> {
    let Some(payload) = payload(config, target) else { return Vec::new() };
    let view = view(&installer_view(config, facts, target, &payload, port));
    let job = |template: &&str| Job {
        template: format!("{}/{template}", config.templates),
        language: Language::Nsis,
        view: view.clone(),
        group: Group::Nsis,
        text: Some(Text::NsisScript),
        target: Some(target.triple.clone()),
        path: format!("nsis/{}/{}", target.triple, script_name(config)),
        name: script_name(config),
        executable: false,
    };
    TEMPLATES.iter().map(job).collect()
}

fn installer_view(
    config: &Config,
    facts: &Facts,
    target: &Target,
    payload: &[PayloadFile],
    port: PortPlace,
) -> InstallerView {
    let product = &config.product;
    let beside = |source: &str| {
        let file =
            payload.iter().find(|file| file.source == PayloadSource::File(source.to_owned()));
        file.map_or_else(|| base_name(source).to_owned(), |file| file.name.clone())
    };
    let extra =
        |file: &&PayloadFile| file.installed && matches!(file.source, PayloadSource::File(_));
    InstallerView {
        name: product.name.clone(),
        display_name: product.display_name.clone(),
        publisher: product.publisher.clone(),
        description: product.description.clone(),
        homepage: product.homepage.clone(),
        version: facts.version.to_string(),
        version_numbers: version_numbers(&facts.version),
        version_key: version::key(&facts.version),
        version_major: registry_number(facts.version.major),
        version_minor: registry_number(facts.version.minor),
        installer: installer_name(config, facts, target),
        compressor: installer_bundle(target).map(|bundle| bundle.compression).unwrap_or_default(),
        program: product.program(target.system),
        configuration: config.configuration.file_name.clone(),
        license: beside(&product.license_file),
        // Without one the declaration is refused, and the templates are looked at all the same.
        icon: product.icon.as_deref().map(beside).unwrap_or_default(),
        files: payload.iter().filter(extra).map(|file| file.name.clone()).collect(),
        port,
        service: service_view(config),
        setup_parameters: setup_parameters(port.length > 0),
        uninstaller_parameters: parameter::UNINSTALLER.to_vec(),
        exit: EXIT_CODES.iter().map(|exit| (exit.name, exit.code)).collect(),
        exit_codes: EXIT_CODES.to_vec(),
    }
}

fn service_view(config: &Config) -> ServiceView {
    let service = &config.service;
    let known = |account: &str, sid: &str| (account.to_owned(), sid.to_owned());
    let (account, account_sid) = match service.account {
        WindowsAccount::Virtual => {
            (format!(r"NT SERVICE\{}", service.name), service_sid(&service.name))
        }
        WindowsAccount::LocalService => known(r"NT AUTHORITY\LocalService", "LS"),
        WindowsAccount::NetworkService => known(r"NT AUTHORITY\NetworkService", "NS"),
        WindowsAccount::LocalSystem => known("LocalSystem", "SY"),
    };
    let (automatic, delayed) = match service.start {
        WindowsStart::Automatic => (true, false),
        WindowsStart::Delayed => (true, true),
        WindowsStart::Manual => (false, false),
    };
    ServiceView {
        name: service.name.clone(),
        arguments: service.arguments.clone(),
        check: service.check.clone(),
        health: service.health.clone(),
        account,
        account_sid,
        start_type: if automatic { 2 } else { 3 },
        automatic: u8::from(automatic),
        delayed,
        firewall: service.firewall,
        restart_count: match service.restart {
            Restart::Never => 0,
            Restart::OnFailure | Restart::Always => 3,
        },
        restart_delay_ms: service.restart_delay.as_millis(),
        start_timeout_ms: with_margin(service.start_timeout),
        stop_timeout_ms: with_margin(service.stop_timeout),
    }
}

/// The security identifier of a service: five numbers out of the SHA-1 of its name in capitals, as UTF-16 (the Win32
/// reference of `RtlCreateServiceSid`; `sc showsid` prints it). Known before there is such a service, so that files can be
/// granted to it first.
fn service_sid(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let bytes: Vec<u8> = upper.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let digest = Sha1::digest(&bytes);
    let words = digest.chunks_exact(4).map(|word| {
        let word = word.try_into().expect("a chunk of four bytes");
        format!("-{}", u32::from_le_bytes(word))
    });
    format!("S-1-5-80{}", words.collect::<String>())
}

/// The setup waits a little longer than the service may take, so that the service's own deadline is what is seen.
fn with_margin(timeout: Duration) -> u128 {
    (timeout + Duration::from_secs(5)).as_millis()
}

/// `VIProductVersion` takes four numbers of 16 bits and refuses a pre-release (NSIS Users Manual 4.8.3).
fn version_numbers(version: &semver::Version) -> String {
    let part = |number: u64| number.min(u64::from(u16::MAX));
    format!("{}.{}.{}.0", part(version.major), part(version.minor), part(version.patch))
}

/// A number as the registry holds it.
fn registry_number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn setup_parameters(has_port: bool) -> Vec<Parameter> {
    let known = |parameter: &&Parameter| has_port || parameter.usage != parameter::PORT;
    parameter::SETUP.iter().filter(known).copied().collect()
}

fn installer_bundle(target: &Target) -> Option<&Bundle> {
    target.bundles.iter().find(|bundle| bundle.format == Format::Nsis)
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_of_a_service_is_the_one_windows_computes() {
        let expected = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
        assert_eq!(service_sid("TrustedInstaller"), expected);
    }
}
