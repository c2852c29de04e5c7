//! A source of the Windows Event Log, opened for this process: `RegisterEventSourceW`,
//! `ReportEventW`, `DeregisterEventSource` of advapi32. What is reported is not decided here.
#![expect(unsafe_code, reason = "the Win32 API is called here")]

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::ptr;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    RegisterEventSourceW, ReportEventW,
};

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryType {
    /// `EVENTLOG_INFORMATION_TYPE`.
    Information,
    /// `EVENTLOG_WARNING_TYPE`.
    Warning,
    /// `EVENTLOG_ERROR_TYPE`.
    Error,
}

/// An open source.
#[derive(Debug)]
pub struct EventSource(HANDLE);

// SAFETY: the handle belongs to the process, not to the thread that opened it.
unsafe impl Send for EventSource {}

impl EventSource {
    /// Opens the source `name` of this machine. One that nobody registered works: its entries go to
    /// the Application log, where the viewer finds no message for them and shows their text alone.
    ///
    /// # Errors
    /// When the system refuses, or the name has a NUL.
    pub fn open(name: &OsStr) -> io::Result<Self> {
        let name = terminated(name)?;
        // SAFETY: the server is this machine, which a null pointer says; the name ends with a NUL
        // and lives over the call.
        let handle = unsafe { RegisterEventSourceW(ptr::null(), name.as_ptr()) };
        if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
    }

    /// Reports an entry with one inserted text; may wait for the Event Log service.
    ///
    /// # Errors
    /// When the system refuses, or the text has a NUL.
    pub fn report(&self, kind: EntryType, category: u16, id: u16, text: &str) -> io::Result<()> {
        let kind = match kind {
            EntryType::Information => EVENTLOG_INFORMATION_TYPE,
            EntryType::Warning => EVENTLOG_WARNING_TYPE,
            EntryType::Error => EVENTLOG_ERROR_TYPE,
        };
        let text = terminated(OsStr::new(text))?;
        let texts = [text.as_ptr()];
        // SAFETY: the handle is open as long as `self` lives; one text is announced and one is
        // given, which ends with a NUL and lives over the call; there is no user and no data.
        let succeeded = unsafe {
            ReportEventW(
                self.0,
                kind,
                category,
                u32::from(id),
                ptr::null_mut(),
                1,
                0,
                texts.as_ptr(),
                ptr::null(),
            )
        };
        if succeeded == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        // SAFETY: the handle is open and nobody uses it after this.
        let _succeeded = unsafe { DeregisterEventSource(self.0) };
    }
}

/// The text as Win32 takes it.
fn terminated(text: &OsStr) -> io::Result<Vec<u16>> {
    let mut units: Vec<u16> = text.encode_wide().collect();
    if units.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a NUL in a text for Windows"));
    }
    units.push(0);
    Ok(units)
}
