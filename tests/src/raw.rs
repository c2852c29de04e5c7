//! An HTTP/1.1 client that sends whatever bytes it is told to, and takes nothing but proper answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::message::{self, Message, Reading};

/// Only a test that fails waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

/// What came instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The other side closed the connection, in order or not, without a further byte.
    Closed,
    /// It closed the connection within an answer, of which this came.
    Cut(Vec<u8>),
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When nothing listens.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, bytes: Vec::new() }
    }

    /// Sends these bytes; gives whether the other side still takes any.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        let _ended_already = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits for the next answer, an interim one included.
    ///
    /// # Errors
    /// How the connection ended before.
    ///
    /// # Panics
    /// When none comes in time, or what comes is no proper answer.
    #[track_caller]
    pub fn answer(&mut self) -> Result<Message, End> {
        self.answer_to(false)
    }

    /// The same for an answer to HEAD.
    ///
    /// # Errors
    /// How the connection ended before.
    ///
    /// # Panics
    /// When none comes in time, or what comes is no proper answer.
    #[track_caller]
    pub fn answer_to_head(&mut self) -> Result<Message, End> {
        self.answer_to(true)
    }

    #[track_caller]
    fn answer_to(&mut self, is_head: bool) -> Result<Message, End> {
        let mut is_over = false;
        loop {
            match message::response(&self.bytes, is_head, is_over) {
                Reading::Whole(message, length) => {
                    self.bytes.drain(..length);
                    return Ok(message);
                }
                Reading::Odd(why) => panic!("{why} in {:?}", self.bytes.escape_ascii().to_string()),
                Reading::More if is_over && self.bytes.is_empty() => return Err(End::Closed),
                Reading::More if is_over => return Err(End::Cut(std::mem::take(&mut self.bytes))),
                Reading::More => is_over = !self.read(),
            }
        }
    }

    /// Waits until the other side closes; gives all that comes before, which had better be nothing.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read() {}
        std::mem::take(&mut self.bytes)
    }

    /// Reads as many bytes as these and gives whether they are these.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn hears(&mut self, expected: &[u8]) -> bool {
        while self.bytes.len() < expected.len() && self.read() {}
        let is_it = self.bytes.starts_with(expected);
        self.bytes.drain(..expected.len().min(self.bytes.len()));
        is_it
    }

    #[track_caller]
    fn read(&mut self) -> bool {
        let mut some = vec![0; 64 * 1024];
        match self.stream.read(&mut some) {
            Ok(0) => false,
            Ok(length) => {
                self.bytes.extend_from_slice(&some[..length]);
                true
            }
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                panic!("nothing comes after {:?}", self.bytes.escape_ascii().to_string())
            }
            Err(_reset) => false,
        }
    }
}
