//! What is planted cannot exhaust the memory: it is not read, or only in pieces, and nothing is unpacked that was not
//! signed.

use super::*;
use crate::archive;
use crate::config::model::Format;
use std::path::Path;

/// What a file that can be neither read nor opened looks like: there, of this size.
fn unreadable(size: u64) -> Found {
    Found::Unread { path: Path::new("/nonexistent/planted").to_path_buf(), size }
}

fn findings(maker: &Maker, snapshot: &Snapshot) -> String {
    let findings = release(snapshot, &maker.options()).expect_err("it was verified");
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn a_file_of_another_name_or_size_is_never_read() {
    let maker = Maker::new();
    let mut snapshot = snapshot(&maker.release("1.2.3"));
    snapshot.files.insert("planted.iso".to_owned(), unreadable(500_000_000));
    snapshot.files.insert(ZIP("1.2.3"), unreadable(500_000_000));
    snapshot.files.insert(SETUP("1.2.3"), unreadable(3));
    let text = findings(&maker, &snapshot);
    assert!(text.contains("planted.iso: is not of this release"), "{text}");
    assert!(text.contains(&format!("{}: was changed: it has ", ZIP("1.2.3"))), "{text}");
    assert!(!text.contains("cannot be read"), "{text}");
    // And so it is known that one of the right size would have been.
    let size = snapshot.files[&TAR("1.2.3")].size().unwrap();
    snapshot.files.insert(TAR("1.2.3"), unreadable(size));
    assert!(findings(&maker, &snapshot).contains(&format!("{}: cannot be read", TAR("1.2.3"))));
}

#[test]
fn a_manifest_or_a_signature_larger_than_can_be_is_not_read() {
    let maker = Maker::new();
    let files = maker.release("1.2.3");
    let of_package = format!("{}.minisig", DEB("1.2.3"));
    for (name, size, told) in [
        ("release.json", (16 << 20) + 1, "is a file of more than 16 MiB"),
        ("SHA256SUMS", (16 << 20) + 1, "is a file of more than 16 MiB"),
        ("B2SUMS.minisig", (16 << 10) + 1, "is a file of more than 16 KiB"),
        (&of_package, (16 << 10) + 1, "is a file of more than 16 KiB"),
    ] {
        let (_parent, folder) = disk::on_disk(&files, "dist");
        let planted = std::fs::File::create(folder.join(name)).unwrap();
        planted.set_len(size).unwrap();
        disk::refused(&folder, &maker.options(), &format!("{name}: {told}"));
    }
}

/// A bomb with the name and the size of an archive: only its digest tells that it is another.
#[test]
fn an_archive_of_another_digest_is_not_unpacked() {
    let maker = Maker::new();
    let name = TAR("1.2.3");
    // Its members would be named, if anybody looked.
    let entries = [archive::Entry::new("bomb", 0o644, &[0; 100_000])];
    let bomb = archive::pack(Format::TarGz, &entries, made::EPOCH).unwrap();
    let size = bomb.len() as u64;
    let files = maker.release_with("1.2.3", &|manifest| manifest.artifacts[2].size = size);
    let text = caught(&maker, &made::with(&files, &name, &bomb), &[&name]);
    assert!(text.contains("its sha256 digest is another"), "{text}");
    assert!(!text.contains("member"), "{text}");
}

#[test]
fn a_signed_archive_is_unpacked_no_further_than_its_manifest_says() {
    let zeros = vec![0; 80 << 20];
    let entries = [archive::Entry::new("bomb", 0o644, &zeros)];
    for format in [Format::Zip, Format::TarGz] {
        let bomb = archive::pack(format, &entries, made::EPOCH).unwrap();
        let error = archive::members_within(format, &bomb, 1 << 20).unwrap_err();
        assert_eq!(error, archive::ArchiveError::Size { max: 1 << 20 }, "{format:?}");
        assert!(archive::members_within(format, &bomb, 80 << 20).is_ok(), "{format:?}");
    }
}

#[test]
fn archives_that_are_too_large_together_are_refused_without_unpacking_any() {
    let maker = Maker::new();
    let half = |manifest: &mut Manifest, at: usize| manifest.artifacts[at].files[0].size = 1 << 30;
    let files = maker.release_with("1.2.3", &|manifest| {
        half(manifest, 0);
        half(manifest, 2);
    });
    caught_with(&maker, &files, &["release.json"], "too large to be unpacked");
    // One of them alone is compared, and found to be no such thing.
    let files = maker.release_with("1.2.3", &|manifest| half(manifest, 0));
    caught_with(&maker, &files, &[&ZIP("1.2.3")], "another size");
}

/// The whole way, with files that no machine here could hold at once; sparse, so that the disk holds them.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_of_files_larger_than_the_memory_is_judged_at_once() {
    let maker = Maker::new();
    let (_parent, folder) = disk::on_disk(&maker.release("1.2.3"), "dist");
    let planted = (0..200).map(|number| format!("planted-{number}"));
    for name in planted.chain([ZIP("1.2.3"), SETUP("1.2.3")]) {
        std::fs::File::create(folder.join(name)).unwrap().set_len(2_000_000_000).unwrap();
    }
    disk::refused(&folder, &maker.options(), "planted-199: is not of this release");
    disk::refused(&folder.join(ZIP("1.2.3")), &maker.options(), "bytes more");
    let single = folder.join("planted-0");
    disk::refused(&single, &maker.options(), "planted-0: is not of edge-node 1.2.3");
}
