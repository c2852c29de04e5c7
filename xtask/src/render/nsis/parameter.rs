//! The parameters of the installer and the uninstaller: an interface, so a table. The templates show it, the page for
//! operators has it; what the parameters do is in the templates.

use serde::Serialize;

/// A parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// As it is typed.
    pub usage: &'static str,
    /// A lowercase fragment.
    pub meaning: &'static str,
}

/// What the installer understands; `/PORT=` only where a listener is declared for it.
pub const SETUP: [Parameter; 9] = [
    parameter("/S", "no windows, no questions"),
    parameter("/CONFIG=FILE", "use a copy of this configuration"),
    parameter(PORT, "write this port into the default configuration"),
    parameter("/NOSERVICE", "create no service"),
    parameter("/NOSTART", "do not start the service"),
    parameter("/LOG=FILE", "append to this file what the setup does"),
    parameter("/ALLOWDOWNGRADE", "install over a newer version"),
    parameter("/?", "show this"),
    parameter("/D=FOLDER", "install there; the last one, never quoted"),
];

/// What the uninstaller understands.
pub const UNINSTALLER: [Parameter; 3] = [
    parameter("/S", "no windows, no questions"),
    parameter("/PURGE", "remove configuration, logs and state as well"),
    parameter("/LOG=FILE", "append to this file what the uninstaller does"),
];

/// The parameter that not every product has.
pub(super) const PORT: &str = "/PORT=NUMBER";

const fn parameter(usage: &'static str, meaning: &'static str) -> Parameter {
    Parameter { usage, meaning }
}

#[cfg(test)]
mod tests {
    use super::{Parameter, SETUP, UNINSTALLER};

    #[test]
    fn the_page_for_operators_has_both_tables() {
        let page = include_str!("../../../../docs/operations.md").replace("\r\n", "\n");
        for parameters in [&SETUP[..], &UNINSTALLER] {
            let row =
                |Parameter { usage, meaning }: &Parameter| format!("| `{usage}` | {meaning} |\n");
            let rows: String = parameters.iter().map(row).collect();
            let table = format!("\n\n| parameter | meaning |\n|---|---|\n{rows}\n");
            assert!(page.contains(&table), "{table}");
        }
    }
}
