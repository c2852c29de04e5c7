//! The release proves itself with the tools every operator has, without anything of ours.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "real programs are what is tested")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::Duration;

use tests::needs;
use tests::process::{self, Finished};
use tests::release::Release;

fn in_release(command: &mut Command) -> Finished {
    process::run(command.current_dir(Release::built().folder()), Duration::from_secs(300))
}

/// What the sums are of: all files but the sums themselves and the signatures.
fn released_files() -> Vec<String> {
    let entries = std::fs::read_dir(Release::built().folder()).unwrap();
    let mut files: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("SUMS") && !name.ends_with(".minisig"))
        .collect();
    files.sort();
    files
}

#[test]
fn sha256sum_accepts_every_file_and_no_file_is_unlisted() {
    needs!(Tool("sha256sum"), Tool("makensis"));
    let mut command = Command::new("sha256sum");
    let told = in_release(command.args(["--check", "--strict", "SHA256SUMS"])).success();
    let mut accepted: Vec<_> =
        told.lines().map(|line| line.strip_suffix(": OK").unwrap()).collect();
    accepted.sort_unstable();
    assert_eq!(accepted, released_files());
}

#[test]
fn minisign_accepts_what_is_signed_and_shows_product_version_and_channel() {
    needs!(Tool("minisign"), Tool("makensis"));
    let release = Release::built();
    for file in ["SHA256SUMS", "SHA512SUMS", "release.json"] {
        let mut command = Command::new("minisign");
        let told =
            in_release(command.args(["-V", "-m", file, "-p"]).arg(release.public_key())).success();
        let comment = told.lines().find_map(|line| line.strip_prefix("Trusted comment: ")).unwrap();
        for key in ["product", "version", "channel"] {
            let value = release.manifest()[key].as_str().unwrap();
            assert!(comment.contains(value), "{key} {value} is not in: {comment}");
        }
    }
}

#[test]
fn minisign_refuses_a_changed_file() {
    needs!(Tool("minisign"), Tool("makensis"));
    let release = Release::built();
    let folder = tempfile::tempdir().unwrap();
    let sums = folder.path().join("SHA256SUMS");
    let mut bytes = std::fs::read(release.folder().join("SHA256SUMS")).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&sums, bytes).unwrap();
    std::fs::copy(
        release.folder().join("SHA256SUMS.minisig"),
        folder.path().join("SHA256SUMS.minisig"),
    )
    .unwrap();
    let mut command = Command::new("minisign");
    let told =
        in_release(command.arg("-V").arg("-m").arg(&sums).arg("-p").arg(release.public_key()));
    assert_eq!(told.code(), Some(1), "{told}");
}
