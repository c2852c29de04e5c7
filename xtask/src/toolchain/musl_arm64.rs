//! musl's headers for 64-bit ARM, where the distribution brings those of x86-64 alone.
//!
//! All but `bits/` are the same for every processor. What differs is here, from musl 1.2.3, unchanged; its `COPYRIGHT`
//! permits the use of the headers "without any requirement of attribution". clang is given this folder before the
//! distribution's, so its headers take these. Objects made so are those that Debian's `musl-dev:arm64` leads to, which
//! cannot be installed on x86-64 without making the machine one of two architectures.

use super::{Host, ToolchainError};
use std::path::PathBuf;

/// The files, as paths below [`folder`]. Those without text stand before one that has some for x86-64.
const HEADERS: [(&str, &str); 16] = [
    ("bits/alltypes.h", include_str!("musl_arm64/bits/alltypes.h")),
    ("bits/fcntl.h", include_str!("musl_arm64/bits/fcntl.h")),
    ("bits/fenv.h", include_str!("musl_arm64/bits/fenv.h")),
    ("bits/float.h", include_str!("musl_arm64/bits/float.h")),
    ("bits/hwcap.h", include_str!("musl_arm64/bits/hwcap.h")),
    ("bits/io.h", ""),
    ("bits/limits.h", ""),
    ("bits/mman.h", include_str!("musl_arm64/bits/mman.h")),
    ("bits/ptrace.h", ""),
    ("bits/reg.h", include_str!("musl_arm64/bits/reg.h")),
    ("bits/sem.h", include_str!("musl_arm64/bits/sem.h")),
    ("bits/setjmp.h", include_str!("musl_arm64/bits/setjmp.h")),
    ("bits/signal.h", include_str!("musl_arm64/bits/signal.h")),
    ("bits/stat.h", include_str!("musl_arm64/bits/stat.h")),
    ("bits/syscall.h", include_str!("musl_arm64/bits/syscall.h")),
    ("bits/user.h", include_str!("musl_arm64/bits/user.h")),
];

/// Below [`Host::support`].
const FOLDER: &str = "musl-aarch64";

/// Where [`install`] writes them.
pub fn folder(host: &Host) -> PathBuf {
    host.support.join(FOLDER)
}

/// Paths of the files below [`Host::support`], with forward slashes.
pub fn files() -> Vec<String> {
    HEADERS.iter().map(|(path, _)| format!("{FOLDER}/{path}")).collect()
}

/// Writes those that are not there or have other contents. Says whether there were any.
///
/// Each file appears under its name only when it is complete, so processes may do this side by side.
///
/// # Errors
/// [`ToolchainError::File`].
pub fn install(host: &Host) -> Result<bool, ToolchainError> {
    let mut changed = false;
    for (name, contents) in HEADERS {
        let path = folder(host).join(name);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == contents) {
            continue;
        }
        let file = |action| {
            let path = path.clone();
            move |source| ToolchainError::File { action, path, source }
        };
        let parent = path.parent().expect("a header is in a folder");
        std::fs::create_dir_all(parent).map_err(file("created"))?;
        let draft = tempfile::NamedTempFile::new_in(parent).map_err(file("created"))?;
        std::fs::write(draft.path(), contents).map_err(file("written"))?;
        draft.persist(&path).map_err(|error| file("renamed into place")(error.error))?;
        changed = true;
    }
    Ok(changed)
}
