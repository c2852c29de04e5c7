//! The rules for Windows programs (learn.microsoft.com, "PE Format").

use super::{Findings, Rules, Violation, dlls};
use object::LittleEndian as LE;
use object::pe;
use object::read::pe::{ImageOptionalHeader, PeFile64};
use object::read::{Error, Object, ObjectSection};

pub fn check(bytes: &[u8], rules: &Rules, found: &mut Findings) -> Result<(), Error> {
    let file = PeFile64::parse(bytes)?;
    headers(&file, rules, found);
    for section in file.sections() {
        // DWARF, which objects of C can bring; a PDB is a file of its own anyway.
        let section = section.name().unwrap_or_default().to_owned();
        found.require(section != ".debug_info", Violation::SymbolsInside { section });
    }
    imports(&file, rules, found)?;
    let debug = debug_types(&file)?;
    let stamp = file.nt_headers().file_header.time_date_stamp.get(LE);
    found.require(debug.contains(&pe::IMAGE_DEBUG_TYPE_REPRO.0), Violation::Time { stamp });
    if let Some(view) = file.pdb_info()? {
        let path = String::from_utf8_lossy(view.path()).into_owned();
        found.require(!path.contains(['/', '\\']), Violation::PdbPath { path });
    }
    Ok(())
}

fn headers(file: &PeFile64<'_>, rules: &Rules, found: &mut Findings) {
    let headers = file.nt_headers();
    let machine = headers.file_header.machine.get(LE).0;
    let wanted = pe::IMAGE_FILE_MACHINE_AMD64.0;
    found.require(
        machine == wanted,
        Violation::Machine { found: machine, wanted, triple: rules.target.triple() },
    );
    let subsystem = headers.optional_header.subsystem().0;
    let console = pe::IMAGE_SUBSYSTEM_WINDOWS_CUI.0;
    found.require(subsystem == console, Violation::Subsystem { found: subsystem });
    let flags = headers.optional_header.dll_characteristics().0;
    for (flag, name) in [
        (pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE, "/DYNAMICBASE"),
        (pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA, "/HIGHENTROPYVA"),
        (pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT, "/NXCOMPAT"),
    ] {
        found.require(flags & flag.0 != 0, Violation::Protection { name });
    }
    let stripped =
        headers.file_header.characteristics.get(LE).0 & pe::IMAGE_FILE_RELOCS_STRIPPED.0 != 0;
    let relocations = has(file, pe::IMAGE_DIRECTORY_ENTRY_BASERELOC);
    found.require(relocations && !stripped, Violation::NoRelocations);
    found.require(has(file, pe::IMAGE_DIRECTORY_ENTRY_TLS), Violation::NoTlsDirectory);
    found.facts.load_config = has(file, pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG);
    for section in file.section_table().iter() {
        let flags = section.characteristics.get(LE).0;
        let both = pe::IMAGE_SCN_MEM_WRITE.0 | pe::IMAGE_SCN_MEM_EXECUTE.0;
        let name = String::from_utf8_lossy(section.raw_name());
        found.require(
            flags & both != both,
            Violation::WritableCode { place: format!("section {name}") },
        );
    }
}

fn has(file: &PeFile64<'_>, directory: usize) -> bool {
    file.data_directory(directory).is_some_and(|entry| entry.size.get(LE) != 0)
}

fn imports(file: &PeFile64<'_>, rules: &Rules, found: &mut Findings) -> Result<(), Error> {
    if let Some(table) = file.import_table()? {
        let mut descriptors = table.descriptors()?;
        while let Some(descriptor) = descriptors.next()? {
            import(table.name(descriptor.name.get(LE))?, rules, found);
        }
    }
    if let Some(table) = file.delay_load_import_table()? {
        let mut descriptors = table.descriptors()?;
        while let Some(descriptor) = descriptors.next()? {
            import(table.name(descriptor.dll_name_rva.get(LE))?, rules, found);
        }
    }
    Ok(())
}

fn import(name: &[u8], rules: &Rules, found: &mut Findings) {
    let dll = String::from_utf8_lossy(name).to_lowercase();
    let allowed = dlls::is_everywhere(&dll)
        || rules.dlls.iter().any(|other| other.eq_ignore_ascii_case(&dll));
    if found.facts.imports.insert(dll.clone()) {
        found.require(allowed, Violation::ForeignDll { dll });
    }
}

/// The types of the entries in the debug directory.
fn debug_types(file: &PeFile64<'_>) -> Result<Vec<u32>, Error> {
    let Some(directory) = file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_DEBUG) else {
        return Ok(Vec::new());
    };
    if directory.virtual_address.get(LE) == 0 {
        return Ok(Vec::new());
    }
    let data = directory.data(file.data(), &file.section_table())?;
    let (entries, _) = data.as_chunks::<{ size_of::<pe::ImageDebugDirectory>() }>();
    // The type is the fourth field, after two of four bytes and two of two.
    Ok(entries
        .iter()
        .map(|entry| u32::from_le_bytes([entry[12], entry[13], entry[14], entry[15]]))
        .collect())
}
