//! PEM files taken apart, with a diagnosis for each way in which a file is not what its setting says.

use std::path::Path;

use rustls::pki_types::pem::{PemObject as _, SectionKind};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem};

use super::{TlsError, files};

/// The certificates of a file, at least one.
///
/// # Errors
/// When the file cannot be read, is no PEM or has none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let contents = files::read(path)?;
    let found: Vec<_> = sections(path, &contents)?
        .into_iter()
        .filter(|(kind, _)| *kind == SectionKind::Certificate)
        .map(|(_, der)| CertificateDer::from(der))
        .collect();
    if found.is_empty() { Err(lacking(path, &contents, Wanted::Certificate)) } else { Ok(found) }
}

/// The revocation lists of a file, at least one.
///
/// # Errors
/// When the file cannot be read, is no PEM or has none.
pub fn revocation_lists(
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let contents = files::read(path)?;
    let found: Vec<_> = sections(path, &contents)?
        .into_iter()
        .filter(|(kind, _)| *kind == SectionKind::Crl)
        .map(|(_, der)| CertificateRevocationListDer::from(der))
        .collect();
    if found.is_empty() { Err(lacking(path, &contents, Wanted::RevocationList)) } else { Ok(found) }
}

/// The private key of a file, which may hold certificates as well.
///
/// # Errors
/// When the file cannot be read, is no PEM, or has no key, an encrypted one or several.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let contents = files::read(path)?;
    if is_encrypted(&contents) {
        let what = format!(
            "has an encrypted private key, for which nobody can type the password: decrypt it with \
             `openssl pkey -in {} -out FILE` and protect it by its mode",
            path.display()
        );
        return Err(wrong(path, what));
    }
    let mut keys: Vec<_> = sections(path, &contents)?
        .into_iter()
        .filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
        .collect();
    match (keys.pop(), keys.len()) {
        (Some(key), 0) => Ok(key),
        (None, _) => Err(lacking(path, &contents, Wanted::Key)),
        (Some(_), others) => Err(wrong(path, format!("has {} keys; one is wanted", others + 1))),
    }
}

/// What a file was to hold.
#[derive(Clone, Copy)]
enum Wanted {
    Certificate,
    Key,
    RevocationList,
}

impl Wanted {
    /// With its article, and the words in which `openssl` names it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Certificate => ("certificate", "x509"),
            Self::Key => ("private key", "pkey"),
            Self::RevocationList => ("revocation list (X509 CRL)", "crl"),
        }
    }
}

type Section = (SectionKind, Vec<u8>);

/// The known parts of a PEM file; what stands between them is passed over, as RFC 7468 has it.
fn sections(path: &Path, contents: &[u8]) -> Result<Vec<Section>, TlsError> {
    // Windows editors put a mark before UTF-8, which would hide the first line.
    let contents = contents.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(contents);
    <Section as pem::PemObject>::pem_slice_iter(contents)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(path, format!("is broken PEM: {}", in_words(&error))))
}

fn in_words(error: &pem::Error) -> String {
    if let pem::Error::MissingSectionEnd { end_marker } = error {
        format!("the line `-----END {}-----` is missing", String::from_utf8_lossy(end_marker))
    } else if let pem::Error::IllegalSectionStart { line } = error {
        let line = String::from_utf8_lossy(line);
        format!("`{}` begins nothing", line.trim_end().escape_debug())
    } else {
        error.to_string()
    }
}

/// Why a file does not hold what it should, as exactly as its contents tell.
fn lacking(path: &Path, contents: &[u8], wanted: Wanted) -> TlsError {
    let (name, tool) = wanted.words();
    let what = if let Some(what) = binary(path, contents, tool) {
        what
    } else {
        match labels(contents) {
            labels if labels.is_empty() => format!("has no {name}: it is no PEM at all"),
            labels => format!("has no {name}, only {labels}"),
        }
    };
    wrong(path, what)
}

/// PKCS #8 says so by its label, the older formats by a header (RFC 1421 §4.6.1.1).
fn is_encrypted(contents: &[u8]) -> bool {
    contains(contents, b"ENCRYPTED PRIVATE KEY-----")
        || contains(contents, b"Proc-Type: 4,ENCRYPTED")
}

/// What a file without PEM is, if its first bytes tell.
fn binary(path: &Path, contents: &[u8], tool: &str) -> Option<String> {
    if contains(contents, b"-----BEGIN ") {
        return None;
    }
    if matches!(contents, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) {
        return Some("is UTF-16: save it as UTF-8 or ASCII".to_owned());
    }
    let shown = path.display();
    let content = match contents {
        // A SEQUENCE with a length in one to three bytes.
        [0x30, 0x81, _, content @ ..]
        | [0x30, 0x82, _, _, content @ ..]
        | [0x30, 0x83, _, _, _, content @ ..] => content,
        [0x30, length, content @ ..] if *length < 0x80 => content,
        _ => return None,
    };
    // Version 3 first: RFC 7292 §4.
    Some(if content.starts_with(&[2, 1, 3]) {
        format!(
            "is PKCS #12, not PEM: convert it with `openssl pkcs12 -in {shown} -nodes -out FILE`"
        )
    } else {
        format!(
            "is DER, not PEM: convert it with `openssl {tool} -inform der -in {shown} -out FILE`"
        )
    })
}

/// The kinds of what a file holds instead, each once, for a person.
fn labels(contents: &[u8]) -> String {
    let text = String::from_utf8_lossy(contents);
    let mut labels: Vec<String> = Vec::new();
    for line in text.lines() {
        let label =
            line.strip_prefix("-----BEGIN ").and_then(|rest| rest.trim_end().strip_suffix("-----"));
        if let Some(label) = label {
            let label: String = label.chars().filter(|c| !c.is_control()).take(40).collect();
            if !labels.contains(&label) && labels.len() < 5 {
                labels.push(label);
            }
        }
    }
    labels.join(", ")
}

fn contains(contents: &[u8], part: &[u8]) -> bool {
    contents.windows(part.len()).any(|window| window == part)
}

fn wrong(path: &Path, what: String) -> TlsError {
    TlsError::File { path: path.to_owned(), what }
}
