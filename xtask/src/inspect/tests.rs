//! Each rule catches its violation: a program that passes is linked once by the toolchain, then one thing in it is
//! changed at a time.

use super::*;
use crate::toolchain::Host;
use object::LittleEndian as LE;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::read::pe::PeFile64;
use object::{Endianness, elf, pe};
use proptest::prelude::*;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;
use xshell::{Shell, cmd};

/// A linked program and its symbols.
struct Linked {
    program: Vec<u8>,
    symbols: Vec<u8>,
}

/// The program for a target, linked on first use; `None`, with the reason printed, where its standard library is not
/// installed and `XTASK_TEST_REQUIRE_TOOLS` does not forbid to skip.
fn linked(target: Target) -> Option<&'static Linked> {
    static WINDOWS: OnceLock<Option<Linked>> = OnceLock::new();
    static X64: OnceLock<Option<Linked>> = OnceLock::new();
    static ARM64: OnceLock<Option<Linked>> = OnceLock::new();
    let place = match target {
        Target::WindowsX64 => &WINDOWS,
        Target::LinuxX64 => &X64,
        Target::LinuxArm64 => &ARM64,
    };
    place.get_or_init(|| link(target)).as_ref()
}

fn link(target: Target) -> Option<Linked> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let toolchain = crate::facts::gather(workspace).unwrap().facts("xtask").toolchain;
    if !toolchain.targets.contains(target.triple()) {
        let required =
            std::env::var_os("XTASK_TEST_REQUIRE_TOOLS").is_some_and(|value| value == "1");
        assert!(!required, "the rustup target {} is missing", target.triple());
        eprintln!("skipped: the rustup target {} is missing", target.triple());
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(
        path("hello.rs"),
        "fn main() { println!(\"{:?}\", std::thread::spawn(|| 1).join()); }",
    )
    .unwrap();
    let host = Host {
        toolchain,
        workspace: folder.path().to_owned(),
        target_dir: path("target"),
        cargo_home: path("cargo"),
        home: None,
        xtask: path("xtask"),
        support: path("support"),
        secret_variables: Vec::new(),
    };
    let choice = crate::config::model::LinkerChoice::SelfContained;
    let flags = crate::toolchain::flags::rustflags(target, &choice, &host).unwrap();
    let linker = host.rust_tool("rust-lld");
    let (rustc, triple) = (host.toolchain.sysroot.join("bin/rustc"), target.triple());
    let mut libraries = None;
    if target.is_windows() {
        crate::toolchain::self_contained::install(&host).unwrap();
        libraries = Some(format!("-Clink-arg=/LIBPATH:{}", host.support.display()));
    }
    let shell = Shell::new().unwrap();
    shell.change_dir(folder.path());
    let options = ["-O", "-Cdebuginfo=line-tables-only", "-Cpanic=abort", "-o", "linked"];
    cmd!(shell, "{rustc} --target {triple} -Clinker={linker} {flags...} {libraries...} {options...} hello.rs")
        .quiet()
        .run()
        .unwrap();
    let (program, symbols) = if target.is_windows() {
        (path("linked"), path("linked.pdb"))
    } else {
        crate::toolchain::symbols::split(
            &host,
            &path("linked"),
            &path("stripped"),
            &path("linked.debug"),
        )
        .unwrap();
        (path("stripped"), path("linked.debug"))
    };
    Some(Linked {
        program: std::fs::read(program).unwrap(),
        symbols: std::fs::read(symbols).unwrap(),
    })
}

fn rules(target: Target) -> Rules {
    let forbidden = vec!["/home/me/code".to_owned(), r"C:\work".to_owned()];
    Rules { target, size_max: 4_000_000, dlls: Vec::new(), forbidden }
}

/// Changes a program that passes and expects exactly one violation, by its text.
#[track_caller]
fn check(target: Target, change: impl FnOnce(&mut Vec<u8>), expected: &str) {
    let Some(linked) = linked(target) else { return };
    let mut bytes = linked.program.clone();
    change(&mut bytes);
    let violations = inspect(&bytes, &rules(target)).unwrap_err();
    let texts: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert_eq!(texts, [expected]);
}

fn check_pe(change: impl FnOnce(&mut Vec<u8>), expected: &str) {
    check(Target::WindowsX64, change, expected);
}

/// Changes the bytes at one place.
#[track_caller]
fn check_pe_at(place: impl FnOnce(&[u8]) -> usize, value: &[u8], expected: &str) {
    check_pe(
        |bytes| {
            let at = place(bytes);
            put(bytes, at, value);
        },
        expected,
    );
}

fn check_elf(change: impl FnOnce(&mut Vec<u8>), expected: &str) {
    check(Target::LinuxX64, change, expected);
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Where the COFF header is; the optional header is 20 bytes further on.
fn coff(bytes: &[u8]) -> usize {
    word(bytes, 0x3c) + 4
}

fn directory(bytes: &[u8], index: usize) -> usize {
    coff(bytes) + 20 + 112 + 8 * index
}

/// Replaces a text by another of the same length, everywhere.
fn replace(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|&at| bytes[at..].starts_with(from.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "{from} is not in the program");
    for at in places {
        put(bytes, at, to.as_bytes());
    }
}

/// Where the debug directory is in the file.
fn debug_directory(bytes: &[u8]) -> Range<usize> {
    let file = PeFile64::parse(bytes).unwrap();
    let directory = file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_DEBUG).unwrap();
    let (offset, size) = directory.file_range(&file.section_table()).unwrap();
    offset as usize..(offset + size) as usize
}

/// Where the program header of a kind is.
fn program_header(bytes: &[u8], kind: elf::ProgramType) -> usize {
    let file = ElfFile64::<Endianness>::parse(bytes).unwrap();
    let index =
        file.elf_program_headers().iter().position(|header| header.p_type(file.endian()) == kind);
    word(bytes, 32) + 56 * index.unwrap_or_else(|| panic!("no program header {kind:?}"))
}

/// Where the entries of the dynamic section with a tag are.
fn dynamic(bytes: &[u8], tag: u64) -> Vec<usize> {
    let header = program_header(bytes, elf::PT_DYNAMIC);
    let start = word(bytes, header + 8);
    let entries = start..start + word(bytes, header + 32);
    entries.step_by(16).filter(|&at| bytes[at..].starts_with(&tag.to_le_bytes())).collect()
}

#[test]
fn what_the_toolchain_links_passes() {
    for target in Target::ALL {
        let Some(linked) = linked(target) else { continue };
        let facts = inspect(&linked.program, &rules(target)).unwrap();
        assert_eq!(facts.size, linked.program.len() as u64);
        assert_eq!(facts.imports.contains("kernel32.dll"), target.is_windows());
        assert!(!facts.load_config);
    }
}

#[test]
fn another_format_is_unreadable() {
    let wrong = |target, bytes: &[u8]| inspect(bytes, &rules(target)).unwrap_err()[0].to_string();
    let text = wrong(Target::WindowsX64, b"\x7fELF");
    assert!(text.starts_with("program is not a readable 64-bit PE file: "), "{text}");
    let text = wrong(Target::LinuxX64, b"");
    assert!(text.starts_with("program is not a readable 64-bit ELF file: "), "{text}");
}

#[test]
fn a_pe_program_for_another_machine_is_refused() {
    let expected = "machine is 0xaa64, wanted 0x8664 for x86_64-pc-windows-msvc";
    check_pe_at(coff, &0xaa64_u16.to_le_bytes(), expected);
}

#[test]
fn a_program_that_is_not_for_the_console_is_refused() {
    check_pe_at(|bytes| coff(bytes) + 20 + 68, &[2], "subsystem is 2, wanted 3 (console)");
}

#[test]
fn each_protection_that_is_off_is_named() {
    for (flag, name) in [(0x40, "/DYNAMICBASE"), (0x20, "/HIGHENTROPYVA"), (0x100, "/NXCOMPAT")] {
        let change = |bytes: &mut Vec<u8>| {
            let at = coff(bytes) + 20 + 70;
            let flags = half(bytes, at) & !flag;
            put(bytes, at, &flags.to_le_bytes());
        };
        check_pe(change, &format!("protection {name} is off in the header"));
    }
}

#[test]
fn a_program_that_cannot_be_moved_is_refused() {
    let expected = "program has no relocations and cannot be loaded at a random address";
    check_pe_at(|bytes| directory(bytes, 5), &[0; 8], expected);
    let Some(linked) = linked(Target::WindowsX64) else { return };
    let stripped = linked.program[coff(&linked.program) + 18] | 1;
    check_pe_at(|bytes| coff(bytes) + 18, &[stripped], expected);
}

#[test]
fn a_program_without_a_tls_directory_is_refused() {
    let expected =
        "program has no TLS directory; thread-local data would be shared between threads";
    check_pe_at(|bytes| directory(bytes, 9), &[0; 8], expected);
}

#[test]
fn a_writable_code_section_is_refused() {
    let change = |bytes: &mut Vec<u8>| {
        let first = coff(bytes) + 20 + usize::from(half(bytes, coff(bytes) + 16));
        let flags = word(bytes, first + 36) | 0xa000_0000;
        put(bytes, first + 36, &u32::try_from(flags).unwrap().to_le_bytes());
    };
    check_pe(change, "section .text is both writable and executable");
}

#[test]
fn a_dll_that_not_every_windows_has_is_refused_unless_it_is_declared() {
    let expected = "program imports foreign1.dll, which not every Windows 10 or Server 2016 has";
    check_pe(|bytes| replace(bytes, "ucrtbase.dll", "Foreign1.DLL"), expected);
    let Some(linked) = linked(Target::WindowsX64) else { return };
    let mut bytes = linked.program.clone();
    replace(&mut bytes, "ucrtbase.dll", "Foreign1.DLL");
    let rules = Rules { dlls: vec!["foreign1.dll".to_owned()], ..rules(Target::WindowsX64) };
    assert!(inspect(&bytes, &rules).unwrap().imports.contains("foreign1.dll"));
}

#[test]
fn a_time_in_the_header_is_refused() {
    let Some(linked) = linked(Target::WindowsX64) else { return };
    let stamp = word(&linked.program, coff(&linked.program) + 4);
    let change = |bytes: &mut Vec<u8>| {
        for entry in debug_directory(bytes).step_by(28) {
            if word(bytes, entry + 12) == 16 {
                put(bytes, entry + 12, &[10]);
            }
        }
    };
    let expected =
        format!("header holds the time of linking, {stamp:#010x}, not a hash of the contents");
    check_pe(change, &expected);
}

#[test]
fn a_folder_in_the_name_of_the_pdb_is_refused() {
    let expected = r#"program looks for its symbols at "a/nked.pdb", wanted a bare file name"#;
    check_pe(|bytes| replace(bytes, "linked.pdb", "a/nked.pdb"), expected);
}

#[test]
fn an_elf_program_for_another_machine_is_refused() {
    let expected = "machine is 0x00b7, wanted 0x003e for x86_64-unknown-linux-musl";
    check_elf(|bytes| put(bytes, 18, &0xb7_u16.to_le_bytes()), expected);
    let expected = "machine is 0x003e, wanted 0x00b7 for aarch64-unknown-linux-musl";
    check(Target::LinuxArm64, |bytes| put(bytes, 18, &0x3e_u16.to_le_bytes()), expected);
}

#[test]
fn a_program_at_a_fixed_address_is_refused() {
    check_elf(
        |bytes| put(bytes, 16, &[2]),
        "program is not position-independent (ELF type 2, wanted 3)",
    );
}

#[test]
fn a_program_that_wants_a_loader_is_refused() {
    let change = |bytes: &mut Vec<u8>| {
        let header = program_header(bytes, elf::PT_GNU_EH_FRAME);
        let text = word(bytes, header + 8);
        put(bytes, header, &[3, 0, 0, 0]);
        put(bytes, header + 32, &7_u64.to_le_bytes());
        put(bytes, text, b"/lib/x\0");
    };
    check_elf(change, r#"program is not static: it wants the loader "/lib/x""#);
}

#[test]
fn a_program_that_wants_a_library_is_refused() {
    const DEBUG: u64 = 0x15;
    let change = |bytes: &mut Vec<u8>| {
        let at = dynamic(bytes, DEBUG)[0];
        put(bytes, at, &[1]);
    };
    check_elf(change, "program is not static: it wants 1 shared libraries");
}

#[test]
fn a_program_without_protected_relocations_is_refused() {
    let change = |bytes: &mut Vec<u8>| {
        let at = program_header(bytes, elf::PT_GNU_RELRO);
        put(bytes, at, &[4, 0, 0, 0]);
    };
    check_elf(change, "program has no PT_GNU_RELRO segment; its relocated data stays writable");
    let change = |bytes: &mut Vec<u8>| {
        for at in [dynamic(bytes, 0x1e), dynamic(bytes, 0x6fff_fffb)].concat() {
            put(bytes, at + 8, &[0; 8]);
        }
    };
    check_elf(change, "program does not resolve its relocations at start (DF_BIND_NOW, DF_1_NOW)");
}

#[test]
fn an_executable_stack_is_refused() {
    let expected = "stack is executable, or the program does not say that it is not (PT_GNU_STACK)";
    let flags = |bytes: &mut Vec<u8>| {
        let at = program_header(bytes, elf::PT_GNU_STACK);
        put(bytes, at + 4, &[7]);
    };
    check_elf(flags, expected);
    let absent = |bytes: &mut Vec<u8>| {
        let at = program_header(bytes, elf::PT_GNU_STACK);
        put(bytes, at, &[0; 4]);
    };
    check_elf(absent, expected);
}

#[test]
fn a_writable_code_segment_is_refused() {
    let change = |bytes: &mut Vec<u8>| {
        let at = program_header(bytes, elf::PT_LOAD);
        put(bytes, at + 4, &[7]);
    };
    let Some(linked) = linked(Target::LinuxX64) else { return };
    let first = (program_header(&linked.program, elf::PT_LOAD) - word(&linked.program, 32)) / 56;
    check_elf(change, &format!("segment {first} is both writable and executable"));
}

#[test]
fn symbols_that_are_still_inside_are_named() {
    let expected = "section .debug_info with symbols is still in the program";
    let rename =
        |from: &'static str, to: &'static str| move |bytes: &mut Vec<u8>| replace(bytes, from, to);
    check_elf(rename(".init_array\0", ".debug_info\0"), expected);
    // A section's name of more than eight bytes is a number in the string table, which a program has none of here.
    check_pe(
        |bytes| {
            let table = u32::try_from(bytes.len()).unwrap();
            let at = coff(bytes);
            put(bytes, at + 8, &table.to_le_bytes());
            bytes.extend(16_u32.to_le_bytes());
            bytes.extend(b".debug_info\0");
            let tls = (at..).find(|&at| bytes[at..].starts_with(b".tls\0\0\0\0")).unwrap();
            put(bytes, tls, b"/4\0\0");
        },
        expected,
    );
}

#[test]
fn a_program_over_its_budget_is_refused() {
    let Some(linked) = linked(Target::LinuxX64) else { return };
    let size = linked.program.len() as u64;
    let rules = Rules { size_max: size - 1, ..rules(Target::LinuxX64) };
    let violations = inspect(&linked.program, &rules).unwrap_err();
    let expected = format!("program has {size} bytes, 1 more than the declared {}", size - 1);
    assert_eq!(violations[0].to_string(), expected);
}

#[test]
fn a_folder_of_the_machine_is_found_wherever_it_is() {
    for target in Target::ALL {
        let Some(linked) = linked(target) else { continue };
        let offset = linked.program.len();
        let expected = format!(
            "program names a folder of the building machine: \"/home/me/code/src/a.rs\" at offset {offset:#x}"
        );
        check(target, |bytes| bytes.extend(b"/home/me/code/src/a.rs\0"), &expected);
        let wide = |bytes: &mut Vec<u8>| {
            bytes.extend("/home/me/code/src/a.rs\0".encode_utf16().flat_map(u16::to_le_bytes));
        };
        check(target, wide, &expected);
    }
}

#[test]
fn a_folder_is_reported_once_with_its_number_of_places() {
    let bytes = br"x C:\work\a C:\work /home/me/workshop C:\works";
    let texts: Vec<_> = folders::search(bytes, &rules(Target::WindowsX64).forbidden)
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = r#"program names a folder of the building machine: "C:\\work\\a C:\\work /home/me/workshop C:\\works" at offset 0x2 and 1 more times"#;
    assert_eq!(texts, [expected]);
}

#[test]
fn the_root_folder_is_not_looked_for() {
    let folders = ["/", r"C:\", "/root", r"C:\Users\me\"].map(Path::new);
    assert_eq!(forbidden(folders), ["/root", "C:/Users/me", r"C:\Users\me"]);
}

#[test]
fn all_violations_are_reported_at_once() {
    let Some(linked) = linked(Target::WindowsX64) else { return };
    let mut bytes = linked.program.clone();
    let at = coff(&bytes) + 20 + 68;
    put(&mut bytes, at, &[2]);
    put(&mut bytes, at + 2, &[0, 0]);
    replace(&mut bytes, "ucrtbase.dll", "vcruntime140");
    let violations = inspect(&bytes, &rules(Target::WindowsX64)).unwrap_err();
    assert_eq!(violations.len(), 5);
    assert!(
        violations
            .iter()
            .any(|violation| violation.help().is_some_and(|help| help.contains("self-contained")))
    );
}

#[test]
fn symbols_belong_to_the_program_they_were_made_with() {
    for target in Target::ALL {
        let Some(linked) = linked(target) else { continue };
        let name = symbols::file_name(target, "linked");
        symbols::check(target, &linked.program, &linked.symbols, &name).unwrap();
        let mut other = linked.symbols.clone();
        // In a PDB the identifier itself, so as not to depend on where it lies: every byte of the file.
        other.iter_mut().for_each(|byte| *byte = byte.wrapping_add(u8::from(!target.is_windows())));
        if target.is_windows() {
            let file = PeFile64::parse(&*linked.program).unwrap();
            let guid = object::read::Object::pdb_info(&file).unwrap().unwrap().guid();
            let at = (0..other.len()).find(|&at| other[at..].starts_with(&guid)).unwrap();
            other[at] ^= 1;
        }
        let error = symbols::check(target, &linked.program, &other, &name).unwrap_err().to_string();
        assert!(error.starts_with("symbols do not belong to the program: the "), "{error}");
        let error = symbols::check(target, &linked.program, &linked.symbols, "other.pdb")
            .unwrap_err()
            .to_string();
        assert!(error.contains("the program looks for \"linked."), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4096), magic in 0..4_usize) {
        let magics: [&[u8]; 4] = [b"", b"MZ", b"\x7fELF\x02\x01\x01", b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0"];
        let bytes = [magics[magic], &bytes].concat();
        for target in Target::ALL {
            let _ = inspect(&bytes, &rules(target));
            let _ = symbols::check(target, &bytes, &bytes, "x");
            if let Some(linked) = linked(target) {
                let _ = symbols::check(target, &linked.program, &bytes, &symbols::file_name(target, "linked"));
            }
        }
    }

    #[test]
    fn no_damage_to_a_program_makes_it_panic(
        end in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        whole in any::<bool>(),
    ) {
        for target in Target::ALL {
            let Some(linked) = linked(target) else { continue };
            // The search for folders reads every byte and none of them matters here.
            let rules = Rules { forbidden: Vec::new(), ..rules(target) };
            let mut bytes = linked.program.clone();
            for (at, value) in &damage {
                // Most of it where the structure is.
                let near = at.index(if *value < 128 { 1024.min(bytes.len()) } else { bytes.len() });
                bytes[near] = *value;
            }
            if !whole {
                bytes.truncate(end.index(bytes.len()));
            }
            let _ = inspect(&bytes, &rules);
            let symbols = &linked.symbols[..end.index(linked.symbols.len())];
            let _ = symbols::check(target, &bytes, symbols, &symbols::file_name(target, "linked"));
        }
    }
}

#[test]
fn the_time_stamp_is_the_same_in_header_and_debug_directory() {
    let Some(linked) = linked(Target::WindowsX64) else { return };
    let file = PeFile64::parse(&*linked.program).unwrap();
    let stamp = file.nt_headers().file_header.time_date_stamp.get(LE) as usize;
    for entry in debug_directory(&linked.program).step_by(28) {
        assert_eq!(word(&linked.program, entry + 4), stamp);
    }
}
