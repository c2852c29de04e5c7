//! `[packages.gpg]`: OpenPGP signatures for package managers. The serde mirror; its rules are in `config/lower/gpg.rs`.

use super::{Secret, required_default};
use schemars::JsonSchema;
use serde::Deserialize;
use strict_toml::Spanned;

/// The OpenPGP key that signs for package managers: in each RPM package, and over an index of the Debian packages that
/// makes the release folder a repository of apt's. Without it packages carry no signature of their own, and
/// `release.json` says so.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gpg {
    /// Whether there is no release without these signatures. With `false`, a machine that lacks the key makes packages
    /// without them, and says so.
    #[serde(default = "required_default")]
    pub required: bool,
    /// The public key, as `gpg --armor --export` writes it, relative to the workspace root; what is signed is checked
    /// against it.
    #[schemars(extend("format" = "relative-path"))]
    pub public_key: Spanned<String>,
    /// Where the secret key is, as `gpg --armor --export-secret-keys` writes it. Without it gpg takes that of the public
    /// key from the keyring, the agent or the card of whoever runs it.
    pub secret_key: Option<Secret>,
    /// Where its password is. Without it the key must not be encrypted.
    pub password: Option<Secret>,
}
