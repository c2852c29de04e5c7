//! Debug symbols: what an archive of them must hold, and whether they belong to the program.
//!
//! A debugger refuses symbols whose identifier is not the program's. So does this, before anybody needs them.

use super::Violation;
use crate::toolchain::Target;
use object::Endianness;
use object::read::Object;
use object::read::elf::ElfFile64;
use object::read::pe::PeFile64;

/// Base name of the file with the symbols of a binary, by which debuggers look for it.
pub fn file_name(target: Target, binary: &str) -> String {
    if target.is_windows() {
        format!("{}.pdb", binary.replace('-', "_"))
    } else {
        format!("{binary}.debug")
    }
}

/// Checks that `symbols` were made together with `program`, and that the program looks for them under `name`.
///
/// # Errors
/// [`Violation::Unreadable`], [`Violation::ForeignSymbols`].
pub fn check(target: Target, program: &[u8], symbols: &[u8], name: &str) -> Result<(), Violation> {
    let reason = if target.is_windows() {
        pdb(program, symbols, name)
    } else {
        debug(program, symbols, name)
    };
    match reason {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(Violation::ForeignSymbols { reason }),
        Err(error) => Err(Violation::Unreadable {
            format: super::format_name(target),
            reason: error.to_string(),
        }),
    }
}

/// By the GUID and age in both ("PE Format", "Debug Type"; LLVM, "The PDB Info Stream").
fn pdb(program: &[u8], symbols: &[u8], name: &str) -> Result<Option<String>, object::read::Error> {
    let file = PeFile64::parse(program)?;
    let Some(view) = file.pdb_info()? else {
        return Ok(Some("the program names none".to_owned()));
    };
    if view.path() != name.as_bytes() {
        return Ok(Some(format!(
            "the program looks for {:?}",
            String::from_utf8_lossy(view.path())
        )));
    }
    let Some(guid) = pdb_guid(symbols) else {
        return Ok(Some("they are not a PDB".to_owned()));
    };
    Ok((guid != view.guid()).then(|| "the identifiers differ".to_owned()))
}

/// The GUID of a PDB: the file is an MSF of blocks, whose superblock leads to a directory of streams, of which the
/// first (after the zeroth) holds version, signature, age and GUID (LLVM, "The MSF File Format").
fn pdb_guid(pdb: &[u8]) -> Option<[u8; 16]> {
    let word = |at: usize| {
        let bytes = pdb.get(at..at.checked_add(4)?)?;
        Some(usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).expect("four bytes fit"))
    };
    if !pdb.starts_with(b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0") {
        return None;
    }
    let (block_size, block_map) = (word(32)?, word(52)?);
    if block_size == 0 {
        return None;
    }
    // A position in the directory, through the list of its blocks.
    let directory = |at: usize| {
        let entry = block_map.checked_mul(block_size)?.checked_add(at / block_size * 4)?;
        word(entry)?.checked_mul(block_size)?.checked_add(at % block_size)
    };
    let streams = word(directory(0)?)?;
    // 0xffffffff is the size of a stream that is not there.
    let size = Some(word(directory(4)?)?).filter(|size| *size != 0xffff_ffff)?;
    let blocks_before = size.div_ceil(block_size);
    let first_block =
        word(directory(streams.checked_add(1)?.checked_add(blocks_before)?.checked_mul(4)?)?)?;
    let info = first_block.checked_mul(block_size)?;
    pdb.get(info.checked_add(12)?..info.checked_add(28)?)?.try_into().ok()
}

/// By the checksum in `.gnu_debuglink` (gdb manual, "Separate Debug Files") and the build id in both.
fn debug(
    program: &[u8],
    symbols: &[u8],
    name: &str,
) -> Result<Option<String>, object::read::Error> {
    let file = ElfFile64::<Endianness>::parse(program)?;
    let Some((linked, checksum)) = file.gnu_debuglink()? else {
        return Ok(Some("the program names none".to_owned()));
    };
    if linked != name.as_bytes() {
        return Ok(Some(format!("the program looks for {:?}", String::from_utf8_lossy(linked))));
    }
    let mut found = flate2::Crc::new();
    found.update(symbols);
    if found.sum() != checksum {
        return Ok(Some("the checksums differ".to_owned()));
    }
    let other = ElfFile64::<Endianness>::parse(symbols)?;
    Ok((file.build_id()? != other.build_id()?).then(|| "the build ids differ".to_owned()))
}
