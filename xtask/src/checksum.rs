//! Digests, and the checksum files that `sha256sum -c`, `sha512sum -c` and `b2sum -c` read.
//!
//! Pure but for the reader that [`digests_of`] is given. [`crate::exec`] writes the files while a release is made, [`crate::verify`] parses them.

use crate::config::model::Algorithm;
use blake2::Blake2b512;
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{self, Read};

/// Bytes that are digested at a time, so that each algorithm finds them in the cache.
const CHUNK_BYTES: usize = 32 * 1024;

/// Why a checksum file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// Not UTF-8.
    #[error("line {line}: not UTF-8")]
    Encoding {
        /// Counted from 1.
        line: usize,
    },
    /// A byte order mark, which the stock tools take for part of the first digest.
    #[error("line 1: starts with a byte order mark")]
    ByteOrderMark,
    /// CRLF line ends, with which the stock tools look for files whose names end in CR.
    #[error("line {line}: ends in CR LF, expected LF alone")]
    CarriageReturn {
        /// Counted from 1.
        line: usize,
    },
    /// Nothing in it.
    #[error("line 1: the file is empty")]
    Empty,
    /// The last line is cut off.
    #[error("line {line}: does not end in LF")]
    Unfinished {
        /// Counted from 1.
        line: usize,
    },
    /// Not "digest, two spaces, base name".
    #[error(
        "line {line}: expected {digits} lower case hexadecimal digits, two spaces and a base name"
    )]
    Line {
        /// Counted from 1.
        line: usize,
        /// Length of the algorithm's digest.
        digits: usize,
    },
    /// Not in ascending order of names, or a name twice.
    #[error("line {line}: {name:?} is not after the name before it")]
    Order {
        /// Counted from 1.
        line: usize,
        /// The name.
        name: String,
    },
}

impl Algorithm {
    /// All algorithms, in their order.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512, Self::Blake2b];

    /// Name of its checksum file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256SUMS",
            Self::Sha512 => "SHA512SUMS",
            Self::Blake2b => "B2SUMS",
        }
    }

    /// The name by which release.toml and release.json call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake2b => "blake2b",
        }
    }

    /// Hexadecimal digits of a digest.
    pub fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 | Self::Blake2b => 128,
        }
    }
}

/// The digest of `bytes`, in lower case hexadecimal.
pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> String {
    match algorithm {
        Algorithm::Sha256 => hexadecimal(&Sha256::digest(bytes)),
        Algorithm::Sha512 => hexadecimal(&Sha512::digest(bytes)),
        Algorithm::Blake2b => hexadecimal(&Blake2b512::digest(bytes)),
    }
}

/// The MD5 of `bytes`, in lower case hexadecimal: what packages hold for finding damage on a disk, never for trust.
pub fn md5(bytes: &[u8]) -> String {
    hexadecimal(&md5::Md5::digest(bytes))
}

/// The digests of `bytes` by several algorithms, reading the bytes once.
pub fn digests(algorithms: &[Algorithm], bytes: &[u8]) -> BTreeMap<Algorithm, String> {
    digests_of(algorithms, bytes).expect("reading from memory cannot fail")
}

/// The digests of what a reader gives, of which never more than a piece is held.
///
/// # Errors
///
/// What the reader fails with.
pub fn digests_of(
    algorithms: &[Algorithm],
    mut reader: impl Read,
) -> io::Result<BTreeMap<Algorithm, String>> {
    let mut states: BTreeMap<_, _> =
        algorithms.iter().map(|algorithm| (*algorithm, State::new(*algorithm))).collect();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match reader.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for state in states.values_mut() {
            state.update(&chunk[..read]);
        }
    }
    Ok(states.into_iter().map(|(algorithm, state)| (algorithm, state.finish())).collect())
}

/// A digest being computed.
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
    Blake2b(Box<Blake2b512>),
}

impl State {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
            Algorithm::Blake2b => Self::Blake2b(Box::new(Blake2b512::new())),
        }
    }

    fn update(&mut self, chunk: &[u8]) {
        match self {
            Self::Sha256(state) => state.update(chunk),
            Self::Sha512(state) => state.update(chunk),
            Self::Blake2b(state) => state.update(chunk),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha256(state) => hexadecimal(&state.finalize()),
            Self::Sha512(state) => hexadecimal(&state.finalize()),
            Self::Blake2b(state) => hexadecimal(&state.finalize()),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// The text of a checksum file: a line a file, sorted by name.
///
/// Names are base names and digests come from [`digest`]; [`parse`] reads exactly these texts.
pub fn render(digests: &BTreeMap<String, String>) -> String {
    digests.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
}

/// Reads a checksum file: digests by base name.
///
/// Stricter than the stock tools, which skip lines that they do not understand: only what [`render`] writes is read.
///
/// # Errors
///
/// The first line that is not as [`render`] writes it, by its number.
pub fn parse(
    algorithm: Algorithm,
    bytes: &[u8],
) -> Result<BTreeMap<String, String>, ChecksumError> {
    if bytes.is_empty() {
        return Err(ChecksumError::Empty);
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(ChecksumError::ByteOrderMark);
    }
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    for (index, line_bytes) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let text = str::from_utf8(line_bytes).map_err(|_| ChecksumError::Encoding { line })?;
        let text = text.strip_suffix('\n').ok_or(ChecksumError::Unfinished { line })?;
        if text.ends_with('\r') {
            return Err(ChecksumError::CarriageReturn { line });
        }
        let (digest, name) = split(algorithm, text)
            .ok_or(ChecksumError::Line { line, digits: algorithm.digits() })?;
        if digests.last_key_value().is_some_and(|(last, _)| last.as_str() >= name) {
            return Err(ChecksumError::Order { line, name: name.to_owned() });
        }
        digests.insert(name.to_owned(), digest.to_owned());
    }
    Ok(digests)
}

/// Digest and base name of a line, if it is one.
fn split(algorithm: Algorithm, line: &str) -> Option<(&str, &str)> {
    let (digest, name) = line.split_once("  ")?;
    let is_digest = digest.len() == algorithm.digits()
        && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_digest && is_base_name(name)).then_some((digest, name))
}

/// Whether a name can stand in a checksum file and names a file of the same folder.
pub fn is_base_name(name: &str) -> bool {
    let plain = |char: char| !char.is_control() && !matches!(char, '/' | '\\' | ':' | '*');
    !matches!(name, "" | "." | "..") && name.chars().all(plain) && name.trim() == name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digests_are_those_of_the_stock_tools() {
        // From `printf abc | sha256sum`, `sha512sum` and `b2sum`; FIPS 180-4 and RFC 7693 appendix A have the same.
        let expected = [
            (Algorithm::Sha256, "ba7816bf8f01cfea", "b410ff61f20015ad"),
            (Algorithm::Sha512, "ddaf35a193617aba", "2a9ac94fa54ca49f"),
            (Algorithm::Blake2b, "ba80a53f981c4d0d", "386edd4009923"),
        ];
        for (algorithm, head, tail) in expected {
            let found = digest(algorithm, b"abc");
            assert_eq!(found.len(), algorithm.digits());
            assert!(found.starts_with(head) && found.ends_with(tail), "{algorithm:?}: {found}");
        }
    }

    #[test]
    fn several_digests_in_one_pass_are_the_same_as_one_by_one() {
        let bytes: Vec<u8> = (0..3 * CHUNK_BYTES + 17).map(|n| (n % 251) as u8).collect();
        for (algorithm, found) in digests(&Algorithm::ALL, &bytes) {
            assert_eq!(found, digest(algorithm, &bytes), "{algorithm:?}");
        }
        assert_eq!(digests(&[Algorithm::Sha256], b"").len(), 1);
    }

    #[test]
    fn a_checksum_file_is_sorted_with_two_spaces_and_lf() {
        let digests = BTreeMap::from([
            ("b.zip".to_owned(), "22".to_owned()),
            ("a.zip".to_owned(), "11".to_owned()),
        ]);
        assert_eq!(render(&digests), "11  a.zip\n22  b.zip\n");
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        let text = text.replace('@', &"a".repeat(64));
        assert_eq!(parse(Algorithm::Sha256, text.as_bytes()).unwrap_err().to_string(), message);
    }

    #[test]
    fn every_deviation_is_refused_with_its_line() {
        let line = "expected 64 lower case hexadecimal digits, two spaces and a base name";
        refused("", "line 1: the file is empty");
        refused("\u{feff}@  a\n", "line 1: starts with a byte order mark");
        refused("@  a\r\n", "line 1: ends in CR LF, expected LF alone");
        refused("@  a\n@  b", "line 2: does not end in LF");
        refused("@  a\n\n", &format!("line 2: {line}"));
        refused("@ a\n", &format!("line 1: {line}"));
        refused("@ *a\n", &format!("line 1: {line}"));
        refused("@   a\n", &format!("line 1: {line}"));
        refused("@  a \n", &format!("line 1: {line}"));
        refused("@  ../a\n", &format!("line 1: {line}"));
        refused("\\@  a\n", &format!("line 1: {line}"));
        refused(&format!("{}  a\n", "A".repeat(64)), &format!("line 1: {line}"));
        refused("@@  a\n", &format!("line 1: {line}"));
        refused("@  b\n@  a\n", "line 2: \"a\" is not after the name before it");
        refused("@  a\n@  a\n", "line 2: \"a\" is not after the name before it");
        assert_eq!(
            parse(Algorithm::Sha256, b"\xff\n").unwrap_err().to_string(),
            "line 1: not UTF-8"
        );
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_parsed(files in prop::collection::btree_map("[A-Za-z0-9._+-]{1,20}", any::<u64>(), 1..6)) {
            for algorithm in Algorithm::ALL {
                let digests: BTreeMap<_, _> = files
                    .iter()
                    .filter(|(name, _)| is_base_name(name))
                    .map(|(name, seed)| (name.clone(), digest(algorithm, &seed.to_le_bytes())))
                    .collect();
                prop_assume!(!digests.is_empty());
                prop_assert_eq!(parse(algorithm, render(&digests).as_bytes()).unwrap(), digests);
            }
        }

        #[test]
        fn what_is_parsed_renders_to_the_same_bytes(text in "([0-9a-f]{64}  [a-z ]{1,3}\n){0,3}") {
            if let Ok(digests) = parse(Algorithm::Sha256, text.as_bytes()) {
                prop_assert_eq!(render(&digests), text);
            }
        }
    }
}
