//! `memcpy` and `memmove` of the static x86-64 Linux program, in the place of musl's: those start
//! the processor's string copy at every call, which takes longer than to copy the few dozen bytes
//! that most calls are for. Nothing else of the C library is replaced.

use std::arch::asm;

/// Bytes from which the processor's string copy is the faster way.
const STRING_COPY_MIN: usize = 2048;

/// Bytes that are moved in one turn of a loop; they fit the registers.
const BLOCK: usize = 64;

/// Copies `length` bytes; the two places may overlap.
///
/// # Safety
/// `from` must be readable and `to` writable for `length` bytes.
#[inline(always)]
unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: the patterns give each function a length that it can do.
    unsafe {
        match length {
            0 => {}
            1 => *to = *from,
            2..4 => ends::<2>(to, from, length),
            4..8 => ends::<4>(to, from, length),
            8..16 => ends::<8>(to, from, length),
            16..=32 => ends::<16>(to, from, length),
            33..=64 => ends::<32>(to, from, length),
            65..=128 => ends::<BLOCK>(to, from, length),
            // `to` is before `from` or behind all of it: what is written is not read again.
            _ if to.addr().wrapping_sub(from.addr()) >= length => forwards(to, from, length),
            _ => backwards(to, from, length),
        }
    }
}

/// Copies the first and the last `N` bytes, which meet or overlap.
///
/// # Safety
/// As for [`copy`]; `length` must be from `N` to twice `N`.
#[inline(always)]
unsafe fn ends<const N: usize>(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: both ends are within `length` bytes, and both are read before one is written.
    unsafe {
        let first = from.cast::<[u8; N]>().read_unaligned();
        let last = from.add(length - N).cast::<[u8; N]>().read_unaligned();
        to.cast::<[u8; N]>().write_unaligned(first);
        to.add(length - N).cast::<[u8; N]>().write_unaligned(last);
    }
}

/// Copies from the first byte to the last.
///
/// # Safety
/// As for [`copy`]; `length` must be above [`BLOCK`], and `to` must not be within `from`.
unsafe fn forwards(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: a block begins before `length - BLOCK`, and the last one there.
    unsafe {
        if length >= STRING_COPY_MIN {
            let (from, to) = (from, to);
            asm!(
                "rep movsb",
                inout("rcx") length => _, inout("rsi") from => _, inout("rdi") to => _,
                options(nostack, preserves_flags),
            );
            return;
        }
        let last = from.add(length - BLOCK).cast::<[u8; BLOCK]>().read_unaligned();
        let mut done = 0;
        while done < length - BLOCK {
            let block = from.add(done).cast::<[u8; BLOCK]>().read_unaligned();
            to.add(done).cast::<[u8; BLOCK]>().write_unaligned(block);
            done += BLOCK;
            stay_a_loop();
        }
        to.add(length - BLOCK).cast::<[u8; BLOCK]>().write_unaligned(last);
    }
}

/// Copies from the last byte to the first.
///
/// # Safety
/// As for [`copy`]; `length` must be above [`BLOCK`], and `from` must not be within `to`.
unsafe fn backwards(to: *mut u8, from: *const u8, length: usize) {
    // SAFETY: a block ends behind `BLOCK`, and the first one there.
    unsafe {
        let first = from.cast::<[u8; BLOCK]>().read_unaligned();
        let mut left = length;
        while left > BLOCK {
            left -= BLOCK;
            let block = from.add(left).cast::<[u8; BLOCK]>().read_unaligned();
            to.add(left).cast::<[u8; BLOCK]>().write_unaligned(block);
            stay_a_loop();
        }
        to.cast::<[u8; BLOCK]>().write_unaligned(first);
    }
}

/// Keeps the compiler from seeing a `memcpy` in a loop, which would call itself.
#[inline(always)]
fn stay_a_loop() {
    // SAFETY: it is no instruction at all.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}

/// The symbols; musl's own serve programs that are not optimised, where the above would be slower
/// and could call itself.
#[cfg(all(target_env = "musl", not(debug_assertions)))]
mod symbols {
    /// Source: C17, section 7.24.2.1.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        unsafe { super::copy(to, from, length) };
        to
    }

    /// Source: C17, section 7.24.2.2.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        unsafe { super::copy(to, from, length) };
        to
    }
}

#[cfg(test)]
mod tests {
    /// Copies within a buffer by the function above and by the standard library's.
    fn check(length: usize, from: usize, to: usize) {
        let size = from.max(to) + length + 1;
        let mut expected: Vec<u8> =
            (0..size).map(|index| (index * 7 + index / 251) as u8).collect();
        let mut copied = expected.clone();
        expected.copy_within(from..from + length, to);
        let start = copied.as_mut_ptr();
        // SAFETY: both places are within the buffer.
        unsafe { super::copy(start.add(to), start.add(from), length) };
        assert!(copied == expected, "{length} bytes from {from} to {to}");
    }

    #[test]
    fn every_length_is_copied_wherever_the_places_lie() {
        for length in (0..400).chain([2047, 2048, 2049, 70_000]) {
            for distance in [0, 1, 3, 16, 63, 64, 65, 127, 300, length, length + 1] {
                check(length, 5, 5 + distance);
                check(length, 5 + distance, 5);
            }
        }
    }
}
