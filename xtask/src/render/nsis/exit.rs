//! The exit codes of the installer and the uninstaller: an interface, so a table.
//!
//! 1 and 2 are NSIS's own (NSIS Users Manual 3.4); the script may only add to them.

use serde::Serialize;

/// How a setup can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ExitCode {
    /// The exit code of the process.
    pub code: u8,
    /// The name the script knows it by.
    pub name: &'static str,
    /// A lowercase fragment.
    pub meaning: &'static str,
}

/// Every exit code of the installer and the uninstaller, by code.
pub const EXIT_CODES: [ExitCode; 12] = [
    exit(0, "done", "installed or removed; the service runs unless it is started by hand only"),
    exit(1, "cancelled", "cancelled by the user; nothing was changed"),
    exit(2, "files", "a file or a registry key could not be written"),
    exit(3, "not_elevated", "not run as administrator; nothing was changed"),
    exit(4, "system", "not a 64-bit Windows 10, Windows Server 2016 or newer; nothing was changed"),
    exit(5, "busy", "another setup of this product is running; nothing was changed"),
    exit(6, "folder", "a folder could not be made, secured or moved aside"),
    exit(7, "service", "the service could not be registered or removed"),
    exit(8, "not_stopped", "the service did not stop in time or its program is in use"),
    exit(9, "not_started", "the files are installed, but the service did not start in time"),
    exit(10, "bad_folder", "/D= is no folder to install into; nothing was changed"),
    exit(11, "elsewhere", "the product or its service is in another folder; nothing was changed"),
];

const fn exit(code: u8, name: &'static str, meaning: &'static str) -> ExitCode {
    ExitCode { code, name, meaning }
}

#[cfg(test)]
mod tests {
    use super::EXIT_CODES;

    #[test]
    fn codes_are_the_positions_in_the_table() {
        for (position, exit) in EXIT_CODES.iter().enumerate() {
            assert_eq!(usize::from(exit.code), position);
        }
    }
}
