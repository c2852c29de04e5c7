//! `release.json`: what a release says about itself. The types, and their text.
//!
//! [`crate::exec`] fills them, [`crate::verify`] reads them back and judges whether they are true.

use crate::config::model::Algorithm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the format of `release.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// Base name of the manifest in a release folder.
pub const FILE_NAME: &str = "release.json";

/// Why a text is not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not of these types.
    #[error("is not a release manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// Of a format that this version does not know.
    #[error("has format {found}, and only format {SCHEMA_VERSION} is known here")]
    SchemaVersion {
        /// The version it names.
        found: u64,
    },
}

/// The JSON Schema of `release.json`.
pub fn schema() -> serde_json::Value {
    strict_toml::schema::<Manifest>()
}

/// A whole `release.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Version of this format.
    pub schema_version: u32,
    /// Product name.
    pub product: String,
    /// Version of the release.
    pub version: String,
    /// Release channel.
    pub channel: String,
    /// `release` or `development`: which kind of key signs.
    pub signed_by: SignedBy,
    /// Whether the programs are empty stand-ins, made to exercise the packaging.
    pub stub: bool,
    /// Whether the Windows programs in it carry Authenticode signatures; absent in releases that do not.
    #[serde(default)]
    pub code_signed: bool,
    /// Whether its RPM packages carry OpenPGP signatures, and an index of its Debian packages does; absent in releases
    /// where they do not.
    #[serde(default)]
    pub packages_signed: bool,
    /// The commit it was made from.
    pub commit: Commit,
    /// Time stamp of every file in it, RFC 3339, UTC.
    pub timestamp: String,
    /// Versions of what made it, by tool.
    pub tools: BTreeMap<String, String>,
    /// The files beside this one, except the checksum files and the signatures.
    pub artifacts: Vec<ManifestArtifact>,
}

impl Manifest {
    /// The text of `release.json`, ending in a line feed.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a manifest has only text keys");
        text + "\n"
    }

    /// Reads the text of `release.json`.
    ///
    /// # Errors
    ///
    /// Another format version, or a text that is not a manifest: unknown keys are not accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        /// The one key that every version has.
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Versioned {
            schema_version: u64,
        }
        let Versioned { schema_version } = serde_json::from_slice(bytes)?;
        if schema_version != u64::from(SCHEMA_VERSION) {
            return Err(ManifestError::SchemaVersion { found: schema_version });
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// Which kind of key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignedBy {
    /// The declared key.
    Release,
    /// A key made on the building machine, which proves nothing.
    Development,
}

/// The commit a release was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Commit {
    /// Full hash.
    pub hash: String,
    /// Committer time, RFC 3339, UTC.
    pub time: String,
    /// Whether files differed from it, new ones that are not ignored included.
    pub dirty: bool,
}

/// A file of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ManifestArtifact {
    /// Base name.
    pub name: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// The triple it is for; absent where it is for none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Lower case hexadecimal digests, by algorithm.
    pub digests: BTreeMap<Algorithm, String>,
    /// The digests before it was code-signed, of what the sources alone decide; absent where it was not.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub unsigned_digests: BTreeMap<Algorithm, String>,
    /// What is inside, sorted by path; for an installer the files it lays down.
    pub files: Vec<ManifestFile>,
}

/// What a file of the release is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// An archive with a program.
    Archive,
    /// A Windows installer.
    Installer,
    /// A package for a Linux package manager.
    Package,
    /// A container image.
    Image,
    /// A file that makes the release folder a repository of apt's.
    Index,
    /// An archive with debug symbols.
    Symbols,
    /// The Prometheus configuration.
    Prometheus,
    /// `release.json`.
    Manifest,
    /// A checksum file.
    Checksums,
    /// A detached minisign signature.
    Signature,
}

/// A file inside a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ManifestFile {
    /// Path, with forward slashes.
    pub path: String,
    /// Unix permission bits in octal, `0755` or `0644`.
    pub mode: String,
    /// Bytes.
    pub size: u64,
    /// Lower case hexadecimal digests, by algorithm.
    pub digests: BTreeMap<Algorithm, String>,
    /// The digests before it was code-signed; absent where it was not.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub unsigned_digests: BTreeMap<Algorithm, String>,
}

impl ManifestFile {
    /// Unix permission bits as they stand in a manifest.
    pub fn mode_text(mode: u32) -> String {
        format!("{mode:04o}")
    }
}
