//! The way to an upstream over TCP: its name is looked up, and each of its addresses tried. Requests and probes go the
//! same one; TLS, and how many connections there may be, are theirs.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// Connects to an address.
///
/// # Errors
/// When nobody takes the connection.
pub async fn by_address(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects to a name: to each of its addresses in turn, which share what time there is, so that one where nobody
/// answers does not stand for all.
///
/// # Errors
/// When the name cannot be looked up or has no address, or nobody takes the connection within `patience`: what the last
/// address gave.
pub async fn by_name(
    name: &str,
    port: u16,
    lookup: &Lookup,
    patience: Duration,
) -> io::Result<TcpStream> {
    let until = Instant::now() + patience;
    let addresses = lookup.addresses(name.to_owned(), port).await?;
    first_of(&addresses, until).await
}

async fn first_of(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "name has no address");
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let now = Instant::now();
        let share = until.saturating_duration_since(now) / u32::try_from(left).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, by_address(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_elapsed) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// An error and what caused it, which hyper says only when asked.
pub fn with_causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Looks up the name of one upstream. Nobody can call a resolver off, so that few lookups go on at a time, however many
/// gave up waiting; who waits for one takes what another brings meanwhile. They have threads of their own: where the
/// resolver hangs, nothing else does.
#[derive(Debug)]
pub struct Lookup {
    /// Held until the resolver comes to an end.
    permits: Arc<Semaphore>,
    /// What the last one brought, and when.
    last: Arc<Mutex<Option<Found>>>,
}

/// The addresses of a name, and when they were brought.
type Found = (Instant, Vec<SocketAddr>);

/// Lookups of a name at a time: more than one, as a reply may be lost.
const LOOKUPS_MAX: usize = 4;

impl Default for Lookup {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(LOOKUPS_MAX)), last: Arc::default() }
    }
}

impl Lookup {
    async fn addresses(&self, name: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let asked = Instant::now();
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        if let Some((brought, addresses)) = &*locked(&self.last)
            && *brought >= asked
        {
            return Ok(addresses.clone());
        }
        let last = Arc::clone(&self.last);
        let (tell, told) = oneshot::channel();
        let look_up = move || {
            let found = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            if let Ok(addresses) = &found {
                *locked(&last) = Some((Instant::now(), addresses.clone()));
            }
            drop(permit);
            // Who asked may have given up.
            let _ = tell.send(found);
        };
        std::thread::Builder::new().name("lookup".to_owned()).spawn(look_up)?;
        told.await.map_err(io::Error::other)?
    }
}

/// What was found last is whole between any two statements, so a panic elsewhere is no reason for another one.
fn locked(last: &Mutex<Option<Found>>) -> MutexGuard<'_, Option<Found>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    #[cfg(target_os = "linux")]
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A port that takes no connection and refuses none, as long as what is given with it lives.
    #[cfg(target_os = "linux")]
    pub(crate) async fn hole() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        let connect =
            || tokio::time::timeout(Duration::from_millis(50), TcpStream::connect(address));
        while let Ok(connected) = connect().await {
            queued.push(connected.unwrap());
        }
        (address, (listener, queued))
    }

    #[tokio::test]
    async fn who_waits_for_a_lookup_takes_what_another_brings_and_nobody_starts_one_more() {
        let lookup = Arc::new(Lookup::default());
        let permits = Arc::clone(&lookup.permits);
        let hanging = permits.acquire_many_owned(LOOKUPS_MAX as u32).await.unwrap();
        let waiting = tokio::spawn({
            let lookup = Arc::clone(&lookup);
            async move { lookup.addresses("no.such.name.invalid".to_owned(), 1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "a lookup more than is allowed was started");
        let brought = vec![SocketAddr::from(([192, 0, 2, 1], 1))];
        *locked(&lookup.last) = Some((Instant::now(), brought.clone()));
        drop(hanging);
        assert_eq!(waiting.await.unwrap().unwrap(), brought);
    }

    #[tokio::test]
    async fn what_was_brought_before_anybody_asked_is_asked_for_again() {
        let lookup = Lookup::default();
        *locked(&lookup.last) = Some((Instant::now(), Vec::new()));
        tokio::time::sleep(Duration::from_millis(1)).await;
        let found = lookup.addresses("localhost".to_owned(), 7).await.unwrap();
        assert!(found.iter().any(|address| address.ip().is_loopback() && address.port() == 7));
    }

    #[test]
    fn a_lookup_does_not_wait_for_what_else_blocks() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (go_on, wait) = std::sync::mpsc::channel::<()>();
            let blocking = tokio::task::spawn_blocking(move || wait.recv());
            let lookup = Lookup::default();
            let looking_up = lookup.addresses("localhost".to_owned(), 7);
            let found = tokio::time::timeout(Duration::from_secs(10), looking_up).await;
            drop(go_on);
            let _ended = blocking.await;
            assert!(!found.expect("it does not wait").unwrap().is_empty());
        });
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_address_where_nobody_answers_leaves_time_for_the_next_one() {
        let (hole, _full) = hole().await;
        let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = good.local_addr().unwrap();
        let until = || Instant::now() + Duration::from_secs(1);
        let stream = first_of(&[hole, address], until()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let error = first_of(&[hole], until()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
