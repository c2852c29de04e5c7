//! The files that building for a target takes and nobody brings: which there are, and writing them.

use super::{Host, Target, ToolchainError, musl_arm64, self_contained};

/// A set of files below [`Host::support`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Import libraries and a startup object for Windows, see [`self_contained`].
    Libraries,
    /// C headers for 64-bit ARM, see [`musl_arm64`].
    Headers,
}

impl Support {
    /// What a target takes that is linked by what rustup brings.
    pub const fn of(target: Target) -> Option<Self> {
        match target {
            Target::WindowsX64 => Some(Self::Libraries),
            Target::LinuxArm64 => Some(Self::Headers),
            Target::LinuxX64 => None,
        }
    }

    /// Paths of the files below [`Host::support`], with forward slashes.
    pub fn files(self) -> Vec<String> {
        match self {
            Self::Libraries => self_contained::files(),
            Self::Headers => musl_arm64::files(),
        }
    }

    /// Writes them. Says whether anything had to be written.
    ///
    /// # Errors
    /// [`ToolchainError::File`] and [`ToolchainError::Tool`].
    pub fn install(self, host: &Host) -> Result<bool, ToolchainError> {
        match self {
            Self::Libraries => self_contained::install(host),
            Self::Headers => musl_arm64::install(host),
        }
    }
}
