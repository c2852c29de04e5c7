//! Listeners that come and go by a reload while connections are open on all of them: those that stay notice nothing,
//! those that go end what they began and take nobody in, those that come answer. And the end of one that had no
//! descriptors left.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tests::gateway::{Gateway, forwarding};
use tests::keep_alive::{Answer, Client};
use tests::upstream::{Behaviour, Upstream};
use tests::wait;

use crate::LIMIT;

/// A configuration with these listeners beside those that the rig adds; `/slow` is for an upstream that hangs. Who is on
/// a listener that goes may ask once more for as long as this test could take.
fn config(up: &Upstream, slow: &Upstream, listeners: &[&str]) -> String {
    let mut text = forwarding(up.address(), "");
    let _infallible = write!(
        text,
        "[pools.slow]\nupstreams = [{{ address = '{}' }}]\n\
         [shutdown]\nunready-wait = '1m'\n\
         [routes.slow]\npath = {{ exact = '/slow' }}\nforward = {{ pool = 'slow' }}\n",
        slow.address()
    );
    for name in listeners {
        let _infallible = write!(text, "[listeners.{name}]\naddress = '127.0.0.1'\nport = 0\n");
    }
    text
}

/// A request that its upstream does not answer yet, on a connection of its own.
fn begun(address: SocketAddr) -> JoinHandle<Answer> {
    std::thread::spawn(move || Client::new(address).get("/slow").unwrap())
}

/// Asks on the connection of `client`, which is to last if `stays`.
#[track_caller]
fn ask(client: &mut Client, stays: bool) {
    let answer = client.get("/").unwrap();
    let closes = answer.head.header("connection") == Some("close");
    assert_eq!((answer.status, closes), (200, !stays));
}

/// Reloads for the `nth` time and waits until the log tells of it, and so of the addresses.
#[track_caller]
fn reload(gateway: &Gateway, admin: &mut Client, config: &str, nth: usize) {
    let answer = gateway.reload(admin, config);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    wait::until("the reload in the log", LIMIT, || {
        (gateway.node().times_logged("config reloaded") == nth).then_some(())
    });
}

/// Waits until nobody is taken in at an address.
#[track_caller]
fn wait_for_refusal(address: SocketAddr) {
    wait::until("connections to be refused", LIMIT, || {
        let refused = TcpStream::connect(address).err()?;
        (refused.kind() == ErrorKind::ConnectionRefused).then_some(())
    });
}

#[test]
fn listeners_come_and_go_while_connections_are_open_on_all_of_them() {
    let (up, slow) = (Upstream::start(), Upstream::start());
    slow.set(Behaviour::Hang);
    let gateway = Gateway::start(&config(&up, &slow, &["stays", "goes-a", "goes-b"]));
    let address = |name| gateway.node().address(name);
    let [stays, goes_a, goes_b] = ["stays", "goes-a", "goes-b"].map(address);
    let (mut data, mut lasting) = (Client::new(gateway.data()), Client::new(stays));
    let mut leaving = [goes_a, goes_b].map(Client::new);
    for client in leaving.iter_mut().chain([&mut data, &mut lasting]) {
        ask(client, true);
    }
    let waiting = [gateway.data(), stays, goes_a, goes_b].map(begun);
    wait::until("the requests upstream", LIMIT, || (slow.requests() == 4).then_some(()));

    let mut admin = Client::new(gateway.admin());
    reload(&gateway, &mut admin, &config(&up, &slow, &["stays", "comes-a", "comes-b"]), 1);
    // New ones answer at once.
    let mut new = ["comes-a", "comes-b"].map(|name| Client::new(address(name)));
    for client in new.iter_mut().chain([&mut data, &mut lasting]) {
        ask(client, true);
    }
    for gone in [goes_a, goes_b] {
        wait_for_refusal(gone);
    }
    for client in &mut leaving {
        ask(client, false);
    }
    assert_eq!(address("stays"), stays);

    slow.set(Behaviour::Answer);
    for (waiting, closes) in waiting.into_iter().zip([false, false, true, true]) {
        let answer = waiting.join().unwrap();
        let connection = answer.head.header("connection");
        assert_eq!((answer.status, connection), (200, closes.then_some("close")));
    }
    // One comes back under its name, at a port that it gets anew, and the others go on.
    reload(&gateway, &mut admin, &config(&up, &slow, &["stays", "goes-a", "comes-b"]), 2);
    let [first, mut second] = new;
    let mut back = Client::new(address("goes-a"));
    for client in [&mut back, &mut second, &mut data, &mut lasting] {
        ask(client, true);
    }
    drop(first);
    wait_for_refusal(address("comes-a"));
    assert_eq!(slow.requests(), 4, "none was sent twice");
}

#[test]
fn a_stop_while_descriptors_are_short_answers_whoever_was_let_in() {
    const DESCRIPTORS: u64 = 64;
    let gateway = Gateway::start("[routes.all]\nrespond = { body = 'yes' }\n");
    let process = Pid::from_raw(gateway.node().id().try_into().unwrap());
    let limit = Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) };
    prlimit(process, Resource::Nofile, limit).unwrap();
    let clients: Vec<_> = (0..4 * DESCRIPTORS)
        .map(|_| {
            let mut client = TcpStream::connect(gateway.data()).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            client
        })
        .collect();
    wait::until("the shortage", LIMIT, || gateway.node().logged("connection cannot be accepted"));
    assert!(gateway.stop().success());
    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    }
}
