//! The signature inside a package: of the header, which holds the digest of the payload, by OpenPGP ("RPM V4 Package
//! format", "Signature"; RFC 4880).
//!
//! Making and judging one is for `gpg` and rpm: here it is put into the header of signatures and found there again.

use super::super::ArchiveError;
use super::LEAD_BYTES;
use super::header::{Header, Tag, Value};

/// The region of a header of signatures.
pub(super) const SIGNATURES: Tag = 62;
/// `RPMSIGTAG_RSA` and `RPMSIGTAG_DSA`; the second is for every other algorithm too (rpm's sign/rpmgensig.c).
const RSA: Tag = 268;
const OTHER: Tag = 267;
/// Bytes that a header is followed by fewer of.
const ALIGNMENT: usize = 8;

/// The parts of a package.
pub(super) struct Sections<'a> {
    lead: &'a [u8],
    signatures: Header,
    pub(super) header: &'a [u8],
    pub(super) payload: &'a [u8],
}

impl<'a> Sections<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        let short = || ArchiveError::malformed("it is no rpm package");
        let (lead, rest) = bytes.split_at_checked(LEAD_BYTES).ok_or_else(short)?;
        let (signatures, length) = Header::parse(rest)?;
        let rest = rest.get(length.next_multiple_of(ALIGNMENT)..).ok_or_else(short)?;
        let (_, length) = Header::parse(rest)?;
        let (header, payload) = rest.split_at_checked(length).ok_or_else(short)?;
        Ok(Self { lead, signatures, header, payload })
    }
}

/// A package of its parts.
pub(super) fn join(lead: &[u8], signatures: &Header, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = lead.to_vec();
    bytes.extend(signatures.to_bytes());
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(payload);
    bytes
}

/// What of a package is signed: its header, in which the digest of everything else stands.
///
/// # Errors
/// Bytes that are no package.
pub fn signed_part(package: &[u8]) -> Result<&[u8], ArchiveError> {
    Ok(Sections::of(package)?.header)
}

/// The signature in a package: an OpenPGP packet.
///
/// # Errors
/// Bytes that are no package, and more than one signature.
pub fn signature(package: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
    let Sections { signatures, .. } = Sections::of(package)?;
    match [RSA, OTHER].map(|tag| signatures.bytes(tag)) {
        [Some(_), Some(_)] => Err(ArchiveError::malformed("it is signed twice")),
        [one, other] => Ok(one.or(other).map(<[u8]>::to_vec)),
    }
}

/// A package that is not signed, with a signature: an OpenPGP packet over its [`signed_part`].
///
/// # Errors
/// Bytes that are no package, a package that is signed already, a signature that is none.
pub fn with_signature(package: &[u8], signature: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    if self::signature(package)?.is_some() {
        return Err(ArchiveError::malformed("it is signed already"));
    }
    let Sections { lead, signatures, header, payload } = Sections::of(package)?;
    let signature_tag = tag(signature)?;
    let value = Value::Bytes(signature.to_vec());
    Ok(join(lead, &signatures.with(SIGNATURES, signature_tag, value), header, payload))
}

/// Where a signature is put, by the algorithm of its key: the third byte of a signature packet of version 4 (RFC 4880
/// sections 4.2 and 5.2.3).
fn tag(signature: &[u8]) -> Result<Tag, ArchiveError> {
    let unknown = || ArchiveError::malformed("its signature is no OpenPGP signature of version 4");
    let first = *signature.first().ok_or_else(unknown)?;
    let is_old = first & 0x40 == 0;
    let kind = if is_old { first >> 2 & 0x0f } else { first & 0x3f };
    let length_bytes = match (is_old, first & 3, signature.get(1)) {
        (true, 0, _) | (false, _, Some(0..192)) => 1,
        (true, 1, _) | (false, _, Some(192..224)) => 2,
        (true, 2, _) => 4,
        (false, _, Some(255)) => 5,
        _ => return Err(unknown()),
    };
    match (first & 0x80, kind, signature.get(1 + length_bytes..4 + length_bytes)) {
        (0x80, 2, Some([4, _, 1 | 3])) => Ok(RSA),
        (0x80, 2, Some([4, _, 17 | 19 | 22])) => Ok(OTHER),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_goes_by_the_algorithm_of_its_key() {
        // Old packets with one and two bytes of length, new ones with one and two.
        let packets: [(&[u8], Option<Tag>); 9] = [
            (&[0x88, 3, 4, 0, 1], Some(RSA)),
            (&[0x89, 0, 3, 4, 0, 1], Some(RSA)),
            (&[0x88, 3, 4, 0, 22], Some(OTHER)),
            (&[0xc2, 3, 4, 0, 17], Some(OTHER)),
            (&[0xc2, 192, 3, 4, 0, 1], Some(RSA)),
            (&[0x88, 3, 3, 0, 1], None),
            (&[0x88, 3, 4, 0, 99], None),
            (b"-----BEGIN PGP SIGNATURE-----", None),
            (&[], None),
        ];
        for (packet, expected) in packets {
            assert_eq!(tag(packet).ok(), expected, "{packet:?}");
        }
    }
}
