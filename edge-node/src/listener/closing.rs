//! The last moment of a listening socket on Linux, whose kernel resets what it let in and nobody took.
//!
//! Between the look that finds nobody waiting and the end of the socket another client can be let in, and on a busy
//! machine that is long. Windows has no such filter, so there that client is reset.

use std::io;
use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::TcpListener;

/// How long a handshake that has begun may take to its end: a round trip in a local network, or a turn of a busy
/// machine.
pub const HANDSHAKE: Duration = Duration::from_millis(5);

/// `BPF_LD | BPF_B | BPF_ABS`, `BPF_ALU | BPF_AND | BPF_K`, `BPF_JMP | BPF_JEQ | BPF_K` and `BPF_RET | BPF_K` of
/// linux/bpf_common.h.
const LOAD_BYTE: u16 = 0x30;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Where the flags are in a TCP header (RFC 9293, section 3.1), and two of them.
const FLAGS: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

/// What a filter returns to have a packet dropped, or kept whole.
const DROP: u32 = 0;
const KEEP: u32 = u32::MAX;

/// From now on the kernel drops what opens a connection (socket(7), `SO_ATTACH_FILTER`); its client sends it again a
/// second later, and then is told that nobody listens. Handshakes that have begun go on.
///
/// # Errors
/// When the kernel takes no filter.
pub fn let_nobody_in(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, DROP),
        SockFilter::new(RETURN, 0, 0, KEEP),
    ])
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write as _};
    use std::net::TcpStream;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn nobody_is_let_in_any_more_and_who_was_is_heard() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut inside = TcpStream::connect(address).unwrap();
        let_nobody_in(&listener).unwrap();
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(100)).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        let (mut taken, _peer) = listener.accept().await.unwrap();
        drop(listener);
        inside.write_all(b"hello").unwrap();
        drop(inside);
        let mut heard = String::new();
        taken.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "hello");
        let late = TcpStream::connect(address).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::ConnectionRefused);
    }
}
