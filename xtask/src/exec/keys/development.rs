//! The development key: made once under cargo's target folder where no key is declared. It proves nothing, since
//! whoever builds has one; it lets everything be signed and verified in the same way.

use super::{KeyPair, KeysError, at};
use crate::signature::{PublicKey, SigningKey};
use crate::verify::{KeyOrigin, TrustedKey};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Its folder, below cargo's target folder.
pub const FOLDER: &str = "xtask-development-key";
const SECRET: &str = "minisign.key";
const PUBLIC: &str = "minisign.pub";
const WHAT: &str = "development key";

/// The key pair, which is made where there is none yet.
///
/// # Errors
///
/// It cannot be written or read, or was damaged.
pub fn load_or_make(target: &Path) -> Result<KeyPair, KeysError> {
    let folder = target.join(FOLDER);
    if !folder.exists() {
        let pair =
            minisign::KeyPair::generate_unencrypted_keypair().map_err(KeysError::Generate)?;
        let boxed =
            pair.sk.to_box(Some("development key, proves nothing")).map_err(KeysError::Generate)?;
        put(target, &boxed.into_string())?;
    }
    let signing = read(&folder)?;
    let trusted = TrustedKey { key: signing.public_key(), origin: KeyOrigin::Development };
    Ok(KeyPair { signing, trusted })
}

/// The public half, if the key was made.
///
/// # Errors
///
/// It cannot be read, or was damaged.
pub fn public_key(target: &Path) -> Result<Option<TrustedKey>, KeysError> {
    let folder = target.join(FOLDER);
    if !folder.exists() {
        return Ok(None);
    }
    let key = read(&folder)?.public_key();
    Ok(Some(TrustedKey { key, origin: KeyOrigin::Development }))
}

/// Gives another target folder the key of this one, so that a second build signs with the same key.
///
/// # Errors
///
/// It cannot be made, read or written.
pub fn share(target: &Path, other: &Path) -> Result<(), KeysError> {
    load_or_make(target)?;
    let path = target.join(FOLDER).join(SECRET);
    let text = fs::read_to_string(&path).map_err(at("read", WHAT, &path))?;
    let old = other.join(FOLDER);
    if old.exists() {
        fs::remove_dir_all(&old).map_err(at("replace", WHAT, &old))?;
    }
    put(other, &text)
}

fn read(folder: &Path) -> Result<SigningKey, KeysError> {
    let path = folder.join(SECRET);
    let text = fs::read_to_string(&path).map_err(at("read", WHAT, &path))?;
    parse(&text, &path)
}

fn parse(text: &str, path: &Path) -> Result<SigningKey, KeysError> {
    let place = format!("{} (remove it, and another is made)", path.display());
    SigningKey::parse(text, None).map_err(|source| KeysError::Unusable {
        what: WHAT,
        place,
        source,
    })
}

/// Puts both halves in place at once. A folder takes its name in one step, so of two processes that do this at the same
/// time one wins, and both then read the same key.
fn put(target: &Path, secret: &str) -> Result<(), KeysError> {
    fs::create_dir_all(target).map_err(at("make a folder for", WHAT, target))?;
    let beside = tempfile::Builder::new().prefix(FOLDER).tempdir_in(target).map_err(at(
        "make a folder for",
        WHAT,
        target,
    ))?;
    let public: PublicKey = parse(secret, &beside.path().join(SECRET))?.public_key();
    write(&beside.path().join(SECRET), secret, 0o600)?;
    write(&beside.path().join(PUBLIC), &public.to_text(), 0o644)?;
    let folder = target.join(FOLDER);
    match fs::rename(beside.path(), &folder) {
        Err(_) if folder.join(SECRET).exists() => Ok(()),
        renamed => renamed.map_err(at("put in place", WHAT, &folder)),
    }
}

/// Writes a new file that only its owner may read where `mode` says so, and waits until the disk has it.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), KeysError> {
    let mut file = create(path, mode).map_err(at("make", "key file", path))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(at("write", "key file", path))
}

#[cfg(unix)]
fn create(path: &Path, mode: u32) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create_new(true).mode(mode).open(path)
}

/// Windows files take the access list of their folder; below a user's profile that is the user.
#[cfg(not(unix))]
fn create(path: &Path, _mode: u32) -> std::io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}
