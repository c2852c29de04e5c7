//! Programs with and without signatures, made by hand: what counts as signed, and what reading them bears.

use super::*;
use proptest::prelude::*;

const OPTIONAL: usize = 0x80 + HEADERS;

/// The least of a program, of 64 bits or 32.
pub(crate) fn program(magic: u16) -> Vec<u8> {
    let mut bytes = vec![0x90; 0x200];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c..0x40].copy_from_slice(&0x80_u32.to_le_bytes());
    bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
    bytes[OPTIONAL..OPTIONAL + 2].copy_from_slice(&magic.to_le_bytes());
    let (_, directories) = DIRECTORIES.into_iter().find(|(known, _)| *known == magic).unwrap();
    let directories = OPTIONAL + directories;
    bytes[directories - 4..directories].copy_from_slice(&16_u32.to_le_bytes());
    bytes[directories..directories + 16 * 8].fill(0);
    bytes
}

/// A program with what looks like a signature of it; of other bytes where `of` changes them.
pub(crate) fn signed(unsigned: &[u8], of: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = unsigned.to_vec();
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    let layout = Layout::of(&bytes).unwrap();
    let mut hashed = bytes.clone();
    of(&mut hashed);
    let mut digest = Sha256::new();
    digest.update(&hashed[..layout.checksum.start]);
    digest.update(&hashed[layout.checksum.end..layout.security.start]);
    digest.update(&hashed[layout.security.end..]);
    let mut entry = vec![0; ENTRY_HEADER];
    entry[4..8].copy_from_slice(&[0x00, 0x02, 0x02, 0x00]);
    entry.extend([&[0x04, 32][..], &digest.finalize()].concat());
    entry.resize(entry.len().next_multiple_of(ALIGNMENT), 0);
    let length = u32::try_from(entry.len()).unwrap().to_le_bytes();
    entry[..4].copy_from_slice(&length);
    let start = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    bytes[layout.security].copy_from_slice(&[start, length].concat());
    bytes[layout.checksum].copy_from_slice(&[1, 2, 3, 4]);
    bytes.extend(entry);
    bytes
}

#[track_caller]
fn check(bytes: &[u8], expected: Result<bool, AuthenticodeError>) {
    assert_eq!(signature(bytes).map(|signature| signature.time_stamped), expected);
}

#[test]
fn a_signature_covers_all_of_a_program_of_either_width() {
    for magic in [0x10b, 0x20b] {
        let mut unsigned = program(magic);
        unsigned.extend(b"overlay");
        check(&unsigned, Err(AuthenticodeError::Unsigned));
        let signed = signed(&unsigned, |_| {});
        check(&signed, Ok(false));
        assert!(is_signed_form(&signed, &unsigned));
    }
}

#[test]
fn every_flipped_byte_but_those_of_the_checksum_is_noticed() {
    let whole = signed(&program(0x20b), |_| {});
    let layout = Layout::of(&whole).unwrap();
    for at in 0..layout.table.clone().unwrap().start {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        let expected = layout.checksum.contains(&at);
        assert_eq!(signature(&flipped).is_ok(), expected, "{at:#x}");
    }
}

#[test]
fn what_is_no_signature_of_these_bytes_is_told() {
    check(b"MZ, but no program", Err(AuthenticodeError::NotAProgram));
    check(b"", Err(AuthenticodeError::NotAProgram));
    let unsigned = program(0x20b);
    check(&signed(&unsigned, |bytes| bytes[0x1ff] ^= 1), Err(AuthenticodeError::OtherBytes));
    let whole = signed(&unsigned, |_| {});
    let malformed = |reason| Err(AuthenticodeError::Malformed(reason));
    check(&[&whole[..], b"more"].concat(), malformed("it is not at the end of the file"));
    check(&whole[..whole.len() - 1], malformed("it is not at the end of the file"));
    let mut another = whole.clone();
    another[unsigned.len() + 6] = 1;
    check(&another, malformed("its first entry is not a signature"));
    let mut long = whole;
    long[unsigned.len()] = 0xff;
    check(&long, malformed("it is too short"));
}

#[test]
fn a_signer_that_changed_the_program_is_noticed() {
    let unsigned = program(0x20b);
    let mut changed = unsigned.clone();
    changed[0x1f0] ^= 1;
    let whole = signed(&changed, |_| {});
    check(&whole, Ok(false));
    assert!(is_signed_form(&whole, &changed));
    assert!(!is_signed_form(&whole, &unsigned));
    assert!(!is_signed_form(&unsigned, &unsigned));
    assert!(!is_signed_form(&whole, &whole));
    let longer = [&unsigned[..], &[0; 8]].concat();
    assert!(!is_signed_form(&signed(&longer, |_| {}), &unsigned));
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(
        start in any::<u32>(), table in any::<[u32; 2]>(), tail in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = program(0x20b);
        let security = Layout::of(&bytes).unwrap().security;
        bytes[security].copy_from_slice(&[table[0].to_le_bytes(), table[1].to_le_bytes()].concat());
        bytes.extend(&tail);
        let _ = (signature(&bytes), is_signed_form(&bytes, &tail));
        let length = u32::try_from(bytes.len()).unwrap();
        let security = Layout::of(&bytes).unwrap().security;
        let from = table[0] % length;
        bytes[security].copy_from_slice(&[from.to_le_bytes(), (length - from).to_le_bytes()].concat());
        let _ = (signature(&bytes), is_signed_form(&bytes, &program(0x20b)));
        bytes[0x3c..0x40].copy_from_slice(&start.to_le_bytes());
        let _ = (signature(&bytes), is_signed_form(&bytes, &bytes));
    }
}
