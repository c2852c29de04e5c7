//! Numbers that nobody needs to be unable to guess: request ids.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;
use http::HeaderValue;

/// A worker's source of numbers. Source: Vigna, "splitmix64".
pub struct Random(Cell<u64>);

impl Random {
    /// A source that starts anywhere.
    pub fn new() -> Self {
        Self(Cell::new(RandomState::new().hash_one(0)))
    }

    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 128 bits in hexadecimal.
    pub fn request_id(&self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let number = (u128::from(self.next()) << 64) | u128::from(self.next());
        let digit = |place: u32| DIGITS[(number >> (4 * place)) as usize & 15];
        let text: Bytes = (0..32).map(digit).collect();
        HeaderValue::from_maybe_shared(text).unwrap_or_else(|_never| HeaderValue::from_static("0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal_and_differ() {
        let random = Random::new();
        let (one, other) = (random.request_id(), random.request_id());
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.as_bytes().iter().all(u8::is_ascii_hexdigit), "{one:?}");
    }
}
