//! `[codesign]`: Authenticode signatures for Windows. The serde mirror; its rules are in `config/lower/codesign.rs`.

use super::{Secret, required_default};
use schemars::JsonSchema;
use serde::Deserialize;
use strict_toml::Spanned;

/// Authenticode signatures on the Windows program, the uninstaller and the setup. Without it nothing is code-signed,
/// and `release.json` says so.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Codesign {
    /// Whether there is no release without signatures. With `false`, a machine that lacks the key makes an unsigned
    /// release, and says so.
    #[serde(default = "required_default")]
    pub required: bool,
    /// An RFC 3161 time-stamping service. Without one a signature is valid for as long as its certificate, and the same
    /// sources make the same bytes.
    #[schemars(extend("format" = "web-address"))]
    pub timestamp_url: Option<Spanned<String>>,
    /// Certificates (PEM) that every signature must lead to, relative to the workspace root; `osslsigncode verify`
    /// checks it. With `signtool` it may be left out: Windows then judges by its own.
    #[schemars(extend("format" = "relative-path"))]
    pub authorities: Option<Spanned<String>>,
    /// Certificates (PEM) that the time stamp must lead to; needs `authorities`. Default: those this machine trusts.
    #[schemars(extend("format" = "relative-path"))]
    pub timestamp_authorities: Option<Spanned<String>>,
    /// Sign with `osslsigncode`. One of `osslsigncode`, `signtool` and `command` is declared.
    pub osslsigncode: Option<Spanned<Osslsigncode>>,
    /// Sign with `signtool` of the Windows SDK, on Windows.
    pub signtool: Option<Spanned<Signtool>>,
    /// Sign with any command, which must sign the file in place. `{file}` stands for the path of the file.
    #[schemars(length(min = 1, max = 64))]
    pub command: Option<Spanned<Vec<Spanned<String>>>>,
    /// Environment variables that `command` reads. Of what compiles, links and packs, only the compiler of the installer
    /// sees them, which has the uninstaller signed.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub command_variables: Vec<Spanned<String>>,
}

/// `osslsigncode` and its key: a PKCS#12 file, or a key in a token that is reached through a PKCS#11 module.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Osslsigncode {
    /// Where the PKCS#12 file is, which holds key and certificates. In an environment variable it is in base64.
    pub pkcs12: Option<Secret>,
    /// Where the password of the PKCS#12 file, or the PIN of the token, is.
    pub password: Option<Secret>,
    /// The PKCS#11 module, as a path on the building machine.
    #[schemars(length(min = 1), extend("format" = "line"))]
    pub pkcs11_module: Option<Spanned<String>>,
    /// The OpenSSL engine that talks to the module, as a path on the building machine. Default: the one OpenSSL finds.
    #[schemars(length(min = 1), extend("format" = "line"))]
    pub pkcs11_engine: Option<Spanned<String>>,
    /// The key in the token: an identifier, or a URI (RFC 7512).
    #[schemars(length(min = 1), extend("format" = "line"))]
    pub pkcs11_key: Option<Spanned<String>>,
    /// The certificate of that key and those between it and the authority (PEM), relative to the workspace root.
    #[schemars(extend("format" = "relative-path"))]
    pub certificates: Option<Spanned<String>>,
}

/// `signtool` and the certificate in the store of Windows that it takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Signtool {
    /// SHA-1 digest of the certificate, 40 hexadecimal digits.
    #[schemars(extend("format" = "thumbprint"))]
    pub thumbprint: Option<Spanned<String>>,
    /// Part of the name of the certificate's subject.
    #[schemars(length(min = 1), extend("format" = "line"))]
    pub subject: Option<Spanned<String>>,
    /// Whether it is in the store of the machine, not of the user.
    #[serde(default)]
    pub machine_store: bool,
}
