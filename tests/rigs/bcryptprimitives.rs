//! The `bcryptprimitives.dll` that Wine before 9 lacks and Rust's standard library takes its random numbers from.
//! It belongs to the Wine rig, which compiles it and puts it into a prefix's `system32`, and never to the product.

#![no_std]

#[link(name = "advapi32", kind = "raw-dylib")]
unsafe extern "system" {
    /// `RtlGenRandom`, under the name that advapi32 exports.
    fn SystemFunction036(buffer: *mut u8, length: u32) -> u8;
}

/// Fills `buffer` with random bytes; always succeeds, as on Windows.
///
/// # Safety
/// `buffer` must be valid for writes of `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn ProcessPrng(buffer: *mut u8, length: usize) -> i32 {
    // SAFETY: the caller vouches for the buffer; nobody asks for 4 GiB of random bytes at once.
    i32::from(unsafe { SystemFunction036(buffer, length as u32) })
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
