//! Archives are reproducible, read back as written, and read strictly.

use super::*;
use crate::stock_tools;
use proptest::prelude::*;

/// The formats whose members are whatever is packed.
const FORMATS: [Format; 2] = [Format::Zip, Format::TarGz];
const EPOCH: u64 = 1_700_000_000;

fn entry<'a>(path: &'a str, mode: u32, contents: &'a [u8]) -> Entry<'a> {
    Entry::new(path, mode, contents)
}

fn sample() -> Vec<Entry<'static>> {
    vec![
        entry("node-1/bin/node", 0o755, b"\x7fELF program"),
        entry("node-1/LICENSE", 0o644, b"Apache"),
        entry("node-1/empty", 0o644, b""),
        entry("node-1/\u{e4}rger.txt", 0o644, b"unicode"),
    ]
}

fn hex_lines(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_order_of_the_input_does_not_change_a_byte() {
    let mut reversed = sample();
    reversed.reverse();
    for format in FORMATS {
        assert_eq!(pack(format, &sample(), EPOCH), pack(format, &reversed, EPOCH), "{format:?}");
    }
}

#[test]
fn members_come_back_sorted_with_mode_and_contents() {
    for format in FORMATS {
        let read = members(format, &pack(format, &sample(), EPOCH).unwrap()).unwrap();
        let paths: Vec<_> = read.iter().map(|member| (member.path.as_str(), member.mode)).collect();
        let expected = [
            ("node-1/LICENSE", 0o644),
            ("node-1/bin/node", 0o755),
            ("node-1/empty", 0o644),
            ("node-1/\u{e4}rger.txt", 0o644),
        ];
        assert_eq!(paths, expected, "{format:?}");
        assert_eq!(read[1].contents, b"\x7fELF program");
    }
}

#[test]
fn a_zip_holds_unix_modes_the_given_time_and_no_extra_field() {
    let bytes = zip(&[entry("a", 0o755, b"")], 1_600_000_000).unwrap();
    let (local, central) = (&bytes[..31], &bytes[bytes.len() - 22 - 47..]);
    // 2020-09-13 12:26:40 UTC in MS-DOS form, APPNOTE 4.4.6.
    let time = ((12_u16 << 11) | (26 << 5) | 20).to_le_bytes();
    let date = ((40_u16 << 9) | (9 << 5) | 13).to_le_bytes();
    assert_eq!(hex_lines(&local[10..14]), hex_lines(&[time, date].concat()));
    assert_eq!(&local[28..30], [0, 0], "length of the extra field");
    assert_eq!(&central[..4], b"PK\x01\x02");
    assert_eq!(central[5], 3, "made by Unix");
    assert_eq!(&central[30..34], [0; 4], "lengths of extra field and comment");
    assert_eq!(&central[38..42], (0o100_755_u32 << 16).to_le_bytes());
}

#[test]
fn a_zip_clamps_times_to_what_it_can_hold() {
    let before_1980 = zip(&sample(), 0).unwrap();
    assert_eq!(before_1980, zip(&sample(), 315_532_800).unwrap());
    assert_ne!(before_1980, zip(&sample(), 315_532_802).unwrap());
    assert_eq!(zip(&sample(), u64::MAX).unwrap(), zip(&sample(), 4_354_819_198).unwrap());
}

#[test]
fn a_tar_has_owner_zero_without_a_name_and_a_bare_gzip_header() {
    let bytes = tar_gz(&[entry("a", 0o644, b"x")], EPOCH).unwrap();
    assert_eq!(hex_lines(&bytes[..10]), "1f8b08000000000000ff");
    let mut tar_bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut tar_bytes)
        .unwrap();
    assert_eq!(tar_bytes.len(), 4 * 512);
    assert_eq!(&tar_bytes[257..265], b"ustar\x0000");
    assert!(tar_bytes[265..329].iter().all(|byte| *byte == 0), "owner and group have no names");
}

#[test]
fn a_long_path_is_split_and_a_longer_one_refused() {
    let long = format!("{}/{}", "f".repeat(120), "n".repeat(90));
    let entries = [entry(&long, 0o644, b"x")];
    for format in FORMATS {
        assert_eq!(members(format, &pack(format, &entries, EPOCH).unwrap()).unwrap()[0].path, long);
    }
    let unsplittable = "n".repeat(120);
    assert!(zip(&[entry(&unsplittable, 0o644, b"x")], EPOCH).is_ok());
    let error = tar_gz(&[entry(&unsplittable, 0o644, b"x")], EPOCH).unwrap_err();
    assert!(error.to_string().contains("longer than 100 bytes"), "{error}");
}

#[test]
fn what_would_extract_elsewhere_is_not_packed() {
    let long = "a/".repeat(121) + "b";
    let cases: [(&[&str], &str); 12] = [
        (&["/etc/passwd"], "absolute"),
        (&["a/../b"], "`..`"),
        (&["../b"], "`..`"),
        (&["./b"], "`.`"),
        (&["a//b"], "empty"),
        (&["a/"], "empty"),
        (&[""], "empty"),
        (&["a\\b"], "backslash"),
        (&["C:/b"], "colon"),
        (&["a\nb"], "control"),
        (&[&long], "240 bytes"),
        (&["a", "a/b"], "also a folder"),
    ];
    for (paths, problem) in cases {
        let entries: Vec<_> = paths.iter().map(|path| entry(path, 0o644, b"x")).collect();
        for format in FORMATS {
            let error = pack(format, &entries, EPOCH).unwrap_err().to_string();
            assert!(error.contains(problem), "{paths:?} as {format:?}: {error}");
        }
    }
    let twice = [entry("a", 0o644, b"x"), entry("a", 0o644, b"y")];
    assert_eq!(zip(&twice, EPOCH), Err(ArchiveError::Duplicate { path: "a".to_owned() }));
    assert_eq!(
        tar_gz(&[entry("a", 0o777, b"")], 0),
        Err(ArchiveError::Mode { path: "a".to_owned(), mode: 0o777 })
    );
    assert_eq!(pack(Format::Nsis, &[], 0), Err(ArchiveError::Installer));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    super::gzip(bytes).unwrap()
}

#[track_caller]
fn refused(format: Format, bytes: &[u8], problem: &str) {
    let error = members(format, bytes).unwrap_err().to_string();
    assert!(error.contains(problem), "{error}");
}

fn foreign_tar(change: impl FnOnce(&mut ::tar::Header)) -> Vec<u8> {
    let mut header = ::tar::Header::new_ustar();
    header.set_path("a").unwrap();
    header.set_entry_type(::tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header.set_mtime(EPOCH);
    change(&mut header);
    header.set_cksum();
    let mut builder = ::tar::Builder::new(Vec::new());
    builder.append(&header, std::io::empty()).unwrap();
    gzip(&builder.into_inner().unwrap())
}

#[test]
fn a_tar_that_was_packed_otherwise_is_refused() {
    assert!(members(Format::TarGz, &foreign_tar(|_| {})).is_ok());
    let as_link = foreign_tar(|header| {
        header.set_entry_type(::tar::EntryType::Symlink);
        header.set_link_name("/etc/passwd").unwrap();
    });
    refused(Format::TarGz, &as_link, "not a regular file but a symbolic link");
    refused(Format::TarGz, &foreign_tar(|header| header.set_uid(1000)), "owners");
    refused(Format::TarGz, &foreign_tar(|header| header.set_username("root").unwrap()), "owners");
    refused(Format::TarGz, &foreign_tar(|header| header.set_mode(0o4755)), "mode 4755");
    let absolute = foreign_tar(|header| header.as_mut_bytes()[..4].copy_from_slice(b"/etc"));
    refused(Format::TarGz, &absolute, "absolute");
}

#[test]
fn bytes_before_between_or_after_are_refused() {
    let zip_bytes = zip(&sample(), EPOCH).unwrap();
    refused(Format::Zip, &[b"MZ", zip_bytes.as_slice()].concat(), "hidden");
    refused(Format::Zip, &[zip_bytes.as_slice(), b"x"].concat(), "trailing");
    let tar_bytes = tar_gz(&sample(), EPOCH).unwrap();
    refused(Format::TarGz, &[tar_bytes.as_slice(), b"x"].concat(), "follow its end");
    refused(
        Format::TarGz,
        &[tar_bytes.as_slice(), tar_bytes.as_slice()].concat(),
        "follow its end",
    );
    let mut padded = Vec::new();
    std::io::Read::read_to_end(
        &mut flate2::read::GzDecoder::new(tar_bytes.as_slice()),
        &mut padded,
    )
    .unwrap();
    padded.extend([0; 512]);
    refused(Format::TarGz, &gzip(&padded), "never packed");
}

#[test]
fn a_zip_that_was_packed_otherwise_is_refused() {
    type Writer = ::zip::ZipWriter<std::io::Cursor<Vec<u8>>>;
    let pack = |add: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::new(std::io::Cursor::default());
        add(&mut writer);
        writer.finish().unwrap().into_inner()
    };
    let options = ::zip::write::SimpleFileOptions::default().system(::zip::System::Unix);
    let link = pack(&|writer| writer.add_symlink("a", "/etc/passwd", options).unwrap());
    refused(Format::Zip, &link, "not a regular file but a symbolic link");
    let folder = pack(&|writer| writer.add_directory("a", options).unwrap());
    refused(Format::Zip, &folder, "not a regular file but a folder");
    let escaping =
        pack(&|writer| writer.start_file("../a", options.unix_permissions(0o644)).unwrap());
    refused(Format::Zip, &escaping, "`..`");
    let unsorted = pack(&|writer| {
        writer.start_file("b", options.unix_permissions(0o644)).unwrap();
        writer.start_file("a", options.unix_permissions(0o644)).unwrap();
    });
    refused(Format::Zip, &unsorted, "not sorted");
    let commented = pack(&|writer| {
        writer.start_file("b", options.unix_permissions(0o644)).unwrap();
        writer.set_comment("hello").unwrap();
    });
    refused(Format::Zip, &commented, "trailing");
}

#[test]
fn stock_tools_list_and_test_what_was_packed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.zip"), zip(&sample(), EPOCH).unwrap()).unwrap();
    std::fs::write(folder.path().join("a.tar.gz"), tar_gz(&sample(), EPOCH).unwrap()).unwrap();
    let cases: [(&str, &[&str], &[&str]); 3] = [
        ("unzip", &["-Z", "-T", "a.zip"], &["-rwxr-xr-x", "20231114.221320 node-1/bin/node"]),
        ("unzip", &["-t", "a.zip"], &["No errors detected"]),
        ("tar", &["tvzf", "a.tar.gz", "--full-time"], &["-rwxr-xr-x 0/0", "2023-11-14 22:13:20 "]),
    ];
    for (program, arguments, expected) in cases {
        if let Some(answer) = stock_tools::run(folder.path(), program, arguments, "") {
            assert!(answer.success, "{program}: {}", answer.text);
            for text in expected {
                assert!(answer.text.contains(text), "{program}: {}", answer.text);
            }
        }
    }
}

fn arbitrary_files() -> impl Strategy<Value = Vec<(String, u32, Vec<u8>)>> {
    let file =
        ("[a-z\u{e4}% .-]{1,12}[a-z]", prop::bool::ANY, prop::collection::vec(any::<u8>(), 0..600));
    prop::collection::vec(file, 0..8).prop_map(|files| {
        let named = files.into_iter().enumerate();
        named
            .map(|(index, (name, executable, contents))| {
                (format!("top/{index}{name}"), if executable { 0o755 } else { 0o644 }, contents)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_packed_is_read_back(files in arbitrary_files(), epoch in 0_u64..5_000_000_000) {
        let mut entries: Vec<_> = files.iter().map(|(path, mode, contents)| entry(path, *mode, contents)).collect();
        for format in FORMATS {
            let read = members(format, &pack(format, &entries, epoch).unwrap()).unwrap();
            entries.sort_by_key(|entry| entry.path);
            prop_assert_eq!(read.iter().map(Member::as_entry).collect::<Vec<_>>(), entries.clone());
        }
    }

    #[test]
    fn damaged_bytes_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        for format in FORMATS {
            let mut bytes = pack(format, &sample(), EPOCH).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = members(format, &bytes);
            let _ = members(format, &bytes[..cut.index(bytes.len())]);
        }
    }
}
