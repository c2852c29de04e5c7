//! A repository of apt's in one folder: an index of its Debian packages, and what vouches for the index.
//!
//! apt checks no signature on a package. It checks one on `InRelease`, which has the digest of `Packages`, which has the
//! digest of each package. A release folder with both is what sources.list(5) calls a flat repository. Source:
//! <https://wiki.debian.org/DebianRepository/Format>, deb822(5). Pure: bytes in, text out; `gpg` signs.

use crate::archive::{self, ArchiveError};
use crate::checksum;
use crate::config::model::Algorithm;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Base name of the index.
pub const INDEX: &str = "Packages";

/// Base name of what vouches for it, with its signature around it.
pub const SIGNED: &str = "InRelease";

/// What a repository says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repository {
    /// Who publishes it.
    pub origin: String,
    /// What is in it.
    pub label: String,
    /// One sentence.
    pub description: String,
    /// When it was made, seconds since 1970-01-01 UTC.
    pub epoch: u64,
}

/// The index of packages, each with its base name: what each says of itself, where it is, its size and its digest.
///
/// # Errors
/// Bytes that are no Debian package of this toolkit's.
pub fn index(packages: &[(&str, &[u8])]) -> Result<String, ArchiveError> {
    let mut packages = packages.to_vec();
    packages.sort_unstable();
    let paragraph = |(name, bytes): &(&str, &[u8])| {
        let description = archive::deb_description(bytes)?;
        let digest = checksum::digest(Algorithm::Sha256, bytes);
        let size = bytes.len();
        Ok(format!("{description}Filename: ./{name}\nSize: {size}\nSHA256: {digest}\n"))
    };
    let paragraphs: Result<Vec<_>, _> = packages.iter().map(paragraph).collect();
    Ok(paragraphs?.join("\n"))
}

/// What is signed: the repository, the architectures in its index, and the digest of that.
///
/// It names neither suite nor codename: a flat repository has none, and apt would warn of one that it was not told of.
pub fn release(repository: &Repository, index: &str) -> String {
    let Repository { origin, label, description, epoch } = repository;
    let architectures: BTreeSet<&str> =
        index.lines().filter_map(|line| line.strip_prefix("Architecture: ")).collect();
    let architectures: Vec<_> = architectures.into_iter().collect();
    let mut text = String::new();
    for (name, value) in [
        ("Origin", origin.as_str()),
        ("Label", label),
        ("Date", &date(*epoch)),
        ("Architectures", &architectures.join(" ")),
        ("Description", description),
        ("SHA256", ""),
    ] {
        let _infallible = writeln!(text, "{}", format!("{name}: {value}").trim_end());
    }
    let (digest, size) = (checksum::digest(Algorithm::Sha256, index.as_bytes()), index.len());
    text + &format!(" {digest} {size} {INDEX}\n")
}

/// As RFC 2822 writes a date, in UTC.
fn date(epoch: u64) -> String {
    let seconds = i64::try_from(epoch).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(
        |_| seconds.to_string(),
        |time| time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Entry;
    use crate::config::model::Format;

    fn package(architecture: &str) -> Vec<u8> {
        let control = format!(
            "Package: node\nVersion: 1.0-1\nArchitecture: {architecture}\nDescription: serves\n All day.\n"
        );
        let entry = Entry::new("DEBIAN/control", 0o644, control.as_bytes());
        archive::pack(Format::Deb, &[entry], 1_700_000_000).unwrap()
    }

    #[test]
    fn the_index_has_each_package_and_the_release_has_the_index() {
        let [amd, arm] = ["amd64", "arm64"].map(package);
        let index = index(&[("b.deb", &arm), ("a.deb", &amd)]).unwrap();
        let paragraph = |architecture: &str, name: &str, bytes: &[u8]| {
            format!(
                "Package: node\nInstalled-Size: 1\nVersion: 1.0-1\nArchitecture: {architecture}\n\
                 Description: serves\n All day.\nFilename: ./{name}\nSize: {}\nSHA256: {}\n",
                bytes.len(),
                checksum::digest(Algorithm::Sha256, bytes)
            )
        };
        let paragraphs = [paragraph("amd64", "a.deb", &amd), paragraph("arm64", "b.deb", &arm)];
        assert_eq!(index, paragraphs.join("\n"));
        let repository = Repository {
            origin: "Us".to_owned(),
            label: "Node".to_owned(),
            description: "Serves".to_owned(),
            epoch: 1_700_000_000,
        };
        let expected = format!(
            "Origin: Us\nLabel: Node\nDate: Tue, 14 Nov 2023 22:13:20 UTC\nArchitectures: amd64 arm64\n\
             Description: Serves\nSHA256:\n {} {} Packages\n",
            checksum::digest(Algorithm::Sha256, index.as_bytes()),
            index.len()
        );
        assert_eq!(release(&repository, &index), expected);
    }

    #[test]
    fn what_is_no_package_is_refused() {
        assert!(index(&[("a.deb", b"!<arch>\n")]).is_err());
    }
}
