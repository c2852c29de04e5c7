//! The log file: appended to, rotated, opened again when it was moved or removed.
//!
//! No fault of it ends anything. A line that cannot be written is lost and counted by the caller;
//! the file is tried again with the next lines. When to rotate and what to rename is decided in
//! `logs/rotation.rs`.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::line::{self, Line};
use super::rotation::{KEEP_MAX, Rotation, Step, numbered};
use super::sink::{Complaint, Sink, write_counted};

/// From a rotation that failed to the next attempt: a hundred names are looked up for each.
const RETRY: Duration = Duration::from_secs(1);

/// How much of a file is looked at for its first whole line; several lines of the longest kind.
const HEAD_BYTES: u64 = 4 * line::LINE_BYTES_MAX as u64;

/// A log file and its rotation.
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    /// None while the file cannot be opened.
    file: Option<Open>,
    /// No rotation is tried before.
    not_before: Option<Instant>,
    complaint: Option<Complaint>,
}

/// An open file.
struct Open {
    file: File,
    /// Which file it is, to know it from another of the same name.
    identity: Identity,
    /// Only a file is rotated: `/dev/stdout` must stay what it is.
    is_regular: bool,
    bytes: u64,
    /// Age of the first line when it was looked at, and when that was.
    age: (Duration, Instant),
    /// True if the last line broke off.
    is_torn: bool,
}

impl LogFile {
    /// Opens a file for appending; it is made if missing, readable by its group and nobody else.
    ///
    /// # Errors
    /// When the system refuses, or the file is a named pipe.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let file = Some(Open::append(path)?);
        Ok(Self { path: path.to_owned(), rotation, file, not_before: None, complaint: None })
    }

    /// Opens the file again where another one has its name by now, or none.
    fn look(&mut self) {
        if self.file.as_mut().is_some_and(|file| file.is_at(&self.path)) {
            return;
        }
        // The lines that follow are lost and counted while this fails.
        self.file = Open::append(&self.path).ok();
    }

    fn rotate_if_due(&mut self, line_bytes: u64) {
        let Some(file) = &self.file else { return };
        let is_due = file.is_regular && self.rotation.is_due(file.bytes, file.age(), line_bytes);
        let now = Instant::now();
        if !is_due || self.not_before.is_some_and(|not_before| now < not_before) {
            return;
        }
        match self.rotate() {
            Ok(file) => {
                self.file = Some(file);
                self.not_before = None;
            }
            Err(error) => {
                // The lines go on into the file that is open.
                let is_repeated = self.not_before.replace(now + RETRY).is_some();
                let message = "log file cannot be rotated and grows";
                self.complaint = Some(Complaint { message, error, is_repeated });
            }
        }
    }

    /// Makes way and opens a new file. Where that fails the open file gets its name back.
    fn rotate(&self) -> io::Result<Open> {
        let is_there = |number: &u8| fs::symlink_metadata(numbered(&self.path, *number)).is_ok();
        let present = (1..=KEEP_MAX).filter(is_there).collect();
        for step in self.rotation.steps(&present) {
            match step {
                Step::Rename { from, to } => {
                    fs::rename(numbered(&self.path, from), numbered(&self.path, to))?;
                }
                // What stays is tried again by the next rotation; nothing waits for its name.
                Step::Remove(number) => drop(fs::remove_file(numbered(&self.path, number))),
            }
        }
        Open::append(&self.path).inspect_err(|_| {
            let _ = fs::rename(numbered(&self.path, 1), &self.path);
        })
    }
}

impl Sink for LogFile {
    fn begin(&mut self) {
        self.look();
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        self.rotate_if_due(line.text.len() as u64);
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        file.write(&line.text)
    }

    fn complaint(&mut self) -> Option<Complaint> {
        self.complaint.take()
    }
}

impl Open {
    fn append(path: &Path) -> io::Result<Self> {
        refuse_pipe(path)?;
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        let file = options.open(path)?;
        let data = file.metadata()?;
        // A file that may be written but not read counts as begun now, and as whole.
        let head =
            if data.is_file() { Head::read(path).unwrap_or_default() } else { Head::default() };
        Ok(Self {
            file,
            identity: Identity::of(&data),
            is_regular: data.is_file(),
            bytes: data.len(),
            age: (head.age, Instant::now()),
            is_torn: head.is_torn,
        })
    }

    /// Time since the first line was written, as far as that is known.
    fn age(&self) -> Duration {
        let (age, when) = self.age;
        age.saturating_add(when.elapsed())
    }

    /// True if `path` still leads here; learns the file's length, which others may have changed.
    fn is_at(&mut self, path: &Path) -> bool {
        if !self.is_regular {
            return true;
        }
        match fs::metadata(path) {
            Ok(data) => {
                self.bytes = data.len();
                Identity::of(&data) == self.identity
            }
            // A folder that may not be looked into any more is no reason to let go of the file.
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.bytes == 0 {
            self.age = (Duration::ZERO, Instant::now());
            self.is_torn = false;
        }
        let text = if self.is_torn { &format!("\n{line}") } else { line };
        match write_counted(&mut self.file, text.as_bytes()) {
            Ok(()) => {
                self.bytes += text.len() as u64;
                self.is_torn = false;
                Ok(())
            }
            Err((0, error)) => Err(error),
            Err((written, error)) => {
                self.take_back(written as u64, text.as_bytes()[written - 1] != b'\n');
                Err(error)
            }
        }
    }

    /// Cuts off the part of a line that was written; a reader then sees whole lines only. Windows
    /// allows that to no handle that only appends: the rest of the line stays on a line of its own.
    fn take_back(&mut self, written: u64, breaks_off: bool) {
        let end = self.bytes + written;
        let is_ours = self.file.metadata().is_ok_and(|data| data.len() == end);
        if is_ours && self.file.set_len(self.bytes).is_ok() {
            return;
        }
        self.bytes = end;
        self.is_torn = breaks_off;
    }
}

/// Opening a named pipe without a reader would wait for one.
#[cfg(unix)]
fn refuse_pipe(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    match fs::metadata(path) {
        Ok(data) if data.file_type().is_fifo() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "a named pipe cannot be a log file"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(not(unix))]
fn refuse_pipe(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// What tells one file from another.
#[cfg(unix)]
#[derive(PartialEq, Eq)]
struct Identity(u64, u64);

#[cfg(unix)]
impl Identity {
    fn of(data: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self(data.dev(), data.ino())
    }
}

/// The standard library does not tell the index of a file; the time of creation must do. A file
/// made by another program within seconds in the place of ours inherits it (NTFS "tunneling"):
/// lines then go on into the one that was moved away, until the next rotation.
#[cfg(windows)]
#[derive(PartialEq, Eq)]
struct Identity(u64);

#[cfg(windows)]
impl Identity {
    fn of(data: &Metadata) -> Self {
        use std::os::windows::fs::MetadataExt as _;
        Self(data.creation_time())
    }
}

/// What a file tells about its past.
#[derive(Default)]
struct Head {
    /// Since the first line with a time stamp.
    age: Duration,
    /// True if the last line broke off, as at the loss of power.
    is_torn: bool,
}

impl Head {
    fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        (&mut file).take(HEAD_BYTES).read_to_end(&mut bytes)?;
        let age = bytes.split(|byte| *byte == b'\n').find_map(line::age).unwrap_or_default();
        let mut last = [b'\n'];
        if !bytes.is_empty() {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self { age, is_torn: last != *b"\n" })
    }
}

#[cfg(test)]
mod tests;
