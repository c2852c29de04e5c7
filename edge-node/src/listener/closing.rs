//! The last moment of a listening socket on Linux, which resets connections that it let in and nobody accepted.
//!
//! Between the look that finds none waiting and the end of the socket it may let in one more, and on a busy machine it
//! does. Windows has no such filter, so there that client is reset.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockFilter, SockRef};

/// How long a handshake that has begun may take to its end: a few round trips in a local network, or some turns of a
/// busy machine.
pub const HANDSHAKE: Duration = Duration::from_millis(20);

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

/// From now on the kernel drops what opens a connection (socket(7), `SO_ATTACH_FILTER`). Its client sends it again a
/// second later, and is refused if the socket is closed by then. Handshakes that have begun go on; the connections that
/// come of them have the filter too, and no use for what it drops.
///
/// # Errors
/// When the kernel takes no filter.
pub fn let_nobody_in(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, DROP),
        SockFilter::new(RETURN, 0, 0, KEEP),
    ])
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

    use super::*;

    /// Clients that reach a listener at `bound` by way of `name`.
    fn whoever_was_let_in_is_heard_and_nobody_else(bound: &str, name: &str) {
        let listener = TcpListener::bind((bound, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddr::new(name.parse().unwrap(), port);
        let inside = TcpStream::connect(address).unwrap();
        let_nobody_in(&listener).unwrap();
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(100)).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        let (taken, _peer) = listener.accept().unwrap();
        drop(listener);
        // One that is let in after the filter was set has it too.
        let_nobody_in(&taken).unwrap();
        let mut heard = String::new();
        for (mut from, mut to) in [(&inside, &taken), (&taken, &inside)] {
            from.write_all(b"hello").unwrap();
            from.shutdown(Shutdown::Write).unwrap();
            to.read_to_string(&mut heard).unwrap();
        }
        assert_eq!(heard, "hellohello");
        let late = TcpStream::connect(address).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::ConnectionRefused);
    }

    #[test]
    fn of_ipv4() {
        whoever_was_let_in_is_heard_and_nobody_else("127.0.0.1", "127.0.0.1");
    }

    #[test]
    fn of_ipv6_and_of_both() {
        if TcpListener::bind("[::1]:0").is_err() {
            eprintln!("skipped: this machine has no IPv6");
            return;
        }
        whoever_was_let_in_is_heard_and_nobody_else("::1", "::1");
        whoever_was_let_in_is_heard_and_nobody_else("::", "127.0.0.1");
    }
}
