//! The rules for Linux programs (System V ABI, chapters 4 and 5; elf(5)).

use super::{Findings, Rules, Violation};
use crate::toolchain::Target;
use object::Endianness;
use object::elf;
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use object::read::{Error, Object, ObjectSection};

/// Sections that only a debugger reads. (`.debug_gdb_scripts`, which rustc adds, is loaded and stays.)
const SYMBOLS: [&str; 3] = [".symtab", ".debug_info", ".debug_line"];

pub fn check(bytes: &[u8], rules: &Rules, found: &mut Findings) -> Result<(), Error> {
    let file = ElfFile64::<Endianness>::parse(bytes)?;
    let (endian, header) = (file.endian(), file.elf_header());
    let machine = header.e_machine(endian).0;
    let wanted = match rules.target {
        Target::LinuxArm64 => elf::EM_AARCH64.0,
        Target::LinuxX64 | Target::WindowsX64 => elf::EM_X86_64.0,
    };
    found.require(
        machine == wanted,
        Violation::Machine { found: machine, wanted, triple: rules.target.triple() },
    );
    let kind = header.e_type(endian);
    found.require(kind == elf::ET_DYN, Violation::NotPie { found: kind.0 });
    segments(&file, bytes, found)?;
    for section in file.sections() {
        let section = section.name().unwrap_or_default().to_owned();
        found.require(!SYMBOLS.contains(&section.as_str()), Violation::SymbolsInside { section });
    }
    Ok(())
}

fn segments(file: &ElfFile64<'_>, bytes: &[u8], found: &mut Findings) -> Result<(), Error> {
    let endian = file.endian();
    let (mut relro, mut stack_is_data, mut bind_now) = (false, false, false);
    for (index, segment) in file.elf_program_headers().iter().enumerate() {
        let flags = segment.p_flags(endian).0;
        let executable = flags & elf::PF_X.0 != 0;
        let kind = segment.p_type(endian);
        relro |= kind == elf::PT_GNU_RELRO;
        stack_is_data |= kind == elf::PT_GNU_STACK && !executable;
        if let Some(loader) = segment.interpreter(endian, bytes)? {
            let loader = String::from_utf8_lossy(loader).into_owned();
            found.violations.push(Violation::Interpreter { loader });
        }
        if kind == elf::PT_LOAD {
            let writable = flags & elf::PF_W.0 != 0;
            found.require(
                !(writable && executable),
                Violation::WritableCode { place: format!("segment {index}") },
            );
        }
        for entry in segment.dynamic(endian, bytes)?.unwrap_or_default() {
            let (tag, value) = (entry.d_tag(endian), entry.d_val(endian));
            bind_now |= tag == elf::DT_BIND_NOW
                || tag == elf::DT_FLAGS && value & elf::DF_BIND_NOW.0 != 0
                || tag == elf::DT_FLAGS_1 && value & elf::DF_1_NOW.0 != 0;
        }
        let count = needed(segment.dynamic(endian, bytes)?.unwrap_or_default(), endian);
        found.require(count == 0, Violation::Needed { count });
    }
    found.require(relro, Violation::NoRelro);
    found.require(bind_now, Violation::NotBindNow);
    found.require(stack_is_data, Violation::ExecutableStack);
    Ok(())
}

/// How many shared libraries a dynamic section wants.
fn needed(entries: &[elf::Dyn64<Endianness>], endian: Endianness) -> usize {
    entries.iter().filter(|entry| entry.d_tag(endian) == elf::DT_NEEDED).count()
}
