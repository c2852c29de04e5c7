//! Packages are reproducible, read back as written, read strictly, and accepted by the tools that install them.

use super::*;
use crate::stock_tools;
use proptest::prelude::*;
use std::path::Path;

const EPOCH: u64 = 1_700_000_000;
const FORMATS: [Format; 3] = [Format::Deb, Format::Rpm, Format::Oci];

fn entry<'a>(path: &'a str, mode: u32, contents: &'a [u8]) -> Entry<'a> {
    Entry::new(path, mode, contents)
}

const CONTROL: &str = "Package: node\nVersion: 1.0~rc.1-1\nArchitecture: amd64\nMaintainer: A <a@b.example>\nDescription: serves\n All day.\n";

const PREAMBLE: &str = "Name: node\nVersion: 1.0~rc.1\nRelease: 1\nArchitecture: x86_64\nSummary: serves\nLicense: MIT\nVendor: A\nPackager: A <a@b.example>\nURL: https://a.example/\n\nAll day.\n";

const IMAGE: &str = r#"{"architecture":"amd64","os":"linux","config":{"User":"65532:65532","Labels":{
    "org.opencontainers.image.ref.name":"node","org.opencontainers.image.version":"1.0+a"}},
    "rootfs":{"type":"layers","diff_ids": []}}"#;

/// A small package of a format.
fn sample(format: Format) -> Vec<Entry<'static>> {
    let mut entries = vec![
        entry("etc/node/node.toml", 0o644, b"[log]\n"),
        entry("usr/bin/node", 0o755, b"\x7fELF program"),
        entry("usr/share/doc/node/empty", 0o644, b""),
    ];
    match format {
        Format::Deb => entries.extend([
            entry("DEBIAN/conffiles", 0o644, b"/etc/node/node.toml\n"),
            entry("DEBIAN/control", 0o644, CONTROL.as_bytes()),
            entry("DEBIAN/postinst", 0o755, b"#!/bin/sh\n"),
        ]),
        Format::Rpm => entries.extend([
            entry("RPM/post", 0o755, b"# Nothing\n"),
            entry("RPM/postun", 0o755, b":\n"),
            entry("RPM/preamble", 0o644, PREAMBLE.as_bytes()),
        ]),
        Format::Oci => {
            let below_root = [
                "rootfs/etc/node/node.toml",
                "rootfs/usr/bin/node",
                "rootfs/usr/share/doc/node/empty",
            ];
            entries = std::iter::zip(entries, below_root)
                .map(|(entry, path)| Entry { path, ..entry })
                .collect();
            entries.push(entry("config.json", 0o644, IMAGE.as_bytes()));
        }
        Format::Zip | Format::TarGz | Format::Nsis => panic!("not a package"),
    }
    entries
}

fn packed(format: Format) -> Vec<u8> {
    pack(format, &sample(format), EPOCH).unwrap()
}

#[test]
fn the_order_of_the_input_does_not_change_a_byte() {
    for format in FORMATS {
        let mut reversed = sample(format);
        reversed.reverse();
        assert_eq!(packed(format), pack(format, &reversed, EPOCH).unwrap(), "{format:?}");
    }
}

#[test]
fn members_come_back_sorted_with_mode_and_contents() {
    for format in FORMATS {
        let read = members(format, &packed(format)).unwrap();
        let mut expected = sample(format);
        expected.sort_by_key(|entry| entry.path);
        assert_eq!(read.iter().map(Member::as_entry).collect::<Vec<_>>(), expected, "{format:?}");
    }
}

#[test]
fn a_program_that_is_compressed_already_is_joined_and_read_back_the_same() {
    // Of squares the low bytes repeat and the high ones do not.
    let program: Vec<u8> = (0..60_000_u32).flat_map(|n| (n * n).to_le_bytes()).collect();
    let stream = deflate(&program).unwrap();
    for format in Format::PACKED {
        let mut entries = match format {
            Format::Zip | Format::TarGz => sample(Format::Deb),
            Format::Deb | Format::Rpm | Format::Oci | Format::Nsis => sample(format),
        };
        for entry in entries.iter_mut().filter(|entry| entry.path.ends_with("bin/node")) {
            entry.contents = &program;
        }
        let plain = members(format, &pack(format, &entries, EPOCH).unwrap()).unwrap();
        for entry in entries.iter_mut().filter(|entry| entry.path.ends_with("bin/node")) {
            entry.deflated = Some(&stream);
        }
        let bytes = pack(format, &entries, EPOCH).unwrap();
        let is_joined = bytes.windows(stream.len()).any(|window| window == stream);
        assert_eq!(is_joined, format.is_gzipped(), "{format:?}");
        assert!(members(format, &bytes).unwrap() == plain, "{format:?}");
    }
}

/// Changes the first occurrence of a text in the bytes to another of the same length.
fn exchanged(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("{from} is not in the package"));
    let mut bytes = bytes.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[track_caller]
fn refused(format: Format, bytes: &[u8], problem: &str) {
    let error = members(format, bytes).unwrap_err().to_string();
    assert!(error.contains(problem), "{error}");
}

#[test]
fn a_deb_that_was_packed_otherwise_is_refused() {
    let bytes = packed(Format::Deb);
    refused(Format::Deb, &exchanged(&bytes, "2.0\n", "2.1\n"), "no ar archive of three members");
    refused(Format::Deb, &exchanged(&bytes, "100644", "100755"), "never packed");
    refused(Format::Deb, &exchanged(&bytes, "1700000000", "1700000001"), "never packed");
    refused(Format::Deb, &exchanged(&bytes, "data.tar.gz", "date.tar.gz"), "three members");
    refused(Format::Deb, &[&bytes[..], b"\n"].concat(), "three members");
    refused(Format::Deb, &bytes[..bytes.len() - 1], "");
    refused(Format::Deb, b"", "three members");
}

#[test]
fn what_a_deb_says_of_its_files_must_be_true() {
    let parts = |control: &[(&str, &str)]| {
        let files: Vec<_> =
            control.iter().map(|(path, text)| entry(path, 0o644, text.as_bytes())).collect();
        let tars = [&files[..], &[]].map(|files| ustar::tree(files, "./", EPOCH).unwrap());
        let [control, data] = tars.map(|tar| tar.gzip().unwrap());
        deb::assemble(&control, &data, EPOCH)
    };
    let whole = [("control", "Package: a\nInstalled-Size: 1\nVersion: 1\n"), ("md5sums", "")];
    assert_eq!(members(Format::Deb, &parts(&whole)).unwrap().len(), 1);
    let larger = [("control", "Package: a\nInstalled-Size: 2\nVersion: 1\n"), ("md5sums", "")];
    refused(Format::Deb, &parts(&larger), "never packed");
    let sums = [whole[0], ("md5sums", "d41d8cd98f00b204e9800998ecf8427e  a\n")];
    refused(Format::Deb, &parts(&sums), "never packed");
    refused(Format::Deb, &parts(&[whole[0], ("md5sums", ""), ("triggers", "")]), "triggers");
    refused(Format::Deb, &parts(&[("control", "Package: a\n"), ("md5sums", "")]), "installed size");
}

#[test]
fn a_deb_without_a_description_is_not_packed() {
    let error = pack(Format::Deb, &[entry("usr/bin/node", 0o755, b"")], EPOCH).unwrap_err();
    assert!(error.to_string().contains("DEBIAN/control"), "{error}");
}

#[test]
fn an_rpm_that_was_packed_otherwise_is_refused() {
    let bytes = packed(Format::Rpm);
    let serves = exchanged(&bytes, "serves", "SERVES");
    refused(Format::Rpm, &serves, "never packed");
    refused(Format::Rpm, &exchanged(&bytes, "node-1.0", "nod0-1.0"), "never packed");
    refused(Format::Rpm, &exchanged(&bytes, "root", "toor"), "never packed");
    refused(Format::Rpm, &exchanged(&bytes, "rpmlib", "RPMLIB"), "never packed");
    refused(Format::Rpm, &[&bytes[..], b"\n"].concat(), "follow its end");
    refused(Format::Rpm, &bytes[..90], "no rpm package");
    refused(Format::Rpm, b"", "no rpm package");
}

/// As gpg writes one with an RSA key: a packet of version 4, here with nothing in it.
const SIGNATURE: [u8; 7] = [0x89, 0, 4, 4, 0, 1, 10];

#[test]
fn a_signed_rpm_has_the_same_members_and_can_have_its_signature_once() {
    let unsigned = packed(Format::Rpm);
    assert_eq!(rpm::signature(&unsigned), Ok(None));
    let signed = rpm::with_signature(&unsigned, &SIGNATURE).unwrap();
    assert_eq!(rpm::signature(&signed), Ok(Some(SIGNATURE.to_vec())));
    assert_eq!(rpm::signed_part(&signed), rpm::signed_part(&unsigned));
    assert_eq!(members(Format::Rpm, &signed), members(Format::Rpm, &unsigned));
    let error = rpm::with_signature(&signed, &SIGNATURE).unwrap_err().to_string();
    assert!(error.contains("signed already"), "{error}");
    let error = rpm::with_signature(&unsigned, b"-----BEGIN").unwrap_err().to_string();
    assert!(error.contains("no OpenPGP signature"), "{error}");
    // Another digest beside the signature, and another time.
    refused(Format::Rpm, &exchanged(&signed, "serves", "SERVES"), "never packed");
}

#[test]
fn an_rpm_says_of_itself_only_what_its_preamble_can() {
    let with = |from: &str, to: &str| {
        let preamble = PREAMBLE.replace(from, to);
        let mut entries = sample(Format::Rpm);
        entries.retain(|entry| entry.path != "RPM/preamble");
        entries.push(entry("RPM/preamble", 0o644, preamble.as_bytes()));
        pack(Format::Rpm, &entries, EPOCH).err().map(|error| error.to_string())
    };
    assert_eq!(with("All day.", "All night."), None);
    for (from, to) in
        [("License: MIT\n", ""), ("Name", "Nom"), ("All day.\n", "All day."), ("MIT", "M\0T")]
    {
        let error = with(from, to).unwrap_or_default();
        assert!(error.contains("preamble"), "{from:?}: {error}");
    }
    let error = pack(Format::Rpm, &[entry("RPM/verify", 0o755, b"")], EPOCH).unwrap_err();
    assert!(error.to_string().contains("scriptlet"), "{error}");
}

#[test]
fn rpm_reads_what_was_packed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.rpm"), packed(Format::Rpm)).unwrap();
    let checks = ["--checksig", "--verbose", "a.rpm"];
    told(folder.path(), "rpm", &checks, &["Header SHA256 digest: OK", "Payload SHA256 digest: OK"]);
    let query = ["--query", "--info", "--package", "a.rpm"];
    let fields =
        ["Version     : 1.0~rc.1", "License     : MIT", "Size        : 18", "All day.", "2023"];
    told(folder.path(), "rpm", &query, &fields);
    let flags = "[%{FILENAMES} %{FILEMODES:perms} %{FILEFLAGS:fflags}\n]";
    let lines = [
        "/etc/node drwxr-xr-x",
        "/etc/node/node.toml -rw-r--r-- cn",
        "/usr/bin/node -rwxr-xr-x",
        "/usr/share/doc/node/empty -rw-r--r-- d",
    ];
    told(folder.path(), "rpm", &["--query", "--queryformat", flags, "--package", "a.rpm"], &lines);
    let scripts = ["--query", "--scripts", "--package", "a.rpm"];
    told(
        folder.path(),
        "rpm",
        &scripts,
        &["postinstall scriptlet (using /bin/sh):\n# Nothing", "postuninstall"],
    );
}

#[test]
fn an_image_that_was_packed_otherwise_is_refused() {
    let bytes = packed(Format::Oci);
    refused(Format::Oci, &exchanged(&bytes, "node:1.0_a", "nope:1.0_a"), "never packed");
    refused(Format::Oci, &exchanged(&bytes, "65532:65532", "00000:00000"), "never packed");
    refused(Format::Oci, &exchanged(&bytes, "oci-layout", "oci-layaut"), "");
    refused(Format::Oci, &[&bytes[..], &[0; 512]].concat(), "never packed");
    refused(Format::Oci, b"", "has no index.json");
    let without = |config: &str| {
        let entries = [entry("config.json", 0o644, config.as_bytes())];
        pack(Format::Oci, &entries, EPOCH).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(without(&IMAGE.replace("[]", "[1]")).contains("no empty list"));
    assert!(without(&IMAGE.replace("ref.name", "rof.name")).contains("no label"));
    let outside = pack(Format::Oci, &[entry("bin/node", 0o755, b"")], EPOCH).unwrap_err();
    assert!(outside.to_string().contains("no file of an image"), "{outside}");
}

#[test]
fn skopeo_reads_what_was_packed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.oci.tar"), packed(Format::Oci)).unwrap();
    let fields = ["\"Architecture\": \"amd64\"", "\"org.opencontainers.image.version\": \"1.0+a\""];
    told(folder.path(), "skopeo", &["inspect", "oci-archive:a.oci.tar"], &fields);
}

#[track_caller]
fn told(folder: &Path, program: &str, arguments: &[&str], expected: &[&str]) {
    let Some(answer) = stock_tools::run(folder, program, arguments, "") else { return };
    assert!(answer.success, "{program} {arguments:?}: {}", answer.text);
    for text in expected {
        assert!(answer.text.contains(text), "{program} {arguments:?}: {}", answer.text);
    }
}

#[test]
fn dpkg_reads_what_was_packed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.deb"), packed(Format::Deb)).unwrap();
    let fields = ["Version: 1.0~rc.1-1", "Installed-Size: 10", "Description: serves\n  All day."];
    told(folder.path(), "dpkg-deb", &["--info", "a.deb"], &fields);
    let lines = ["drwxr-xr-x 0/0               0 2023-11-14 22:13 ./usr/bin/\n", "-rwxr-xr-x 0/0 "];
    told(folder.path(), "dpkg-deb", &["--contents", "a.deb"], &lines);
    told(folder.path(), "dpkg-deb", &["--raw-extract", "a.deb", "raw"], &[]);
    if folder.path().join("raw").exists() {
        told(
            &folder.path().join("raw"),
            "md5sum",
            &["--check", "DEBIAN/md5sums"],
            &["usr/bin/node: OK"],
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_bytes_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        for format in FORMATS {
            let mut bytes = packed(format);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = members(format, &bytes);
            let _ = members(format, &bytes[..cut.index(bytes.len())]);
        }
    }
}
