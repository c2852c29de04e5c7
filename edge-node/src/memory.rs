//! The memory of the process: who hands it out, what is given back of it, and how it is copied.
//! On Windows it is the system's.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "an allocator and the C library's copying are not safe code")
)]

#[cfg(all(
    target_os = "linux",
    target_arch = "x86_64",
    any(test, all(target_env = "musl", not(debug_assertions)))
))]
mod copy;

/// A request makes and drops dozens of small values, which the allocator of musl is slow at.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whether memory comes in pages of 2 MiB where the kernel has them. They seem to make a busy
/// service some percent faster; one that starts touches a few bytes of each and would be half as
/// large again.
#[cfg(target_os = "linux")]
pub fn use_large_pages(are_used: bool) {
    // A kernel without them has nothing to refuse.
    let _ = rustix::thread::disable_transparent_huge_pages(!are_used);
}

/// Nothing: Windows has no large pages that nobody asked for.
#[cfg(not(target_os = "linux"))]
pub fn use_large_pages(_are_used: bool) {}

/// Gives the system back what this thread no longer uses. The allocator does so by itself only
/// while it is asked for more: after a rush it would keep all of it.
#[cfg(target_os = "linux")]
pub fn give_back() {
    // Source: "mimalloc", its documentation of `mi_collect`.
    unsafe extern "C" {
        fn mi_collect(force: bool);
    }
    // SAFETY: it may be called at any time, on any thread.
    unsafe { mi_collect(true) };
}

/// Nothing: the system's own allocator gives back what is free.
#[cfg(not(target_os = "linux"))]
pub fn give_back() {}
