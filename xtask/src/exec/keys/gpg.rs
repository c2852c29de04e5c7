//! The secrets of the key that signs for package managers, resolved before anything is built.

use super::secret::{self, Outside, SecretText};
use super::{KeysError, Places};
use crate::config::model::{Gpg, Secret};

/// The secrets of `[packages.gpg]`. They can be used but not shown.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Armoured; `None` where gpg knows the key.
    pub(in crate::exec) secret_key: Option<SecretText>,
    pub(in crate::exec) password: Option<SecretText>,
}

/// Resolves what the declaration refers to.
///
/// # Errors
/// An environment variable that is not set, a file that cannot be read, no terminal to ask on.
pub fn load(
    declared: &Gpg,
    places: Places<'_>,
    outside: &dyn Outside,
) -> Result<Credentials, KeysError> {
    let resolve = |what, secret: &Option<Secret>| {
        let secret = secret.as_ref();
        secret.map(|it| secret::resolve(what, it, places.root, outside)).transpose()
    };
    Ok(Credentials {
        secret_key: resolve("OpenPGP secret key", &declared.secret_key)?,
        password: resolve("password of the OpenPGP key", &declared.password)?,
    })
}

/// Whether what the declaration refers to is there, without asking anybody.
///
/// # Errors
/// As [`load`], but for a password that would be asked for.
pub fn find(declared: &Gpg, places: Places<'_>, outside: &dyn Outside) -> Result<(), KeysError> {
    let password = declared.password.clone().filter(|it| !matches!(it, Secret::Prompt(_)));
    load(&Gpg { password, ..declared.clone() }, places, outside).map(|_| ())
}
