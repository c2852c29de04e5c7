//! The key that signs for package managers, once every rule was applied. Holds references to secrets, never a secret.

use super::Secret;
use serde::Serialize;

/// The OpenPGP key that signs for package managers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gpg {
    /// A release without its signatures is refused.
    pub required: bool,
    /// File with the public key, relative to the workspace root.
    pub public_key: String,
    /// Where the secret key is; `None` where gpg knows it.
    pub secret_key: Option<Secret>,
    /// Where its password is; without one the key is not encrypted.
    pub password: Option<Secret>,
}

impl Gpg {
    /// The environment variables that hold secrets.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        [&self.secret_key, &self.password].into_iter().flatten().filter_map(Secret::variable)
    }
}
