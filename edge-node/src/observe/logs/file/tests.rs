//! Real files: what is kept, what is opened again, and what happens to a line that does not fit.

use super::*;
use crate::observe::logs::Level;

const ROTATION: Rotation = Rotation { bytes_max: 100, age_max: None, keep: 3 };

fn line(text: &str) -> Line {
    Line { level: Level::Info, text: format!("{text}\n") }
}

/// A line of 50 bytes.
fn half(number: u32) -> Line {
    line(&format!("{number:049}"))
}

/// A log file in a folder of its own.
struct Rig {
    folder: tempfile::TempDir,
    file: LogFile,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = LogFile::open(&folder.path().join("edge.log"), ROTATION).unwrap();
        Self { folder, file }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The numbers in the lines of a file.
    fn numbers(&self, name: &str) -> Vec<u32> {
        self.text(name).lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Each line as if no other waited.
    fn write(&mut self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            self.file.begin();
            self.file.write(&line).unwrap();
        }
    }

    fn open_again(&mut self, rotation: Rotation) {
        self.file = LogFile::open(&self.path("edge.log"), rotation).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn lines_are_appended_and_old_files_kept_in_order() {
    let mut rig = Rig::new();
    rig.write((0..9).map(half));
    assert_eq!(rig.names(), ["edge.log", "edge.log.1", "edge.log.2", "edge.log.3"]);
    for (name, numbers) in [
        ("edge.log", &[8][..]),
        ("edge.log.1", &[6, 7]),
        ("edge.log.2", &[4, 5]),
        ("edge.log.3", &[2, 3]),
    ] {
        assert_eq!(rig.numbers(name), numbers, "{name}");
    }
}

#[test]
fn a_line_longer_than_a_file_has_one_to_itself() {
    let mut rig = Rig::new();
    let long = "x".repeat(300);
    rig.write([line("short"), line(&long), line("short")]);
    assert_eq!(rig.text("edge.log.1"), format!("{long}\n"));
    assert_eq!(
        (rig.text("edge.log"), rig.text("edge.log.2")),
        ("short\n".into(), "short\n".into())
    );
}

#[test]
fn the_size_goes_on_over_a_restart() {
    let mut rig = Rig::new();
    rig.write([half(0)]);
    rig.open_again(ROTATION);
    rig.write([half(1), half(2)]);
    assert_eq!((rig.numbers("edge.log.1"), rig.numbers("edge.log")), (vec![0, 1], vec![2]));
}

/// A line that was made so many seconds ago.
fn aged(seconds: i64) -> Line {
    let made = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    line(&format!("{{\"timestamp\":\"{made:.6}\",\"level\":\"INFO\"}}"))
}

#[track_caller]
fn check_age(content: &str, is_rotated: bool) {
    let rotation =
        Rotation { bytes_max: 1 << 20, age_max: Some(Duration::from_secs(3600)), keep: 1 };
    let mut rig = Rig::new();
    fs::write(rig.path("edge.log"), content).unwrap();
    rig.open_again(rotation);
    rig.write([line("new")]);
    assert_eq!(rig.path("edge.log.1").exists(), is_rotated, "{content:?}");
    assert!(rig.text("edge.log").ends_with("new\n"));
}

#[test]
fn the_age_of_a_file_is_that_of_its_first_whole_line() {
    let (old, young, future) = (aged(3601).text, aged(3500).text, aged(-9999).text);
    check_age(&format!("{old}{young}"), true);
    check_age(&format!("{young}{old}"), false);
    // A clock that was set back, a file of another program, the loss of power.
    check_age(&future, false);
    check_age("not ours\n", false);
    check_age(&format!("\0\0\0\n{{\"timestamp\":\"2\n{old}"), true);
    check_age("", false);
}

#[test]
fn the_age_of_an_empty_file_begins_with_its_first_line() {
    let rotation = Rotation { age_max: Some(Duration::from_secs(3600)), ..ROTATION };
    let mut rig = Rig::new();
    rig.open_again(rotation);
    // As if it had been opened long ago.
    rig.file.file.as_mut().unwrap().age.0 = Duration::from_secs(7200);
    rig.write([half(0), half(1)]);
    assert_eq!(rig.names(), ["edge.log"]);
}

#[test]
fn a_line_that_broke_off_before_a_restart_does_not_swallow_the_next() {
    let mut rig = Rig::new();
    fs::write(rig.path("edge.log"), "whole\nbroken").unwrap();
    rig.open_again(ROTATION);
    rig.write([line("next"), line("last")]);
    assert_eq!(rig.text("edge.log"), "whole\nbroken\nnext\nlast\n");
}

#[test]
fn a_file_that_is_moved_away_or_removed_is_opened_again() {
    let mut rig = Rig::new();
    rig.write([line("a")]);
    fs::rename(rig.path("edge.log"), rig.path("moved")).unwrap();
    rig.write([line("b")]);
    fs::remove_file(rig.path("edge.log")).unwrap();
    rig.write([line("c"), line("d")]);
    assert_eq!((rig.text("moved"), rig.text("edge.log")), ("a\n".into(), "c\nd\n".into()));
}

#[test]
fn a_file_that_was_emptied_counts_as_empty() {
    let mut rig = Rig::new();
    rig.write([half(0), half(1)]);
    File::options().write(true).open(rig.path("edge.log")).unwrap().set_len(0).unwrap();
    rig.write([half(2), half(3)]);
    assert_eq!(rig.names(), ["edge.log"]);
    assert_eq!(rig.numbers("edge.log"), [2, 3]);
}

#[test]
fn lines_are_lost_while_the_folder_is_gone_and_written_once_it_is_back() {
    let mut rig = Rig::new();
    let folder = rig.path("logs");
    fs::create_dir(&folder).unwrap();
    rig.file = LogFile::open(&folder.join("edge.log"), ROTATION).unwrap();
    rig.write([line("before")]);
    fs::remove_dir_all(&folder).unwrap();
    rig.file.begin();
    assert!(rig.file.write(&line("lost")).is_err());
    fs::create_dir(&folder).unwrap();
    rig.write([line("after")]);
    assert_eq!(rig.text("logs/edge.log"), "after\n");
}

#[test]
fn a_rotation_that_fails_costs_no_line_is_told_once_and_done_later() {
    let mut rig = Rig::new();
    // A folder cannot be replaced by a file.
    for number in 1..=3 {
        fs::create_dir_all(rig.path(&format!("edge.log.{number}/in the way"))).unwrap();
    }
    rig.write((0..4).map(half));
    assert_eq!(rig.numbers("edge.log"), [0, 1, 2, 3]);
    let complaint = rig.file.complaint().unwrap();
    assert!(!complaint.is_repeated, "{complaint:?}");
    assert!(rig.file.complaint().is_none(), "the next attempt waits");

    // As if the pause were over.
    rig.file.not_before = Some(Instant::now());
    rig.write([half(4)]);
    assert!(rig.file.complaint().unwrap().is_repeated);
    for number in 1..=3 {
        fs::remove_dir_all(rig.path(&format!("edge.log.{number}"))).unwrap();
    }
    rig.file.not_before = Some(Instant::now());
    rig.write([half(5)]);
    assert!(rig.file.complaint().is_none());
    assert_eq!(rig.numbers("edge.log.1"), [0, 1, 2, 3, 4]);
    assert_eq!(rig.numbers("edge.log"), [5]);
}

#[test]
fn a_file_that_cannot_be_begun_leaves_the_old_one_under_its_name() {
    let mut rig = Rig::new();
    rig.write([half(0), half(1)]);
    // The name leads to a folder that is gone; what it leads to cannot be made.
    let link = rig.path("edge.log");
    let Some(target) = link_to_missing(&rig) else { return };
    assert!(fs::rename(&target, &link).is_ok());
    rig.file.begin();
    assert!(rig.file.write(&half(2)).is_err());
    fs::remove_file(&link).unwrap();
    rig.write([half(3)]);
    assert_eq!(rig.numbers("edge.log"), [3]);
}

#[cfg(unix)]
fn link_to_missing(rig: &Rig) -> Option<PathBuf> {
    let link = rig.path("link");
    std::os::unix::fs::symlink(rig.path("gone/edge.log"), &link).unwrap();
    Some(link)
}

/// Making a link takes an administrator there.
#[cfg(not(unix))]
fn link_to_missing(_rig: &Rig) -> Option<PathBuf> {
    None
}

#[test]
fn files_that_are_too_many_since_fewer_are_kept_are_removed() {
    let mut rig = Rig::new();
    for number in [1, 2, 3, 7, 100] {
        fs::write(rig.path(&format!("edge.log.{number}")), format!("{number}\n")).unwrap();
    }
    for other in ["edge.log.101", "edge.log.07", "edge.log.1.gz"] {
        fs::write(rig.path(other), "other\n").unwrap();
    }
    rig.open_again(Rotation { keep: 2, ..ROTATION });
    rig.write((0..3).map(half));
    let left = ["edge.log", "edge.log.07", "edge.log.1", "edge.log.1.gz", "edge.log.101"];
    assert_eq!(rig.names(), [&left[..], &["edge.log.2"]].concat());
    assert_eq!(rig.numbers("edge.log.2"), [1]);
}

#[test]
fn a_file_in_a_missing_folder_is_refused() {
    let rig = Rig::new();
    let Err(error) = LogFile::open(&rig.path("missing/edge.log"), ROTATION) else {
        panic!("it was opened")
    };
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn every_file_is_readable_by_owner_and_group_only() {
        let mut rig = Rig::new();
        rig.write((0..5).map(half));
        for name in rig.names() {
            let mode = fs::metadata(rig.path(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o137, 0, "{name}: {mode:o}");
        }
    }

    #[test]
    fn a_device_is_written_to_and_stays_what_it_is() {
        let device = Path::new("/dev/null");
        let rotation = Rotation { bytes_max: 1, age_max: Some(Duration::ZERO), keep: 1 };
        let mut file = LogFile::open(device, rotation).unwrap();
        for number in 0..3 {
            file.begin();
            file.write(&half(number)).unwrap();
        }
        assert!(fs::metadata(device).unwrap().file_type().is_char_device());
        assert!(!Path::new("/dev/null.1").exists());
    }

    #[test]
    fn a_named_pipe_is_refused_where_opening_it_would_wait_for_a_reader() {
        let rig = Rig::new();
        let pipe = rig.path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        let Err(error) = LogFile::open(&pipe, ROTATION) else { panic!("it was opened") };
        assert_eq!(error.to_string(), "a named pipe cannot be a log file");
    }
}
