//! Every way of tampering with a release is caught, with a message that names the file.
//!
//! [`made`] makes small real releases with the toolkit's own functions; [`replay`] has the cases in which something was
//! signed, only not this; [`large`] is about what would exhaust the memory; [`disk`] does what needs a disk.

mod disk;
mod large;
mod made;
mod replay;

use super::*;
use crate::archive::{self, Entry, rpm};
use crate::config::model::{Algorithm, Format};
use crate::manifest::{ArtifactKind, FILE_NAME, Manifest, ManifestFile, SignedBy};
use crate::signature::SUFFIX;
use made::{DEB, Files, Maker, PROMETHEUS, RPM, SETUP, TAR, ZIP};
use proptest::prelude::*;

/// What speaks for others, and the packages, which are signed as well.
const SIGNED: [&str; 4] = ["release.json", "SHA256SUMS", "SHA512SUMS", "B2SUMS"];
const PACKAGES: [made::Name; 2] = [DEB, RPM];

fn snapshot(files: &Files) -> Snapshot {
    let found = files.iter().map(|(name, bytes)| (name.clone(), Found::File(bytes.clone())));
    Snapshot { folder: "dist".to_owned(), files: found.collect() }
}

fn judge(maker: &Maker, files: &Files) -> Result<Verified, Vec<Finding>> {
    release(&snapshot(files), &maker.options())
}

/// Asserts that a change is caught, and that every finding is about one of `blamed`, each of which is blamed.
#[track_caller]
fn caught(maker: &Maker, files: &Files, blamed: &[&str]) -> String {
    let findings = judge(maker, files).expect_err("a changed release was verified");
    let text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    for name in blamed {
        assert!(
            findings.iter().any(|finding| finding.file == *name),
            "{name} is not named:\n{text}"
        );
    }
    for finding in &findings {
        assert!(blamed.contains(&finding.file.as_str()), "{} is blamed:\n{text}", finding.file);
    }
    text
}

/// As [`caught`], with a text that must be in the message.
#[track_caller]
fn caught_with(maker: &Maker, files: &Files, blamed: &[&str], message: &str) {
    let text = caught(maker, files, blamed);
    assert!(text.contains(message), "expected {message:?} in:\n{text}");
}

#[test]
fn an_untouched_release_is_verified() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    let verified = judge(&maker, &files).unwrap();
    assert_eq!(verified.version, "1.2.3");
    assert_eq!(verified.files, files.keys().cloned().collect::<Vec<_>>());
    assert_eq!(files.len(), 4 + 2 * (SIGNED.len() + PACKAGES.len()));
    let expected = format!(
        "edge-node 1.2.3, channel stable: 16 files as signed\n  key     {} (declared in \
         packaging/release.toml)\n  commit  0123456789abcdef of 2023-11-14T22:13:20Z",
        maker.options().trusted.key.id()
    );
    assert_eq!(verified.to_string(), expected);
}

#[test]
fn a_flipped_bit_anywhere_in_any_file_is_caught() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    for (name, bytes) in &files {
        let last = bytes.len() - 1;
        for at in [0, 1, last / 4, last / 2, last - last / 3, last - 1, last] {
            let mut changed = files.clone();
            changed.get_mut(name).unwrap()[at] ^= 1;
            caught(&maker, &changed, &[name]);
        }
    }
}

#[test]
fn a_truncated_empty_or_extended_file_is_caught() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    for (name, bytes) in &files {
        let half = bytes[..bytes.len() / 2].to_vec();
        let more = [bytes.as_slice(), b"\n"].concat();
        for contents in [Vec::new(), half, bytes[..bytes.len() - 1].to_vec(), more] {
            let changed = made::with(&files, name, &contents);
            caught(&maker, &changed, &[name]);
        }
    }
    caught_with(&maker, &made::with(&files, &ZIP("1.2.3"), b""), &[&ZIP("1.2.3")], "is empty");
}

#[test]
fn any_two_swapped_files_are_caught() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    let names: Vec<_> = files.keys().cloned().collect();
    for (index, one) in names.iter().enumerate() {
        for other in &names[index + 1..] {
            let mut changed = files.clone();
            changed.insert(one.clone(), files[other].clone());
            changed.insert(other.clone(), files[one].clone());
            let findings = judge(&maker, &changed).expect_err("swapped files were verified");
            let named = findings.iter().any(|finding| [one, other].contains(&&finding.file));
            assert!(named, "{one} and {other}: {findings:?}");
        }
    }
    let (zip, setup) = (ZIP("1.2.3"), SETUP("1.2.3"));
    let mut changed = made::with(&files, &zip, &files[&setup]);
    changed.insert(setup.clone(), files[&zip].clone());
    caught_with(&maker, &changed, &[&zip, &setup], &format!("{zip}: holds the bytes of {setup}"));
}

#[test]
fn a_dropped_file_is_caught() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    for name in files.keys() {
        let mut changed = files.clone();
        changed.remove(name);
        caught_with(&maker, &changed, &[name], &format!("{name}: is missing"));
    }
    caught_with(&maker, &Files::new(), &["release.json"], "release.json: is missing");
}

#[test]
fn an_added_file_is_caught() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    for name in ["README", "edge-node-1.2.3-extra.zip", "release.json.bak", "SHA1SUMS"] {
        caught_with(&maker, &made::with(&files, name, b"x"), &[name], "is not of this release");
    }
    let copy = made::with(&files, "copy.zip", &files[&ZIP("1.2.3")]);
    caught_with(&maker, &copy, &["copy.zip"], "is not of this release");
}

#[test]
fn a_signature_of_another_file_is_caught() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    let wrong = made::with(&files, "release.json.minisig", &files["SHA256SUMS.minisig"]);
    caught_with(&maker, &wrong, &["release.json.minisig"], "was made for another file");
    // The key's owner signed these very bytes, but as something else.
    let as_other = maker.sign("1.2.3", "B2SUMS", &files["SHA256SUMS"]);
    let wrong = made::with(&files, "SHA256SUMS.minisig", &as_other);
    caught_with(&maker, &wrong, &["SHA256SUMS.minisig"], "was made for another file");
}

#[test]
fn a_signature_of_a_package_that_is_not_of_its_bytes_is_caught() {
    let (maker, other) = (Maker::new(), Maker::new());
    let files = maker.release("1.2.3");
    for (name, another) in [(DEB("1.2.3"), RPM("1.2.3")), (RPM("1.2.3"), DEB("1.2.3"))] {
        let signature = format!("{name}{SUFFIX}");
        let refused = |contents: &[u8], message: &str| {
            let changed = made::with(&files, &signature, contents);
            caught_with(&maker, &changed, &[&signature], message);
        };
        refused(&files[&format!("{another}{SUFFIX}")], "was made for another file");
        refused(&other.release("1.2.3")[&signature], "not by the trusted key");
        // The key's owner signed all of these, but not this package of this release.
        refused(&maker.sign("1.2.3", &another, &files[&name]), "was made for another file");
        refused(&maker.sign("1.2.2", &name, &files[&name]), "was made for another version");
        refused(&maker.sign("1.2.3", &name, b"made again"), "is the signature of other bytes");
        // The signature of a changed package is not blamed for it.
        let changed = made::with(&files, &name, &[&files[&name][1..], b"."].concat());
        caught_with(&maker, &changed, &[&name], "was changed: its sha256 digest is another");
    }
}

#[test]
fn an_edited_comment_is_caught() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    let packages = PACKAGES.map(|name| name("1.2.3"));
    for name in SIGNED.into_iter().chain(packages.iter().map(String::as_str)) {
        let signature = format!("{name}{SUFFIX}");
        let text = String::from_utf8(files[&signature].clone()).unwrap();
        for (from, to) in [
            ("version=1.2.3", "version=1.2.4"),
            ("channel=stable", "channel=beta"),
            ("\ntrusted comment: ", "\ntrusted comment:  "),
            ("untrusted comment: minisign", "untrusted comment: trust me, minisign"),
            ("\n", "\r\n"),
        ] {
            assert!(text.contains(from));
            let edited = made::with(&files, &signature, text.replacen(from, to, 1).as_bytes());
            caught(&maker, &edited, &[&signature]);
        }
    }
}

#[test]
fn checksum_files_that_disagree_with_the_manifest_are_caught_though_signed() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    let resigned = |change: &dyn Fn(String) -> String| {
        let text = change(String::from_utf8(files["SHA256SUMS"].clone()).unwrap());
        let signature = maker.sign("1.2.3", "SHA256SUMS", text.as_bytes());
        made::with(
            &made::with(&files, "SHA256SUMS", text.as_bytes()),
            "SHA256SUMS.minisig",
            &signature,
        )
    };
    let refused = |change: &dyn Fn(String) -> String, message: &str| {
        caught_with(&maker, &resigned(change), &["SHA256SUMS"], message);
    };
    refused(&|text| text.replace('\n', "\r\n"), "line 1: ends in CR LF");
    refused(&|text| format!("\u{feff}{text}"), "byte order mark");
    refused(&|text| text.replace("  release", " *release"), "two spaces");
    let without_first = |text: String| text.split_inclusive('\n').skip(1).collect::<String>();
    refused(&without_first, &format!("does not list {}", PROMETHEUS("1.2.3")));
    refused(&|text| text + &"0".repeat(64) + "  zzz\n", "lists zzz, which is not of this release");
    let other_digest =
        |text: String| format!("{}{}", if text.starts_with('0') { '1' } else { '0' }, &text[1..]);
    refused(&other_digest, "states another digest of");
}

#[test]
fn a_member_that_is_not_as_the_manifest_says_is_named() {
    let maker = Maker::new();
    for (at, name) in [(0, ZIP("1.2.3")), (2, TAR("1.2.3"))] {
        let refused = |change: &dyn Fn(&mut Vec<ManifestFile>), message: &str| {
            let files = maker.release_with("1.2.3", &|m| change(&mut m.artifacts[at].files));
            caught_with(&maker, &files, &[&name], message);
        };
        let member = "member edge-node-1.2.3/edge-node";
        refused(
            &|files| files[1].mode = "0644".to_owned(),
            &format!("{member} has another mode\n  expected: 0644\n  found: 0755"),
        );
        refused(&|files| files[1].size += 1, &format!("{member} has another size"));
        refused(
            &|files| files[1].digests = files[0].digests.clone(),
            &format!("{member} has other bytes"),
        );
        refused(
            &|files| _ = files.remove(1),
            &format!("has a {member}, which is not of this release"),
        );
        refused(&|files| files[1].path += ".old", &format!("has no {member}.old"));
    }
}

#[test]
fn what_lies_beside_a_release_cannot_forge_a_line() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    let forged = "x\u{1b}[2K\redge-node 1.2.3, channel stable: 12 files as signed\n";
    let text = caught(&maker, &made::with(&files, forged, b""), &[forged]);
    assert!(text.starts_with(r"x\u{1b}[2K\redge-node 1.2.3, channel"), "{text:?}");
    assert_eq!(text.chars().filter(|char| char.is_control() && *char != '\n').count(), 0);
    assert_eq!(text.matches('\n').count(), 2, "finding and help, a line each: {text:?}");
    let signed = maker.release_with("1.2.3", &|manifest| manifest.commit.hash = forged.to_owned());
    let text = judge(&maker, &signed).unwrap().to_string();
    assert!(text.contains(r"commit  x\u{1b}[2K\redge-node"), "{text:?}");
    let finding = Finding::new("a\nb", "c\nd").expected("e\nf", "g\nh").hint("i\nj");
    let escaped = "a\\nb: c\\nd\n  expected: e\\nf\n  found: g\\nh\n  help: i\\nj";
    assert_eq!(finding.to_string(), escaped);
}

#[test]
fn a_manifest_that_is_signed_but_not_true_is_caught() {
    let maker = Maker::new();
    let signed = |change: &dyn Fn(&mut Manifest)| maker.release_with("1.2.3", change);
    let tar = TAR("1.2.3");
    let tar_at = 2;
    let refused = |change: &dyn Fn(&mut Manifest), blamed: &[&str], message: &str| {
        caught_with(&maker, &signed(change), blamed, message);
    };
    let manifest = ["release.json"];
    refused(&|m| m.schema_version = 2, &manifest, "has format 2, and only format 1 is known here");
    refused(
        &|m| m.signed_by = SignedBy::Development,
        &[
            "release.json",
            "release.json.minisig",
            "SHA256SUMS.minisig",
            "SHA512SUMS.minisig",
            "B2SUMS.minisig",
            &format!("{}{SUFFIX}", DEB("1.2.3")),
            &format!("{}{SUFFIX}", RPM("1.2.3")),
        ],
        "another kind of key",
    );
    refused(&|m| m.artifacts[tar_at].size += 1, &[&tar], "was changed: it has 1 bytes fewer");
    refused(
        &|m| m.artifacts[tar_at].files[0].mode = "0755".to_owned(),
        &[&tar],
        "report it to the publisher",
    );
    refused(&|m| m.artifacts[tar_at].files[0].digests.clear(), &[&tar], "other bytes");
    refused(&|m| m.artifacts[tar_at].kind = ArtifactKind::Signature, &manifest, "cannot be listed");
    let repeat = |m: &mut Manifest| m.artifacts.push(m.artifacts[tar_at].clone());
    refused(&repeat, &manifest, &format!("lists {tar} twice"));
    for (at, artifact) in [(tar_at, &tar), (1, &SETUP("1.2.3"))] {
        let repeat = |m: &mut Manifest| {
            let file = m.artifacts[at].files[0].clone();
            m.artifacts[at].files.push(file);
        };
        let message = format!("lists \"edge-node-1.2.3/LICENSE\" in {artifact} twice");
        refused(&repeat, &manifest, &message);
    }
    let none = signed(&|m| m.artifacts[tar_at].digests.clear());
    let all = ["release.json", "SHA256SUMS", "SHA512SUMS", "B2SUMS"];
    caught_with(&maker, &none, &all, &format!("states no digest of {tar}"));
    let mixed = |m: &mut Manifest| {
        let other = m.artifacts[0].digests[&Algorithm::Sha512].clone();
        m.artifacts[1].digests.insert(Algorithm::Sha512, other);
    };
    refused(&mixed, &["release.json", "SHA512SUMS"], "not all of the same bytes");
    let unequal = |m: &mut Manifest| _ = m.artifacts[1].digests.remove(&Algorithm::Sha512);
    let text = caught(&maker, &signed(&unequal), &["release.json", "SHA512SUMS"]);
    assert!(text.contains("does not state every digest of"), "{text}");
}

#[test]
fn development_and_stub_releases_are_called_so() {
    let maker = Maker { signed_by: SignedBy::Development, ..Maker::new() };
    let files = maker.release_with("1.2.3", &|manifest| {
        manifest.stub = true;
        manifest.commit.dirty = true;
    });
    let verified = judge(&maker, &files).unwrap();
    let text = verified.to_string();
    assert!(text.starts_with("DEVELOPMENT KEY: proves nothing."), "{text}");
    assert!(text.contains("STUB BUILD") && text.contains("DIRTY"), "{text}");
    let json = to_json(&Ok(verified));
    assert_eq!(json["release"]["signed-by"], "development");
    assert_eq!(json["verified"], true);
}

#[test]
fn what_is_no_release_is_refused_where_that_is_asked_for() {
    let found = |signed_by, change: &dyn Fn(&mut Manifest)| {
        let maker = Maker { signed_by, ..Maker::new() };
        let options = Options {
            refuse_development: true,
            refuse_stub: true,
            refuse_dirty: true,
            ..maker.options()
        };
        let outcome = release(&snapshot(&maker.release_with("1.2.3", change)), &options);
        assert_eq!(to_json(&outcome)["verified"], outcome.is_ok());
        let findings = outcome.err().unwrap_or_default();
        findings.into_iter().map(|finding| finding.problem).collect::<Vec<_>>()
    };
    let refused = |change: &dyn Fn(&mut Manifest), problem: &str| {
        let found = found(SignedBy::Release, change);
        assert!(found.len() == 1 && found[0].contains(problem), "{found:?}");
    };
    assert_eq!(found(SignedBy::Release, &|_| {}), Vec::<String>::new());
    refused(&|manifest| manifest.stub = true, "stand-ins");
    refused(&|manifest| manifest.commit.dirty = true, "differ from the commit");
    refused(
        &|manifest| {
            manifest.commit.hash = "unknown".to_owned();
            manifest.commit.dirty = true;
        },
        "unknown commit",
    );
    let development = found(SignedBy::Development, &|manifest| manifest.stub = true);
    assert_eq!(development.len(), 2, "{development:?}");
    assert!(development[0].contains("development key"), "{development:?}");
}

/// What is wrong where the manifest states unsigned digests of the program in the archive and of the installer.
fn code_signed(program: &[u8], change: impl Fn(&mut Manifest)) -> Vec<String> {
    let maker = Maker::new();
    let sign = |manifest: &mut Manifest| {
        manifest.code_signed = true;
        for artifact in &mut manifest.artifacts {
            if artifact.kind == ArtifactKind::Installer {
                artifact.unsigned_digests = artifact.digests.clone();
            }
            for file in artifact.files.iter_mut().filter(|file| file.path.ends_with("/edge-node")) {
                file.unsigned_digests = file.digests.clone();
            }
        }
        change(manifest);
    };
    let files = maker.release_of("1.2.3", program, &sign);
    let findings = judge(&maker, &files).err().unwrap_or_default();
    findings.iter().map(|finding| format!("{}: {}", finding.file, finding.problem)).collect()
}

#[test]
fn what_is_said_to_be_code_signed_carries_a_signature() {
    let found = code_signed(b"no program", |_| {});
    let installer = format!("{}: is not a Windows program", made::SETUP("1.2.3"));
    assert!(found.contains(&installer), "{found:?}");
    let member = format!("{}: member edge-node-1.2.3/edge-node is not a", made::ZIP("1.2.3"));
    assert!(found.iter().any(|found| found.starts_with(&member)), "{found:?}");
}

#[test]
fn a_manifest_says_of_every_file_whether_it_is_code_signed() {
    let found = code_signed(b"no program", |manifest| manifest.code_signed = false);
    assert!(found[0].ends_with("but not that it is code-signed"), "{found:?}");
    let found = code_signed(b"no program", |manifest| {
        manifest.artifacts.iter_mut().for_each(|artifact| artifact.unsigned_digests.clear());
    });
    assert!(found[0].contains("states no unsigned digest of"), "{found:?}");
    let found = code_signed(b"no program", |manifest| {
        let artifacts = manifest.artifacts.iter_mut();
        artifacts.for_each(|artifact| drop(artifact.unsigned_digests.pop_first()));
    });
    assert!(found[0].contains("does not state every unsigned digest"), "{found:?}");
}

/// A release's manifest whose artifacts have these names.
fn manifest_of(names: &[&str], packages_signed: bool) -> Manifest {
    let files = Maker::new().release("1.2.3");
    let mut manifest = Manifest::parse(&files[FILE_NAME]).unwrap();
    manifest.artifacts.truncate(names.len());
    for (artifact, name) in manifest.artifacts.iter_mut().zip(names) {
        artifact.name = (*name).to_owned();
    }
    manifest.packages_signed = packages_signed;
    manifest
}

#[test]
fn a_release_whose_packages_are_signed_has_what_apt_checks() {
    let check = |names: &[&str], signed: bool| {
        packages_signed::consistency(&manifest_of(names, signed)).map(|finding| finding.problem)
    };
    assert_eq!(check(&["a.deb"], false), None);
    assert_eq!(check(&["a.rpm"], true), None);
    assert_eq!(check(&["a.deb", "Packages", "InRelease"], true), None);
    let lacks = Some("says that packages are signed, but lists no InRelease".to_owned());
    assert_eq!(check(&["a.deb", "Packages"], true), lacks);
}

#[test]
fn an_rpm_package_is_signed_where_the_release_says_so_and_nowhere_else() {
    let entry = Entry::new("RPM/preamble", 0o644, made::PREAMBLE.as_bytes());
    let unsigned = archive::pack(Format::Rpm, &[entry], made::EPOCH).unwrap();
    let signed = rpm::with_signature(&unsigned, &[0x88, 3, 4, 0, 1]).unwrap();
    let check = |says: bool, package: &[u8]| {
        let manifest = manifest_of(&["a.rpm"], says);
        let found = packages_signed::check(&manifest, "a.rpm", Format::Rpm, package);
        found.map(|finding| finding.problem)
    };
    assert_eq!(check(true, &signed), None);
    assert_eq!(check(false, &unsigned), None);
    assert!(check(true, &unsigned).is_some_and(|problem| problem.contains("carries no signature")));
    assert!(check(false, &signed).is_some_and(|problem| problem.contains("does not say")));
}

#[test]
fn findings_are_told_to_programs_too() {
    let maker = Maker::new();
    let mut files = maker.release("1.2.3");
    files.remove("B2SUMS");
    let json = to_json(&judge(&maker, &files));
    assert_eq!(json["verified"], false);
    assert_eq!(json["findings"][0]["file"], "B2SUMS");
    assert_eq!(json["findings"][0]["problem"], "is missing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_other_byte_in_any_file_is_caught(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8) {
        static MADE: std::sync::LazyLock<(Maker, Files)> = std::sync::LazyLock::new(|| {
            let maker = Maker::new();
            let files = maker.release("1.2.3");
            (maker, files)
        });
        let (maker, files) = &*MADE;
        let name = files.keys().nth(file.index(files.len())).unwrap();
        let at = at.index(files[name].len());
        prop_assume!(files[name][at] != byte);
        let mut changed = files.clone();
        changed.get_mut(name).unwrap()[at] = byte;
        caught(maker, &changed, &[name]);
    }
}
