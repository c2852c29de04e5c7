//! The secrets that code signing takes, resolved before anything is built.

use super::secret::{self, Outside, SecretText};
use super::{KeysError, Places, at};
use crate::checksum;
use crate::config::model::{Algorithm, Codesign, CodesignKey, Secret, Signer};
use ct_codecs::{Base64, Decoder};
use std::fmt;
use std::path::PathBuf;

/// What an error calls the file with key and certificates.
const PKCS12: &str = "PKCS#12 file";

/// The secrets of `[codesign]`. They can be used but not shown.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub(in crate::exec) pkcs12: Option<Pkcs12>,
    pub(in crate::exec) password: Option<SecretText>,
    fingerprint: String,
}

/// Key and certificates in one file.
#[derive(Clone)]
pub(in crate::exec) enum Pkcs12 {
    /// A file that is there.
    File(PathBuf),
    /// Its contents.
    Contents(Vec<u8>),
}

impl fmt::Debug for Pkcs12 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Contents(_) => f.write_str("Contents(redacted)"),
        }
    }
}

impl Credentials {
    /// Differs when the key behind an unchanged reference is another one. Not a secret: a PKCS#12 file is mostly random
    /// bytes, and the password takes no part.
    pub(in crate::exec) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Resolves what the declaration refers to.
///
/// # Errors
/// An environment variable that is not set, or not base64 where a file is wanted, a file that cannot be read, no
/// terminal to ask on.
pub fn load(
    declared: &Codesign,
    places: Places<'_>,
    outside: &dyn Outside,
) -> Result<Credentials, KeysError> {
    let none = Credentials { pkcs12: None, password: None, fingerprint: String::new() };
    match &declared.signer {
        Signer::Signtool { .. } => Ok(none),
        Signer::Command { variables, .. } => {
            let unset = variables.iter().find(|name| outside.environment(name).is_none());
            let error = |name: &String| KeysError::Environment {
                what: "secret of the signing command",
                name: name.clone(),
            };
            unset.map_or(Ok(none), |name| Err(error(name)))
        }
        Signer::Osslsigncode { key, password } => {
            let pkcs12 = match key {
                CodesignKey::Pkcs12(secret) => Some(pkcs12(secret, places, outside)?),
                CodesignKey::Pkcs11 { .. } => None,
            };
            let password = password.as_ref();
            let password = password
                .map(|it| secret::resolve("code-signing password", it, places.root, outside));
            let (pkcs12, fingerprint) = pkcs12.unzip();
            Ok(Credentials {
                pkcs12,
                password: password.transpose()?,
                fingerprint: fingerprint.unwrap_or_default(),
            })
        }
    }
}

/// Whether what the declaration refers to is there, without asking anybody.
///
/// # Errors
/// As [`load`], but for a password that would be asked for.
pub fn find(
    declared: &Codesign,
    places: Places<'_>,
    outside: &dyn Outside,
) -> Result<(), KeysError> {
    let mut silent = declared.clone();
    if let Signer::Osslsigncode { password, .. } = &mut silent.signer {
        *password = password.take().filter(|it| !matches!(it, Secret::Prompt(_)));
    }
    load(&silent, places, outside).map(|_| ())
}

/// The file, and the digest of what it holds.
fn pkcs12(
    reference: &Secret,
    places: Places<'_>,
    outside: &dyn Outside,
) -> Result<(Pkcs12, String), KeysError> {
    let digest = |bytes: &[u8]| checksum::digest(Algorithm::Sha256, bytes);
    if let Secret::File(file) = reference {
        let path = places.root.join(file);
        let contents = std::fs::read(&path).map_err(at("read", PKCS12, &path))?;
        return Ok((Pkcs12::File(path), digest(&contents)));
    }
    let text = secret::resolve(PKCS12, reference, places.root, outside)?;
    let text: String = text.reveal().split_ascii_whitespace().collect();
    let name = || reference.variable().unwrap_or_default().to_owned();
    let contents = Base64::decode_to_vec(&text, None)
        .map_err(|_| KeysError::Base64 { what: PKCS12, name: name() })?;
    let digest = digest(&contents);
    Ok((Pkcs12::Contents(contents), digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io;
    use std::path::Path;

    /// An environment, and nobody to ask.
    struct Fake(BTreeMap<&'static str, &'static str>);

    impl Outside for Fake {
        fn environment(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|value| (*value).to_owned())
        }
        fn ask(&self, _: &str) -> io::Result<String> {
            Err(io::Error::other("nobody is here"))
        }
    }

    fn declared(signer: Signer) -> Codesign {
        Codesign {
            required: true,
            timestamp_url: None,
            authorities: None,
            timestamp_authorities: None,
            signer,
        }
    }

    fn from_variables() -> Codesign {
        let variable = |name: &str| Secret::Environment(name.to_owned());
        let key = CodesignKey::Pkcs12(variable("P12"));
        declared(Signer::Osslsigncode { key, password: Some(variable("PASSWORD")) })
    }

    #[track_caller]
    fn check(
        declared: &Codesign,
        environment: &[(&'static str, &'static str)],
        expected: Result<(), &str>,
    ) -> Option<Credentials> {
        let outside = Fake(environment.iter().copied().collect());
        let places = Places { root: Path::new("/nowhere"), target: Path::new("/nowhere") };
        let loaded = load(declared, places, &outside);
        let told = loaded.as_ref().map(|_| ()).map_err(ToString::to_string);
        assert_eq!(told, expected.map_err(str::to_owned));
        loaded.ok()
    }

    #[test]
    fn what_is_referred_to_is_resolved_and_not_shown() {
        let environment = [("P12", "aGVs\nbG8=\n"), ("PASSWORD", "hush\n")];
        let loaded = check(&from_variables(), &environment, Ok(())).unwrap();
        assert!(matches!(&loaded.pkcs12, Some(Pkcs12::Contents(bytes)) if bytes == b"hello"));
        assert_eq!(loaded.password.as_ref().unwrap().reveal(), "hush");
        let shown = format!("{loaded:?}");
        assert!(!shown.contains("hush") && !shown.contains("104, 101"), "{shown}");
    }

    #[test]
    fn another_key_behind_a_reference_has_another_fingerprint_another_password_has_not() {
        let fingerprint = |p12, password| {
            let environment = [("P12", p12), ("PASSWORD", password)];
            check(&from_variables(), &environment, Ok(())).unwrap().fingerprint
        };
        assert_eq!(fingerprint("aGVsbG8=", "a"), fingerprint("aGVsbG8=", "b"));
        assert_ne!(fingerprint("aGVsbG8=", "a"), fingerprint("aGVsbG8h", "a"));
    }

    #[test]
    fn what_is_missing_is_named() {
        check(
            &from_variables(),
            &[("PASSWORD", "x")],
            Err("the PKCS#12 file: environment variable P12 is not set, or not a text"),
        );
        check(
            &from_variables(),
            &[("P12", "aGVsbG8=")],
            Err(
                "the code-signing password: environment variable PASSWORD is not set, or not a text",
            ),
        );
        check(
            &from_variables(),
            &[("P12", "%"), ("PASSWORD", "x")],
            Err("the PKCS#12 file: environment variable P12 is not base64"),
        );
        let key = CodesignKey::Pkcs12(Secret::File("release.p12".to_owned()));
        check(
            &declared(Signer::Osslsigncode { key, password: None }),
            &[],
            Err(
                "/nowhere/release.p12: cannot read the PKCS#12 file: No such file or directory (os error 2)",
            ),
        );
        let (words, variables) = (vec!["sign".to_owned()], vec!["TOKEN".to_owned()]);
        let command = declared(Signer::Command { words, variables });
        check(&command, &[("TOKEN", "x")], Ok(()));
        check(
            &command,
            &[],
            Err(
                "the secret of the signing command: environment variable TOKEN is not set, or not a text",
            ),
        );
    }
}
