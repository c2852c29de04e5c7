//! minisign keys: reading their texts, and the two operations on them.
//!
//! Encrypted secret keys are decrypted by the `minisign` crate, which knows their scrypt parameters and their checksum
//! (<https://jedisct1.github.io/minisign/>, "Secret key format").

use super::{UNTRUSTED_PREFIX, decode, encode};
use ed25519_compact::{KeyPair, Seed, Signature};
use std::fmt;

/// Marks a key for Ed25519, in public and secret keys.
const ALGORITHM: &[u8; 2] = b"Ed";
/// Where the key id begins in a decrypted secret key: after three algorithms, salt and two limits.
const SECRET_ID_AT: usize = 2 + 2 + 2 + 32 + 8 + 8;
/// Bytes of an Ed25519 secret key: the seed, then the public key (RFC 8032 §5.1.5).
const SECRET_BYTES: usize = 64;
/// Algorithm, key id and key.
const PUBLIC_BYTES: usize = 2 + 8 + 32;
/// Bytes of a stored secret key: what comes before the id, id, key and a checksum.
const STORED_BYTES: usize = SECRET_ID_AT + 8 + SECRET_BYTES + 32;
/// The bytes of the key-derivation algorithm in a secret key.
const KDF_AT: std::ops::Range<usize> = 2..4;

/// Why a text is not a usable key. Says nothing of its contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a public key.
    #[error(
        "is not a minisign public key: expected 56 base64 characters, after one line of comment or alone"
    )]
    Public,
    /// Not a secret key.
    #[error("is not a minisign secret key, or was damaged")]
    Secret,
    /// Encrypted, and there is no password.
    #[error("is encrypted, and no password was given")]
    PasswordMissing,
    /// Not encrypted, though a password was given.
    #[error("is not encrypted, although a password was given for it")]
    PasswordUnused,
    /// The password does not decrypt it.
    #[error("cannot be decrypted: the password is wrong")]
    PasswordWrong,
}

/// A key's identifier: random bytes that signatures and keys carry, shown as minisign shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

impl KeyId {
    pub(super) fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

/// A public key: who is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: [u8; 32],
}

impl PublicKey {
    /// Reads the text of a public key file, or only its base64 line.
    ///
    /// # Errors
    ///
    /// [`KeyError::Public`] where it is neither.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let line = key_line(text).ok_or(KeyError::Public)?;
        let bytes: [u8; PUBLIC_BYTES] = decode(line).ok_or(KeyError::Public)?;
        let (algorithm, rest) = bytes.split_at(2);
        let (id, key) = rest.split_at(8);
        if algorithm != ALGORITHM {
            return Err(KeyError::Public);
        }
        let id = KeyId(id.try_into().expect("split at eight bytes"));
        Ok(Self { id, key: key.try_into().expect("what is left of 42 bytes") })
    }

    /// Its identifier.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The base64 line that `minisign -P` takes.
    pub fn to_base64(&self) -> String {
        encode(&[ALGORITHM.as_slice(), &self.id.0, &self.key].concat())
    }

    /// The text of a public key file, which `minisign -p` takes.
    pub fn to_text(&self) -> String {
        format!("{UNTRUSTED_PREFIX}minisign public key {}\n{}\n", self.id, self.to_base64())
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        ed25519_compact::PublicKey::new(self.key).verify(message, signature).is_ok()
    }
}

/// A secret key, decrypted. Its memory is wiped when it is dropped, and it is never shown.
#[derive(Clone)]
pub struct SigningKey {
    id: KeyId,
    secret: ed25519_compact::SecretKey,
}

impl SigningKey {
    /// Reads the text of a secret key file, or only its base64 line, and decrypts it.
    ///
    /// # Errors
    ///
    /// A text that is not a secret key, a damaged key, a password that is missing, unused or wrong.
    pub fn parse(text: &str, password: Option<&str>) -> Result<Self, KeyError> {
        let line = key_line(text).ok_or(KeyError::Secret)?;
        let stored = decode::<STORED_BYTES>(line).ok_or(KeyError::Secret)?;
        if !stored.starts_with(ALGORITHM) {
            return Err(KeyError::Secret);
        }
        match (stored[KDF_AT] != [0, 0], password) {
            (true, Some(password)) => {
                let boxed = minisign::SecretKeyBox::from(format!("{UNTRUSTED_PREFIX}\n{line}\n"));
                let key = boxed.into_secret_key(Some(password.to_owned()));
                Self::from_bytes(&key.map_err(|_| KeyError::PasswordWrong)?.to_bytes())
            }
            (false, None) => Self::from_bytes(&stored),
            (true, None) => Err(KeyError::PasswordMissing),
            (false, Some(_)) => Err(KeyError::PasswordUnused),
        }
    }

    /// Takes the parts out of a decrypted key. The checksum in it is not looked at, since `minisign -G -W` writes none;
    /// that the public half belongs to the seed shows as much.
    fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let at =
            |from: usize, length: usize| bytes.get(from..from + length).ok_or(KeyError::Secret);
        let id = KeyId(at(SECRET_ID_AT, 8)?.try_into().expect("eight bytes were taken"));
        let secret = at(SECRET_ID_AT + 8, SECRET_BYTES)?;
        let seed = Seed::from_slice(&secret[..Seed::BYTES]).map_err(|_| KeyError::Secret)?;
        let pair = KeyPair::from_seed(seed);
        if pair.sk.as_slice() != secret {
            return Err(KeyError::Secret);
        }
        Ok(Self { id, secret: pair.sk })
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicKey {
        PublicKey { id: self.id, key: *self.secret.public_key() }
    }

    /// Signs without random salt, RFC 8032 §5.1.6.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; Signature::BYTES] {
        *self.secret.sign(message, None)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, redacted)", self.id)
    }
}

/// The line of a key's text that holds the key: the second, or the only one.
fn key_line(text: &str) -> Option<&str> {
    let mut lines = text.trim_end().lines();
    let first = lines.next()?;
    let line = if first.starts_with(UNTRUSTED_PREFIX) { lines.next()? } else { first };
    lines.next().is_none().then(|| line.trim())
}
