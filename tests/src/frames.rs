//! HTTP/2 by hand: frames with whatever is in them, and what comes back read as far as a test needs it.
//!
//! Sources: RFC 9113, sections 4 and 6; RFC 7541, sections 5 and 6.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Only a test that fails waits this long.
const PATIENCE: Duration = Duration::from_secs(60);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
pub const DATA: u8 = 0;
/// Headers.
pub const HEADERS: u8 = 1;
/// The end of a stream by an error.
pub const RST_STREAM: u8 = 3;
/// Settings of a connection.
pub const SETTINGS: u8 = 4;
/// The end of a connection.
pub const GOAWAY: u8 = 7;
/// More headers.
pub const CONTINUATION: u8 = 9;

/// Flag of settings: these are a confirmation.
pub const ACK: u8 = 1;
/// Flag of data and headers: nothing follows on the stream.
pub const END_STREAM: u8 = 1;
/// Flag of headers: no more of them follow.
pub const END_HEADERS: u8 = 4;

/// What the other side made of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered with this status.
    Status(u16),
    /// It was reset with this error code.
    Reset(u32),
    /// The connection was ended with this error code.
    GoAway(u32),
    /// The connection was closed without a word.
    Closed,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
}

/// A frame that came.
#[derive(Clone, Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Connection {
    /// Connects and says that HTTP/2 is spoken.
    ///
    /// # Panics
    /// When nothing listens.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Self { stream, bytes: Vec::new() };
        connection.send(PREFACE);
        connection.send(&frame(SETTINGS, 0, 0, &[]));
        connection
    }

    /// Sends these bytes; gives whether the other side still takes any.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a head of these fields, which ends its stream or not.
    pub fn head(&mut self, stream: u32, fields: &[(&str, &str)], flags: u8) -> bool {
        self.send(&frame(HEADERS, END_HEADERS | flags, stream, &block(fields)))
    }

    /// Sends a piece of a body, which ends its stream or not.
    pub fn data(&mut self, stream: u32, bytes: &[u8], flags: u8) -> bool {
        self.send(&frame(DATA, flags, stream, bytes))
    }

    /// Waits for what becomes of a stream.
    ///
    /// # Panics
    /// When nothing does.
    #[track_caller]
    pub fn verdict(&mut self, stream: u32) -> Verdict {
        while let Some(frame) = self.next() {
            match frame.kind {
                HEADERS if frame.stream == stream => {
                    return Verdict::Status(status(&frame.payload));
                }
                RST_STREAM if frame.stream == stream => {
                    return Verdict::Reset(number(&frame.payload));
                }
                // Without an error it says only that the connection will end.
                GOAWAY if number(&frame.payload[4..]) != 0 => {
                    return Verdict::GoAway(number(&frame.payload[4..]));
                }
                SETTINGS if frame.flags & ACK == 0 => {
                    self.send(&self::frame(SETTINGS, ACK, 0, &[]));
                }
                _ => {}
            }
        }
        Verdict::Closed
    }

    #[track_caller]
    fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = take(&mut self.bytes) {
                return Some(frame);
            }
            let mut some = vec![0; 64 * 1024];
            match self.stream.read(&mut some) {
                Ok(0) => return None,
                Ok(length) => self.bytes.extend_from_slice(&some[..length]),
                Err(error)
                    if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) =>
                {
                    panic!("no frame comes")
                }
                Err(_reset) => return None,
            }
        }
    }
}

/// A frame as it is sent.
///
/// # Panics
/// When the payload is larger than 16 MiB.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields as they are sent: each as a literal with a new name, which no table learns.
///
/// # Panics
/// When a text is longer than 16 KiB.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A number with a prefix of seven bits. Source: RFC 7541, section 5.1.
fn length(length: usize, to: &mut Vec<u8>) {
    if length < 127 {
        return to.push(u8::try_from(length).unwrap());
    }
    let rest = length - 127;
    assert!(rest < 1 << 14, "longer texts are not needed");
    to.push(127);
    to.push(u8::try_from(rest & 127).unwrap() | 128);
    to.push(u8::try_from(rest >> 7).unwrap());
}

fn take(bytes: &mut Vec<u8>) -> Option<Frame> {
    let head = bytes.get(..9)?;
    let length = (usize::from(head[0]) << 16) | (usize::from(head[1]) << 8) | usize::from(head[2]);
    let (kind, flags, stream) = (head[3], head[4], number(&head[5..]) & 0x7fff_ffff);
    let payload = bytes.get(9..9 + length)?.to_vec();
    bytes.drain(..9 + length);
    Some(Frame { kind, flags, stream, payload })
}

fn number(bytes: &[u8]) -> u32 {
    bytes[..4].iter().fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

/// The status, which stands first in a head. Source: RFC 9113, section 8.3.2; RFC 7541, appendix A.
fn status(block: &[u8]) -> u16 {
    // Before it the size of the table may be changed.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    let block = &block[start..];
    match block[0] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        // A literal, of whatever kind, whose name is the eighth in the table.
        0x08 | 0x18 | 0x48 if block[1] & 0x80 == 0 => {
            String::from_utf8_lossy(&block[2..5]).parse().unwrap()
        }
        0x08 | 0x18 | 0x48 => digits(&block[2..2 + usize::from(block[1] & 0x7f)]),
        other => panic!("a head begins with {other:#x}"),
    }
}

/// Three digits in the Huffman code. Source: RFC 7541, appendix B.
fn digits(bytes: &[u8]) -> u16 {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1));
    let mut digit = || {
        let mut code = (0..5).fold(0, |code, _| (code << 1) | u16::from(bits.next().unwrap()));
        if code < 3 {
            return code;
        }
        code = (code << 1) | u16::from(bits.next().unwrap());
        code - 0x19 + 3
    };
    (digit() * 10 + digit()) * 10 + digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_from_the_table_and_from_huffman_code() {
        assert_eq!(status(&[0x88, 0x61]), 200);
        assert_eq!(status(&[0x3f, 0x88]), 200);
        assert_eq!(status(&[0x48, 3, b'5', b'0', b'2']), 502);
        // RFC 7541, appendix C.6.1 and C.6.2.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), 302);
        assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), 307);
    }

    #[test]
    fn a_block_has_each_field_as_it_is() {
        assert_eq!(block(&[(":path", "/")]), b"\0\x05:path\x01/");
        assert_eq!(block(&[("a", &"b".repeat(300))])[3..6], [127, 173, 1]);
    }
}
