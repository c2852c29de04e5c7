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
pub const EXIT_CODES: [ExitCode; 17] = [
    exit(0, "done", "installed or removed; the service runs if it ran before or starts by itself"),
    exit(1, "cancelled", "cancelled by the user; nothing was changed"),
    exit(2, "files", "a file or a registry key could not be written"),
    exit(3, "not_elevated", "not run as administrator; nothing was changed"),
    exit(4, "system", "not a 64-bit Windows 10, Windows Server 2016 or newer; nothing was changed"),
    exit(5, "busy", "another setup of this product is running; nothing was changed"),
    exit(6, "folder", "a folder is another user's, or could not be made, secured or moved aside"),
    exit(7, "service", "the service could not be opened or removed"),
    exit(8, "not_stopped", "the service did not stop in time or its program is in use"),
    exit(9, "not_started", "installed for the first time, but the service did not become ready"),
    exit(10, "bad_folder", "/D= is no folder to install into; nothing was changed"),
    exit(11, "elsewhere", "the product or its service is in another folder; nothing was changed"),
    exit(12, "downgrade", "a newer version is installed; nothing was changed"),
    exit(
        13,
        "parameter",
        "a parameter is unknown or its value cannot be used; nothing was changed",
    ),
    exit(14, "configuration", "the program refuses the configuration; nothing was changed"),
    exit(
        15,
        "rolled_back",
        "the new version could not be installed or did not become ready; all is as before",
    ),
    exit(
        16,
        "not_rolled_back",
        "as 15, but not all could be put back; the next run of the setup tries again",
    ),
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
