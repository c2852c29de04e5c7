//! What stands between Windows and `main` in a program linked without Microsoft's C runtime: the entry point, the
//! directory of thread-local data, the stack probe, and a few symbols that compiled code takes for granted.
//!
//! Compiled to one object by [`crate::toolchain::self_contained`] and put into `msvcrt.lib`; not a module of xtask.
//! Everything else that a C runtime does is imported from `ucrtbase.dll`. The names of sections and symbols are
//! those of the PE format (learn.microsoft.com, "PE Format", ".tls Section") and of Microsoft's C runtime
//! ("CRT initialization").

#![no_std]
#![expect(non_upper_case_globals, reason = "the linker and compiled code look for these very names")]

use core::ffi::{c_char, c_int, c_void};
use core::ptr::{addr_of, null};

/// A pointer-sized place that the linker puts at one end of a merged section.
#[repr(transparent)]
pub struct Mark(*const c_void);

// SAFETY: never written, and only its address is used.
unsafe impl Sync for Mark {}

macro_rules! marks {
    ($($name:ident $section:literal)*) => {
        $(
            #[unsafe(no_mangle)]
            #[unsafe(link_section = $section)]
            pub static $name: Mark = Mark(null());
        )*
    };
}

// The linker sorts by what follows the dollar, so A and Z enclose what objects put in between: initialisers of C
// (which can fail), initialisers of C++, callbacks for each thread.
marks! {
    __xi_a ".CRT$XIA" __xi_z ".CRT$XIZ"
    __xc_a ".CRT$XCA" __xc_z ".CRT$XCZ"
    __xl_a ".CRT$XLA" __xl_z ".CRT$XLZ"
}

// The two ends of the initial thread-local data. Mutable, because the linker keeps read-only and writable parts of
// one name apart, and what lies between is writable.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".tls")]
pub static mut _tls_start: Mark = Mark(null());
#[unsafe(no_mangle)]
#[unsafe(link_section = ".tls$ZZZ")]
pub static mut _tls_end: Mark = Mark(null());

/// The loader writes the number of this module's thread-local block here.
#[unsafe(no_mangle)]
pub static mut _tls_index: u32 = 0;

/// `IMAGE_TLS_DIRECTORY64`.
#[repr(C)]
pub struct TlsDirectory {
    start: *const Mark,
    end: *const Mark,
    index: *const u32,
    callbacks: *const Mark,
    zero_fill: u32,
    characteristics: u32,
}

// SAFETY: never written after the loader relocated it.
unsafe impl Sync for TlsDirectory {}

/// The linker puts the address of this symbol into the program's header.
#[unsafe(no_mangle)]
pub static _tls_used: TlsDirectory = TlsDirectory {
    start: addr_of!(_tls_start),
    end: addr_of!(_tls_end),
    index: addr_of!(_tls_index),
    // SAFETY: one past a static is the end of it. The list begins behind its mark and ends at the null of the other.
    callbacks: unsafe { addr_of!(__xl_a).add(1) },
    zero_fill: 0,
    characteristics: 0,
};

/// Compiled code refers to it where it uses floating point; the value is Microsoft's.
#[unsafe(no_mangle)]
pub static _fltused: c_int = 0x9875;

/// `type_info`'s table of virtual functions: std's exception type points to it, nothing calls through it.
#[unsafe(export_name = "??_7type_info@@6B@")]
pub static type_info_vftable: Mark = Mark(null());

unsafe extern "C" {
    fn main(argc: c_int, argv: *const *const c_char, environment: *const *const c_char) -> c_int;
    fn exit(code: c_int) -> !;
    fn _crt_atexit(function: extern "C" fn()) -> c_int;
    fn _initterm(first: *const Mark, end: *const Mark);
    fn _initterm_e(first: *const Mark, end: *const Mark) -> c_int;
    fn _set_app_type(kind: c_int);
}

/// `_crt_console_app`: errors of the C runtime go to standard error, not into a window.
const CONSOLE: c_int = 1;

/// Where Windows starts the program. Rust's `main` asks the system for its arguments, so it is given none here.
///
/// # Safety
/// Called once, by the loader.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mainCRTStartup() -> ! {
    // SAFETY: the marks enclose function pointers or nulls only; `main` is what the compiler made of the program's.
    unsafe {
        _set_app_type(CONSOLE);
        let failed = _initterm_e(&raw const __xi_a, &raw const __xi_z);
        if failed != 0 {
            exit(failed);
        }
        _initterm(&raw const __xc_a, &raw const __xc_z);
        let none = null();
        exit(main(0, &raw const none, &raw const none))
    }
}

/// The DLL exports it under another name, because Microsoft links a wrapper of this one into each program.
#[unsafe(no_mangle)]
pub extern "C" fn atexit(function: extern "C" fn()) -> c_int {
    // SAFETY: the runtime calls the function once, on exit.
    unsafe { _crt_atexit(function) }
}

// Touches each page of a large frame in order, so that the guard page is met and the stack grows. The size is in
// rax; every register is kept (learn.microsoft.com, "x64 prolog and epilog"). The second name is mingw's.
core::arch::global_asm!(
    ".globl __chkstk",
    ".globl ___chkstk_ms",
    ".p2align 4",
    ".seh_proc __chkstk",
    "__chkstk:",
    "___chkstk_ms:",
    "push rcx",
    ".seh_pushreg rcx",
    "push rax",
    ".seh_pushreg rax",
    ".seh_endprologue",
    "lea rcx, [rsp + 24]",
    "cmp rax, 4096",
    "jb 2f",
    "1:",
    "sub rcx, 4096",
    "test [rcx], rcx",
    "sub rax, 4096",
    "cmp rax, 4096",
    "ja 1b",
    "2:",
    "sub rcx, rax",
    "test [rcx], rcx",
    "pop rax",
    "pop rcx",
    "ret",
    ".seh_endproc",
);
