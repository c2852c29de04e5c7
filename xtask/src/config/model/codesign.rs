//! How Windows programs are code-signed, once every rule was applied. Holds references to secrets, never a secret.

use super::Secret;
use serde::Serialize;

/// How Windows programs get their Authenticode signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Codesign {
    /// A release without them is refused.
    pub required: bool,
    /// RFC 3161 time-stamping service.
    pub timestamp_url: Option<String>,
    /// PEM file that every signature must lead to, relative to the workspace root; without one Windows judges, and
    /// `signtool` signs.
    pub authorities: Option<String>,
    /// PEM file that the time stamp must lead to, relative to the workspace root; else what the machine trusts.
    pub timestamp_authorities: Option<String>,
    /// What signs.
    pub signer: Signer,
}

/// What signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signer {
    /// `osslsigncode`.
    Osslsigncode {
        /// Its key.
        key: CodesignKey,
        /// Where the password or PIN is.
        password: Option<Secret>,
    },
    /// `signtool`.
    Signtool {
        /// The certificate.
        certificate: StoreCertificate,
        /// It is in the store of the machine.
        machine_store: bool,
    },
    /// Any command.
    Command {
        /// Its words; `{file}` stands for the path of the file.
        words: Vec<String>,
        /// The environment variables that it alone may see.
        variables: Vec<String>,
    },
}

/// A key that `osslsigncode` uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodesignKey {
    /// A PKCS#12 file: as it is where it is a file, in base64 where it is an environment variable.
    Pkcs12(Secret),
    /// A key in a token.
    Pkcs11 {
        /// Path of the module on the building machine.
        module: String,
        /// Path of the OpenSSL engine on the building machine, where OpenSSL does not find it.
        engine: Option<String>,
        /// Identifier or URI of the key.
        key: String,
        /// PEM file, relative to the workspace root.
        certificates: String,
    },
}

/// How `signtool` finds its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreCertificate {
    /// By its SHA-1 digest.
    Thumbprint(String),
    /// By its subject.
    Subject(String),
}

impl Codesign {
    /// The environment variables that hold secrets.
    pub fn variables(&self) -> Vec<&str> {
        match &self.signer {
            Signer::Osslsigncode { key, password } => {
                let pkcs12 = match key {
                    CodesignKey::Pkcs12(secret) => Some(secret),
                    CodesignKey::Pkcs11 { .. } => None,
                };
                pkcs12.into_iter().chain(password).filter_map(Secret::variable).collect()
            }
            Signer::Signtool { .. } => Vec::new(),
            Signer::Command { variables, .. } => variables.iter().map(String::as_str).collect(),
        }
    }

    /// The files of the workspace that signing reads, relative to its root.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let certificates = match &self.signer {
            Signer::Osslsigncode { key: CodesignKey::Pkcs11 { certificates, .. }, .. } => {
                Some(certificates)
            }
            Signer::Osslsigncode { .. } | Signer::Signtool { .. } | Signer::Command { .. } => None,
        };
        let all = [self.authorities.as_ref(), self.timestamp_authorities.as_ref(), certificates];
        all.into_iter().flatten().map(String::as_str)
    }
}

impl Signer {
    /// How people call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Osslsigncode { .. } => "osslsigncode",
            Self::Signtool { .. } => "signtool",
            Self::Command { words, .. } => words.first().map_or("command", String::as_str),
        }
    }
}
