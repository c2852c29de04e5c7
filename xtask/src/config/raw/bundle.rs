//! `[bundles.<name>]`: archives, packages and installers, and what is in them. The serde mirror; its rules are in
//! `config/lower/bundles.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strict_toml::Spanned;

/// An archive or installer to make of a program.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bundle {
    /// Its file format.
    pub format: Spanned<Format>,
    /// How an installer is compressed, for the format `nsis` alone: `lzma` where it is not given.
    pub compression: Option<Spanned<Compression>>,
    /// Rendered texts that go into it. An installer always holds the configuration, and no other; a package holds
    /// everything that the service needs, and this key is not for it.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub texts: Vec<Spanned<Text>>,
    /// Files of the workspace that go into it. In a package they lie in its folder below `/usr/share/doc`.
    #[serde(default)]
    pub files: Vec<File>,
}

/// The file format of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Format {
    /// A zip archive.
    #[serde(rename = "zip")]
    Zip,
    /// A gzipped tar archive.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// A Windows installer, made by `makensis`.
    #[serde(rename = "nsis")]
    Nsis,
    /// A Debian package.
    #[serde(rename = "deb")]
    Deb,
    /// An RPM package.
    #[serde(rename = "rpm")]
    Rpm,
    /// A container image, an OCI archive that `podman`, `skopeo` and `docker` read.
    #[serde(rename = "oci")]
    Oci,
}

/// How an installer is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// The smallest, and the longest to make.
    #[default]
    Lzma,
    /// Larger than `lzma`, and several times faster to make.
    Bzip2,
    /// Larger still.
    Zlib,
}

/// A rendered text that can go into a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// The program's configuration file.
    Configuration,
    /// The NSIS installer script.
    NsisScript,
    /// The systemd service unit.
    ServiceUnit,
    /// The `sysusers.d` file.
    Sysusers,
    /// The `tmpfiles.d` file.
    Tmpfiles,
    /// The installing shell script.
    InstallScript,
    /// The uninstalling shell script.
    UninstallScript,
    /// The Prometheus scrape config.
    ScrapeConfig,
}

/// A file of the workspace that goes into a bundle.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// The file, relative to the workspace root.
    #[schemars(extend("format" = "relative-path"))]
    pub source: Spanned<String>,
    /// Its path in the bundle. Default: its base name.
    #[schemars(extend("format" = "relative-path"))]
    pub path: Option<Spanned<String>>,
    /// Whether it is a program or a script.
    #[serde(default)]
    pub executable: bool,
}
