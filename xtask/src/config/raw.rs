//! The serde mirror of `packaging/release.toml`: keys, types, documentation.
//!
//! The doc comments here are the product's documentation: the JSON Schema and `docs/release-toml.md` are made from
//! them. It holds no rule that spans two keys and fills in no default that depends on another key; those live in
//! [`super::lower`].

mod bundle;
mod codesign;
mod gpg;
mod prometheus;

pub use bundle::{Bundle, Compression, File, Format, Text};
pub use codesign::{Codesign, Osslsigncode, Signtool};
pub use gpg::Gpg;
pub use prometheus::{Alerts, Dashboard, Families, Metrics, Panel, Scrape, Show, Unit};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use strict_toml::{ByteSize, Duration, Spanned};

/// The release declaration: one file from which programs, installers, units, scrape configs and alerts are made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Release {
    /// Version of this file format.
    #[schemars(range(min = 1, max = 1))]
    pub schema_version: u32,
    /// Folder that holds the templates, relative to the workspace root.
    #[serde(default = "templates_default")]
    #[schemars(extend("format" = "relative-path"))]
    pub templates: Spanned<String>,
    /// What is released.
    pub product: Product,
    /// How the operating system runs it.
    pub service: Service,
    /// The configuration file that is installed with the program and kept once edited.
    pub configuration: Configuration,
    /// The sockets the program listens on, by name.
    pub listeners: BTreeMap<Spanned<String>, Listener>,
    /// Where the program shows its metrics.
    pub metrics: Metrics,
    /// How Prometheus scrapes it.
    pub scrape: Scrape,
    /// The thresholds of the alerting rules.
    #[serde(default)]
    pub alerts: Alerts,
    /// The dashboard for Grafana.
    #[serde(default)]
    pub dashboard: Dashboard,
    /// The programs to build, by target triple.
    pub targets: BTreeMap<Spanned<String>, Target>,
    /// The archives and installers to make of them, by a name that `targets.<triple>.bundles` refers to.
    pub bundles: BTreeMap<Spanned<String>, Bundle>,
    /// What packages say of the product beside what `[product]` says. Needed where a bundle is one.
    pub packages: Option<Packages>,
    /// The checksum files.
    #[serde(default)]
    pub checksums: Checksums,
    /// The key that signs the release. Without it a development key is made once and everything says so.
    pub signing: Option<Signing>,
    /// Authenticode signatures on the Windows program, the uninstaller and the setup. Without it nothing is code-signed,
    /// and `release.json` says so.
    pub codesign: Option<Spanned<Codesign>>,
}

/// What is released.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Product {
    /// Short name: in file names, folders and registry keys. Lower case letters, digits and dashes.
    #[schemars(length(min = 1, max = 40), extend("format" = "identifier"))]
    pub name: Spanned<String>,
    /// The cargo package that is built; its `Cargo.toml` holds the version. Default: `product.name`.
    #[schemars(length(min = 1, max = 64), extend("format" = "package-name"))]
    pub package: Option<Spanned<String>>,
    /// The binary of that package. Default: `product.package`.
    #[schemars(length(min = 1, max = 64), extend("format" = "package-name"))]
    pub binary: Option<Spanned<String>>,
    /// Name shown to people.
    #[schemars(length(min = 1, max = 100), extend("format" = "line"))]
    pub display_name: Spanned<String>,
    /// Who publishes it.
    #[schemars(length(min = 1, max = 100), extend("format" = "line"))]
    pub publisher: Spanned<String>,
    /// One sentence for service managers and installers.
    #[schemars(length(min = 1, max = 250), extend("format" = "line"))]
    pub description: Spanned<String>,
    /// Where to read more; an `https://` address.
    #[schemars(length(min = 9, max = 200), extend("format" = "https-address"))]
    pub homepage: Spanned<String>,
    /// Licence text, relative to the workspace root.
    #[schemars(extend("format" = "relative-path"))]
    pub license_file: Spanned<String>,
    /// Windows icon (`.ico`), relative to the workspace root.
    /// Needed where a bundle is an installer.
    #[schemars(extend("format" = "relative-path"))]
    pub icon: Option<Spanned<String>>,
    /// Release channel; signed into the trusted comment.
    #[serde(default = "channel_default")]
    #[schemars(length(min = 1, max = 40), extend("format" = "identifier"))]
    pub channel: Spanned<String>,
}

/// How the operating system runs the program.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Service {
    /// Name of the systemd unit and of the Windows service. Default: `product.name`.
    #[schemars(length(min = 1, max = 80), extend("format" = "identifier"))]
    pub name: Option<Spanned<String>>,
    /// Arguments of the program; `{config}` stands for the path of the installed configuration file.
    #[schemars(length(max = 32))]
    pub arguments: Vec<Spanned<String>>,
    /// Arguments with which the program reads the configuration `{config}`, says what is wrong with it and exits with
    /// 0 if nothing is. An installer asks before it touches anything. Without them it does not ask.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub check: Vec<Spanned<String>>,
    /// Arguments with which the program asks the service that runs with the configuration `{config}` and exits with 0
    /// if it is ready. Without them a service that runs is taken to be ready.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub health: Vec<Spanned<String>>,
    /// When the service manager starts it again.
    #[serde(default)]
    pub restart: Restart,
    /// How long it waits before it does.
    #[serde(default = "restart_delay_default")]
    pub restart_delay: Spanned<Duration>,
    /// How long starting may take until the program is ready.
    #[serde(default = "start_timeout_default")]
    pub start_timeout: Spanned<Duration>,
    /// How long a stop may take, draining included.
    #[serde(default = "stop_timeout_default")]
    pub stop_timeout: Spanned<Duration>,
    /// What holds for Windows only.
    #[serde(default)]
    pub windows: ServiceWindows,
    /// What holds for Linux only.
    #[serde(default)]
    pub linux: ServiceLinux,
}

/// When the service manager starts the program again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    Never,
    /// After a crash or an exit code other than 0.
    #[default]
    OnFailure,
    /// After every exit that the administrator did not ask for; on Windows the same as `on-failure`.
    Always,
}

/// What holds for Windows only.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServiceWindows {
    /// The account it runs under. `virtual` is one of its own, `NT SERVICE\NAME`; the others are shared by services.
    #[serde(default)]
    pub account: WindowsAccount,
    /// When it is started.
    #[serde(default)]
    pub start: WindowsStart,
    /// Whether the installer lets connections to the program through the firewall.
    #[serde(default)]
    pub firewall: bool,
}

/// The account a Windows service runs under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowsAccount {
    /// `NT SERVICE\NAME`: one that no other service has, few rights on the machine, the machine's account on the network.
    #[default]
    Virtual,
    /// `NT AUTHORITY\LocalService`, shared: few rights on the machine, anonymous on the network.
    LocalService,
    /// `NT AUTHORITY\NetworkService`, shared: few rights on the machine, the machine's account on the network.
    NetworkService,
    /// `LocalSystem`: every right on the machine.
    LocalSystem,
}

/// When Windows starts the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowsStart {
    /// At boot.
    #[default]
    Automatic,
    /// Some minutes after boot, when what is needed more is up.
    Delayed,
    /// When somebody asks.
    Manual,
}

/// What holds for Linux only.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServiceLinux {
    /// The system user and group it runs as. Default: `service.name`.
    #[schemars(length(min = 1, max = 31), extend("format" = "identifier"))]
    pub user: Option<Spanned<String>>,
    /// How systemd learns that it is ready.
    #[serde(default)]
    pub readiness: Readiness,
    /// How it is asked to read its configuration again, which is what `systemctl reload` does.
    #[serde(default)]
    pub reload: Reload,
    /// Within which time it tells systemd, again and again, that it is well, or is restarted: 1s to 1h; without it
    /// nobody watches. The program must say `WATCHDOG=1` (`sd_notify(3)`), so `readiness` must be `notify`.
    pub watchdog: Option<Spanned<Duration>>,
}

/// How the program is asked to read its configuration again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// It cannot: it must be restarted.
    #[default]
    None,
    /// By `SIGHUP`. With `readiness = "notify"` it says `RELOADING=1` with `MONOTONIC_USEC=` and then `READY=1`.
    Hangup,
}

/// How systemd learns that the program is ready (`Type=` of `systemd.service(5)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// The program says `READY=1` (`sd_notify(3)`).
    #[default]
    Notify,
    /// It is taken to be ready once executed.
    Exec,
}

/// The configuration file that is installed with the program and kept once edited.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Configuration {
    /// Its template, relative to the workspace root; it sees the listeners.
    #[schemars(extend("format" = "relative-path"))]
    pub template: Spanned<String>,
    /// Its name once installed.
    #[schemars(length(min = 1, max = 80), extend("format" = "file-name"))]
    pub file_name: Spanned<String>,
    /// The listener whose port the Windows installer writes into the default when it is given `/PORT=`. The template has
    /// to write that port once. Without it the installer knows no `/PORT=`.
    pub port_listener: Option<Spanned<String>>,
}

/// A socket the program listens on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Listener {
    /// IP address to bind.
    pub address: Spanned<IpAddr>,
    /// TCP port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Spanned<u16>,
}

/// A program to build.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Target {
    /// What links it. Default: `self-contained` off Windows, `msvc` on Windows.
    pub linker: Option<Spanned<Linker>>,
    /// Version of the Windows SDK; `xwin` only.
    #[schemars(extend("format" = "version-number"))]
    pub xwin_sdk_version: Option<Spanned<String>>,
    /// Version of the Microsoft C runtime; `xwin` only.
    #[schemars(extend("format" = "version-number"))]
    pub xwin_crt_version: Option<Spanned<String>>,
    /// Whether a release without it is refused when it cannot be built here.
    #[serde(default = "required_default")]
    pub required: bool,
    /// Whether its dependencies contain C code, so that a C compiler for the target is needed.
    #[serde(default)]
    pub c_compiler: bool,
    /// The program may not be larger.
    pub size_max: Spanned<ByteSize>,
    /// The installer may not be larger.
    pub installer_size_max: Option<Spanned<ByteSize>>,
    /// DLLs it may import beside those that every Windows 10 has.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub dlls: Vec<Spanned<String>>,
    /// Names of the bundles to make of it.
    #[schemars(length(min = 1))]
    pub bundles: Vec<Spanned<String>>,
    /// Files that go into each of its bundles beside those of the bundle itself.
    #[serde(default)]
    pub files: Vec<File>,
}

/// What links a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Linker {
    /// rustup's own linker and files made here: nothing of the target system is needed.
    SelfContained,
    /// cargo-xwin, with Microsoft's SDK and C runtime.
    Xwin,
    /// Microsoft's linker, on Windows.
    Msvc,
}

/// What packages say of the product beside what `[product]` says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Packages {
    /// E-mail address of who answers for the packages; shown behind `product.publisher`.
    #[schemars(length(min = 3, max = 100), extend("format" = "email-address"))]
    pub contact: Spanned<String>,
    /// The licence of the program, an SPDX expression (<https://spdx.org/licenses/>).
    #[schemars(length(min = 1, max = 100), extend("format" = "license-expression"))]
    pub license: Spanned<String>,
    /// What it does and for whom, in a few sentences; packages show it below `product.description`.
    #[schemars(length(min = 1, max = 2000), extend("format" = "line"))]
    pub details: Spanned<String>,
    /// Section of the Debian package (Debian Policy 2.4).
    #[serde(default = "section_default")]
    #[schemars(length(min = 1, max = 40), extend("format" = "identifier"))]
    pub section: Spanned<String>,
    /// The OpenPGP key that signs for package managers.
    pub gpg: Option<Spanned<Gpg>>,
}

/// The checksum files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Checksums {
    /// One file for each, named as the tool that reads it expects (`SHA256SUMS`); `sha256` is always there.
    #[schemars(extend("uniqueItems" = true))]
    pub algorithms: Vec<Spanned<Algorithm>>,
}

/// A digest algorithm.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// SHA-256, read by `sha256sum`.
    Sha256,
    /// SHA-512, read by `sha512sum`.
    Sha512,
    /// BLAKE2b-512, read by `b2sum`.
    Blake2b,
}

/// The key that signs the release.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Signing {
    /// The minisign public key, relative to the workspace root; what is signed is checked against it.
    #[schemars(extend("format" = "relative-path"))]
    pub public_key: Spanned<String>,
    /// Where the secret key is.
    pub secret_key: Secret,
    /// Where its password is. Without it the key must not be encrypted.
    pub password: Option<Secret>,
}

/// Where a secret is; never the secret itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// Name of an environment variable that holds it.
    Environment(Spanned<String>),
    /// Path of a file that holds it.
    File(Spanned<String>),
    /// Text of a question asked on the terminal.
    Prompt(Spanned<String>),
}

fn templates_default() -> Spanned<String> {
    Spanned::from("templates".to_owned())
}

fn channel_default() -> Spanned<String> {
    Spanned::from("stable".to_owned())
}

fn section_default() -> Spanned<String> {
    Spanned::from("net".to_owned())
}

fn restart_delay_default() -> Spanned<Duration> {
    seconds(5)
}

fn start_timeout_default() -> Spanned<Duration> {
    seconds(30)
}

fn stop_timeout_default() -> Spanned<Duration> {
    seconds(30)
}

fn required_default() -> bool {
    true
}

fn seconds(seconds: u64) -> Spanned<Duration> {
    Spanned::from(Duration::from_secs(seconds))
}

impl Default for Checksums {
    fn default() -> Self {
        Self { algorithms: vec![Spanned::from(Algorithm::Sha256)] }
    }
}
