//! Detached minisign signatures: made to the same bytes every time, and read strictly.
//!
//! Pure; [`crate::exec::keys`] finds the keys. The format is minisign's (<https://jedisct1.github.io/minisign/>,
//! "Signature format"), prehashed, four lines:
//!
//! ```text
//! untrusted comment: …
//! base64("ED" ‖ key id ‖ ed25519(blake2b-512(file)))
//! trusted comment: …
//! base64(ed25519(signature ‖ trusted comment))
//! ```
//!
//! The `minisign` crate salts its signatures with random bytes, which would make two builds of one release differ, so
//! the signatures are assembled here with the deterministic Ed25519 of RFC 8032 §5.1.6, on which the same author's
//! crate is built. Stock `minisign -V` accepts them. It ignores the untrusted comment; [`verify`] does not, so that no
//! byte of a signature file can change unnoticed.

mod comment;
mod key;

#[cfg(test)]
mod tests;

pub use comment::{CommentError, DEVELOPMENT, TrustedComment};
pub use key::{KeyError, KeyId, PublicKey, SigningKey};

use blake2::{Blake2b512, Digest};
use ct_codecs::{Base64, Decoder, Encoder};
use ed25519_compact::Signature;

/// What a signature file's name has after the name of the file it signs.
pub const SUFFIX: &str = ".minisig";

const UNTRUSTED_PREFIX: &str = "untrusted comment: ";
const TRUSTED_PREFIX: &str = "trusted comment: ";
/// The algorithm: Ed25519 over the BLAKE2b-512 digest of the file.
const PREHASHED: &[u8; 2] = b"ED";
/// Algorithm, key id and signature.
const SIGNATURE_BYTES: usize = 2 + 8 + Signature::BYTES;

/// Why a signature does not show that a file is what the key's owner signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not the text that [`sign`] writes.
    #[error("is not a signature as this toolkit writes it: line {line}: {problem}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// Made by another key than the trusted one.
    #[error("was signed by key {found}, not by the trusted key {trusted}")]
    OtherKey {
        /// The key it names.
        found: KeyId,
        /// The trusted key.
        trusted: KeyId,
        /// Whether its comment says that it is a development key.
        development: bool,
    },
    /// The signature over signature and comment does not hold: the signature file was changed, or another key with
    /// the same id made it.
    #[error("was changed after signing, or forged: its own signature does not hold")]
    Altered,
    /// The signature file is whole, but the file is not the one it was made for.
    #[error("is the signature of other bytes")]
    OtherBytes {
        /// What it says it was made for; this the key's owner did sign.
        comment: TrustedComment,
    },
    /// The trusted comment is not one of ours.
    #[error("its trusted comment {0}")]
    Comment(#[from] CommentError),
}

/// Signs a file: the text of its `.minisig`, the same for the same key, bytes and comment.
///
/// # Errors
///
/// A trusted comment with a field that its grammar cannot hold.
pub fn sign(
    key: &SigningKey,
    bytes: &[u8],
    comment: &TrustedComment,
) -> Result<String, CommentError> {
    let comment = comment.render()?;
    let signature = key.sign(&Blake2b512::digest(bytes));
    let whole = key.sign(&[signature.as_slice(), comment.as_bytes()].concat());
    Ok(text(key.public_key().id(), &signature, &comment, &whole))
}

/// The text of a signature file.
fn text(id: KeyId, signature: &[u8], comment: &str, whole: &[u8]) -> String {
    let first = encode(&[PREHASHED.as_slice(), &id.bytes(), signature].concat());
    let second = encode(whole);
    format!("{}\n{first}\n{TRUSTED_PREFIX}{comment}\n{second}\n", untrusted_line(id))
}

/// The first line: what a person who opens the file should know, and nothing that depends on when or where.
fn untrusted_line(id: KeyId) -> String {
    format!("{UNTRUSTED_PREFIX}minisign signature by key {id}")
}

/// Checks that `minisig` is a signature of `bytes` by the owner of `key`, and reads what else was signed with it.
///
/// # Errors
///
/// Says which of the two files is not as it was: [`SignatureError::OtherBytes`] blames the signed file, everything else
/// the signature file.
pub fn verify(
    key: &PublicKey,
    bytes: &[u8],
    minisig: &[u8],
) -> Result<TrustedComment, SignatureError> {
    let (comment, signature) = open(key, minisig)?;
    if !key.verifies(&Blake2b512::digest(bytes), &signature) {
        return Err(SignatureError::OtherBytes { comment });
    }
    Ok(comment)
}

/// What the owner of `key` signed besides the bytes of a file, which are not there to be compared.
///
/// # Errors
///
/// As [`verify`], for all that is wrong with the signature file.
pub fn statement(key: &PublicKey, minisig: &[u8]) -> Result<TrustedComment, SignatureError> {
    open(key, minisig).map(|(comment, _)| comment)
}

/// A signature file that is whole: its comment, and the signature of the file it was made for.
fn open(key: &PublicKey, minisig: &[u8]) -> Result<(TrustedComment, Signature), SignatureError> {
    let parsed = Parsed::parse(minisig)?;
    if parsed.id != key.id() {
        let development = parsed.comment.ends_with(DEVELOPMENT);
        return Err(SignatureError::OtherKey { found: parsed.id, trusted: key.id(), development });
    }
    let signed = [parsed.signature.as_ref(), parsed.comment.as_bytes()].concat();
    if !key.verifies(&signed, &parsed.whole) {
        return Err(SignatureError::Altered);
    }
    Ok((parsed.comment.parse()?, parsed.signature))
}

/// A signature file taken apart; packing it again gives the same bytes.
struct Parsed<'a> {
    id: KeyId,
    signature: Signature,
    comment: &'a str,
    whole: Signature,
}

impl<'a> Parsed<'a> {
    fn parse(minisig: &'a [u8]) -> Result<Self, SignatureError> {
        let malformed = |line, problem| SignatureError::Malformed { line, problem };
        let text = str::from_utf8(minisig).map_err(|_| malformed(1, "the file is not UTF-8"))?;
        let mut lines = text.split('\n');
        let (untrusted, first, trusted, second) =
            (|| Some((lines.next()?, lines.next()?, lines.next()?, lines.next()?)))()
                .ok_or(malformed(1, "the file has fewer than four lines"))?;
        if lines.next() != Some("") || lines.next().is_some() {
            return Err(malformed(4, "expected the last line, ended by LF"));
        }
        let bytes: [u8; SIGNATURE_BYTES] =
            decode(first).ok_or(malformed(2, "expected the base64 of 74 bytes"))?;
        let (algorithm, rest) = bytes.split_at(2);
        let (id, signature) = rest.split_at(8);
        if algorithm != PREHASHED {
            return Err(malformed(2, "the algorithm is not ED, prehashed Ed25519"));
        }
        let id = KeyId::new(id.try_into().expect("split at eight bytes"));
        if untrusted != untrusted_line(id) {
            return Err(malformed(1, "the untrusted comment was changed"));
        }
        let comment = trusted
            .strip_prefix(TRUSTED_PREFIX)
            .ok_or(malformed(3, "expected `trusted comment: `"))?;
        let whole = decode(second).ok_or(malformed(4, "expected the base64 of 64 bytes"))?;
        let signature = Signature::new(signature.try_into().expect("what is left of 74 bytes"));
        Ok(Self { id, signature, comment, whole: Signature::new(whole) })
    }
}

fn encode(bytes: &[u8]) -> String {
    Base64::encode_to_string(bytes).expect("a few bytes do not overflow")
}

/// Decodes exactly `N` bytes from the only base64 text that encodes them.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes: [u8; N] = Base64::decode_to_vec(text, None).ok()?.try_into().ok()?;
    (encode(&bytes) == text).then_some(bytes)
}
