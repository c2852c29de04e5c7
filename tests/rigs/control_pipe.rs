//! Gives a service a control as Wine's manager itself does, for those controls that the manager lets nobody ask for: by
//! the manager's own end of the pipe that the dispatcher of the service listens to.
//!
//! A pipe of this kind has one instance, so nobody else can open it; but a program of the same user may duplicate a handle
//! that another holds. services.exe uses its end only while it sends a control, which no test here has it do meanwhile.
//! What the service answers, and every status it then reports to the manager, goes the usual way.
//!
//! A module of `service_recorder`. Source: Wine 8.0, `programs/services/services.c` (`process_send_control`),
//! `dlls/sechost/service.c` (`service_control_dispatcher`), `include/wine/svcctl.idl` (`service_start_info`).

use core::mem::size_of;
use core::ptr::null_mut;

use crate::{Handle, WriteFile, fail};

/// `SERVICE_PROTOCOL_MAGIC`.
const MAGIC: u32 = 0x5749_4e45;
/// What the name of every such pipe holds; a number follows.
const PIPE: &str = r"\net\NtControlPipe";
/// UTF-16 units that the name of a service may have here, its zero included.
const NAME_MAX: usize = 100;
/// The largest handle value that is tried; those of Wine are the multiples of 4.
const HANDLE_MAX: usize = 1 << 14;

const PROCESS_DUP_HANDLE: u32 = 0x40;
const PROCESS_QUERY_INFORMATION: u32 = 0x400;
const DUPLICATE_SAME_ACCESS: u32 = 2;
const FILE_TYPE_PIPE: u32 = 3;
const PIPE_SERVER_END: u32 = 1;
/// `ObjectNameInformation`.
const OBJECT_NAME: u32 = 1;
/// `ProcessBasicInformation`.
const PROCESS_BASIC: u32 = 0;

/// `service_start_info` with the name of the service as its data.
#[repr(C)]
struct Request {
    magic: u32,
    /// Bytes of all of it.
    total_size: u32,
    /// UTF-16 units of the name with its zero.
    name_size: u32,
    control: u32,
    name: [u16; NAME_MAX],
}

/// `PROCESS_BASIC_INFORMATION`.
#[repr(C)]
#[derive(Default)]
struct Basics {
    unused: [usize; 5],
    parent: usize,
}

/// `OBJECT_NAME_INFORMATION` with room for the name; `length` is in bytes.
#[repr(C)]
struct ObjectName {
    length: u16,
    capacity: u16,
    units: *const u16,
    room: [u16; 300],
}

/// `OVERLAPPED`.
#[repr(C)]
struct Overlapped {
    unused: [usize; 3],
    event: Handle,
}

#[link(name = "advapi32", kind = "raw-dylib")]
unsafe extern "system" {
    fn QueryServiceStatusEx(
        service: Handle,
        level: u32,
        buffer: *mut u32,
        size: u32,
        needed: *mut u32,
    ) -> i32;
}

#[link(name = "kernel32", kind = "raw-dylib")]
unsafe extern "system" {
    fn OpenProcess(access: u32, inherit: i32, process: u32) -> Handle;
    fn GetCurrentProcess() -> Handle;
    fn DuplicateHandle(
        from: Handle,
        handle: Handle,
        to: Handle,
        duplicate: *mut Handle,
        access: u32,
        inherit: i32,
        options: u32,
    ) -> i32;
    fn CloseHandle(handle: Handle) -> i32;
    fn GetFileType(file: Handle) -> u32;
    fn GetNamedPipeInfo(
        pipe: Handle,
        flags: *mut u32,
        out: *mut u32,
        into: *mut u32,
        instances: *mut u32,
    ) -> i32;
    fn GetNamedPipeClientProcessId(pipe: Handle, process: *mut u32) -> i32;
    fn CreateEventW(security: Handle, manual: i32, set: i32, name: *const u16) -> Handle;
    fn GetOverlappedResult(file: Handle, over: *mut Overlapped, moved: *mut u32, wait: i32) -> i32;
    fn ReadFile(file: Handle, to: *mut u8, length: u32, moved: *mut u32, over: Handle) -> i32;
}

#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "system" {
    fn NtQueryObject(
        object: Handle,
        kind: u32,
        to: *mut ObjectName,
        size: u32,
        used: *mut u32,
    ) -> i32;
    fn NtQueryInformationProcess(
        process: Handle,
        kind: u32,
        to: *mut Basics,
        size: u32,
        used: *mut u32,
    ) -> i32;
}

/// Sends `control` to a running service and returns what its handler answers: a system error code, 0 for none.
pub(crate) fn deliver(service: Handle, name: &str, control: u32) -> u32 {
    let process = process_of(service);
    let pipe = server_end(parent_of(process), process);
    let request = Request::new(name, control);
    let mut answer = 0_u32;
    // SAFETY: what is written and read lives until the call that waits for its end has returned.
    unsafe {
        let event = CreateEventW(null_mut(), 1, 0, core::ptr::null());
        let mut over = Overlapped { unused: [0; 3], event };
        let mut moved = 0;
        let bytes = (&raw const request).cast();
        WriteFile(pipe, bytes, request.total_size, &mut moved, (&raw mut over).cast());
        if GetOverlappedResult(pipe, &mut over, &mut moved, 1) == 0 || moved != request.total_size {
            fail("the control is not written");
        }
        let mut over = Overlapped { unused: [0; 3], event };
        let (to, room) = ((&raw mut answer).cast(), size_of::<u32>() as u32);
        ReadFile(pipe, to, room, &mut moved, (&raw mut over).cast());
        if GetOverlappedResult(pipe, &mut over, &mut moved, 1) == 0 || moved != room {
            fail("the service does not answer");
        }
    }
    answer
}

impl Request {
    fn new(name: &str, control: u32) -> Self {
        let mut units = [0; NAME_MAX];
        for (unit, byte) in units.iter_mut().zip(name.bytes()) {
            *unit = byte.into();
        }
        let name_size = name.len() as u32 + 1;
        let header = core::mem::offset_of!(Self, name) as u32;
        Self { magic: MAGIC, total_size: header + 2 * name_size, name_size, control, name: units }
    }
}

/// The process that a service runs in.
fn process_of(service: Handle) -> u32 {
    // `SERVICE_STATUS_PROCESS`: seven numbers of a status, the process and flags.
    let mut status = [0_u32; 9];
    let size = size_of::<[u32; 9]>() as u32;
    // SAFETY: the handle is open and the places written to live over the call.
    if unsafe { QueryServiceStatusEx(service, 0, status.as_mut_ptr(), size, &mut 0) } == 0 {
        fail("the process of the service is not told");
    }
    status[7]
}

/// Who started a process; the manager, where it is that of a service.
fn parent_of(process: u32) -> u32 {
    let mut basics = Basics::default();
    // SAFETY: the place written to lives over the call.
    let result = unsafe {
        let process = OpenProcess(PROCESS_QUERY_INFORMATION, 0, process);
        let size = size_of::<Basics>() as u32;
        NtQueryInformationProcess(process, PROCESS_BASIC, &mut basics, size, null_mut())
    };
    if result != 0 {
        fail("the parent of the service is not told");
    }
    basics.parent as u32
}

/// A duplicate of the end that `manager` holds of the control pipe to `client`.
fn server_end(manager: u32, client: u32) -> Handle {
    // SAFETY: plain calls; whatever a duplicate is of is only asked about, and closed unless it is the one.
    unsafe {
        let manager = OpenProcess(PROCESS_DUP_HANDLE, 0, manager);
        if manager.is_null() {
            fail("the manager cannot be opened");
        }
        for value in (4..HANDLE_MAX).step_by(4) {
            let (handle, mut duplicate) = (value as Handle, null_mut());
            let this = GetCurrentProcess();
            let options = DUPLICATE_SAME_ACCESS;
            if DuplicateHandle(manager, handle, this, &mut duplicate, 0, 0, options) == 0 {
                continue;
            }
            if is_control_pipe(duplicate, client) {
                return duplicate;
            }
            CloseHandle(duplicate);
        }
    }
    fail("the manager holds no control pipe to the service")
}

/// Whether a handle is of the server's end of a control pipe to `client`, by its kind, its name and its other end.
fn is_control_pipe(handle: Handle, client: u32) -> bool {
    let (mut flags, mut process) = (0, 0);
    // SAFETY: the handle is open and the places written to live over the calls.
    let is_server = unsafe {
        GetFileType(handle) == FILE_TYPE_PIPE
            && GetNamedPipeInfo(handle, &mut flags, null_mut(), null_mut(), null_mut()) != 0
            && GetNamedPipeClientProcessId(handle, &mut process) != 0
    };
    is_server && flags & PIPE_SERVER_END != 0 && process == client && is_named(handle)
}

fn is_named(handle: Handle) -> bool {
    let mut name = ObjectName { length: 0, capacity: 0, units: core::ptr::null(), room: [0; 300] };
    let size = size_of::<ObjectName>() as u32;
    // SAFETY: the handle is open and the place written to lives over the call.
    if unsafe { NtQueryObject(handle, OBJECT_NAME, &mut name, size, &mut 0) } != 0
        || name.units.is_null()
    {
        return false;
    }
    // SAFETY: on success the text lies in the room that was given, with this length.
    let units = unsafe { core::slice::from_raw_parts(name.units, usize::from(name.length) / 2) };
    units.windows(PIPE.len()).any(|part| part.iter().copied().eq(PIPE.encode_utf16()))
}
