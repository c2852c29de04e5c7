//! What can be wrong with a program, in words, and what helps.

/// A rule that a program breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Not a 64-bit program of the format.
    #[error("program is not a readable 64-bit {format} file: {reason}")]
    Unreadable {
        /// `PE` or `ELF`.
        format: &'static str,
        /// What the reader said.
        reason: String,
    },
    /// For another processor.
    #[error("machine is {found:#06x}, wanted {wanted:#06x} for {triple}")]
    Machine {
        /// The number in the header.
        found: u16,
        /// The number of the target.
        wanted: u16,
        /// The target.
        triple: &'static str,
    },
    /// Larger than declared.
    #[error("program has {size} bytes, {} more than the declared {size_max}", size - size_max)]
    TooLarge {
        /// Its bytes.
        size: u64,
        /// The budget.
        size_max: u64,
    },
    /// It names a folder of the building machine.
    #[error("program names a folder of the building machine: {text:?} at offset {offset:#x}{}", more(*times))]
    Folder {
        /// The text around the folder's name.
        text: String,
        /// Where the folder's name begins.
        offset: usize,
        /// How often it occurs.
        times: usize,
    },
    /// Memory that is both written to and executed.
    #[error("{place} is both writable and executable")]
    WritableCode {
        /// The section or segment.
        place: String,
    },
    /// Symbols or debug information that belong into a file of their own.
    #[error("section {section} with symbols is still in the program")]
    SymbolsInside {
        /// The section.
        section: String,
    },
    /// PE: not a console program.
    #[error("subsystem is {found}, wanted 3 (console)")]
    Subsystem {
        /// The number in the header.
        found: u16,
    },
    /// PE: a protection is off.
    #[error("protection {name} is off in the header")]
    Protection {
        /// The linker's flag for it.
        name: &'static str,
    },
    /// PE: nothing to move it by, whatever the header says.
    #[error("program has no relocations and cannot be loaded at a random address")]
    NoRelocations,
    /// PE: no directory of thread-local data.
    #[error("program has no TLS directory; thread-local data would be shared between threads")]
    NoTlsDirectory,
    /// PE: a DLL that not every Windows has.
    #[error("program imports {dll}, which not every Windows 10 or Server 2016 has")]
    ForeignDll {
        /// The DLL.
        dll: String,
    },
    /// PE: a time in the header.
    #[error("header holds the time of linking, {stamp:#010x}, not a hash of the contents")]
    Time {
        /// The time stamp.
        stamp: u32,
    },
    /// PE: a folder in the name of the PDB.
    #[error("program looks for its symbols at {path:?}, wanted a bare file name")]
    PdbPath {
        /// The path.
        path: String,
    },
    /// ELF: at a fixed address.
    #[error("program is not position-independent (ELF type {found}, wanted 3)")]
    NotPie {
        /// The type in the header.
        found: u16,
    },
    /// ELF: wants a loader.
    #[error("program is not static: it wants the loader {loader:?}")]
    Interpreter {
        /// The loader's path.
        loader: String,
    },
    /// ELF: wants a library.
    #[error("program is not static: it wants {count} shared libraries")]
    Needed {
        /// How many.
        count: usize,
    },
    /// ELF: relocated data stays writable.
    #[error("program has no PT_GNU_RELRO segment; its relocated data stays writable")]
    NoRelro,
    /// ELF: relocations are resolved late, so not all of them are protected.
    #[error("program does not resolve its relocations at start (DF_BIND_NOW, DF_1_NOW)")]
    NotBindNow,
    /// ELF: the stack may be executed.
    #[error("stack is executable, or the program does not say that it is not (PT_GNU_STACK)")]
    ExecutableStack,
    /// Symbols of another program.
    #[error("symbols do not belong to the program: {reason}")]
    ForeignSymbols {
        /// What differs.
        reason: String,
    },
}

impl Violation {
    /// What helps, where there is something obvious to do.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::TooLarge { .. } => Some("raise size-max of the target, or find what grew"),
            Self::Folder { .. } => Some(
                "paths of sources are remapped; this one comes from elsewhere: env!(\"CARGO_MANIFEST_DIR\"), \
                 env!(\"OUT_DIR\"), a build script or C code",
            ),
            Self::ForeignDll { dll }
                if dll.starts_with("vcruntime") || dll.starts_with("msvcp") =>
            {
                Some(
                    "link with linker = \"self-contained\", or statically, so that no redistributable is needed",
                )
            }
            Self::ForeignDll { .. } => Some(
                "list it under dlls of the target if the installer or the administrator brings it",
            ),
            Self::Interpreter { .. } | Self::Needed { .. } => Some(
                "a dependency links a shared library; choose its vendored or pure Rust variant",
            ),
            Self::Unreadable { .. }
            | Self::Machine { .. }
            | Self::WritableCode { .. }
            | Self::SymbolsInside { .. }
            | Self::Subsystem { .. }
            | Self::Protection { .. }
            | Self::NoRelocations
            | Self::NoTlsDirectory
            | Self::Time { .. }
            | Self::PdbPath { .. }
            | Self::NotPie { .. }
            | Self::NoRelro
            | Self::NotBindNow
            | Self::ExecutableStack
            | Self::ForeignSymbols { .. } => None,
        }
    }
}

fn more(times: usize) -> String {
    if times > 1 { format!(" and {} more times", times - 1) } else { String::new() }
}
