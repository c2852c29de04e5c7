//! What an Authenticode signature is in the bytes of a Windows program. Pure.
//!
//! Says whether a program carries one that covers all of it, and whether a signed program is the unsigned one with a
//! signature added. Who signed it, and whether that leads to an authority, is asked of `osslsigncode` or `signtool`.
//! Source: learn.microsoft.com, "PE Format" ("The Attribute Certificate Table") and "Windows Authenticode Portable
//! Executable Signature Format".

use sha2::{Digest, Sha256, Sha384, Sha512};
use std::ops::Range;

/// Where the check sum stands in the optional header, of both 32 and 64 bits.
const CHECKSUM: usize = 64;
/// Where the data directories begin in the optional header, by its magic number.
const DIRECTORIES: [(u16, usize); 2] = [(0x10b, 96), (0x20b, 112)];
/// The entry of the attribute certificate table among them (`IMAGE_DIRECTORY_ENTRY_SECURITY`).
const SECURITY: usize = 4;
/// Bytes of PE signature and file header, after which the optional header begins.
const HEADERS: usize = 24;
/// Bytes of the header of a `WIN_CERTIFICATE`.
const ENTRY_HEADER: usize = 8;
/// `WIN_CERT_REVISION_2_0` and `WIN_CERT_TYPE_PKCS_SIGNED_DATA`.
const PKCS_SIGNED_DATA: [u16; 2] = [0x0200, 0x0002];
/// The table begins, and ends, at a multiple of this.
const ALIGNMENT: usize = 8;
/// `1.3.6.1.4.1.311.3.3.1` in DER: the attribute that holds an RFC 3161 time stamp.
const TIME_STAMP: [u8; 12] =
    [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x03, 0x03, 0x01];

/// Why a program does not count as signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticodeError {
    /// Not a Windows program.
    #[error("is not a Windows program")]
    NotAProgram,
    /// It has no attribute certificate table.
    #[error("carries no signature")]
    Unsigned,
    /// The table is not at the end of the file, or what it holds is not a signature.
    #[error("has a certificate table that is malformed: {0}")]
    Malformed(&'static str),
    /// The signature is of other bytes.
    #[error("carries a signature of other bytes")]
    OtherBytes,
}

/// A signature, as far as the bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whether it has an RFC 3161 time stamp.
    pub time_stamped: bool,
}

/// Where things stand in a program.
struct Layout {
    checksum: Range<usize>,
    security: Range<usize>,
    /// The attribute certificate table, if it has one; it may reach beyond the file.
    table: Option<Range<usize>>,
}

impl Layout {
    fn of(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(b"MZ") {
            return None;
        }
        let start = usize::try_from(u32_at(bytes, 0x3c)?).ok()?;
        if bytes.get(start..)?.get(..4)? != b"PE\0\0" {
            return None;
        }
        let optional = start.checked_add(HEADERS)?;
        let magic = u16_at(bytes, optional)?;
        let (_, directories) = DIRECTORIES.into_iter().find(|(known, _)| *known == magic)?;
        let count = usize::try_from(u32_at(bytes, optional + directories - 4)?).ok()?;
        let security = optional + directories + SECURITY * 8;
        let offset = usize::try_from(u32_at(bytes, security)?).ok()?;
        let size = usize::try_from(u32_at(bytes, security + 4)?).ok()?;
        let table = (count > SECURITY && size > 0).then(|| offset..offset.saturating_add(size));
        let checksum = optional + CHECKSUM;
        Some(Self { checksum: checksum..checksum + 4, security: security..security + 8, table })
    }
}

/// Looks at the signature of a program: there is one, at the end, and it is of these very bytes.
///
/// # Errors
/// Not a program, not signed, or not as it should be.
pub fn signature(bytes: &[u8]) -> Result<Signature, AuthenticodeError> {
    let layout = Layout::of(bytes).ok_or(AuthenticodeError::NotAProgram)?;
    let table = layout.table.clone().ok_or(AuthenticodeError::Unsigned)?;
    if table.end != bytes.len() || table.start < layout.security.end {
        return Err(AuthenticodeError::Malformed("it is not at the end of the file"));
    }
    if !table.start.is_multiple_of(ALIGNMENT) {
        return Err(AuthenticodeError::Malformed("it is not aligned"));
    }
    let signed_data = signed_data(&bytes[table.clone()])?;
    let hashed = [
        &bytes[..layout.checksum.start],
        &bytes[layout.checksum.end..layout.security.start],
        &bytes[layout.security.end..table.start],
    ];
    if !states_digest::<Sha256>(signed_data, &hashed)
        && !states_digest::<Sha384>(signed_data, &hashed)
        && !states_digest::<Sha512>(signed_data, &hashed)
    {
        return Err(AuthenticodeError::OtherBytes);
    }
    let time_stamped = contains(signed_data, &TIME_STAMP);
    Ok(Signature { time_stamped })
}

/// Whether the first is the second with a signature added: the same bytes but for the check sum, the place of the
/// table and the zeros that align it.
pub fn is_signed_form(signed: &[u8], unsigned: &[u8]) -> bool {
    let (Some(layout), Some(before)) = (Layout::of(signed), Layout::of(unsigned)) else {
        return false;
    };
    let Some(table) = layout.table else { return false };
    let Some(body) = signed.get(..table.start) else { return false };
    let Some(padding) = body.get(unsigned.len()..) else { return false };
    let blank = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[layout.checksum.clone()].fill(0);
        bytes[layout.security.clone()].fill(0);
        bytes
    };
    before.table.is_none()
        && (&before.checksum, &before.security) == (&layout.checksum, &layout.security)
        && padding.len() < ALIGNMENT
        && padding.iter().all(|byte| *byte == 0)
        && blank(&body[..unsigned.len()]) == blank(unsigned)
}

/// The PKCS #7 structure in the first entry of a table.
fn signed_data(table: &[u8]) -> Result<&[u8], AuthenticodeError> {
    let short = AuthenticodeError::Malformed("it is too short");
    let length = u32_at(table, 0).and_then(|length| usize::try_from(length).ok()).ok_or(short)?;
    let [revision, kind] = [4, 6].map(|at| u16_at(table, at));
    if [revision.ok_or(short)?, kind.ok_or(short)?] != PKCS_SIGNED_DATA {
        return Err(AuthenticodeError::Malformed("its first entry is not a signature"));
    }
    table.get(ENTRY_HEADER..length).ok_or(short)
}

/// Whether the signed data states the digest of the bytes: an octet string (X.690 8.7) of its length. Enough to notice
/// what was changed after it was signed; whether the statement itself is signed is for the verifying tool.
fn states_digest<D: Digest>(signed_data: &[u8], hashed: &[&[u8]]) -> bool {
    let mut digest = D::new();
    hashed.iter().for_each(|part| digest.update(part));
    let digest = digest.finalize();
    let length = u8::try_from(digest.len()).expect("the longest of these digests has 64 bytes");
    contains(signed_data, &[&[0x04, length][..], &digest].concat())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*two))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*four))
}

#[cfg(test)]
pub(crate) mod tests;
