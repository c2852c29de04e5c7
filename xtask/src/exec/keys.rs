//! Finds the keys: the one that signs, and the one that is trusted when verifying.
//!
//! The declaration only refers to secrets; they are resolved here, at the moment of use, and go nowhere but into a
//! [`SigningKey`]. A declared key that cannot be used is an error, never a release without a signature. Where no key is
//! declared, a [`development`] key takes its place, and everything that is signed with it says so.

pub mod codesign;
pub mod development;
pub mod gpg;
mod keygen;
mod secret;

#[cfg(test)]
mod tests;

pub use keygen::{Keygen, MadeKey, keygen};
pub use secret::{Outside, Process};

use crate::config::model::{Secret, Signing};
use crate::signature::{KeyError, PublicKey, SigningKey};
use crate::verify::{KeyOrigin, TrustedKey};
use std::io;
use std::path::{Path, PathBuf};

/// The folders in which keys are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The workspace root, to which declared paths are relative.
    pub root: &'a Path,
    /// Cargo's target folder, which holds the development key.
    pub target: &'a Path,
}

/// A key that signs, and the public key by which others will check.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The key that signs.
    pub signing: SigningKey,
    /// Its public half.
    pub trusted: TrustedKey,
}

/// Why a key cannot be used. None of the texts shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A reference to an environment variable that is not set, or not UTF-8.
    #[error("the {what}: environment variable {name} is not set, or not a text")]
    Environment {
        /// What is looked for.
        what: &'static str,
        /// The variable.
        name: String,
    },
    /// A question that nobody can answer.
    #[error("the {what}: cannot ask for it, there is no terminal: {source}")]
    Terminal {
        /// What is asked for.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A file that cannot be read, made or put in place.
    #[error("{path}: cannot {verb} the {what}: {source}")]
    File {
        /// What it holds.
        what: &'static str,
        /// What was tried.
        verb: &'static str,
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A text that is no usable key.
    #[error("the {what} of {place} {source}")]
    Unusable {
        /// What it should be.
        what: &'static str,
        /// Where it came from.
        place: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The secret key is not the one whose public key is declared.
    #[error(
        "the secret key of {place} belongs to public key {found}, but {declared_in} declares {declared}"
    )]
    Mismatch {
        /// Where the secret key came from.
        place: String,
        /// Its public key.
        found: String,
        /// The file of the declared public key.
        declared_in: String,
        /// The declared public key.
        declared: String,
    },
    /// An environment variable that should hold a file, in base64.
    #[error("the {what}: environment variable {name} is not base64")]
    Base64 {
        /// What is looked for.
        what: &'static str,
        /// The variable.
        name: String,
    },
    /// A key file that is already there.
    #[error("{path}: already exists, and a key is never overwritten")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A password that protects nothing.
    #[error("the password is empty")]
    EmptyPassword,
    /// Two different answers.
    #[error("the two passwords differ")]
    PasswordsDiffer,
    /// The key could not be made.
    #[error("the key pair could not be made: {0}")]
    Generate(minisign::PError),
    /// There is neither a given, nor a declared, nor a development key to trust.
    #[error("there is no public key to verify with")]
    NothingTrusted,
}

impl KeysError {
    /// What to do about it, where that is obvious.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Environment { name, .. } => {
                Some(format!("set {name}, or refer to another place in packaging/release.toml"))
            }
            Self::Terminal { .. } => Some(
                "run it on a terminal, or refer to an environment variable or a file instead"
                    .to_owned(),
            ),
            Self::Unusable { source: KeyError::PasswordMissing, .. } => {
                Some("declare signing.password in packaging/release.toml".to_owned())
            }
            Self::Unusable { source: KeyError::PasswordUnused, .. } => Some(
                "make an encrypted key with `cargo xtask keygen`, or remove signing.password"
                    .to_owned(),
            ),
            Self::Mismatch { .. } => Some(
                "use the secret key of that public key, or declare its own public key".to_owned(),
            ),
            Self::Exists { path } => {
                Some(format!("choose another name, or move {} away", path.display()))
            }
            Self::NothingTrusted => Some(
                "give the publisher's key: --public-key FILE or --public-key BASE64".to_owned(),
            ),
            Self::Base64 { .. } => Some("write it with `base64 -w0 FILE`".to_owned()),
            Self::File { .. }
            | Self::Unusable { .. }
            | Self::EmptyPassword
            | Self::PasswordsDiffer
            | Self::Generate(_) => None,
        }
    }
}

/// The key that signs, as the declaration says; a development key is made where it is the first time.
///
/// # Errors
///
/// A key or password that is missing, unreadable, wrong, or not the one that the declared public key belongs to.
pub fn load(
    signing: &Signing,
    places: Places<'_>,
    outside: &dyn Outside,
) -> Result<KeyPair, KeysError> {
    match signing {
        Signing::Development => development::load_or_make(places.target),
        Signing::Key { public_key, secret_key, password } => {
            let trusted = declared(public_key, places)?;
            let signing = secret_half(secret_key, password.as_ref(), places, outside)?;
            if signing.public_key() != trusted.key {
                return Err(KeysError::Mismatch {
                    place: secret::place(secret_key),
                    found: signing.public_key().to_base64(),
                    declared_in: public_key.clone(),
                    declared: trusted.key.to_base64(),
                });
            }
            Ok(KeyPair { signing, trusted })
        }
    }
}

fn secret_half(
    reference: &Secret,
    password: Option<&Secret>,
    places: Places<'_>,
    outside: &dyn Outside,
) -> Result<SigningKey, KeysError> {
    let text = secret::resolve("secret key", reference, places.root, outside)?;
    let password = password
        .map(|password| secret::resolve("password", password, places.root, outside))
        .transpose()?;
    SigningKey::parse(text.reveal(), password.as_ref().map(secret::SecretText::reveal)).map_err(
        |source| KeysError::Unusable {
            what: "secret key",
            place: secret::place(reference),
            source,
        },
    )
}

/// The key to verify with: the given one (a file, or the base64 line itself), else the declared one, else the
/// development key that was made here.
///
/// # Errors
///
/// The one that comes first cannot be read or is no public key, or there is none.
pub fn trusted(
    given: Option<&str>,
    signing: Option<&Signing>,
    places: Places<'_>,
) -> Result<TrustedKey, KeysError> {
    match (given, signing) {
        (Some(given), _) => self::given(given),
        (None, Some(Signing::Key { public_key, .. })) => declared(public_key, places),
        (None, Some(Signing::Development) | None) => {
            development::public_key(places.target)?.ok_or(KeysError::NothingTrusted)
        }
    }
}

fn given(given: &str) -> Result<TrustedKey, KeysError> {
    if let Ok(key) = PublicKey::parse(given) {
        return Ok(TrustedKey { key, origin: KeyOrigin::Given });
    }
    let key = public_key_file(Path::new(given), given)?;
    Ok(TrustedKey { key, origin: KeyOrigin::Given })
}

fn declared(public_key: &str, places: Places<'_>) -> Result<TrustedKey, KeysError> {
    let key = public_key_file(&places.root.join(public_key), public_key)?;
    Ok(TrustedKey { key, origin: KeyOrigin::Declared })
}

fn public_key_file(path: &Path, place: &str) -> Result<PublicKey, KeysError> {
    let what = "public key";
    let text = std::fs::read_to_string(path).map_err(at("read", what, path))?;
    PublicKey::parse(&text).map_err(|source| KeysError::Unusable {
        what,
        place: place.to_owned(),
        source,
    })
}

/// Gives an I/O error its path and what was tried.
fn at<'a>(
    verb: &'static str,
    what: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> KeysError + 'a {
    move |source| KeysError::File { what, verb, path: path.to_path_buf(), source }
}
