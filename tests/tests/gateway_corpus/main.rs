//! A corpus of malformed and smuggling requests and answers, each with a fixed verdict: what the client gets, and what
//! an upstream that keeps every byte saw.
//!
//! After each case the connection must be closed, or good for a further request, and another client must get the answer
//! to its own request and no other. The upstream must have seen exactly the requests that the case names, in their
//! normal form, and those two. So nothing of a case is left anywhere in the gateway.
//!
//! `requests` has HTTP/1.1, `streams` HTTP/2, `answers` what upstreams say, `limits` what is too much or too slow.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "test code; the lint exempts only functions marked as tests"
)]

mod answers;
mod limits;
mod normal;
mod requests;
mod streams;

use tests::gateway::{Gateway, forwarding};
use tests::raw::{Client, End};
use tests::recorder::{Answer, Entry, Recorder, Then};

use normal::normal;

/// Asks for itself once a case is over.
const MARKER: &str = "GET /marker HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n";
/// Shows that the connection of a case is still good.
const AGAIN: &str = "GET /again HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n";
/// In the place of a request: one that was begun and not ended, or none at all. Which of them, and when the upstream
/// knows, is a matter of time: what is proved is that no whole one came.
const UNFINISHED: &str = "…";

/// What a client sends, what it gets, and what the upstream sees.
struct Case {
    name: &'static str,
    bytes: &'static str,
    /// The statuses of the answers, and `closed` or `open`.
    client: &'static str,
    upstream: &'static [&'static str],
}

const fn case(
    name: &'static str,
    bytes: &'static str,
    client: &'static str,
    upstream: &'static [&'static str],
) -> Case {
    Case { name, bytes, client, upstream }
}

/// A gateway before a recording upstream, with a part that it keeps to itself.
struct Rig {
    gateway: Gateway,
    upstream: Recorder,
}

impl Rig {
    fn start() -> Self {
        Self::with("body-bytes-max = '1MiB'", "")
    }

    /// With more keys for the listener and the pool.
    fn with(listener: &str, pool: &str) -> Self {
        let upstream = Recorder::start(|request| match request.target() {
            "/switch" => Answer::raw(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
            )
            .then(Then::Echo),
            target => Answer::ok(target),
        });
        let tables = forwarding(upstream.address, pool)
            + "[routes.secret]\npath = { prefix = '/admin' }\nrespond = { status = 403 }\n";
        Self { gateway: Gateway::with_listener(listener, &tables), upstream }
    }

    fn client(&self) -> Client {
        Client::connect(self.gateway.data())
    }

    /// The whole requests that the upstream saw, after another client had its answer.
    #[track_caller]
    fn seen(&self) -> Vec<String> {
        let mut other = self.client();
        other.send(MARKER.as_bytes());
        let answer = other.answer().expect("the next client is answered");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "/marker"), "{answer:?}");
        assert!(other.rest().is_empty(), "something follows the next client's answer");
        let entries = self.upstream.until("/marker");
        // Of a part of one the upstream may know only later, when the next is looked at.
        let is_whole =
            |request: &String| !request.starts_with("GET /marker ") && request != UNFINISHED;
        entries.iter().map(written).filter(is_whole).collect()
    }

    /// The upstream saw these requests.
    #[track_caller]
    fn check_seen(&self, name: &str, expected: &[&str]) {
        let (seen, mut expected) = (self.seen(), expected.to_vec());
        expected.retain(|request| *request != UNFINISHED);
        assert_eq!(seen, expected, "{name}: what the upstream saw");
    }
}

/// An entry as the tables have it.
fn written(entry: &Entry) -> String {
    match entry {
        Entry::Whole(message) => {
            normal(message).unwrap_or_else(|why| format!("{why} in {message:?}"))
        }
        Entry::Cut(_) => UNFINISHED.to_owned(),
        Entry::Odd(bytes, why) => format!("{why} in {:?}", bytes.escape_ascii().to_string()),
    }
}

/// Plays a case to its end; gives what is wrong.
fn play(rig: &Rig, case: &Case) -> Result<(), String> {
    let (statuses, end) = case.client.rsplit_once(' ').unwrap_or(("", case.client));
    let mut client = rig.client();
    client.send(case.bytes.as_bytes());
    let mut got = Vec::new();
    while got.len() < statuses.split_whitespace().count() {
        match client.answer() {
            Ok(answer) => got.push(answer.status().to_string()),
            Err(End::Closed) => break,
            Err(End::Cut(_)) => got.push("cut".to_owned()),
        }
    }
    let is_open = client.send(AGAIN.as_bytes())
        && client.answer().is_ok_and(|answer| answer.text() == "/again");
    let rest = client.rest();
    let found = format!("{} {}", got.join(" "), if is_open { "open" } else { "closed" });
    let mut seen = rig.seen();
    if let Some(last) = seen.iter().rposition(|request| request.starts_with("GET /again ")) {
        seen.remove(last);
    }
    let mut expected: Vec<_> = case.upstream.iter().map(ToString::to_string).collect();
    expected.retain(|request| request != UNFINISHED);
    let wanted = format!("{statuses} {end}");
    if found.trim() != wanted.trim() || seen != expected || !rest.is_empty() {
        let rest = rest.escape_ascii();
        return Err(format!(
            "{}: {found:?} for {wanted:?}, {seen:#?} for {expected:#?}, rest {rest}",
            case.name
        ));
    }
    Ok(())
}

/// Plays all cases on one gateway, and tells of all that go wrong.
#[track_caller]
fn check(cases: &[Case]) {
    let rig = Rig::start();
    let wrong: Vec<_> = cases.iter().filter_map(|case| play(&rig, case).err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
