//! The systemd journal as the reader of stdout or stderr: a line that begins with `<N>` gets the
//! priority `N`. Sources: `systemd.exec(5)` for `JOURNAL_STREAM`, `sd-daemon(3)` for the prefix.

use std::fmt::Write as _;
#[cfg(unix)]
use std::os::fd::AsFd;

use super::Level;

/// The priority of a level, as `syslog(3)` numbers them; the journal has no finer one than 7.
#[must_use]
pub const fn priority(level: Level) -> u8 {
    match level {
        Level::Trace | Level::Debug => 7,
        Level::Info => 6,
        Level::Warn => 4,
        Level::Error => 3,
        Level::Fatal => 2,
    }
}

/// The name of a priority in `journalctl --priority=` and in `syslog(3)`.
const fn name(priority: u8) -> &'static str {
    match priority {
        ..=2 => "crit",
        3 => "err",
        4 => "warning",
        5 => "notice",
        6 => "info",
        7.. => "debug",
    }
}

/// The table of all levels and their priorities, for a page of documentation, in Markdown.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = "| Level | Meaning | Journal priority |\n|---|---|---|\n".to_owned();
    for level in Level::ALL {
        let (word, meaning, priority) = (level.as_str(), level.meaning(), priority(level));
        let _infallible =
            writeln!(table, "| {word} | {meaning} | {priority} ({}) |", name(priority));
    }
    table
}

/// True if the stream leads to the journal and nowhere else: a unit may have redirected it, and
/// programs started by a shell in a unit inherit the variable.
#[cfg(unix)]
#[must_use]
pub fn reads(stream: &impl AsFd) -> bool {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt as _;

    let Some(journal) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let Ok(file) = stream.as_fd().try_clone_to_owned().map(File::from) else { return false };
    file.metadata().is_ok_and(|data| names(&journal.to_string_lossy(), data.dev(), data.ino()))
}

/// Other systems have no journal.
#[cfg(not(unix))]
#[must_use]
pub fn reads<T>(_stream: &T) -> bool {
    false
}

/// True if the value of `JOURNAL_STREAM`, device and inode in decimal, names this file.
#[cfg(unix)]
fn names(journal: &str, device: u64, inode: u64) -> bool {
    let read = |(device, inode): (&str, &str)| Some((device.parse().ok()?, inode.parse().ok()?));
    journal.split_once(':').and_then(read) == Some((device, inode))
}

/// A text with the priority before each of its lines.
#[must_use]
pub fn prefixed(text: &str, level: Level) -> String {
    text.split_inclusive('\n').map(|line| format!("<{}>{line}", priority(level))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worse_level_has_no_higher_number() {
        assert_eq!(Level::ALL.map(priority), [7, 7, 6, 4, 3, 2]);
    }

    #[cfg(unix)]
    #[test]
    fn the_journal_is_known_by_device_and_inode_together() {
        for (journal, is_named) in [
            ("8:1234", true),
            ("8:1235", false),
            ("9:1234", false),
            ("8:", false),
            ("8", false),
            ("", false),
            ("8:1234:", false),
            ("x:y", false),
        ] {
            assert_eq!(names(journal, 8, 1234), is_named, "{journal:?}");
        }
    }

    #[test]
    fn each_line_of_a_text_gets_the_priority() {
        assert_eq!(prefixed("error: a\n  help: b\n", Level::Error), "<3>error: a\n<3>  help: b\n");
        assert_eq!(prefixed("", Level::Error), "");
    }
}
