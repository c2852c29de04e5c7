//! What takes finished lines, on the writer's thread: a stream, or the file of `logs/file.rs`.

use std::io::{self, Write};
use std::path::Path;

use super::file::LogFile;
use super::line::Line;
use super::{OpenError, journal};
use crate::config::Log;

/// Takes finished lines.
pub trait Sink: Send {
    /// Lines that waited together are about to come.
    fn begin(&mut self) {}

    /// Writes a line whole or, where that fails, so that the next one begins on a line of its own.
    ///
    /// # Errors
    /// When the line is lost.
    fn write(&mut self, line: &Line) -> io::Result<()>;

    /// No more lines wait.
    fn end(&mut self) {}

    /// Something that failed since the last call and that those who read the log cannot see in it.
    fn complaint(&mut self) -> Option<Complaint> {
        None
    }
}

/// A fault that costs no line.
#[derive(Debug)]
pub struct Complaint {
    /// What could not be done.
    pub message: &'static str,
    /// Why.
    pub error: io::Error,
    /// True if the attempt before failed as well.
    pub is_repeated: bool,
}

/// The sink that the config names: its file, made if missing and rotated; stdout if it names none.
///
/// # Errors
/// When the file cannot be opened for appending.
pub fn open(log: &Log) -> Result<Box<dyn Sink>, OpenError> {
    let Some(path) = &log.file else { return Ok(Box::new(Stream::stdout())) };
    Ok(Box::new(LogFile::open(path, log.rotation).map_err(|source| unopened(path, source))?))
}

fn unopened(path: &Path, source: io::Error) -> OpenError {
    OpenError { path: path.to_owned(), source }
}

/// A stream: a pipe, a terminal, the journal.
pub struct Stream<W> {
    writer: W,
    is_journal: bool,
    /// True if the last line broke off.
    is_torn: bool,
    /// What is written, put together; kept so that a line costs no allocation.
    text: Vec<u8>,
}

impl Stream<io::Stdout> {
    fn stdout() -> Self {
        let writer = io::stdout();
        let is_journal = journal::reads(&writer);
        Self { is_journal, ..Self::new(writer) }
    }
}

impl<W: Write> Stream<W> {
    /// A stream that is not read by the journal.
    pub fn new(writer: W) -> Self {
        Self { writer, is_journal: false, is_torn: false, text: Vec::new() }
    }

    #[cfg(test)]
    pub(super) fn to_journal(writer: W) -> Self {
        Self { is_journal: true, ..Self::new(writer) }
    }
}

impl<W: Write + Send> Sink for Stream<W> {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        self.text.clear();
        if self.is_torn {
            // What stands there of the line that failed must not swallow this one.
            self.text.push(b'\n');
        }
        for line_text in line.text.split_inclusive('\n') {
            if self.is_journal {
                self.text.extend([b'<', b'0' + journal::priority(line.level), b'>']);
            }
            self.text.extend_from_slice(line_text.as_bytes());
        }
        write_counted(&mut self.writer, &self.text).map_err(|(written, error)| {
            if let Some(last) = written.checked_sub(1) {
                self.is_torn = self.text[last] != b'\n';
            }
            error
        })?;
        self.is_torn = false;
        Ok(())
    }

    fn end(&mut self) {
        // Buffered bytes that are lost here belong to lines which cannot be told apart any more.
        let _ = self.writer.flush();
    }
}

/// Writes all bytes; the number of those that were written if it failed.
pub fn write_counted(writer: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match writer.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(length) => written += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}
