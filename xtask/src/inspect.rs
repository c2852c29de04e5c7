//! The gate on the bytes of a linked program: what it claims to be, how it is protected, what it needs of the machine
//! it will run on, and that it does not tell of the machine it was made on.
//!
//! Pure: bytes and [`Rules`] in, [`Facts`] or all [`Violation`]s out. A linker's flags say what was wanted; only the
//! result says what came out of it, the more so where it cannot be run (no test here runs on a real Windows).

mod dlls;
mod elf;
mod folders;
mod pe;
pub mod symbols;
mod violation;

pub use folders::forbidden;
pub use violation::Violation;

use crate::toolchain::Target;
use std::collections::BTreeSet;

/// What a program must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The target it was built for.
    pub target: Target,
    /// Bytes it may have.
    pub size_max: u64,
    /// DLLs it may import beside those that every Windows 10 has; case does not matter.
    pub dlls: Vec<String>,
    /// Folders of the building machine, absolute, without a slash at the end; see [`forbidden`].
    pub forbidden: Vec<String>,
}

/// What a program is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Facts {
    /// Its length in bytes.
    pub size: u64,
    /// The DLLs it imports, in lower case; an ELF program that passed has no such needs.
    pub imports: BTreeSet<String>,
    /// PE: whether it has a load configuration (learn.microsoft.com, "PE Format", "The Load Configuration Structure").
    /// Only a program linked against Microsoft's C runtime has; it is not required.
    pub load_config: bool,
}

/// Checks a program.
///
/// # Errors
/// All rules that it breaks; only [`Violation::Unreadable`] when it is no program of the target's format.
pub fn inspect(bytes: &[u8], rules: &Rules) -> Result<Facts, Vec<Violation>> {
    let mut found = Findings::default();
    found.facts.size = bytes.len() as u64;
    let read = if rules.target.is_windows() {
        pe::check(bytes, rules, &mut found)
    } else {
        elf::check(bytes, rules, &mut found)
    };
    if let Err(reason) = read {
        return Err(vec![Violation::Unreadable {
            format: format_name(rules.target),
            reason: reason.to_string(),
        }]);
    }
    if found.facts.size > rules.size_max {
        found
            .violations
            .push(Violation::TooLarge { size: found.facts.size, size_max: rules.size_max });
    }
    found.violations.extend(folders::search(bytes, &rules.forbidden));
    if found.violations.is_empty() { Ok(found.facts) } else { Err(found.violations) }
}

/// What the checks fill.
#[derive(Default)]
struct Findings {
    facts: Facts,
    violations: Vec<Violation>,
}

impl Findings {
    fn require(&mut self, holds: bool, violation: Violation) {
        if !holds {
            self.violations.push(violation);
        }
    }
}

const fn format_name(target: Target) -> &'static str {
    match target {
        Target::WindowsX64 => "PE",
        Target::LinuxX64 | Target::LinuxArm64 => "ELF",
    }
}

#[cfg(test)]
mod tests;
