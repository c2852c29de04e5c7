//! Where a path leads in a folder: never out of it.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::super::path::decoded;

/// What a path leads to.
#[derive(Debug)]
pub enum Place {
    /// An open file.
    File(File, Metadata),
    /// A folder.
    Folder,
}

/// A normalised path as one of files, relative; none where it names what is never served.
pub fn relative(path: &str) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let name = String::from_utf8(decoded(segment)).ok()?;
        if !is_served(&name, cfg!(windows)) {
            return None;
        }
        relative.push(name);
    }
    Some(relative)
}

/// The folder of what a site says of itself, which is not hidden for its dot. Source: RFC 8615.
const WELL_KNOWN: &str = ".well-known";

/// Whether a file of this name may be served: it is not hidden, and no system reads it as something else.
fn is_served(name: &str, is_windows: bool) -> bool {
    let is_name = (!name.starts_with('.') || name == WELL_KNOWN)
        && !name.contains(|letter: char| matches!(letter, '/' | '\\') || letter.is_control());
    is_name && (!is_windows || is_served_on_windows(name))
}

/// Streams (`a.txt:x`) and drives, patterns, names that Windows cuts, and devices, which are files in every folder.
///
/// Source: "Naming Files, Paths, and Namespaces" of the Windows documentation.
fn is_served_on_windows(name: &str) -> bool {
    const DEVICES: [&str; 7] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"];
    // `NUL.txt` and `NUL .txt` are the device as well.
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_uppercase();
    let is_port = ["COM", "LPT"].iter().filter_map(|port| stem.strip_prefix(port)).any(|number| {
        matches!(
            number,
            "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
        )
    });
    !name.ends_with(['.', ' '])
        && !name.contains([':', '*', '?', '"', '<', '>', '|'])
        && !is_port
        && !DEVICES.contains(&&*stem)
}

/// Finds a place in a folder. May block.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] for what lies elsewhere, is hidden, or is neither file nor folder; or what the system
/// says.
pub fn find(root: &Path, relative: &Path) -> io::Result<Place> {
    // Each time anew: a deployment may move the link that the root is.
    let root = fs::canonicalize(root)?;
    let real = fs::canonicalize(root.join(relative))?;
    check_inside(&root, &real)?;
    if fs::metadata(&real)?.is_dir() {
        return Ok(Place::Folder);
    }
    let file = open(&real)?;
    // Somebody may have put a link there in the meantime.
    #[cfg(target_os = "linux")]
    check_inside(&root, &path_of(&file)?)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(Place::File(file, metadata)) } else { Err(not_found()) }
}

/// Whether a link did not lead out of the folder or to something hidden.
fn check_inside(root: &Path, real: &Path) -> io::Result<()> {
    let inside = real.strip_prefix(root).map_err(|_outside| not_found())?;
    let is_fine = |name: &OsStr| name.to_str().is_some_and(|name| is_served(name, cfg!(windows)));
    if inside.iter().all(is_fine) { Ok(()) } else { Err(not_found()) }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Where an open file lies now. Source: `proc_pid_fd(5)`.
#[cfg(target_os = "linux")]
fn path_of(file: &File) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd as _;
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Opens a file, without waiting for who may write to a pipe, and no link.
#[cfg(target_os = "linux")]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(target_os = "linux"))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        assert_eq!(relative(path), expected.map(PathBuf::from), "{path}");
    }

    #[test]
    fn a_path_is_decoded_once_and_stays_below() {
        check("/", Some(""));
        check("/a/b%20c.txt", Some("a/b c.txt"));
        check("/%C3%A9/", Some("é"));
        check("/a%252e", Some("a%2e"));
        check("/.git/config", None);
        check("/a/.htaccess", None);
        check("/%FF", None);
        check("/a%2Fb", None);
        check("/a%5Cb", None);
        check("/..", None);
    }

    #[test]
    fn windows_has_names_that_are_not_files_or_other_files() {
        for name in [
            "nul",
            "NUL.txt",
            "con .html",
            "aux",
            "COM1",
            "lpt9.log",
            "com¹",
            "conin$",
            "a.txt:stream",
            "a.",
            "a ",
            "c:",
            "a*",
            "a?b",
            "a::$DATA",
        ] {
            assert!(!is_served(name, true), "{name}");
        }
        for name in ["null", "console.log", "com10", "com", "lpt", "a.b.c", "a b", "auxiliary"] {
            assert!(is_served(name, true), "{name}");
        }
        assert!(is_served("nul", false) && is_served("a:b", false));
    }

    #[cfg(unix)]
    #[test]
    fn links_inside_are_followed_and_none_that_lead_out_or_to_what_is_hidden() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir_all(folder.path().join("root-too")).unwrap();
        for (file, text) in
            [("root/a", "a"), ("root/.env", "key"), ("secret", "s"), ("root-too/b", "b")]
        {
            fs::write(folder.path().join(file), text).unwrap();
        }
        symlink("../a", root.join("sub/in")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink(folder.path().join("root-too"), root.join("beside")).unwrap();
        symlink("/", root.join("sub/all")).unwrap();
        symlink(".env", root.join("env")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let link = folder.path().join("link");
        symlink("root", &link).unwrap();
        for root in [&root, &link] {
            assert!(matches!(find(root, Path::new("sub/in")), Ok(Place::File(..))));
            assert!(matches!(find(root, Path::new("sub")), Ok(Place::Folder)));
            assert!(matches!(find(root, Path::new("")), Ok(Place::Folder)));
            for path in ["out", "beside/b", "beside", "sub/all/etc/passwd", "env", "missing"] {
                let error = find(root, Path::new(path)).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path}");
            }
            assert!(find(root, Path::new("loop")).is_err());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_is_no_file_and_nobody_waits_for_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let error = find(folder.path(), Path::new("pipe")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
