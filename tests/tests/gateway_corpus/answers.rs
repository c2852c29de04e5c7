//! What upstreams say: a bad answer is a 502 or ends in a way that the client can see, and no byte of it is in the answer
//! to anybody else. Sources: RFC 9110, section 15; RFC 9112, sections 4 to 7.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::Mutex;

use tests::gateway::{Gateway, forwarding};
use tests::message::Message;
use tests::raw::{Client, End};
use tests::recorder::{Answer, Recorder, Then};

/// What an upstream answers, and what its client gets: a status and a body, or `cut` for one that ends too early.
struct Said {
    name: &'static str,
    bytes: String,
    then: Then,
    client: &'static str,
}

fn kept(name: &'static str, bytes: impl Into<String>, client: &'static str) -> Said {
    Said { name, bytes: bytes.into(), then: Then::Keep, client }
}

fn closed(name: &'static str, bytes: impl Into<String>, client: &'static str) -> Said {
    Said { name, bytes: bytes.into(), then: Then::Close, client }
}

/// A gateway whose upstream says to `/` what it is told to, and to everything else its target.
struct Rig {
    gateway: Gateway,
    says: Arc<Mutex<Answer>>,
    _upstream: Recorder,
}

impl Rig {
    fn start(pool: &str) -> Self {
        let says = Arc::new(Mutex::new(Answer::ok("")));
        let script = Arc::clone(&says);
        let upstream = Recorder::start(move |request| match request.target() {
            "/" => script.lock().unwrap().clone(),
            target => Answer::ok(target),
        });
        // One connection, so that what is left on it meets the next request.
        let pool =
            format!("connections-max = 1\n[pools.up.ejection]\nconsecutive-errors = 0\n{pool}");
        let gateway = Gateway::start(&forwarding(upstream.address, &pool));
        Self { gateway, says, _upstream: upstream }
    }

    fn ask(&self, method: &str) -> Result<Message, End> {
        let mut client = Client::connect(self.gateway.data());
        client.send(
            format!("{method} / HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n").as_bytes(),
        );
        if method == "HEAD" { client.answer_to_head() } else { client.answer() }
    }

    /// Gives what is wrong with what the client gets.
    fn play(&self, method: &str, said: &Said) -> Option<String> {
        *self.says.lock().unwrap() = Answer { bytes: said.bytes.clone().into(), then: said.then };
        let got = match self.ask(method) {
            Ok(answer) if answer.status() == 502 => "502".to_owned(),
            Ok(answer) => format!("{} {}", answer.status(), answer.text()).trim().to_owned(),
            Err(End::Cut(_)) => "cut".to_owned(),
            Err(End::Closed) => "closed".to_owned(),
        };
        let next = self.next();
        (got != said.client || next != "200 /next")
            .then(|| format!("{}: {got:?} for {:?}, then {next:?}", said.name, said.client))
    }

    fn next(&self) -> String {
        let mut client = Client::connect(self.gateway.data());
        client.send(b"GET /next HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n");
        let answer = client.answer();
        let rest = client.rest();
        match answer {
            Ok(answer) if rest.is_empty() => format!("{} {}", answer.status(), answer.text()),
            other => format!("{other:?} {}", rest.escape_ascii()),
        }
    }

    #[track_caller]
    fn check(&self, method: &str, all: &[Said]) {
        let wrong: Vec<_> = all.iter().filter_map(|said| self.play(method, said)).collect();
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    }
}

fn head(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}")
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n";
const FIVE: &str = "content-length: 5\r\n";

#[test]
fn a_head_that_makes_no_sense_is_a_bad_gateway() {
    Rig::start("").check("GET", &[
        kept("CL and TE", head(&[FIVE, CHUNKED].concat(), "5\r\nhello\r\n0\r\n\r\n"), "502"),
        kept("TE and CL", head(&[CHUNKED, FIVE].concat(), "5\r\nhello\r\n0\r\n\r\n"), "502"),
        kept("two lengths", head("content-length: 5\r\ncontent-length: 6\r\n", "hello!"), "502"),
        kept("a list of lengths", head("content-length: 5, 6\r\n", "hello!"), "502"),
        kept("a list of one length", head("content-length: 5, 5\r\n", "hello"), "502"),
        kept("a length with plus", head("content-length: +5\r\n", "hello"), "502"),
        kept("a negative length", head("content-length: -5\r\n", "hello"), "502"),
        closed("gzip, not chunked", head("transfer-encoding: gzip\r\n", "hello"), "502"),
        kept("gzip, chunked", head("transfer-encoding: gzip, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), "502"),
        kept("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "502"),
        closed("nothing", "", "502"),
        closed("half a head", "HTTP/1.1 200 OK\r\ncontent-le", "502"),
        closed("garbage", "hello\r\n\r\n", "502"),
        closed("another protocol", "SSH-2.0-OpenSSH_9.2\r\n", "502"),
        kept("HTTP/2.0", "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n", "502"),
        kept("a status of two digits", "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n", "502"),
        kept("a status of four digits", "HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n", "502"),
        kept("a status in words", "HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n", "502"),
        kept("status 99", "HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n", "502"),
        kept("bare CR", head("x-a: b\rset-cookie: evil\r\ncontent-length: 0\r\n", ""), "502"),
        kept("null", head("x-a: b\0\r\ncontent-length: 0\r\n", ""), "502"),
        kept("obs-fold", head("x-a: b\r\n c\r\ncontent-length: 0\r\n", ""), "502"),
        kept("no colon", head("x-a\r\ncontent-length: 0\r\n", ""), "502"),
        kept("a space before the colon", head("content-length : 5\r\n", "hello"), "502"),
        kept("a switch that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: a\r\n\r\nhello", "502"),
    ]);
}

#[test]
fn a_head_without_end_is_a_bad_gateway() {
    let many = (0..1000).fold(String::new(), |mut many, number| {
        write!(many, "x-{number}: a\r\n").unwrap();
        many
    });
    Rig::start("").check(
        "GET",
        &[
            kept(
                "a bomb of one header",
                head(&format!("x-a: {}\r\n{FIVE}", "a".repeat(1 << 20)), "hello"),
                "502",
            ),
            kept("a thousand headers", head(&format!("{many}{FIVE}"), "hello"), "502"),
            kept("a line without end", "a".repeat(1 << 20), "502"),
        ],
    );
}

#[test]
fn a_body_that_ends_too_early_or_makes_no_sense_is_cut_for_the_client_too() {
    Rig::start("").check(
        "GET",
        &[
            closed("too short", head("content-length: 50\r\n", "hello"), "cut"),
            closed("no last chunk", head(CHUNKED, "5\r\nhello\r\n"), "cut"),
            closed("half a chunk", head(CHUNKED, "9\r\nhello"), "cut"),
            kept("a chunk of no size", head(CHUNKED, "5\r\nhello\r\nzz\r\n"), "cut"),
            kept("a chunk without an end", head(CHUNKED, "5\r\nhello!!0\r\n\r\n"), "cut"),
            kept(
                "a chunk beyond 64 bits",
                head(CHUNKED, "5\r\nhello\r\nffffffffffffffff1\r\n"),
                "cut",
            ),
        ],
    );
}

#[test]
fn what_follows_an_answer_is_in_no_other_one() {
    const EVIL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let behind = |head: &str| format!("{head}{EVIL}");
    let rig = Rig::start("");
    rig.check(
        "GET",
        &[
            kept("another answer", behind(&head(FIVE, "hello")), "200 hello"),
            kept(
                "another answer after chunks",
                behind(&head(CHUNKED, "5\r\nhello\r\n0\r\n\r\n")),
                "200 hello",
            ),
            kept("another answer after nothing", behind(&head("content-length: 0\r\n", "")), "200"),
            kept("some bytes", head(FIVE, "hello, world"), "200 hello"),
            kept("a body of 204", "HTTP/1.1 204 No Content\r\n\r\nhello", "204"),
            kept("an answer behind 204", behind("HTTP/1.1 204 No Content\r\n\r\n"), "204"),
            kept(
                "an answer behind 304",
                behind("HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n"),
                "304",
            ),
        ],
    );
    rig.check(
        "HEAD",
        &[
            kept("the length of no body", head(FIVE, ""), "200"),
            kept("a body for HEAD", head(FIVE, "hello"), "200"),
            kept("an answer behind HEAD", behind(&head(FIVE, "")), "200"),
            kept("chunks for HEAD", head(CHUNKED, "5\r\nhello\r\n0\r\n\r\n"), "200"),
        ],
    );
}

#[test]
fn a_good_answer_passes_without_what_is_for_one_connection() {
    let rig = Rig::start("");
    rig.check(
        "GET",
        &[
            closed("until the end", "HTTP/1.1 200 OK\r\n\r\nhello", "200 hello"),
            closed("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", "200 hello"),
            kept("the same length twice", head(&[FIVE, FIVE].concat(), "hello"), "200 hello"),
            kept(
                "a status of one's own",
                "HTTP/1.1 299 Fine\r\ncontent-length: 5\r\n\r\nhello",
                "299 hello",
            ),
            kept("no reason", "HTTP/1.1 200 \r\ncontent-length: 5\r\n\r\nhello", "200 hello"),
            kept(
                "early hints",
                format!("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n{}", head(FIVE, "hello")),
                "200 hello",
            ),
            kept(
                "many interim answers",
                "HTTP/1.1 100 Continue\r\n\r\n".repeat(100) + &head(FIVE, "hello"),
                "200 hello",
            ),
        ],
    );
    let hop = "connection: x-a, keep-alive\r\nx-a: b\r\nkeep-alive: timeout=9\r\nproxy-connection: a\r\nupgrade: b\r\nx-c: d\r\n";
    *rig.says.lock().unwrap() = Answer::raw(head(&[hop, FIVE].concat(), "hello"));
    let answer = rig.ask("GET").unwrap();
    let names: Vec<_> = answer.headers.iter().map(|(name, _)| &**name).collect();
    assert!(
        ["x-a", "keep-alive", "proxy-connection", "upgrade"]
            .iter()
            .all(|name| !names.contains(name)),
        "{names:?}"
    );
    assert_eq!(answer.values("x-c"), ["d"]);
    // One of HTTP/1.0 knows no chunks.
    *rig.says.lock().unwrap() = Answer::raw(head(CHUNKED, "5\r\nhello\r\n0\r\n\r\n"));
    let mut client = Client::connect(rig.gateway.data());
    client.send(b"GET / HTTP/1.0\r\nhost: edge\r\n\r\n");
    let answer = client.answer().unwrap();
    assert_eq!(
        (answer.text().as_str(), answer.values("transfer-encoding").len()),
        ("hello", 0),
        "{answer:?}"
    );
}

#[test]
fn interim_answers_without_end_are_a_gateway_timeout() {
    let upstream = Recorder::start(|request| match request.target() {
        "/" => Answer::raw("HTTP/1.1 100 Continue\r\n\r\n".repeat(200_000)),
        target => Answer::ok(target),
    });
    let tables = forwarding(upstream.address, "")
        .replace("pool = 'up'", "pool = 'up', try-timeout = '2s', retries-max = 0");
    let gateway = Gateway::start(&tables);
    let mut client = Client::connect(gateway.data());
    client.send(b"GET / HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n");
    assert_eq!(client.answer().map(|answer| answer.status()), Ok(504));
}
