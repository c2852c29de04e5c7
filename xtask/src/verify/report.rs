//! What verifying says: [`Verified`] or [`Finding`]s, for people and for programs.

use super::{KeyOrigin, TrustedKey, printable};
use crate::manifest::{Commit, Manifest, SignedBy};
use crate::signature::DEVELOPMENT;
use serde::Serialize;
use std::fmt;

/// One thing that is wrong with a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Base name of the file it is about.
    pub file: String,
    /// What is wrong, a lowercase fragment that follows the name.
    pub problem: String,
    /// What was expected instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What to do, where that is obvious.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// A finding about a file, the problem being a lowercase fragment that follows its name.
    pub fn new(file: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self {
            file: file.into(),
            problem: problem.to_string(),
            expected: None,
            found: None,
            hint: None,
        }
    }

    pub(super) fn unreadable(file: &str, source: &std::io::Error) -> Self {
        Self::new(file, format!("cannot be read: {source}"))
    }

    pub(super) fn expected(self, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self { expected: Some(expected.to_string()), found: Some(found.to_string()), ..self }
    }

    pub(super) fn hint(self, hint: impl fmt::Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.file), printable(&self.problem))?;
        for (label, text) in
            [("expected", &self.expected), ("found", &self.found), ("help", &self.hint)]
        {
            if let Some(text) = text {
                write!(f, "\n  {label}: {}", printable(text))?;
            }
        }
        Ok(())
    }
}

/// A release, or a file of one, that is what the owner of the key signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verified {
    /// Product name.
    pub product: String,
    /// Version of the release.
    pub version: String,
    /// Release channel.
    pub channel: String,
    /// Identifier of the key.
    pub key_id: String,
    /// Where the key came from.
    pub key_origin: KeyOrigin,
    /// Which kind of key signed. A development key proves nothing.
    pub signed_by: SignedBy,
    /// Whether the programs are empty stand-ins.
    pub stub: bool,
    /// Whether the Windows programs carry Authenticode signatures.
    pub code_signed: bool,
    /// Whether RPM packages carry OpenPGP signatures, and an index of Debian packages does.
    pub packages_signed: bool,
    /// The commit it was made from.
    pub commit: Commit,
    /// Base names of the files that were checked.
    pub files: Vec<String>,
}

impl Verified {
    pub(super) fn new(manifest: &Manifest, trusted: &TrustedKey, files: Vec<String>) -> Self {
        Self {
            product: manifest.product.clone(),
            version: manifest.version.clone(),
            channel: manifest.channel.clone(),
            key_id: trusted.key.id().to_string(),
            key_origin: trusted.origin,
            signed_by: manifest.signed_by,
            stub: manifest.stub,
            code_signed: manifest.code_signed,
            packages_signed: manifest.packages_signed,
            commit: manifest.commit.clone(),
            files,
        }
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, commit, files, .. } = self;
        let texts = [&self.product, &self.version, &self.channel, &commit.hash, &commit.time];
        let [product, version, channel, hash, time] = texts.map(|text| printable(text));
        if self.signed_by == SignedBy::Development {
            writeln!(f, "{DEVELOPMENT}. Whoever built this release made its key on the spot.")?;
        }
        if self.stub {
            writeln!(f, "STUB BUILD: the programs in it are empty stand-ins.")?;
        }
        if commit.dirty {
            writeln!(f, "DIRTY: it was built from files that differ from the commit.")?;
        }
        let number = files.len();
        let files = if number == 1 { "file" } else { "files" };
        writeln!(f, "{product} {version}, channel {channel}: {number} {files} as signed")?;
        let origin = match self.key_origin {
            KeyOrigin::Given => "given on the command line",
            KeyOrigin::Declared => "declared in packaging/release.toml",
            KeyOrigin::Development => "development key, made on this machine",
        };
        writeln!(f, "  key     {key_id} ({origin})")?;
        if self.code_signed {
            writeln!(f, "  code    signed for Windows (osslsigncode verify, signtool verify)")?;
        }
        if self.packages_signed {
            writeln!(f, "  package signed for apt and rpm (InRelease, rpmkeys --checksig)")?;
        }
        write!(f, "  commit  {hash} of {time}")
    }
}

/// The outcome for programs: an object with `verified`, and either `release` or `findings`.
pub fn to_json(outcome: &Result<Verified, Vec<Finding>>) -> serde_json::Value {
    match outcome {
        Ok(release) => serde_json::json!({ "verified": true, "release": release }),
        Err(findings) => serde_json::json!({ "verified": false, "findings": findings }),
    }
}
