//! The Windows calls that no crate wraps, each as one safe function; with its rooms
//! the only `unsafe` of the service. All come from DLLs every Windows 10 has: kernel32, ws2_32 and
//! advapi32.
#![expect(unsafe_code, reason = "the Win32 API is called here and nowhere else")]

pub mod administration;
pub mod event_source;

use std::io;
use std::os::windows::io::{AsRawSocket, AsSocket};

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::Networking::WinSock::{
    SO_EXCLUSIVEADDRUSE, SOCKET, SOCKET_ERROR, SOL_SOCKET, setsockopt,
};
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessHandleCount, GetProcessTimes,
};

/// Memory of this process in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// In RAM.
    pub working_set_bytes: u64,
    /// Backed by RAM or page file.
    pub commit_bytes: u64,
}

/// Times of this process in units of 100 ns.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Creation, since 1601.
    pub creation: u64,
    /// CPU time in the kernel.
    pub kernel: u64,
    /// CPU time outside of it.
    pub user: u64,
}

/// Memory of this process.
pub fn memory() -> Option<Memory> {
    const SIZE: u32 = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
    let mut counters = PROCESS_MEMORY_COUNTERS { cb: SIZE, ..Default::default() };
    // SAFETY: the pseudo handle of the current process is always valid, and the structure lives
    // over the call with its size given.
    let succeeded = unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &mut counters, SIZE) };
    (succeeded != 0).then_some(Memory {
        working_set_bytes: counters.WorkingSetSize as u64,
        commit_bytes: counters.PagefileUsage as u64,
    })
}

/// Times of this process.
pub fn times() -> Option<Times> {
    let mut times = [FILETIME::default(); 4];
    let [creation, exit, kernel, user] = &mut times;
    // SAFETY: the pseudo handle of the current process is always valid, and the four places
    // written to live over the call.
    let succeeded = unsafe { GetProcessTimes(GetCurrentProcess(), creation, exit, kernel, user) };
    let [creation, _exit, kernel, user] = times.map(units);
    (succeeded != 0).then_some(Times { creation, kernel, user })
}

fn units(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

/// Open handles of this process, of which there is always one; Wine does not count them.
pub fn handles() -> Option<u32> {
    let mut count = 0;
    // SAFETY: the pseudo handle of the current process is always valid, and the place written to
    // lives over the call.
    let succeeded = unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut count) };
    (succeeded != 0 && count > 0).then_some(count)
}

/// Forbids every other socket, of any process, to bind the same address; must be called before
/// the socket is bound.
///
/// # Errors
/// When the system refuses the option.
pub fn claim_address(socket: &impl AsSocket) -> io::Result<()> {
    let yes: u32 = 1;
    // SAFETY: the socket is borrowed, so open, over the call; the option's value is four bytes
    // that live over the call.
    let result = unsafe {
        setsockopt(
            socket.as_socket().as_raw_socket() as SOCKET,
            SOL_SOCKET,
            SO_EXCLUSIVEADDRUSE,
            (&raw const yes).cast(),
            size_of::<u32>() as i32,
        )
    };
    if result == SOCKET_ERROR { Err(io::Error::last_os_error()) } else { Ok(()) }
}
