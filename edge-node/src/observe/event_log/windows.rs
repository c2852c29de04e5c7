//! The reporter of a real Event Log: an entry in the words of `win32/event_source.rs`.

use std::ffi::OsStr;
use std::io;

use super::{Entry, EventLog, Reporter, inserted};
use crate::observe::logs::Level;
use crate::win32::event_source::{EntryType, EventSource};

/// The Event Log under the source `name`, which is that of the service.
///
/// # Errors
/// When the source cannot be opened, or the system refuses a thread.
pub fn open(name: &OsStr) -> io::Result<EventLog> {
    EventLog::start(Box::new(EventSource::open(name)?))
}

impl Reporter for EventSource {
    fn report(&mut self, entry: &Entry) -> io::Result<()> {
        let kind = match entry.id.level() {
            Level::Trace | Level::Debug | Level::Info => EntryType::Information,
            Level::Warn => EntryType::Warning,
            Level::Error | Level::Fatal => EntryType::Error,
        };
        let Entry { id, text } = entry;
        EventSource::report(self, kind, id.category() as u16, id.code(), &inserted(text))
    }
}
