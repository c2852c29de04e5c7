//! Formatted input and output of C, as functions: `ucrtbase.dll` exports only what they are made of, because
//! Microsoft's headers define them inline. C that was compiled with mingw-w64's headers calls them by name.
//!
//! Compiled to one object by [`crate::toolchain::self_contained`] and put into `msvcrt.lib`, from which the linker
//! takes it only for programs with such C; not a module of xtask. Source of the options: `corecrt_stdio_config.h`
//! of the Universal CRT. The wide forms are not here.

#![no_std]

use core::ffi::{c_char, c_int, c_void};
use core::ptr::null;

/// On x64 a `va_list` is a pointer to the next argument; each takes eight bytes.
type Arguments = *const c_void;
type Stream = *mut c_void;
type Locale = *const c_void;

/// `_CRT_INTERNAL_PRINTF_LEGACY_VSPRINTF_NULL_TERMINATION`: no null where the text fills the buffer.
const LEGACY: u64 = 1;
/// `_CRT_INTERNAL_PRINTF_STANDARD_SNPRINTF_BEHAVIOR`: always a null, and the length that was wanted is returned.
const STANDARD: u64 = 2;
/// The number of standard output.
const STDOUT: u32 = 1;

unsafe extern "C" {
    fn __acrt_iob_func(number: u32) -> Stream;
    fn __stdio_common_vfprintf(options: u64, to: Stream, format: *const c_char, in_: Locale, list: Arguments)
    -> c_int;
    fn __stdio_common_vfscanf(options: u64, from: Stream, format: *const c_char, in_: Locale, list: Arguments)
    -> c_int;
    fn __stdio_common_vsprintf(
        options: u64,
        to: *mut c_char,
        size: usize,
        format: *const c_char,
        in_: Locale,
        list: Arguments,
    ) -> c_int;
    fn __stdio_common_vsscanf(
        options: u64,
        from: *const c_char,
        size: usize,
        format: *const c_char,
        in_: Locale,
        list: Arguments,
    ) -> c_int;
}

macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),*) = $call:expr;)*) => {
        $(
            /// As in C; `list` is the `va_list`.
            ///
            /// # Safety
            /// As in C.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $type,)* list: Arguments) -> c_int {
                let call = $call;
                // SAFETY: the caller promised what C asks of it.
                unsafe { call(list) }
            }
        )*
    };
}

functions! {
    vfprintf(to: Stream, format: *const c_char) =
        |list| unsafe { __stdio_common_vfprintf(0, to, format, null(), list) };
    vprintf(format: *const c_char) =
        |list| unsafe { __stdio_common_vfprintf(0, __acrt_iob_func(STDOUT), format, null(), list) };
    vsnprintf(to: *mut c_char, size: usize, format: *const c_char) =
        |list| unsafe { __stdio_common_vsprintf(STANDARD, to, size, format, null(), list) };
    _vsnprintf(to: *mut c_char, size: usize, format: *const c_char) =
        |list| unsafe { __stdio_common_vsprintf(LEGACY, to, size, format, null(), list) };
    vsprintf(to: *mut c_char, format: *const c_char) =
        |list| unsafe { __stdio_common_vsprintf(LEGACY, to, usize::MAX, format, null(), list) };
    vfscanf(from: Stream, format: *const c_char) =
        |list| unsafe { __stdio_common_vfscanf(0, from, format, null(), list) };
    vsscanf(from: *const c_char, format: *const c_char) =
        |list| unsafe { __stdio_common_vsscanf(0, from, usize::MAX, format, null(), list) };
}

// A function with variable arguments lays the four that came in registers into the space that its caller left for
// them, which puts all in a row, and passes the address of the first variable one as the list (learn.microsoft.com,
// "x64 calling convention"). Stable Rust cannot define such a function.
macro_rules! variadic {
    ($($name:literal: $register:literal + $offset:literal => $target:literal)*) => {
        $(core::arch::global_asm!(
            concat!(".globl ", $name),
            ".p2align 4",
            concat!(".seh_proc ", $name),
            concat!($name, ":"),
            "mov [rsp + 8], rcx",
            "mov [rsp + 16], rdx",
            "mov [rsp + 24], r8",
            "mov [rsp + 32], r9",
            "sub rsp, 40",
            ".seh_stackalloc 40",
            ".seh_endprologue",
            concat!("lea ", $register, ", [rsp + 40 + ", $offset, "]"),
            concat!("call ", $target),
            "add rsp, 40",
            "ret",
            ".seh_endproc",
        );)*
    };
}

variadic! {
    "printf": "rdx" + "16" => "vprintf"
    "fprintf": "r8" + "24" => "vfprintf"
    "sprintf": "r8" + "24" => "vsprintf"
    "fscanf": "r8" + "24" => "vfscanf"
    "sscanf": "r8" + "24" => "vsscanf"
    "snprintf": "r9" + "32" => "vsnprintf"
    "_snprintf": "r9" + "32" => "_vsnprintf"
}
