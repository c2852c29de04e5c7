//! curl, nghttp and h2load.

use tests::gateway::forwarding;
use tests::recorder::{Answer, Recorder};
use tests::{http, needs};

use super::{Front, noise, run};

/// A gateway before an upstream that sends bodies back, or else `hello`.
fn front() -> (Front, Recorder) {
    let upstream = Recorder::start(|request| {
        let body = if request.body.is_empty() { b"hello".to_vec() } else { request.body.clone() };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let is_head = request.start.starts_with("HEAD ");
        Answer::raw([head.into_bytes(), if is_head { Vec::new() } else { body }].concat())
    });
    (Front::start(&forwarding(upstream.address, "")), upstream)
}

/// curl's output with the version and status that it saw behind the body.
#[track_caller]
fn curl(front: &Front, arguments: &[&str]) -> String {
    let authority = front.authority.to_str().unwrap();
    let common = ["-sS", "--cacert", authority, "-w", " %{http_version} %{response_code}"];
    run("curl", &[&common[..], arguments].concat()).success()
}

#[test]
fn curl_speaks_every_version_in_plain_and_by_tls() {
    needs!(Tool("curl"));
    let (front, _upstream) = front();
    for (option, version) in [
        ("--http1.0", "1"),
        ("--http1.1", "1.1"),
        ("--http2-prior-knowledge", "2"),
        // By an upgrade, which is not taken: requests could pass unseen by it.
        ("--http2", "1.1"),
    ] {
        assert_eq!(
            curl(&front, &[option, &front.plain]),
            format!("hello {version} 200"),
            "{option}"
        );
    }
    for (options, version) in [
        (&["--http1.1"][..], "1.1"),
        (&["--http2"], "2"),
        (&["--http2", "--tls-max", "1.2"], "2"),
        (&["--http1.1", "--tlsv1.3"], "1.1"),
    ] {
        let got = curl(&front, &[options, &[&front.secure]].concat());
        assert_eq!(got, format!("hello {version} 200"), "{options:?}");
    }
}

#[test]
fn curl_sends_large_bodies_with_and_without_waiting_to_be_asked() {
    needs!(Tool("curl"));
    let (front, _upstream) = front();
    let (sent, back) = (front.gateway.folder().join("sent"), front.gateway.folder().join("back"));
    let body = noise(5 << 20);
    std::fs::write(&sent, &body).unwrap();
    let (file, output) = (format!("@{}", sent.display()), back.to_str().unwrap());
    for options in [
        &["--http1.1", "-H", "Expect: 100-continue"][..],
        &["--http1.1", "-H", "Expect:"],
        &["--http1.1", "-H", "Transfer-Encoding: chunked"],
        &["--http2-prior-knowledge"],
    ] {
        let more = ["-o", output, "--data-binary", &file, &front.plain];
        assert!(curl(&front, &[options, &more].concat()).ends_with(" 200"), "{options:?}");
        assert!(std::fs::read(&back).unwrap() == body, "{options:?}: another body came back");
    }
}

#[test]
fn curl_asks_again_on_its_connection_and_for_heads_only() {
    needs!(Tool("curl"));
    let (front, _upstream) = front();
    let authority = front.authority.to_str().unwrap();
    // In plain HTTP/2, curl 7.88 cannot ask anybody twice.
    for (option, url) in [("--http1.1", &front.plain), ("--http2", &front.secure)] {
        let count = ["-sS", "--cacert", authority, "-w", "%{num_connects}", option];
        let several = run("curl", &[&count[..], &[url, url, url]].concat());
        assert_eq!(several.success(), "hello1hello0hello0", "{option}");
        let head = curl(&front, &[option, "-I", url]).to_lowercase();
        let is_head = head.contains("content-length: 5\r\n") && !head.contains("hello");
        assert!(is_head, "{option}: {head}");
    }
}

#[test]
fn nghttp_gets_answers_on_one_connection_and_survives_the_upgrade_that_is_not_taken() {
    needs!(Tool("nghttp"));
    let (front, _upstream) = front();
    let urls = ["a", "b", "c"].map(|path| format!("{}/{path}", front.plain));
    let urls = urls.each_ref().map(String::as_str);
    let said = run("nghttp", &[&["-v", "--no-dep"][..], &urls].concat()).success();
    assert_eq!(said.matches(":status: 200").count(), 3, "{said}");
    let said = run("nghttp", &["-v", "--no-verify-peer", &front.secure]).success();
    assert!(said.contains(":status: 200"), "{said}");
    let refused = run("nghttp", &["-v", "--upgrade", &front.plain]);
    let text = refused.stdout + &refused.stderr;
    assert!(text.contains("HTTP/1.1 200"), "{text}");
    assert_eq!(http::get(front.gateway.data(), "/").unwrap().status, 200);
}

#[test]
fn h2load_gets_every_answer_in_each_version() {
    needs!(Tool("h2load"));
    let (front, _upstream) = front();
    let load = ["-n", "2000", "-c", "8", "-m", "16"];
    for (options, url) in [
        (&[][..], &front.plain),
        (&["--h1"], &front.plain),
        (&[], &front.secure),
        (&["--h1"], &front.secure),
    ] {
        let said = run("h2load", &[&load[..], options, &[url]].concat()).success();
        assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
        assert!(said.contains("2000 2xx"), "{said}");
    }
}
