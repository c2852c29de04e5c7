//! Python's `http.client` and `requests`.

use tests::gateway::forwarding;
use tests::needs;
use tests::recorder::{Answer, Recorder};

use super::{Front, run};

const HTTP_CLIENT: &str = r#"
import http.client, ssl, sys
host, port, secure, ca = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
plain = http.client.HTTPConnection(host, port, timeout=60)
tls = http.client.HTTPSConnection(host, secure, timeout=60, context=ssl.create_default_context(cafile=ca))
for connection in plain, tls:
    socket = None
    for round in range(3):
        connection.request("GET", "/a?b=c")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"GET /a?b=c HTTP/1.1"), answer.status
        assert socket in (None, connection.sock), "the connection was not kept"
        socket = connection.sock
    body = bytes(range(256)) * 8192
    connection.request("POST", "/echo", body)
    assert connection.getresponse().read() == body
    connection.request("POST", "/echo", iter([body, body]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().read() == body + body
    connection.request("HEAD", "/echo")
    answer = connection.getresponse()
    assert (answer.getheader("content-length"), answer.read()) == ("5", b"")
    for status in 204, 304:
        connection.request("GET", "/%d" % status)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (status, b"")
    connection.request("GET", "/chunks")
    answer = connection.getresponse()
    assert (answer.read(), answer.getheader("transfer-encoding")) == (b"hello", "chunked")
    assert connection.sock is socket, "the connection was not kept"
print("done")
"#;

const REQUESTS: &str = r#"
import requests, sys
plain, secure, ca = "http://" + sys.argv[1] + ":" + sys.argv[2], "https://" + sys.argv[1] + ":" + sys.argv[3], sys.argv[4]
session = requests.Session()
session.verify = ca
session.trust_env = False
for base in plain, secure:
    assert session.get(base + "/a", params={"b": "c d"}).text == "GET /a?b=c+d HTTP/1.1"
    assert session.post(base + "/echo", json={"a": [1, 2]}).json() == {"a": [1, 2]}
    def pieces():
        for piece in range(100):
            yield b"%d\n" % piece * 1000
    assert session.put(base + "/echo", data=pieces()).content == b"".join(pieces())
    files = {"file": ("name.txt", b"contents")}
    assert b"contents" in session.post(base + "/echo", files=files).content
    moved = session.get(base + "/old/x?y=z")
    assert moved.text == "GET /new/x?y=z HTTP/1.1" and [one.status_code for one in moved.history] == [308], moved.text
    answer = session.get(base + "/chunks", stream=True)
    assert b"".join(answer.iter_content(2)) == b"hello"
    assert session.head(base + "/echo").headers["content-length"] == "5"
    assert session.options(base + "/a").status_code == 200
    assert session.get(base + "/204").status_code == 204
    assert session.get(base + "/none").status_code == 404
print("done")
"#;

fn front() -> (Front, Recorder) {
    let upstream = Recorder::start(|request| match (request.target(), request.body.is_empty()) {
        ("/204", _) => Answer::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        ("/304", _) => {
            Answer::raw("HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\netag: \"a\"\r\n\r\n")
        }
        ("/none", _) => Answer::raw("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        ("/chunks", _) => Answer::raw(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ),
        ("/echo", true) => Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        (_, true) => Answer::ok(&request.start),
        (_, false) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.body.len());
            Answer::raw([head.into_bytes(), request.body.clone()].concat())
        }
    });
    let tables = forwarding(upstream.address, "")
        + "[routes.old]\npath = { prefix = '/old' }\nredirect = { path = { prefix = '/new' } }\n";
    (Front::start(&tables), upstream)
}

#[track_caller]
fn runs(script: &str) {
    let (front, _upstream) = front();
    let port = |listener: &str| front.gateway.node().address(listener).port().to_string();
    let (plain, secure) = (port("data"), port("secure"));
    let authority = front.authority.to_str().unwrap();
    let said = run("python3", &["-c", script, "127.0.0.1", &plain, &secure, authority]).success();
    assert_eq!(said, "done\n");
}

#[test]
fn http_client_keeps_its_connection_through_all_kinds_of_answers() {
    needs!(Tool("python3"));
    runs(HTTP_CLIENT);
}

#[test]
fn requests_sends_and_follows_and_streams() {
    needs!(Tool("python3"), Module("requests"));
    runs(REQUESTS);
}
