//! A time-stamping service (RFC 3161 over HTTP, its section 3.4) on a port of this machine's own, whose certificate the
//! publisher's authority vouches for. `openssl ts` makes the answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Publisher;
use crate::process;

const LIMIT: Duration = Duration::from_secs(300);
/// Nobody asks in so many bytes.
const QUERY_BYTES_MAX: u64 = 64 * 1024;

/// A running service, which ends when dropped.
#[derive(Debug)]
pub struct TimeStamps {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl TimeStamps {
    /// Starts one with a certificate of the publisher's authority.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(publisher: &Publisher) -> Self {
        publisher.vouch_for("tsa", "extendedKeyUsage=critical,timeStamping\n");
        let folder = publisher.folder.path().to_owned();
        std::fs::write(folder.join("serial"), "01\n").unwrap();
        std::fs::write(folder.join("tsa.conf"), CONFIGURATION).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (served, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, end) = (Arc::clone(&served), Arc::clone(&ends));
        let server = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                answer(stream.unwrap(), &folder);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { address, served, ends, server: Some(server) }
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many time stamps it has given.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for TimeStamps {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // The server looks at the flag once somebody comes.
        let _ = TcpStream::connect(self.address);
        let _ = self.server.take().map(JoinHandle::join);
    }
}

const CONFIGURATION: &str = "[tsa]
default_tsa = it
[it]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
certs = ca.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
";

/// Reads one request and answers it.
fn answer(stream: TcpStream, folder: &Path) {
    let mut reader = BufReader::new(&stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    assert!(length <= QUERY_BYTES_MAX);
    let mut query = Vec::new();
    reader.take(length).read_to_end(&mut query).unwrap();
    let reply = reply(&query, folder);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        reply.len()
    );
    (&stream).write_all(&[head.as_bytes(), &reply].concat()).unwrap();
}

fn reply(query: &[u8], folder: &Path) -> Vec<u8> {
    let [asked, answered]: [PathBuf; 2] = ["query", "reply"].map(|name| folder.join(name));
    std::fs::write(&asked, query).unwrap();
    let mut command = Command::new("openssl");
    command.args(["ts", "-reply", "-config", "tsa.conf", "-queryfile", "query", "-out", "reply"]);
    process::run(command.current_dir(folder), LIMIT).success();
    std::fs::read(answered).unwrap()
}
