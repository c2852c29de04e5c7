//! `cargo xtask repro`: builds twice under different conditions and compares every byte.
//!
//! [`compare`] is pure and says which file differs, and where: in which member of an archive, at which byte. The
//! builds are in [`twice`].

pub mod twice;

use crate::archive;
use crate::config::model::Format;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The files of a release, by base name.
pub type Release = BTreeMap<String, Vec<u8>>;

/// How a file differs between the two releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Base name of the file.
    pub file: String,
    /// What differs.
    pub what: What,
}

/// What differs in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Only the first build made it.
    OnlyFirst,
    /// Only the second build made it.
    OnlySecond,
    /// The bytes differ; for an archive whose members do not, in the archive's own bytes.
    Bytes(Place),
    /// The archive has other members, named here, than in the second build.
    Members(Vec<String>),
    /// A member of the archive differs.
    Member {
        /// Its path.
        path: String,
        /// Where.
        place: Place,
    },
}

/// Where two contents begin to differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// Offset of the first differing byte.
    pub offset: usize,
    /// Size in the first build.
    pub first_size: usize,
    /// Size in the second build.
    pub second_size: usize,
    /// Up to 16 bytes around the offset, in hexadecimal.
    pub first: String,
    /// The same of the second build.
    pub second: String,
}

/// All differences, by file name; none for identical releases.
pub fn compare(first: &Release, second: &Release) -> Vec<Difference> {
    let names: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    let difference = |name: &String| {
        let what = match (first.get(name), second.get(name)) {
            (Some(a), Some(b)) => contents(name, a, b)?,
            (Some(_), None) => What::OnlyFirst,
            (None, _) => What::OnlySecond,
        };
        Some(Difference { file: name.clone(), what })
    };
    names.into_iter().filter_map(difference).collect()
}

fn contents(name: &str, a: &[u8], b: &[u8]) -> Option<What> {
    let place = place(a, b)?;
    let Some(format) = Format::of(name) else { return Some(What::Bytes(place)) };
    Some(members(format, a, b).unwrap_or(What::Bytes(place)))
}

/// The first member that differs; `None` where none does, or where an archive cannot be read.
fn members(format: Format, a: &[u8], b: &[u8]) -> Option<What> {
    let read = |bytes| -> Option<BTreeMap<String, Vec<u8>>> {
        let members = archive::members(format, bytes).ok()?;
        Some(members.into_iter().map(|member| (member.path, member.contents)).collect())
    };
    let (a, b) = (read(a)?, read(b)?);
    let names =
        |members: &BTreeMap<String, Vec<u8>>| members.keys().cloned().collect::<BTreeSet<_>>();
    let unshared: Vec<_> = names(&a).symmetric_difference(&names(&b)).cloned().collect();
    if !unshared.is_empty() {
        return Some(What::Members(unshared));
    }
    a.iter().find_map(|(path, contents)| {
        let place = place(contents, &b[path])?;
        Some(What::Member { path: path.clone(), place })
    })
}

fn place(a: &[u8], b: &[u8]) -> Option<Place> {
    let shared = a.len().min(b.len());
    let offset = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(shared);
    if offset == a.len() && offset == b.len() {
        return None;
    }
    let around = |bytes: &[u8]| {
        let window =
            &bytes[offset.saturating_sub(4).min(bytes.len())..(offset + 12).min(bytes.len())];
        window.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
    };
    Some(Place {
        offset,
        first_size: a.len(),
        second_size: b.len(),
        first: around(a),
        second: around(b),
    })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.what {
            What::OnlyFirst => write!(f, "{file}: made by the first build only"),
            What::OnlySecond => write!(f, "{file}: made by the second build only"),
            What::Bytes(place) => write!(f, "{file}: {place}"),
            What::Members(names) => {
                write!(f, "{file}: members in one build only: {}", names.join(", "))
            }
            What::Member { path, place } => write!(f, "{file}: member {path}: {place}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, first_size, second_size, first, second } = self;
        write!(
            f,
            "differs from byte {offset} ({first_size} and {second_size} bytes): {first} | {second}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Entry;

    fn release(files: &[(&str, &[u8])]) -> Release {
        files.iter().map(|(name, contents)| ((*name).to_owned(), contents.to_vec())).collect()
    }

    fn archive(contents: &[u8], epoch: u64) -> Vec<u8> {
        let entry = |path| Entry::new(path, 0o644, contents);
        archive::pack(Format::TarGz, &[entry("x/a"), entry("x/b")], epoch)
            .expect("two small members fit")
    }

    #[track_caller]
    fn check(first: &[(&str, &[u8])], second: &[(&str, &[u8])], expected: &[&str]) {
        let found: Vec<_> =
            compare(&release(first), &release(second)).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn equal_releases_have_no_differences() {
        check(&[("a", b"1"), ("b.zip", b"2")], &[("a", b"1"), ("b.zip", b"2")], &[]);
    }

    #[test]
    fn a_file_of_one_build_only_is_named() {
        check(
            &[("a", b"")],
            &[("b", b"")],
            &["a: made by the first build only", "b: made by the second build only"],
        );
    }

    #[test]
    fn the_first_differing_byte_is_named() {
        check(
            &[("a", b"hello")],
            &[("a", b"help")],
            &["a: differs from byte 3 (5 and 4 bytes): 68 65 6c 6c 6f | 68 65 6c 70"],
        );
    }

    #[test]
    fn the_first_differing_member_is_named() {
        let (a, b) = (archive(b"one", 0), archive(b"two", 0));
        check(
            &[("a.tar.gz", &a)],
            &[("a.tar.gz", &b)],
            &["a.tar.gz: member x/a: differs from byte 0 (3 and 3 bytes): 6f 6e 65 | 74 77 6f"],
        );
    }

    #[test]
    fn a_difference_outside_the_members_is_one_of_the_archive() {
        let (a, b) = (archive(b"one", 0), archive(b"one", 86_400));
        let found = compare(&release(&[("a.tar.gz", &a)]), &release(&[("a.tar.gz", &b)]));
        assert!(matches!(found[..], [Difference { what: What::Bytes(_), .. }]), "{found:?}");
    }
}
