//! The declaration after every rule and default was applied: what the rest of the toolkit reads.
//!
//! No field is optional in order to mean "default", and every reference between sections was resolved. Built only by
//! [`super::lower`]; holds no rule itself.

mod codesign;
mod gpg;

pub use codesign::{Codesign, CodesignKey, Signer, StoreCertificate};
pub use gpg::Gpg;

use super::raw;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

pub use super::raw::{
    Algorithm, Compression, Format, Linker, Readiness, Reload, Restart, Show, Text, Unit,
    WindowsAccount, WindowsStart,
};

/// A whole declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Folder of the templates, relative to the workspace root, with forward slashes.
    pub templates: String,
    /// What is released.
    pub product: Product,
    /// How the operating system runs it.
    pub service: Service,
    /// The installed configuration file.
    pub configuration: Configuration,
    /// The sockets, by name.
    pub listeners: BTreeMap<String, Listener>,
    /// Where the metrics are.
    pub metrics: Metrics,
    /// How Prometheus scrapes them.
    pub scrape: Scrape,
    /// Thresholds of the alerting rules.
    pub alerts: Alerts,
    /// What its dashboard shows beside what every dashboard does.
    pub panels: Vec<Panel>,
    /// The programs to build, sorted by triple.
    pub targets: Vec<Target>,
    /// What packages say of the product; there is something if a bundle is a package.
    pub packages: Option<Packages>,
    /// The checksum files to write, sorted, without duplicates; always holds SHA-256.
    pub algorithms: Vec<Algorithm>,
    /// The key that signs.
    pub signing: Signing,
    /// How Windows programs are code-signed; `None` where they are not.
    pub codesign: Option<Codesign>,
}

/// What is released.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// Short name, `[a-z0-9-]+`.
    pub name: String,
    /// Cargo package.
    pub package: String,
    /// Cargo binary, without `.exe`.
    pub binary: String,
    /// Name shown to people.
    pub display_name: String,
    /// Who publishes it.
    pub publisher: String,
    /// One sentence.
    pub description: String,
    /// An `https://` address.
    pub homepage: String,
    /// Licence text, relative to the workspace root.
    pub license_file: String,
    /// Windows icon, relative to the workspace root; there is one if a target has an installer.
    pub icon: Option<String>,
    /// Release channel.
    pub channel: String,
}

/// How the operating system runs the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Name of the systemd unit (without `.service`) and of the Windows service.
    pub name: String,
    /// Arguments, in which `{config}` stands for the installed configuration file.
    pub arguments: Vec<String>,
    /// Arguments that check a configuration; none if it cannot.
    pub check: Vec<String>,
    /// Arguments that ask the running service whether it is ready; none if it cannot.
    pub health: Vec<String>,
    /// When it is started again.
    pub restart: Restart,
    /// Pause before that.
    pub restart_delay: Duration,
    /// How long starting may take.
    pub start_timeout: Duration,
    /// How long stopping may take.
    pub stop_timeout: Duration,
    /// Windows: the account.
    pub account: WindowsAccount,
    /// Windows: when it starts.
    pub start: WindowsStart,
    /// Windows: the installer lets connections to it through the firewall.
    pub firewall: bool,
    /// Linux: user and group.
    pub user: String,
    /// Linux: how systemd learns that it is ready.
    pub readiness: Readiness,
    /// Linux: how it is asked to read its configuration again.
    pub reload: Reload,
    /// Linux: within which time it says that it is well, where somebody watches.
    pub watchdog: Option<Duration>,
}

/// The installed configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Template, relative to the workspace root.
    pub template: String,
    /// Base name once installed.
    pub file_name: String,
    /// Name of the listener whose port an installer may set.
    pub port_listener: Option<String>,
}

/// A socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Address it binds.
    pub address: IpAddr,
    /// Port it binds.
    pub port: u16,
}

/// Where the metrics are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// The listener that serves them.
    pub listener: Listener,
    /// Path of the metrics page.
    pub path: String,
    /// Path of the readiness page, on the same listener.
    pub ready_path: String,
    /// Metric family: start time of the process.
    pub start_time: String,
    /// Metric family: requests, with label `code`.
    pub requests: String,
    /// Metric family: histogram of durations.
    pub request_duration: String,
    /// Metric family: certificate end.
    pub certificate_not_after: String,
    /// Metric family: whether an upstream is well; none where there are no upstreams.
    pub upstream_healthy: Option<String>,
}

/// How Prometheus scrapes the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// Job name.
    pub job: String,
    /// Targets as `host:port`, IPv6 in brackets.
    pub targets: Vec<String>,
    /// Time between scrapes.
    pub interval: Duration,
    /// Time a scrape may take.
    pub timeout: Duration,
    /// Labels of every target.
    pub labels: BTreeMap<String, String>,
}

/// A panel of the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panel {
    /// What stands above it.
    pub title: String,
    /// Full name of a metric.
    pub metric: String,
    /// What is shown of it.
    pub show: Show,
    /// Label names, each once.
    pub labels: Vec<String>,
    /// What is counted.
    pub unit: Unit,
}

/// Thresholds of the alerting rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerts {
    /// Not answering for this long is down.
    pub down_for: Duration,
    /// More restarts in the window are too many.
    pub restarts_max: u32,
    /// The window.
    pub restarts_window: Duration,
    /// Share of 5xx that is too many.
    pub error_ratio_max: f64,
    /// Upper bound of the 99th percentile.
    pub latency_p99_max: Duration,
    /// How long a ratio or latency must be too high.
    pub degraded_for: Duration,
    /// Certificates that end sooner are to be renewed.
    pub certificate_expires_within: Duration,
}

/// A program to build and what to make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Target triple.
    pub triple: String,
    /// The operating system of the triple.
    pub system: System,
    /// What links it.
    pub linker: LinkerChoice,
    /// A release without it is refused when it cannot be built.
    pub required: bool,
    /// Its dependencies contain C code.
    pub c_compiler: bool,
    /// Bytes the program may have.
    pub size_max: u64,
    /// Bytes its installer may have.
    pub installer_size_max: u64,
    /// DLLs it may import beside those every Windows 10 has, in lower case.
    pub dlls: Vec<String>,
    /// Its bundles, in declared order.
    pub bundles: Vec<Bundle>,
}

/// The operating systems that can be built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    /// Windows, PE programs.
    Windows,
    /// Linux, ELF programs.
    Linux,
}

/// What links a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkerChoice {
    /// `msvc` on a Windows host, else `self-contained`.
    ByHost,
    /// rustup's own linker.
    SelfContained,
    /// cargo-xwin with pinned versions.
    Xwin {
        /// Version of the Windows SDK.
        sdk: String,
        /// Version of the C runtime.
        crt: String,
    },
    /// Microsoft's linker.
    Msvc,
}

/// An archive or installer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Its name in the declaration.
    pub name: String,
    /// Its file format.
    pub format: Format,
    /// How it is compressed, where it is an installer.
    pub compression: Compression,
    /// Rendered texts in it.
    pub texts: Vec<Text>,
    /// Files of the workspace in it, those of the target included.
    pub files: Vec<File>,
}

/// A file of the workspace that goes into a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path relative to the workspace root, with forward slashes.
    pub source: String,
    /// Path in the bundle, with forward slashes.
    pub path: String,
    /// Mode 0755 rather than 0644.
    pub executable: bool,
}

/// What packages say of the product beside what [`Product`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packages {
    /// E-mail address of who answers for them.
    pub contact: String,
    /// SPDX expression.
    pub license: String,
    /// A few sentences on one line.
    pub details: String,
    /// Section of the Debian package.
    pub section: String,
    /// The key that signs for package managers; `None` where none does.
    pub gpg: Option<Gpg>,
}

impl Packages {
    /// What a package lays into its folder below `/usr/share/doc` (Debian Policy 12.5).
    pub const COPYRIGHT: &str = "copyright";
    /// The same (Debian Policy 12.7).
    pub const CHANGELOG: &str = "changelog.Debian.gz";
}

/// The key that signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// None is declared: a key made once under `target/`, loudly called "development" everywhere.
    Development,
    /// A declared minisign key.
    Key {
        /// Public key file, relative to the workspace root.
        public_key: String,
        /// Where the secret key is.
        secret_key: Secret,
        /// Where its password is; without one the key is not encrypted.
        password: Option<Secret>,
    },
}

/// Where a secret is; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// Environment variable.
    Environment(String),
    /// File.
    File(String),
    /// Question on the terminal.
    Prompt(String),
}

impl From<&raw::Secret> for Secret {
    fn from(raw: &raw::Secret) -> Self {
        match raw {
            raw::Secret::Environment(name) => Self::Environment(name.get().clone()),
            raw::Secret::File(path) => Self::File(path.get().clone()),
            raw::Secret::Prompt(question) => Self::Prompt(question.get().clone()),
        }
    }
}

impl Secret {
    /// The environment variable that it is in, if it is in one.
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Environment(name) => Some(name),
            Self::File(_) | Self::Prompt(_) => None,
        }
    }
}

impl Signing {
    /// The environment variables that hold secrets.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let secrets = match self {
            Self::Development => [None, None],
            Self::Key { secret_key, password, .. } => [Some(secret_key), password.as_ref()],
        };
        secrets.into_iter().flatten().filter_map(Secret::variable)
    }
}

impl Config {
    /// The targets of one operating system.
    pub fn targets_of(&self, system: System) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(move |target| target.system == system)
    }

    /// The environment variables that hold secrets, each of which only what signs may see.
    pub fn secret_variables(&self) -> Vec<String> {
        let codesign = self.codesign.iter().flat_map(Codesign::variables);
        let gpg = self.gpg().into_iter().flat_map(Gpg::variables);
        self.signing.variables().chain(codesign).chain(gpg).map(str::to_owned).collect()
    }

    /// The key that signs for package managers, if one does.
    pub fn gpg(&self) -> Option<&Gpg> {
        self.packages.as_ref()?.gpg.as_ref()
    }

    /// Takes that key away.
    pub fn take_gpg(&mut self) -> Option<Gpg> {
        self.packages.as_mut()?.gpg.take()
    }
}

impl Format {
    /// The formats that are packed here, and can be read back.
    pub const PACKED: [Self; 5] = [Self::Zip, Self::TarGz, Self::Deb, Self::Rpm, Self::Oci];

    /// What the names of its files end with, after a dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::TarGz => "tar.gz",
            Self::Nsis => "exe",
            Self::Deb => "deb",
            Self::Rpm => "rpm",
            Self::Oci => "oci.tar",
        }
    }

    /// The format of a file that is packed here, by its name.
    pub fn of(name: &str) -> Option<Self> {
        let is = |format: &Self| {
            name.strip_suffix(format.extension()).is_some_and(|stem| stem.ends_with('.'))
        };
        Self::PACKED.into_iter().find(is)
    }

    /// Whether a Linux package manager installs it: it is handed on without its release, and so is signed by itself.
    pub const fn has_package_manager(self) -> bool {
        match self {
            Self::Deb | Self::Rpm => true,
            Self::Zip | Self::TarGz | Self::Nsis | Self::Oci => false,
        }
    }

    /// Whether its files are in one gzip member, into which streams that are compressed already can be joined.
    pub const fn is_gzipped(self) -> bool {
        match self {
            Self::Zip | Self::Nsis => false,
            Self::TarGz | Self::Deb | Self::Rpm | Self::Oci => true,
        }
    }

    /// Whether it is a package or an image: it knows itself where everything goes.
    pub const fn is_package(self) -> bool {
        match self {
            Self::Zip | Self::TarGz | Self::Nsis => false,
            Self::Deb | Self::Rpm | Self::Oci => true,
        }
    }
}

impl Product {
    /// File name of the program on a system.
    pub fn program(&self, system: System) -> String {
        match system {
            System::Windows => format!("{}.exe", self.binary),
            System::Linux => self.binary.clone(),
        }
    }
}

/// Where an installed product lies on a Linux host (file-hierarchy(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinuxPaths {
    /// The program.
    pub program: String,
    /// Folder of the configuration.
    pub config_folder: String,
    /// The configuration file.
    pub config: String,
    /// State folder.
    pub state: String,
    /// Log folder.
    pub logs: String,
    /// The unit.
    pub unit: String,
    /// The `sysusers.d` file.
    pub sysusers: String,
    /// The `tmpfiles.d` file.
    pub tmpfiles: String,
}

impl LinuxPaths {
    /// The paths where a package lays a product, absolute.
    pub fn packaged(config: &Config) -> Self {
        let name = &config.product.name;
        Self {
            program: format!("/usr/bin/{}", config.product.binary),
            unit: format!("/usr/lib/systemd/system/{}.service", config.service.name),
            sysusers: format!("/usr/lib/sysusers.d/{name}.conf"),
            tmpfiles: format!("/usr/lib/tmpfiles.d/{name}.conf"),
            ..Self::of(config)
        }
    }

    /// The paths where `install.sh` lays a product, absolute; the program below `/usr/local`, because an archive is not
    /// a package.
    pub fn of(config: &Config) -> Self {
        let name = &config.product.name;
        let config_folder = format!("/etc/{name}");
        Self {
            program: format!("/usr/local/bin/{}", config.product.binary),
            config: format!("{config_folder}/{}", config.configuration.file_name),
            config_folder,
            state: format!("/var/lib/{name}"),
            logs: format!("/var/log/{name}"),
            unit: format!("/etc/systemd/system/{}.service", config.service.name),
            sysusers: format!("/etc/sysusers.d/{name}.conf"),
            tmpfiles: format!("/etc/tmpfiles.d/{name}.conf"),
        }
    }
}
