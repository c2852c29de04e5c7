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
    let artifacts = release.manifest()["artifacts"].as_array().unwrap().iter();
    let packages = artifacts.filter(|artifact| artifact["kind"] == "package");
    let packages: Vec<_> = packages.map(|package| package["name"].as_str().unwrap()).collect();
    for extension in [".deb", ".rpm"] {
        assert!(packages.iter().any(|name| name.ends_with(extension)), "{packages:?}");
    }
    for file in [&["SHA256SUMS", "SHA512SUMS", "release.json"], &packages[..]].concat() {
        let mut command = Command::new("minisign");
        let told =
            in_release(command.args(["-V", "-m", file, "-p"]).arg(release.public_key())).success();
        let comment = told.lines().find_map(|line| line.strip_prefix("Trusted comment: ")).unwrap();
        for key in ["product", "version", "channel"] {
            let value = release.manifest()[key].as_str().unwrap();
            assert!(comment.contains(value), "{key} {value} is not in: {comment}");
        }
        assert!(comment.contains(&format!(" file={file}")), "{comment}");
    }
}

#[test]
fn minisign_refuses_a_changed_file() {
    needs!(Tool("minisign"), Tool("makensis"));
    let release = Release::built();
    let folder = tempfile::tempdir().unwrap();
    let files = released_files();
    let package = files.iter().find(|name| name.ends_with(".deb")).unwrap();
    for name in ["SHA256SUMS", package] {
        let changed = folder.path().join(name);
        let mut bytes = std::fs::read(release.folder().join(name)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&changed, bytes).unwrap();
        let signature = format!("{name}.minisig");
        std::fs::copy(release.folder().join(&signature), folder.path().join(&signature)).unwrap();
        let mut command = Command::new("minisign");
        command.arg("-V").arg("-m").arg(&changed).arg("-p").arg(release.public_key());
        let told = in_release(&mut command);
        assert_eq!(told.code(), Some(1), "{told}");
    }
}
