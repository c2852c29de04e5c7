//! A Windows program that talks to the service control manager and writes down what it answers; compiled by the Wine
//! rig, as `sc` there knows neither ParamChange nor how to look often enough.
//!
//! `watch NAME` writes the status of a service whenever it changes, until it has been running and is stopped, or was
//! stopped with another exit code; `start NAME` and `control NAME CODE` ask for something; `attempt NAME` starts it and
//! writes with which status and after how many milliseconds it stopped; `cycle NAME TIMES` starts and stops it so
//! often; `toggle NAME TIMES` pauses, continues and reloads it so often; `deliver NAME CODE` gives it a control in the
//! manager's place and writes what its handler answers.
//!
//! A status is a line: state, checkpoint, wait hint, exit code, service's exit code, controls accepted; source:
//! `SERVICE_STATUS`.

#![no_std]
#![no_main]

mod control_pipe;

use core::fmt::Write;

type Handle = *mut core::ffi::c_void;

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Default)]
struct Status {
    kind: u32,
    state: u32,
    controls: u32,
    exit: u32,
    specific: u32,
    checkpoint: u32,
    wait_hint: u32,
}

const STOPPED: u32 = 1;
const RUNNING: u32 = 4;
const PAUSED: u32 = 7;
const STOP: u32 = 1;
const PAUSE: u32 = 2;
const CONTINUE: u32 = 3;
const PARAMCHANGE: u32 = 6;
/// What Wine answers now and then on a busy machine, where the new process ended before it came to its program (three
/// times in some 3,600 starts beside three busy loops).
const ERROR_INTERNAL_ERROR: u32 = 1359;
/// `SC_MANAGER_CONNECT`, and every right on a service.
const CONNECT: u32 = 1;
const SERVICE_ALL_ACCESS: u32 = 0xF01FF;
/// Milliseconds that anything may take.
const PATIENCE: u32 = 30_000;

#[link(name = "advapi32", kind = "raw-dylib")]
unsafe extern "system" {
    fn OpenSCManagerW(machine: *const u16, database: *const u16, access: u32) -> Handle;
    fn OpenServiceW(manager: Handle, name: *const u16, access: u32) -> Handle;
    fn QueryServiceStatus(service: Handle, status: *mut Status) -> i32;
    fn ControlService(service: Handle, control: u32, status: *mut Status) -> i32;
    fn StartServiceW(service: Handle, count: u32, arguments: *const *const u16) -> i32;
}

#[link(name = "kernel32", kind = "raw-dylib")]
unsafe extern "system" {
    fn GetCommandLineA() -> *const u8;
    fn GetStdHandle(which: u32) -> Handle;
    fn WriteFile(
        file: Handle,
        bytes: *const u8,
        length: u32,
        written: *mut u32,
        over: Handle,
    ) -> i32;
    fn GetLastError() -> u32;
    fn GetTickCount() -> u32;
    fn Sleep(milliseconds: u32);
    fn ExitProcess(code: u32) -> !;
}

#[link(name = "ucrtbase", kind = "raw-dylib")]
unsafe extern "C" {
    fn strlen(text: *const u8) -> usize;
}

#[link(name = "ucrtbase", kind = "raw-dylib")]
#[expect(dead_code, reason = "the compiler and its core library call them")]
unsafe extern "C" {
    fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8;
    fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8;
    fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8;
    fn memcmp(one: *const u8, other: *const u8, count: usize) -> i32;
    fn __CxxFrameHandler3() -> i32;
}

#[unsafe(no_mangle)]
static _fltused: i32 = 0;

/// A line in the making, written when it ends.
struct Line {
    bytes: [u8; 200],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            if self.length < self.bytes.len() {
                self.bytes[self.length] = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}

fn say(text: core::fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 200], length: 0 };
    let _ = line.write_fmt(text);
    let _ = line.write_str("\n");
    let mut written = 0;
    // SAFETY: the bytes and the place written to live over the call.
    unsafe {
        let stdout = GetStdHandle(-11_i32 as u32);
        WriteFile(
            stdout,
            line.bytes.as_ptr(),
            line.length as u32,
            &mut written,
            core::ptr::null_mut(),
        );
    }
}

fn fail(what: &str) -> ! {
    // SAFETY: plain calls.
    unsafe {
        say(format_args!("error: {what}: {}", GetLastError()));
        ExitProcess(1)
    }
}

fn now() -> u32 {
    // SAFETY: a plain call.
    unsafe { GetTickCount() }
}

fn rest() {
    // SAFETY: a plain call.
    unsafe { Sleep(1) }
}

struct Service(Handle);

impl Service {
    fn open(name: &str) -> Self {
        let mut wide = [0_u16; 100];
        for (unit, byte) in wide.iter_mut().zip(name.bytes()) {
            *unit = byte.into();
        }
        // SAFETY: the name ends with a zero and lives over the call.
        let service = unsafe {
            let manager = OpenSCManagerW(core::ptr::null(), core::ptr::null(), CONNECT);
            OpenServiceW(manager, wide.as_ptr(), SERVICE_ALL_ACCESS)
        };
        if service.is_null() {
            fail("the service cannot be opened");
        }
        Self(service)
    }

    fn status(&self) -> Status {
        let mut status = Status::default();
        // SAFETY: the handle is open and the place written to lives over the call.
        if unsafe { QueryServiceStatus(self.0, &mut status) } == 0 {
            fail("the service cannot be asked");
        }
        status
    }

    fn start(&self) {
        if self.ask_to_start() != 0 {
            fail("the service cannot be started");
        }
    }

    /// Asks the manager to start it; the error code that it answers, 0 for none.
    fn ask_to_start(&self) -> u32 {
        let mut error = 0;
        for _ in 0..3 {
            // SAFETY: the handle is open; there are no arguments.
            error = match unsafe { StartServiceW(self.0, 0, core::ptr::null()) } {
                // SAFETY: a plain call.
                0 => unsafe { GetLastError() },
                _ => 0,
            };
            if error != ERROR_INTERNAL_ERROR {
                break;
            }
        }
        error
    }

    /// Starts it and waits for its end with an exit code of its own.
    fn attempt(&self) {
        let start = now();
        // Of a service that stops at once, Wine may tell of success or not.
        if self.ask_to_start() == ERROR_INTERNAL_ERROR {
            fail("the service cannot be started");
        }
        loop {
            let status = self.status();
            let took = now().wrapping_sub(start);
            if status.state == STOPPED && status.specific != 0 {
                tell(status);
                say(format_args!("{took}"));
                return;
            }
            if took > PATIENCE {
                fail("it does not stop");
            }
            rest();
        }
    }

    fn control(&self, control: u32) {
        let mut status = Status::default();
        // SAFETY: the handle is open and the place written to lives over the call.
        if unsafe { ControlService(self.0, control, &mut status) } == 0 {
            fail("the control is refused");
        }
    }

    fn wait_for(&self, state: u32) {
        let start = now();
        while self.status().state != state {
            if now().wrapping_sub(start) > PATIENCE {
                fail("the state does not come");
            }
            rest();
        }
    }

    fn watch(&self) {
        let first = self.status();
        tell(first);
        let (mut last, mut was_up) = (first, first.state != STOPPED);
        let start = now();
        loop {
            let status = self.status();
            if status != last {
                tell(status);
                last = status;
            }
            was_up |= status.state != STOPPED;
            let is_over = was_up || status.specific != first.specific;
            if status.state == STOPPED && is_over {
                return;
            }
            if now().wrapping_sub(start) > 4 * PATIENCE {
                fail("it does not end");
            }
            rest();
        }
    }
}

fn tell(status: Status) {
    let Status { state, checkpoint, wait_hint, exit, specific, controls, kind: _ } = status;
    say(format_args!("{state} {checkpoint} {wait_hint} {exit} {specific} {controls}"));
}

#[unsafe(no_mangle)]
extern "C" fn mainCRTStartup() -> ! {
    // SAFETY: the command line ends with a zero and lives as long as the process.
    let line = unsafe {
        let line = GetCommandLineA();
        core::str::from_utf8_unchecked(core::slice::from_raw_parts(line, strlen(line)))
    };
    // The path of this program has no spaces: the rig chooses it.
    let mut words = line.split_ascii_whitespace().skip(1);
    let (verb, name) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let number: u32 = words.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    let service = Service::open(name);
    match verb {
        "watch" => service.watch(),
        "start" => service.start(),
        "attempt" => service.attempt(),
        "control" => service.control(number),
        "deliver" => say(format_args!("{}", control_pipe::deliver(service.0, name, number))),
        "cycle" => {
            for _ in 0..number {
                service.start();
                service.wait_for(RUNNING);
                service.control(STOP);
                service.wait_for(STOPPED);
            }
        }
        "toggle" => {
            // Until then the manager refuses it every control (1061).
            service.wait_for(RUNNING);
            for _ in 0..number {
                service.control(PAUSE);
                service.wait_for(PAUSED);
                service.control(CONTINUE);
                service.wait_for(RUNNING);
                service.control(PARAMCHANGE);
            }
        }
        _ => fail("no such verb"),
    }
    // SAFETY: nothing is left to do.
    unsafe { ExitProcess(0) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    fail("panic")
}
