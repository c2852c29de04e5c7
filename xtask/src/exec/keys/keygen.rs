//! `cargo xtask keygen`: a key pair in minisign's own files, its secret half encrypted with a password.

use super::{KeysError, Outside, at, secret};
use crate::config::model::Secret;
use crate::signature::{KeyId, PublicKey};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

const WHAT: &str = "key file";
/// What the names of files begin with that are being written; a secret key among them is readable by its owner only.
const UNFINISHED: &str = ".unfinished-";

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Keygen {
    /// File of the secret key; readable by its owner only.
    pub secret_key: PathBuf,
    /// File of the public key.
    pub public_key: PathBuf,
    /// Where the password is; without it, it is asked for twice.
    pub password: Option<Secret>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeKey {
    /// The key's identifier.
    pub id: KeyId,
    /// The base64 line that `minisign -P` takes.
    pub public_key: String,
}

/// Makes a key pair that stock `minisign` reads too. Each file has its name only when it is complete.
///
/// # Errors
///
/// A file that exists already or cannot be written, no terminal to ask on, an empty password or two different ones. No
/// file is left behind then.
pub fn keygen(keygen: &Keygen, root: &Path, outside: &dyn Outside) -> Result<MadeKey, KeysError> {
    for path in [&keygen.secret_key, &keygen.public_key] {
        if path.symlink_metadata().is_ok() {
            return Err(KeysError::Exists { path: path.clone() });
        }
    }
    let password = new_password(keygen.password.as_ref(), root, outside)?;
    let pair = minisign::KeyPair::generate_encrypted_keypair(Some(password.reveal().to_owned()))
        .map_err(KeysError::Generate)?;
    let boxed =
        pair.sk.to_box(Some("minisign encrypted secret key")).map_err(KeysError::Generate)?;
    let public =
        PublicKey::parse(&pair.pk.to_base64()).expect("a key that was just made is well formed");
    // Both are complete before either has its name.
    let secret_key = beside(&keygen.secret_key, &boxed.into_string(), 0o600)?;
    let public_key = beside(&keygen.public_key, &public.to_text(), 0o644)?;
    name(secret_key, &keygen.secret_key)?;
    let named = name(public_key, &keygen.public_key);
    if named.is_err() {
        // Half a pair is of no use, and would be in the way of the next attempt.
        let _ = fs::remove_file(&keygen.secret_key);
    }
    named?;
    Ok(MadeKey { id: public.id(), public_key: public.to_base64() })
}

/// Writes a file under another name in the folder it is meant for, and waits until the disk has it.
fn beside(path: &Path, text: &str, mode: u32) -> Result<NamedTempFile, KeysError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    // Windows files take the access list of their folder; below a user's profile that is the user.
    #[cfg(not(unix))]
    let _ = mode;
    let mut file =
        builder.tempfile_in(folder.unwrap_or(Path::new("."))).map_err(at("make", WHAT, path))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(at("write", WHAT, path))?;
    Ok(file)
}

/// Gives a complete file its name, unless that was taken meanwhile.
fn name(file: NamedTempFile, path: &Path) -> Result<(), KeysError> {
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(KeysError::Exists { path: path.to_path_buf() })
        }
        Err(error) => Err(at("put in place", WHAT, path)(error.error)),
    }
}

fn new_password(
    reference: Option<&Secret>,
    root: &Path,
    outside: &dyn Outside,
) -> Result<secret::SecretText, KeysError> {
    let resolve = |reference: &Secret| secret::resolve("password", reference, root, outside);
    let password = if let Some(reference) = reference {
        resolve(reference)?
    } else {
        let first = resolve(&Secret::Prompt("Password of the new key".to_owned()))?;
        let second = resolve(&Secret::Prompt("The same again".to_owned()))?;
        if first.reveal() != second.reveal() {
            return Err(KeysError::PasswordsDiffer);
        }
        first
    };
    if password.reveal().is_empty() { Err(KeysError::EmptyPassword) } else { Ok(password) }
}
