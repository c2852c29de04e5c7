//! The entry point of host programs that are linked without a C compiler (see `host-linker`, its only user).
//!
//! The kernel enters `_start` with the stack holding argc, argv and the environment, and `rdx` the loader's
//! exit handler (System V ABI, AMD64 supplement, 3.4.1). Its work is to hand these and `main` to the C library.
//! What a C compiler's start files do beyond this, glibc 2.34 does in `__libc_start_main`.

#![no_std]

core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    "xor ebp, ebp",
    "mov r9, rdx",
    "pop rsi",
    "mov rdx, rsp",
    "and rsp, -16",
    "push rax",
    "push rsp",
    "xor r8d, r8d",
    "xor ecx, ecx",
    "mov rdi, qword ptr [rip + main@GOTPCREL]",
    "call qword ptr [rip + __libc_start_main@GOTPCREL]",
    "hlt",
    ".size _start, . - _start",
);
