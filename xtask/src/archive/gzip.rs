//! The gzip member (RFC 1952) around a tar or a cpio archive, without a name or a time, and the deflate streams
//! (RFC 1951) it is joined from.
//!
//! What goes into the archive its format says. A program may go into several archives of its target, so it is compressed
//! once: streams that end at a byte and refer to nothing before their own start can follow one another as they are.

use super::ArchiveError;
use flate2::{Compress, Compression, Crc, FlushCompress, Status, bufread::GzDecoder};
use std::io::Read;
use std::ops::Range;

/// Deflate level of every format. Fixed, since another level gives other bytes. With miniz_oxide, 6 takes more than
/// twice the time and saves one to two percent.
pub(super) const DEFLATE_LEVEL: u32 = 4;

/// Magic, deflate, no flags, no time, no word on the level, a system that is unknown: the same wherever it is packed
/// (RFC 1952 section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// Headers and padding that the largest archive may have beside its contents.
const OVERHEAD_BYTES_MAX: u64 = 64 << 20;

/// An uncompressed archive, and where in it files lie whose deflate streams are at hand.
#[derive(Debug, Default)]
pub(super) struct Tape<'a> {
    pub(super) bytes: Vec<u8>,
    ready: Vec<(Range<usize>, &'a [u8])>,
}

impl<'a> Tape<'a> {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ready: Vec::new() }
    }

    /// Appends a file's bytes, and notes their stream.
    pub(super) fn append(&mut self, contents: &[u8], deflated: Option<&'a [u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(contents);
        self.ready.extend(deflated.map(|stream| (start..self.bytes.len(), stream)));
    }

    /// Appends zeros up to a multiple of `size`.
    pub(super) fn pad(&mut self, size: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(size), 0);
    }

    /// Compresses it into one gzip member.
    pub(super) fn gzip(&self) -> Result<Vec<u8>, ArchiveError> {
        join(&self.bytes, &self.ready)
    }
}

/// Compresses bytes into one gzip member.
///
/// # Errors
///
/// None in practice: it writes to memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    join(bytes, &[])
}

/// Compresses what has no stream yet, and puts the streams there are in between.
fn join(bytes: &[u8], ready: &[(Range<usize>, &[u8])]) -> Result<Vec<u8>, ArchiveError> {
    let mut packed = HEADER.to_vec();
    let mut from = 0;
    for (range, stream) in ready {
        packed.extend(compressed(&bytes[from..range.start], FlushCompress::Sync)?);
        packed.extend_from_slice(stream);
        from = range.end;
    }
    packed.extend(compressed(&bytes[from..], FlushCompress::Finish)?);
    let mut crc = Crc::new();
    crc.update(bytes);
    packed.extend(crc.sum().to_le_bytes());
    packed.extend(crc.amount().to_le_bytes());
    Ok(packed)
}

/// Compresses bytes into a stream that others can follow: it ends at a byte, with an empty block, and not the whole.
///
/// # Errors
///
/// None in practice: it writes to memory.
pub fn deflate(bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    compressed(bytes, FlushCompress::Sync)
}

/// One deflate stream of all the bytes.
///
/// It is given all the room it may need, because miniz_oxide forgets the flush it was asked for when it has to wait for
/// room in the middle of one: the end would be missing, and no error would say so.
fn compressed(bytes: &[u8], flush: FlushCompress) -> Result<Vec<u8>, ArchiveError> {
    let mut compress = Compress::new(Compression::new(DEFLATE_LEVEL), false);
    // miniz's own bound is a tenth, and 128 bytes (`mz_deflateBound`).
    let mut packed = Vec::with_capacity(bytes.len() + bytes.len() / 8 + 256);
    let status =
        compress.compress_vec(bytes, &mut packed, flush).map_err(ArchiveError::malformed)?;
    let is_whole = compress.total_in() == bytes.len() as u64
        && (status == Status::StreamEnd || flush != FlushCompress::Finish)
        && packed.len() < packed.capacity();
    if is_whole { Ok(packed) } else { Err(ArchiveError::malformed("it could not be compressed")) }
}

/// The length of the contents as the end of a member states it (RFC 1952 section 2.3.1, ISIZE), where that can be true:
/// deflate makes at most 258 bytes of two bits.
fn stated_length(bytes: &[u8], max: u64) -> usize {
    let stated = bytes.last_chunk().map_or(0, |length| u32::from_le_bytes(*length).into());
    let possible = (bytes.len() as u64).saturating_mul(4 * 258);
    usize::try_from(stated.min(max).min(possible)).unwrap_or(0)
}

/// Decompresses exactly one gzip member with the header that [`gzip`] writes, for contents of at most `contents_max`.
pub(super) fn gunzip(bytes: &[u8], contents_max: u64) -> Result<Vec<u8>, ArchiveError> {
    let max = contents_max.saturating_add(OVERHEAD_BYTES_MAX);
    let mut decoder = GzDecoder::new(bytes);
    let mut unpacked = Vec::with_capacity(stated_length(bytes, max));
    (&mut decoder).take(max + 1).read_to_end(&mut unpacked).map_err(ArchiveError::malformed)?;
    if unpacked.len() as u64 > max {
        return Err(ArchiveError::Size { max: contents_max });
    }
    if !bytes.starts_with(&HEADER) {
        return Err(ArchiveError::malformed("its gzip header has a name, a time or a system"));
    }
    if !decoder.into_inner().is_empty() {
        return Err(ArchiveError::malformed("bytes follow its end"));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Repetitive and random parts, so that streams both shrink and grow.
    fn contents() -> impl Strategy<Value = Vec<u8>> {
        let part = (any::<bool>(), prop::collection::vec(any::<u8>(), 0..3000), 0..20_usize);
        let part = part.prop_map(
            |(repeated, bytes, times)| {
                if repeated { bytes.repeat(times) } else { bytes }
            },
        );
        prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn what_is_joined_from_streams_is_unpacked_as_a_whole(
            files in prop::collection::vec((contents(), any::<bool>()), 0..5),
        ) {
            let streams: Vec<_> =
                files.iter().map(|(bytes, _)| deflate(bytes).unwrap()).collect();
            let (mut tape, mut plain) = (Tape::default(), Vec::new());
            for ((bytes, is_ready), stream) in std::iter::zip(&files, &streams) {
                tape.append(bytes, is_ready.then_some(stream));
                tape.pad(512);
                plain.extend_from_slice(bytes);
                plain.resize(plain.len().next_multiple_of(512), 0);
            }
            prop_assert_eq!(gunzip(&tape.gzip().unwrap(), 1 << 20).unwrap(), plain);
        }
    }

    /// Lengths at which the output fills up in the middle of a block and at the end of one.
    #[test]
    fn a_stream_of_bytes_that_do_not_shrink_is_whole() {
        let mut state = 1_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let bytes: Vec<u8> = (0..80 * 31_745 + 200).map(|_| random()).collect();
        for length in [0, 1, 65_535, 80 * 31_745, 80 * 31_745 + 60, 80 * 31_745 + 200] {
            let stream = deflate(&bytes[..length]).unwrap();
            let mut tape = Tape::default();
            tape.append(&bytes[..length], Some(&stream));
            let unpacked = gunzip(&tape.gzip().unwrap(), 1 << 30).unwrap();
            assert!(unpacked == bytes[..length], "{length} bytes");
        }
    }

    #[test]
    fn no_more_is_reserved_than_an_archive_can_hold() {
        let mut member = gzip(b"edge").unwrap();
        let end = member.len();
        member[end - 4..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(stated_length(&member, 1 << 30), member.len() * 1032);
        assert_eq!(stated_length(&member, 100), 100);
        assert!(gunzip(&member, 1 << 30).is_err());
    }

    /// Without streams at hand it is what flate2 itself makes, header and all.
    #[test]
    fn a_member_is_what_everybody_makes() {
        use std::io::Write as _;
        let bytes = b"edge ".repeat(10_000);
        let mut writer = flate2::GzBuilder::new()
            .operating_system(255)
            .write(Vec::new(), Compression::new(DEFLATE_LEVEL));
        writer.write_all(&bytes).unwrap();
        assert_eq!(gzip(&bytes).unwrap(), writer.finish().unwrap());
    }
}
