//! Where the frames of a WebSocket end, as far as a gateway must know: nothing can be said between
//! two ends of a tunnel but between two frames. What the frames say is not read.
//!
//! Source: RFC 6455, section 5.2.

/// The first byte of a frame that closes: final, opcode 8.
const CLOSE: u8 = 0x88;

/// A frame that says 1001, "going away". Source: RFC 6455, sections 5.5.1 and 7.4.1.
pub const GOING_AWAY: [u8; 4] = [CLOSE, 2, 0x03, 0xE9];

/// The longest head: two bytes, a length of eight, a mask of four.
const HEAD_MAX: usize = 14;

/// The frames of one direction, as they pass.
#[derive(Debug, Default)]
pub struct Frames {
    head: [u8; HEAD_MAX],
    /// Bytes of the head that passed; none once it is whole.
    head_bytes: usize,
    /// Bytes of the payload that did not pass yet.
    payload_left: u64,
    has_closed: bool,
}

impl Frames {
    /// Notes bytes that pass; gives how many of them it is up to the end of the last frame that
    /// ends among them, if one does.
    pub fn pass(&mut self, bytes: &[u8]) -> Option<usize> {
        let (mut at, mut end) = (0, None);
        while at < bytes.len() {
            at += if self.payload_left > 0 {
                self.pass_payload(bytes.len() - at)
            } else {
                self.pass_head(bytes[at]);
                1
            };
            if self.is_between() {
                end = Some(at);
                self.has_closed |= self.head[0] == CLOSE;
            }
        }
        end
    }

    /// True if no frame has begun that has not ended.
    pub fn is_between(&self) -> bool {
        self.head_bytes == 0 && self.payload_left == 0
    }

    /// True once a frame passed after which there may be none.
    pub fn has_closed(&self) -> bool {
        self.has_closed
    }

    fn pass_payload(&mut self, there: usize) -> usize {
        let passed = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(there);
        self.payload_left -= passed as u64;
        passed
    }

    fn pass_head(&mut self, byte: u8) {
        self.head[self.head_bytes] = byte;
        self.head_bytes += 1;
        if self.head_bytes < 2 {
            return;
        }
        let (has_mask, short) = (self.head[1] & 0x80 != 0, self.head[1] & 0x7F);
        let length_bytes = match short {
            126 => 2,
            127 => 8,
            _in_itself => 0,
        };
        if self.head_bytes < 2 + length_bytes + if has_mask { 4 } else { 0 } {
            return;
        }
        let long = self.head[2..2 + length_bytes].iter();
        let long = long.fold(0, |length, byte| length << 8 | u64::from(*byte));
        self.payload_left = if length_bytes == 0 { u64::from(short) } else { long };
        self.head_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame with a payload that looks like heads of others.
    fn frame(opcode: u8, is_masked: bool, length: usize) -> Vec<u8> {
        let mask = if is_masked { 0x80 } else { 0 };
        let mut frame = vec![opcode];
        match u16::try_from(length) {
            Ok(short @ ..126) => frame.push(mask | u8::try_from(short).unwrap()),
            Ok(middle) => {
                frame.push(mask | 126);
                frame.extend(middle.to_be_bytes());
            }
            Err(_large) => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([CLOSE; 4].iter().take(if is_masked { 4 } else { 0 }));
        frame.resize(frame.len() + length, CLOSE);
        frame
    }

    fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let length = prop_oneof![4 => 0..200_usize, 1 => 60_000..70_000_usize];
        let kind = (prop_oneof![Just(0x82), Just(0x01), Just(0x89)], any::<bool>(), length);
        prop::collection::vec(
            kind.prop_map(|(opcode, mask, length)| frame(opcode, mask, length)),
            1..8,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_end_where_they_end_however_their_bytes_come(
            list in frames(),
            pieces in prop::collection::vec(1..9000_usize, 1..20),
        ) {
            let ends: Vec<usize> = list.iter().scan(0, |end, one| { *end += one.len(); Some(*end) }).collect();
            let bytes = list.concat();
            let (mut frames, mut at) = (Frames::default(), 0);
            for length in pieces.iter().cycle() {
                let piece = &bytes[at..bytes.len().min(at + length)];
                let end = ends.iter().rev().find(|end| (at + 1..=at + piece.len()).contains(end));
                prop_assert_eq!(frames.pass(piece), end.map(|end| end - at));
                at += piece.len();
                prop_assert_eq!(frames.is_between(), ends.contains(&at));
                if at == bytes.len() { break }
            }
            prop_assert!(!frames.has_closed(), "nothing in a payload is taken for a frame");
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let end = Frames::default().pass(&bytes);
            prop_assert!(end.is_none_or(|end| end <= bytes.len()));
        }
    }

    #[test]
    fn a_close_is_seen_once_it_is_whole() {
        let mut frames = Frames::default();
        assert_eq!(frames.pass(&[0x81, 0]), Some(2));
        assert_eq!((frames.pass(&GOING_AWAY[..3]), frames.has_closed()), (None, false));
        assert_eq!((frames.pass(&GOING_AWAY[3..]), frames.has_closed()), (Some(1), true));
    }
}
