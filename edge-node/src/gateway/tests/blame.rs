//! What an upstream is to blame for, and what its clients or its neighbours are; and that a request reaches another
//! connection or upstream where one is held up.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::rig::*;
use super::*;
use crate::upstream::Outcome;

/// How often tries ended so, at all upstreams of the only pool.
fn tries(rig: &Rig, outcome: Outcome) -> u64 {
    let pools = rig.gateway.pools();
    pools[0].upstreams().iter().map(|upstream| upstream.counts().tries[outcome.index()]).sum()
}

#[tokio::test]
async fn an_upstream_is_not_blamed_for_the_time_that_another_one_took() {
    let listeners =
        [TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await];
    let listeners = listeners.map(Result::unwrap);
    let pool = pool(&listeners.each_ref().map(|one| one.local_addr().unwrap()), "");
    let forward = "forward = { pool = 'up', timeout = '600ms' }";
    let rig = Rig::start(&format!("{pool}[routes.all]\n{forward}"));
    let answer = tokio::spawn(exchange(rig.address, GET));
    let [one, other] = &listeners;
    // Whichever is asked first breaks off late, and the other one says nothing.
    let (first, _) = within(async {
        tokio::select! { taken = one.accept() => taken, taken = other.accept() => taken }
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    drop(first);
    assert!(within(answer).await.unwrap().starts_with("HTTP/1.1 504 "));
    assert_eq!(tries(&rig, Outcome::Broke), 1);
    assert_eq!(tries(&rig, Outcome::Abandoned), 1);
    assert_eq!(tries(&rig, Outcome::TimedOut), 0);
}

#[tokio::test]
async fn what_an_upstream_answered_before_it_hung_up_on_an_upload_is_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rig = Rig::forwarding(listener.local_addr().unwrap(), "");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _head = stream.read(&mut [0; 1024]).await;
            let answer = "HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4000000\r\n\r\n";
    let upload = format!("{head}{}", "y".repeat(4_000_000));
    for _ in 0..40 {
        let mut stream = TcpStream::connect(rig.address).await.unwrap();
        let _cut = within(stream.write_all(upload.as_bytes())).await;
        let mut answer = [0; 12];
        // The client may lose the answer in the same way: then nothing is known of it here.
        if within(stream.read_exact(&mut answer)).await.is_ok() {
            assert_eq!(&answer, b"HTTP/1.1 413");
        }
    }
    assert_eq!(tries(&rig, Outcome::Broke), 0);
}

#[tokio::test]
async fn the_access_log_says_what_went_wrong_at_an_upstream() {
    let broken = Upstream::start(&["nonsense\r\n\r\n!"]).await.address;
    for (upstream, expected) in
        [(deaf().await, "Connection refused"), (broken, "invalid HTTP version parsed")]
    {
        let rig = Rig::forwarding(upstream, "");
        assert!(rig.exchange(GET).await.starts_with("HTTP/1.1 502 "));
        let line = rig.logged("request");
        assert!(line["error"].as_str().unwrap().contains(expected), "{line}");
    }
    let rig = Rig::forwarding(Upstream::start(&[OK]).await.address, "");
    assert!(rig.exchange(GET).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(rig.logged("request")["error"], serde_json::Value::Null);
}

/// An upstream of HTTP/2 that takes one stream a connection and tells each, but does not answer `/hold`.
async fn one_at_a_time() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<Incoming>| {
        let _ = tell.send(request.uri().path().to_owned());
        async move {
            if request.uri().path() == "/hold" {
                std::future::pending::<()>().await;
            }
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("yes"))))
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            http.max_concurrent_streams(1);
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service.clone()));
        }
    });
    (address, told)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n{CLOSE}\r\n")
}

#[tokio::test]
async fn a_connection_with_as_many_streams_as_its_upstream_takes_is_not_the_only_one() {
    let (upstream, mut told) = one_at_a_time().await;
    let pool = pool(&[upstream], "protocol = 'http2'\nconnections-max = 2");
    let rig = Rig::start(&format!(
        "{pool}[routes.all]\nforward = {{ pool = 'up', timeout = '3s', retries-max = 0 }}\n\
         [routes.short]\npath = {{ exact = '/short' }}\n\
         forward = {{ pool = 'up', timeout = '300ms', retries-max = 0 }}"
    ));
    // The upstream says how many it takes behind the first request.
    assert!(rig.exchange(&get("/")).await.contains("yes"));
    let held = [(); 2].map(|()| tokio::spawn(exchange(rig.address, get("/hold"))));
    for path in ["/", "/hold", "/hold"] {
        assert_eq!(within(told.recv()).await.unwrap(), path);
    }
    // There may be no third connection: that request waits, and its upstream is not to blame.
    let answer = rig.exchange(&get("/short")).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert_eq!(tries(&rig, Outcome::Abandoned), 1);
    for held in held {
        within(held).await.unwrap();
    }
    assert_eq!(tries(&rig, Outcome::TimedOut), 2);
}

#[tokio::test]
async fn a_connection_of_http2_that_its_upstream_closed_is_not_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&[listener.local_addr().unwrap()], "protocol = 'http2'");
    let forward = "forward = { pool = 'up', timeout = '3s', retries-max = 0 }";
    let rig = Rig::start(&format!("{pool}[routes.all]\n{forward}"));
    for _ in 0..3 {
        let asked = tokio::spawn(exchange(rig.address, get("/")));
        let (stream, _) = within(listener.accept()).await.unwrap();
        let service = service_fn(|_request: Request<Incoming>| async {
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("yes"))))
        });
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let serving = tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
        let answer = within(asked).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        serving.abort();
        let pool = "upstream_connections{pool=\"up\",upstream=\"";
        let line = format!("{pool}{}\"}} 0", listener.local_addr().unwrap());
        within(rig.metric(&line)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn those_that_wait_for_a_connection_of_http2_learn_together_that_there_is_none() {
    let (hole, _full) = crate::upstream::dial::tests::hole().await;
    let pool = pool(&[hole], "protocol = 'http2'\nconnect-timeout = '500ms'");
    let rig = Rig::start(&format!(
        "{pool}[routes.all]\nforward = {{ pool = 'up', timeout = '10s', retries-max = 0 }}"
    ));
    let start = std::time::Instant::now();
    let asking = [(); 12].map(|()| tokio::spawn(exchange(rig.address, get("/"))));
    for asking in asking {
        assert!(within(asking).await.unwrap().starts_with("HTTP/1.1 502 "));
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(tries(&rig, Outcome::ConnectFailed) >= 1 && tries(&rig, Outcome::Abandoned) >= 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_more_requests_wait_for_a_connection_of_http2_than_may() {
    let (hole, _full) = crate::upstream::dial::tests::hole().await;
    let keys = "protocol = 'http2'\nconnect-timeout = '2s'\npending-max = 1";
    let pool = pool(&[hole], keys);
    let rig = Rig::start(&format!(
        "{pool}[routes.all]\nforward = {{ pool = 'up', timeout = '10s', retries-max = 0 }}"
    ));
    // One connects, one waits for that, and the third is refused.
    let asking = [(); 3].map(|()| tokio::spawn(exchange(rig.address, get("/"))));
    let mut statuses = Vec::new();
    for asking in asking {
        statuses.push(within(asking).await.unwrap()[9..12].to_owned());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, ["502", "502", "503"]);
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="pending"} 1"#);
}

#[tokio::test]
async fn a_connection_of_which_the_last_bytes_are_not_read_is_cut() {
    let keys = "write-timeout = '1s'\nidle-timeout = '1s'";
    let body = "y".repeat(10_000);
    let rig = Rig::with_listener(keys, &format!("[routes.all]\nrespond = {{ body = '{body}' }}"));
    let mut client = http2::client_with_room::<Full<Bytes>>(1, rig.address).await;
    let request = Request::builder().uri("http://a.example/").body(Full::default()).unwrap();
    let held = within(client.send_request(request)).await.unwrap();
    within(async {
        while !client.is_closed() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(held.into_body().collect().await.is_err(), "it did not come whole");
    rig.check_metric(r#"edge_node_refused_total{listener="data",reason="unread"} 1"#);
}
