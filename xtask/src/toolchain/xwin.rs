//! Linking with Microsoft's SDK, which cargo-xwin downloads under Microsoft's licence.
//!
//! Pure: the environment of `cargo xwin build`. Both versions are pinned because both default to the latest one.

use super::{Host, ToolchainError, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folder of the downloaded SDK. It is named by the versions because cargo-xwin takes any finished download in its
/// folder for the wanted one, whatever its versions (its `DONE` file lists architectures only).
pub fn cache(host: &Host, sdk: &str, crt: &str) -> PathBuf {
    host.target_dir.join("xwin").join(format!("sdk-{sdk}-crt-{crt}"))
}

/// The variables that cargo-xwin reads (its README, "Customization").
///
/// # Errors
/// [`ToolchainError::NotUnicode`].
pub fn environment(
    cache: &Path,
    sdk: &str,
    crt: &str,
) -> Result<BTreeMap<String, String>, ToolchainError> {
    let cache = text(cache)?;
    Ok([
        ("XWIN_ARCH", "x86_64"),
        ("XWIN_CACHE_DIR", cache),
        ("XWIN_CRT_VERSION", crt),
        ("XWIN_SDK_VERSION", sdk),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into())
}
