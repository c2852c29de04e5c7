//! Small real releases, made with the functions that make the large ones.

use crate::archive::{self, Entry};
use crate::checksum;
use crate::config::model::{Algorithm, Format};
use crate::manifest::{
    ArtifactKind, Commit, FILE_NAME, Manifest, ManifestArtifact, ManifestFile, SCHEMA_VERSION,
    SignedBy,
};
use crate::signature::{self, SUFFIX, SigningKey, TrustedComment};
use crate::verify::{KeyOrigin, Options, TrustedKey};
use std::collections::BTreeMap;

/// Files by base name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Time of every member.
pub const EPOCH: u64 = 1_700_000_000;

/// Names of the artifacts, by version.
pub type Name = fn(&str) -> String;
pub const ZIP: Name = |version| format!("edge-node-{version}-x86_64-pc-windows-msvc.zip");
pub const SETUP: Name = |version| format!("edge-node-{version}-x86_64-pc-windows-msvc-setup.exe");
pub const TAR: Name = |version| format!("edge-node-{version}-x86_64-unknown-linux-musl.tar.gz");
pub const DEB: Name = |version| format!("edge-node-{version}-x86_64-unknown-linux-musl.deb");
pub const RPM: Name = |version| format!("edge-node-{version}-x86_64-unknown-linux-musl.rpm");
pub const PROMETHEUS: Name = |version| format!("edge-node-{version}-prometheus.tar.gz");

/// What an RPM package says of itself.
pub const PREAMBLE: &str = "Name: node\nVersion: 1\nRelease: 1\nArchitecture: x86_64\nSummary: s\nLicense: MIT\n\
                            Vendor: A\nPackager: A\nURL: https://a.example/\n\nAll day.\n";
/// And a Debian one.
const CONTROL: &str =
    "Package: node\nVersion: 1\nArchitecture: amd64\nDescription: serves\n All day.\n";

/// Whoever makes and signs releases.
pub struct Maker {
    pub key: SigningKey,
    pub signed_by: SignedBy,
}

impl Maker {
    pub fn new() -> Self {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let text = pair.sk.to_box(None).unwrap().into_string();
        Self { key: SigningKey::parse(&text, None).unwrap(), signed_by: SignedBy::Release }
    }

    pub fn options(&self) -> Options {
        let origin = match self.signed_by {
            SignedBy::Release => KeyOrigin::Declared,
            SignedBy::Development => KeyOrigin::Development,
        };
        Options::new(TrustedKey { key: self.key.public_key(), origin })
    }

    pub fn sign(&self, version: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
        let comment = TrustedComment {
            product: "edge-node".to_owned(),
            version: version.to_owned(),
            channel: "stable".to_owned(),
            file: name.to_owned(),
            development: self.signed_by == SignedBy::Development,
        };
        signature::sign(&self.key, bytes, &comment).unwrap().into_bytes()
    }

    pub fn release(&self, version: &str) -> Files {
        self.release_with(version, &|_| {})
    }

    /// A release whose manifest is changed before the checksum files and the signatures are made.
    pub fn release_with(&self, version: &str, change: &dyn Fn(&mut Manifest)) -> Files {
        let program = format!("program {version} ").repeat(40).into_bytes();
        self.release_of(version, &program, change)
    }

    pub fn release_of(
        &self,
        version: &str,
        program: &[u8],
        change: &dyn Fn(&mut Manifest),
    ) -> Files {
        let (mut files, artifacts) = artifacts(version, program);
        let mut manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            product: "edge-node".to_owned(),
            version: version.to_owned(),
            channel: "stable".to_owned(),
            signed_by: self.signed_by,
            stub: false,
            code_signed: false,
            packages_signed: false,
            commit: Commit {
                hash: "0123456789abcdef".to_owned(),
                time: "2023-11-14T22:13:20Z".to_owned(),
                dirty: false,
            },
            timestamp: "2023-11-14T22:13:20Z".to_owned(),
            tools: BTreeMap::from([("rustc".to_owned(), "1.95.0".to_owned())]),
            artifacts,
        };
        change(&mut manifest);
        files.insert(FILE_NAME.to_owned(), manifest.to_json().into_bytes());
        let mut signed = vec![FILE_NAME.to_owned(), DEB(version), RPM(version)];
        for algorithm in Algorithm::ALL {
            let covered = files.iter().filter(|(name, _)| !name.ends_with("SUMS"));
            let digests = covered
                .map(|(name, bytes)| (name.clone(), checksum::digest(algorithm, bytes)))
                .collect();
            let text = checksum::render(&digests);
            signed.push(algorithm.file_name().to_owned());
            files.insert(algorithm.file_name().to_owned(), text.into_bytes());
        }
        for name in signed {
            let signature = self.sign(version, &name, &files[&name]);
            files.insert(format!("{name}{SUFFIX}"), signature);
        }
        files
    }
}

/// The files with one of them replaced or added.
pub fn with(files: &Files, name: &str, contents: &[u8]) -> Files {
    let mut changed = files.clone();
    changed.insert(name.to_owned(), contents.to_vec());
    changed
}

fn artifacts(version: &str, program: &[u8]) -> (Files, Vec<ManifestArtifact>) {
    let top = format!("edge-node-{version}");
    let (license, binary) = (format!("{top}/LICENSE"), format!("{top}/edge-node"));
    let scrape = format!("{top}/prometheus.yml");
    let entries = [Entry::new(&license, 0o644, b"Apache-2.0"), Entry::new(&binary, 0o755, program)];
    let scrape = [Entry::new(&scrape, 0o644, b"scrape_configs: []")];
    let setup = [b"MZ setup ", program].concat();
    let (deb, rpm) = (package("DEBIAN/control", CONTROL), package("RPM/preamble", PREAMBLE));
    let pack = |format, entry| archive::pack(format, entry, EPOCH).unwrap();
    let made = [
        (
            ZIP(version),
            ArtifactKind::Archive,
            archive::zip(&entries, EPOCH).unwrap(),
            entries.as_slice(),
        ),
        (SETUP(version), ArtifactKind::Installer, setup, &entries),
        (TAR(version), ArtifactKind::Archive, archive::tar_gz(&entries, EPOCH).unwrap(), &entries),
        (DEB(version), ArtifactKind::Package, pack(Format::Deb, &deb), &deb),
        (RPM(version), ArtifactKind::Package, pack(Format::Rpm, &rpm), &rpm),
        (
            PROMETHEUS(version),
            ArtifactKind::Prometheus,
            archive::tar_gz(&scrape, EPOCH).unwrap(),
            &scrape,
        ),
    ];
    let described = made
        .iter()
        .map(|(name, kind, bytes, entries)| artifact(name, *kind, bytes, entries))
        .collect();
    (made.into_iter().map(|(name, _, bytes, _)| (name, bytes)).collect(), described)
}

/// The least that a package holds.
fn package<'a>(path: &'a str, contents: &'a str) -> [Entry<'a>; 1] {
    [Entry::new(path, 0o644, contents.as_bytes())]
}

fn artifact(
    name: &str,
    kind: ArtifactKind,
    bytes: &[u8],
    entries: &[Entry<'_>],
) -> ManifestArtifact {
    let file = |entry: &Entry<'_>| ManifestFile {
        path: entry.path.to_owned(),
        mode: ManifestFile::mode_text(entry.mode),
        size: entry.contents.len() as u64,
        digests: checksum::digests(&Algorithm::ALL, entry.contents),
        unsigned_digests: BTreeMap::new(),
    };
    ManifestArtifact {
        name: name.to_owned(),
        kind,
        target: None,
        size: bytes.len() as u64,
        digests: checksum::digests(&Algorithm::ALL, bytes),
        unsigned_digests: BTreeMap::new(),
        files: entries.iter().map(file).collect(),
    }
}
